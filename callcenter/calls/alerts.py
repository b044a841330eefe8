"""Calls that tell somebody on call of an alert: their part of the fold.

Pure, never raises.
"""

from __future__ import annotations

from dataclasses import replace

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState


def told(call: Call, event: ev.AlertHeard) -> tuple[Call, list[Fact]]:
    """They picked up, or pressed 1: the call was for this, so that it counts as answered."""
    call = replace(call, other_answered=True, state=CallState.TALKING)
    return call, [
        fa.AlertTold(
            call_id=call.call_id,
            at=event.at,
            alert=event.alert,
            agent=event.agent,
            acknowledged=event.acknowledged,
        )
    ]
