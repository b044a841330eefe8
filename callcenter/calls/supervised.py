"""What supervisors and the survey do to a call: their part of the fold.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState, Leg, agent_of


def changed(
    call: Call, event: ev.SpyBegan | ev.TakenOver | ev.SurveyBegan | ev.PriorityChanged
) -> tuple[Call, list[Fact]]:
    """The call, which is going on, after one of these records."""
    match event:
        case ev.SpyBegan():
            # The supervisor's own call: it was for this, so that it counts as answered.
            call = replace(call, other_answered=True, state=CallState.TALKING)
            phone = agent_of(event.channel) or ""
            return call, [
                fa.SpyingBegan(
                    call_id=call.call_id,
                    at=event.at,
                    phone=phone,
                    agent=event.agent,
                    spied_call=event.spied_call,
                    mode=event.mode,
                )
            ]
        case ev.TakenOver():
            return call, [fa.CallTakenOver(call_id=call.call_id, at=event.at, agent=event.agent)]
        case ev.SurveyBegan():
            call = replace(call, surveyed=True, state=CallState.IN_MENU)
            return call, [fa.SurveyStarted(call_id=call.call_id, at=event.at)]
        case ev.PriorityChanged():
            return _priority_changed(call, event)


def _priority_changed(call: Call, event: ev.PriorityChanged) -> tuple[Call, list[Fact]]:
    visit = call.waiting
    if visit is None:
        # Asterisk was seen to do it, then an agent took the caller before this record came here.
        return call, []
    priority = event.priority or None
    visits = tuple(
        replace(one, priority=priority) if one.number == visit.number else one
        for one in call.visits
    )
    call = replace(call, priority=priority, visits=visits)
    fact = fa.CallerPriorityChanged(call_id=call.call_id, at=event.at, priority=event.priority)
    return call, [fact]


def parted(call: Call, leg: Leg, event: ev.ChannelHungUp) -> Call:
    """Remember who ended a talk: where the caller stays, the agent's leg alone can tell."""
    if leg.agent is None or not leg.bridged or leg.uniqueid == call.uniqueid:
        return call
    own = call.leg(call.uniqueid)
    if agent_of(event.source):
        return replace(call, parted_by="agent")
    by_caller = own is not None and event.source != "" and event.source == own.channel
    return replace(call, parted_by="caller" if by_caller else "system")


def ended_by(call: Call, hung_up_by: str) -> str:
    """Who ended the call: of one whose caller was asked afterwards, who ended the conversation."""
    return call.parted_by or "agent" if call.surveyed else hung_up_by
