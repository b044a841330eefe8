"""What acts do to a call: who is called in, the caller put aside, a consultation that becomes part
of it. The part of the fold that `agents.in_call` needs.

Pure. None of the functions raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from callcenter.asterisk.channel_ids import leg_call_of, leg_channel
from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, Handed, Leg, agent_of


def uniqueid_of_party(call_id: UUID, number: int) -> str:
    """The leg of the `number`th (from 1) whom acts call into this call: so its first record tells
    whose it is."""
    return leg_channel(call_id, number)


def is_party(leg: Leg) -> bool:
    """Whether an act called this leg into the call."""
    return leg_call_of(leg.uniqueid) is not None


def parties(before: Call, call: Call, event: CallEvent) -> list[Fact]:
    """What became true of those whom acts called in."""
    facts: list[Fact] = []
    for leg in call.legs:
        if not is_party(leg):
            continue
        was = before.leg(leg.uniqueid)
        call_id, uniqueid, agent = call.call_id, leg.uniqueid, leg.agent
        if was is None:
            facts.append(
                fa.PartyCalled(call_id=call_id, at=leg.started_at, uniqueid=uniqueid, agent=agent)
            )
        if leg.bridged and not (was and was.bridged):
            facts.append(
                fa.PartyAnswered(call_id=call_id, at=event.at, uniqueid=uniqueid, agent=agent)
            )
        if leg.ended_at and not (was and was.ended_at):
            facts.append(
                fa.PartyLeft(
                    call_id=call_id,
                    at=leg.ended_at,
                    uniqueid=uniqueid,
                    agent=agent,
                    answered=leg.bridged,
                )
            )
    return facts


def holds(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """Whether the caller is put aside: from CC_HOLD until in a bridge or a queue again."""
    if isinstance(event, ev.CitizenHeld):
        if call.held_since or call.ended_at or event.uniqueid != call.uniqueid:
            return call, []
        fact: Fact = fa.CallerHeld(call_id=call.call_id, at=event.at)
        return replace(call, held_since=event.at), [fact]
    if call.held_since is None:
        return call, []
    match event:
        case ev.BridgeEntered() if event.uniqueid == call.uniqueid:
            at = event.at
        case ev.QueueEntered() | ev.PassedOn() | ev.MessageBegan():
            at = event.at
        case _ if call.ended_at:
            at = call.ended_at
        case _:
            return call, []
    at = max(at, call.held_since)
    return replace(call, held_since=None), [fa.CallerRetrieved(call_id=call.call_id, at=at)]


def phone_holds(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """Which agents' phones hold the others: until they take them back, or their leg is over."""
    if isinstance(event, ev.PhoneHeld):
        leg = call.leg(event.uniqueid)
        on_hold = any(uniqueid == event.uniqueid for uniqueid, _ in call.phone_holds)
        if leg is None or leg.agent is None or not leg.bridged or leg.ended_at or on_hold:
            return call, []
        call = replace(call, phone_holds=(*call.phone_holds, (event.uniqueid, event.at)))
        held: Fact = fa.PhoneHolds(
            call_id=call.call_id, at=event.at, uniqueid=event.uniqueid, agent=leg.agent
        )
        return call, [held]
    facts: list[Fact] = []
    for uniqueid, since in call.phone_holds:
        leg = call.leg(uniqueid)
        assert leg is not None, "a leg that was bridged"
        assert leg.agent is not None, "an agent's"
        if isinstance(event, ev.PhoneRetrieved) and event.uniqueid == uniqueid:
            over = event.at
        elif leg.ended_at or call.ended_at:
            over = leg.ended_at or call.ended_at or event.at
        else:
            continue
        at = max(over, since)
        call = replace(call, phone_holds=tuple(h for h in call.phone_holds if h[0] != uniqueid))
        facts.append(
            fa.PhoneHoldEnded(
                call_id=call.call_id,
                at=at,
                uniqueid=uniqueid,
                agent=leg.agent,
                held_ms=_ms(at - since),
            )
        )
    return call, facts


def handed(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """A caller whom an agent passes on to another unit, from its ring to its end."""
    match event:
        case ev.Transferred() if not event.attended:
            call = replace(call, passed_by=agent_of(event.channel) or "")
        case ev.PassedOn():
            call = replace(call, passed_by=event.by)
        case ev.HandingOn() if call.talks and not call.ended_at:
            # (The record of who passed the caller on may come a moment later.)
            by = call.passed_by or call.talks[-1].agent
            call, facts = _unit_left(call, event.at)
            return replace(call, handed=Handed(event.to, by, event.at), passed_by=""), facts
    now = call.handed
    if now is None:
        return call, []
    leg = call.leg(now.leg or event.uniqueid)
    if isinstance(event, ev.QueueEntered) or call.ended_at:
        return _unit_left(call, call.ended_at or event.at)
    if now.leg is not None:
        return _unit_left(call, leg.ended_at) if leg and leg.ended_at else (call, [])
    is_theirs = leg is not None and leg.agent is None and leg.uniqueid != call.uniqueid
    if not isinstance(event, ev.BridgeEntered) or not is_theirs or leg is None or is_party(leg):
        return call, []
    call = replace(call, handed=replace(now, leg=leg.uniqueid, answered_at=event.at))
    return call, [fa.UnitReached(call_id=call.call_id, at=event.at, to=now.to, by=now.by)]


def _unit_left(call: Call, at: datetime) -> tuple[Call, list[Fact]]:
    was = call.handed
    if was is None:
        return call, []
    answered_at = was.answered_at or at
    at = max(at, answered_at)
    fact = fa.UnitLeft(
        call_id=call.call_id,
        at=at,
        to=was.to,
        by=was.by,
        rang_ms=max(0, _ms(answered_at - was.called_at)),
        talked_ms=None if was.answered_at is None else _ms(at - answered_at),
    )
    return replace(call, handed=None), [fact]


def _ms(length: timedelta) -> int:
    return round(length / timedelta(milliseconds=1))


def moved(call: Call, event: ev.LegMoved) -> tuple[Call, list[Fact]]:
    """A leg went to the call `event.call_id`; a call between agents is part of that one then."""
    legs = tuple(
        replace(leg, moved_to=event.call_id) if leg.uniqueid == event.uniqueid else leg
        for leg in call.legs
    )
    call = replace(call, legs=legs)
    if call.direction != "internal" or call.merged_into is not None:
        return call, []
    joined = fa.CallJoined(call_id=call.call_id, at=event.at, into=str(event.call_id))
    return replace(call, merged_into=event.call_id), [joined]
