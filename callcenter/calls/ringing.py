"""Agents' phones that fall silent unanswered: which of them were let ring.

Pure. None of the functions raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, Leg, MissedRing

#: The source of a hang-up by which the dialplan (sub-one-call) took back a call to an agent's phone
#: before its INVITE: the phone had another call already.
ONE_CALL: Final = "sub-one-call"
#: A ring that ends no longer than this before its caller's hang-up was ended by it.
GIVING_UP: Final = timedelta(milliseconds=500)


def fell_silent(call: Call, leg: Leg, at: datetime, source: str) -> Call:
    """The leg is over; `source` is the channel whose party hung up. Note a ring in vain."""
    if leg.agent is None or not _rang_in_vain(call, leg):
        return call
    missed = MissedRing(leg.agent, at, refused=source == leg.channel, engaged=source == ONE_CALL)
    return replace(call, missed=(*call.missed, missed))


def missed(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """Whether agents whose phones fell silent had let them ring.

    A caller who gives up takes the ringing phone's channel away a moment before the caller's own
    (1.4 ms, measured), with nothing in it to tell the two cases apart: the next record does.
    """
    over = isinstance(event, ev.ChannelHungUp) and event.uniqueid == call.uniqueid
    another = isinstance(event, ev.ChannelHungUp | ev.ChannelEnded) and not over
    if not call.missed or another:
        return call, []
    facts: list[Fact] = []
    for ring in call.missed:
        if ring.engaged:
            facts.append(fa.AgentWasEngaged(call_id=call.call_id, at=ring.at, agent=ring.agent))
        elif ring.refused or not (over and event.at - ring.at < GIVING_UP):
            facts.append(fa.AgentDidNotAnswer(call_id=call.call_id, at=ring.at, agent=ring.agent))
    return replace(call, missed=()), facts


def _rang_in_vain(call: Call, leg: Leg) -> bool:
    """An agent's phone that was not picked up, while no other one was either."""
    if call.ended_at or leg.agent is None or leg.bridged or leg.uniqueid == call.uniqueid:
        return False
    return not any(
        other.agent and other.answered_at and not other.ended_at
        for other in call.legs
        if other.uniqueid not in (leg.uniqueid, call.uniqueid)
    )
