"""A call that is a fax: the part of the fold that `channels.fax` needs.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState


def began(call: Call, event: ev.FaxBegan) -> tuple[Call, list[Fact]]:
    """A fax is sent or received from now on."""
    if call.state is CallState.RINGING:
        call = replace(call, state=CallState.IN_MENU)
    call = replace(call, fax=event.fax, fax_way=event.way, fax_is_over=False)
    fact = fa.FaxStarted(call_id=call.call_id, at=event.at, fax=event.fax, way=event.way)
    return call, [fact]


def ended(call: Call, event: ev.FaxEnded) -> tuple[Call, list[Fact]]:
    """Asterisk told how it went; told twice, or of an earlier fax, it has no effect."""
    if call.fax != event.fax or call.fax_is_over:
        return call, []
    call = replace(call, fax_is_over=True, fax_went=call.fax_went or event.good or event.pages > 0)
    fact = fa.FaxFinished(
        call_id=call.call_id,
        at=event.at,
        fax=event.fax,
        way=event.way or call.fax_way,
        good=event.good,
        pages=event.pages,
        mode=event.mode,
        error="" if event.good else event.error,
        station=event.station,
    )
    return call, [fact]


def cut_off(call: Call, at: datetime) -> tuple[Call, list[Fact]]:
    """The call is over. Where Asterisk ended without a word of the fax, what lies on the disk is
    looked at all the same."""
    if not call.fax or call.fax_is_over:
        return call, []
    fact = fa.FaxFinished(
        call_id=call.call_id,
        at=at,
        fax=call.fax,
        way=call.fax_way,
        good=False,
        pages=0,
        mode="",
        error="the call ended without a word of it",
    )
    return replace(call, fax_is_over=True), [fact]
