"""Messages a caller leaves after the tone, each attempt a take: the part of the fold that
`channels.voicemail` needs.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from callcenter.calls import events as ev
from callcenter.calls.model import Call, CallState, Take


def began(call: Call, event: ev.MessageBegan) -> Call:
    """A take begins; the ones before it stay what they are."""
    if call.ended_at or any(take.name == event.name for take in call.takes):
        return call
    # Journals older than the reason: only a queue that gave up, or the flow, led there.
    reason = event.reason or ("overflow" if call.left_queue else "choice")
    take = Take(event.name, reason, event.at)
    return replace(call, state=CallState.LEAVING_MESSAGE, takes=(*call.takes, take))


def ended(call: Call, event: ev.MessageEnded) -> Call:
    """Asterisk told how long the take is; None where it could not write it."""
    length = None if event.length_ms is None else timedelta(milliseconds=event.length_ms)
    return _over(call, event.name, length)


def cut_off(call: Call, at: datetime, *, interrupted: bool) -> Call:
    """The hang-up ends a take too. Whether a call that broke off (`interrupted`) was silent only
    the file knows."""
    for take in call.takes:
        if not take.over:
            length = None if interrupted else max(at - take.began_at, timedelta())
            call = _over(call, take.name, length)
    return call


def _over(call: Call, name: str, length: timedelta | None) -> Call:
    takes = tuple(
        replace(take, length=length, over=True) if take.name == name and not take.over else take
        for take in call.takes
    )
    return replace(call, takes=takes)
