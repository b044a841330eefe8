"""Who is heard by whom: legs that come into a bridge, and the end of a talk with an agent.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls import in_call, waiting
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState, Talk


def began(call: Call, event: ev.BridgeEntered) -> tuple[Call, list[Fact]]:
    """A leg came into a bridge: for the first time, somebody is heard on it."""
    leg = call.leg(event.uniqueid)
    if leg is None or leg.bridged or leg.ended_at:
        return call, []
    # Who comes by an attended transfer answered in another call, which has that record.
    call = call.with_leg(replace(leg, bridged=True, answered_at=leg.answered_at or event.at))
    if event.uniqueid == call.uniqueid:
        return call, []
    if leg.agent is None:
        if call.is_citizens(leg) and not call.other_answered:
            call = replace(call, other_answered=True, state=CallState.TALKING)
            return call, [fa.CitizenReached(call_id=call.call_id, at=event.at)]
        # Who an act calls in is told of by `in_call`.
        if not call.handing_on or in_call.is_party(leg):
            return call, []
        call = replace(call, handing_on=False, other_answered=True, state=CallState.TALKING)
        return call, [fa.OtherUnitAnswered(call_id=call.call_id, at=event.at)]
    call = _talk(call, event.uniqueid, leg.agent, event.at)
    # The bridge, not the answer, is the conversation: of two who pick up at once one is bridged.
    if call.agent_answered_at is None:
        call = replace(call, agent_answered_at=event.at, agent=leg.agent, state=CallState.TALKING)
    # Who talks to a person after all has left nothing to be worked off; the takes stay recordings.
    call = replace(call, takes=())
    return call, [fa.AgentAnswered(call_id=call.call_id, at=event.at, agent=leg.agent)]


def ended(call: Call, uniqueid: str, at: datetime) -> tuple[Call, list[Fact]]:
    """The leg is gone; the talk on it, if one was going on, ended by it."""
    for talk in call.talks:
        if talk.uniqueid == uniqueid and talk.ended_at is None:
            break
    else:
        return call, []
    ended_at = max(at, talk.began_at)
    done = replace(talk, ended_at=ended_at)
    call = replace(call, talks=tuple(done if one is talk else one for one in call.talks))
    length_ms = round((ended_at - talk.began_at) / timedelta(milliseconds=1))
    fact = fa.AgentTalkEnded(call_id=call.call_id, at=ended_at, agent=talk.agent, talk_ms=length_ms)
    return call, [fact]


def _talk(call: Call, uniqueid: str, agent: str, at: datetime) -> Call:
    """An agent and the others hear each other on this leg; a wait that is going on is answered."""
    visit = call.waiting
    call = waiting.answered(call, agent, at)
    if any(talk.uniqueid == uniqueid for talk in call.talks):
        return call
    talk = Talk(uniqueid, agent, at, visit=visit.number if visit else None)
    return replace(call, talks=(*call.talks, talk))
