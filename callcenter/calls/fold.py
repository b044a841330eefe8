"""The one rule by which a call changes: `apply(call, event) -> (call, facts)`.

What a record does stands with its subject: `in_menu` (the flow), `waiting` (queues), `ringing` and
`talking` (agents), `in_call` (whom acts call in), `supervised`, `alerts` (people on call),
`faxing`, `messages`, `ending`.

Pure. A record seen before has no effect; a record that comes after the end only completes the legs.
No order of records raises, and none breaks the rules of the table `calls`.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from callcenter.calls import (
    alerts,
    ending,
    faxing,
    in_call,
    in_menu,
    messages,
    ringing,
    supervised,
    talking,
    waiting,
)
from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState, Leg, agent_of


def begin(call_id: UUID, node: str, event: CallEvent) -> Call:
    """A call of which nothing is known yet but that `event` belongs to it (apply it next)."""
    return Call(call_id, node, event.linkedid, event.uniqueid, event.at)


def apply(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """The call after `event`, and what became true by it. Never raises."""
    if event.key in call.seen:
        return call, []
    before = call
    call, facts = ringing.missed(_note(call, event), event)
    call, more = _changed(call, event)
    facts += more
    call, more = in_call.holds(call, event)
    call, by_phone = in_call.phone_holds(call, event)
    call, of_unit = in_call.handed(call, event)
    return call, facts + more + by_phone + of_unit + in_call.parties(before, call, event)


def _changed(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    match event:
        case ev.CallBegan():
            return _began(call, event)
        case ev.RecordingBegan():
            return _recording(call, event, "conversation")
        case ev.ChannelHungUp() | ev.ChannelEnded() | ev.LegMoved():
            return ending.channel_over(call, event)
        case ev.LinkedidEnded():
            return ending.linkedid_over(call, event)
        case ev.MessageBegan():
            return _recording(messages.began(call, event), event, "voicemail")
        case ev.FaxEnded():
            return faxing.ended(call, event)
    if call.ended_at:
        return call, []
    match event:
        case ev.ChannelStarted():
            agent = agent_of(event.channel)
            if agent and event.uniqueid != call.uniqueid:
                return call, [fa.AgentRang(call_id=call.call_id, at=event.at, agent=agent)]
        case ev.ChannelAnswered() if event.uniqueid == call.uniqueid and not call.answered_at:
            if call.state is CallState.RINGING:
                call = replace(call, state=CallState.IN_MENU)
            call = replace(call, answered_at=event.at)
            return call, [fa.CallAnswered(call_id=call.call_id, at=event.at)]
        case ev.BridgeEntered():
            return talking.began(call, event)
        case ev.FlowNodeEntered():
            return in_menu.came_to(call, event)
        case ev.FlowLeft():
            return in_menu.left(call, event)
        case ev.HandingOn():
            call = replace(call, handed_on_to=event.to, handing_on=True)
            return call, [fa.CallHandedOn(call_id=call.call_id, at=event.at, to=event.to)]
        case ev.ExpertsMissed():
            return call, [
                fa.NoExpertTook(call_id=call.call_id, at=event.at, extension=event.extension)
            ]
        case ev.QueueEntered():
            call = replace(call, priority=event.priority or call.priority, handing_on=False)
            return waiting.entered(call, event, event.queue, event.why)
        case ev.AppStarted() if event.app.lower() == "queue" and call.queued_at is None:
            # A Queue() that our dialplan did not announce counts all the same.
            return waiting.entered(call, event, event.data.split(",", 1)[0], "")
        case ev.QueueLeft():
            return waiting.left(call, event)
        case ev.CallbackStep():
            return call, [_callback_step(call, event)]
        case ev.FaxBegan():
            return faxing.began(call, event)
        case ev.MessageEnded():
            return messages.ended(call, event), []
        case ev.Transferred():
            fact = fa.CallTransferred(
                call_id=call.call_id,
                at=event.at,
                attended=event.attended,
                agent=agent_of(event.channel),
                to=event.to,
            )
            return call, [fact]
        case ev.PassedOn():
            told = fa.CallTransferred(
                call_id=call.call_id, at=event.at, attended=False, agent=event.by, to=event.to
            )
            return call, [told]
        case ev.AlertHeard():
            return alerts.told(call, event)
        case ev.SpyBegan() | ev.TakenOver() | ev.SurveyBegan() | ev.PriorityChanged():
            return supervised.changed(call, event)
        case ev.Reconciled():
            return ending.end(call, event, "system", reconciled=True)
        case ev.Superseded():
            call = replace(call, merged_into=event.call_id)
            return ending.end(call, event, "system", reconciled=True)
    return call, []


def _note(call: Call, event: CallEvent) -> Call:
    """Remember the record, its linkedid and its channel; the earliest record starts the call."""
    linkedids = call.linkedids
    if event.linkedid not in linkedids:
        linkedids = (*linkedids, event.linkedid)
    call = replace(
        call,
        seen=call.seen | {event.key},
        linkedids=linkedids,
        last_event_at=max(event.at, call.last_event_at or event.at),
        started_at=call.started_at if call.ended_at else min(call.started_at, event.at),
    )
    match event:
        case ev.LinkedidEnded() | ev.Reconciled() | ev.Superseded() | ev.PriorityChanged():
            return call
    leg = call.leg(event.uniqueid)
    if leg is None:
        leg = Leg(event.uniqueid, event.linkedid, event.channel, event.at)
        call = replace(call, legs=(*call.legs, leg))
    changed = replace(
        leg,
        linkedid=event.linkedid,
        channel=leg.channel or event.channel,
        started_at=min(leg.started_at, event.at),
    )
    if isinstance(event, ev.ChannelAnswered) and not leg.answered_at and not leg.ended_at:
        changed = replace(changed, answered_at=event.at)
    return call.with_leg(changed)


def _began(call: Call, event: ev.CallBegan) -> tuple[Call, list[Fact]]:
    if call.began:
        return call, []
    inbound = event.direction == "inbound"
    call = replace(
        call,
        began=True,
        linkedid=event.linkedid,
        uniqueid=event.uniqueid,
        direction=event.direction if event.direction in ("internal", "outbound") else "inbound",
        line=event.dialled if inbound else None,
        dialled_number=event.dialled,
        caller_number=None if event.withheld else event.number,
        caller_name=event.name,
        caller_withheld=event.withheld,
        caller_number_source=event.source,
        language=call.language or event.language,
    )
    if call.ended_at:
        return call, []
    fact = fa.CallStarted(
        call_id=call.call_id, at=call.started_at, direction=call.direction, line=call.line
    )
    return call, [fact]


def _recording(
    call: Call, event: ev.RecordingBegan | ev.MessageBegan, kind: str
) -> tuple[Call, list[Fact]]:
    # Also after the end: whatever Asterisk was told to write must be looked for.
    if event.name in call.recordings:
        return call, []
    fact = fa.RecordingStarted(
        call_id=call.call_id, at=event.at, name=event.name, recording_kind=kind
    )
    return replace(call, recordings=(*call.recordings, event.name)), [fact]


def _callback_step(call: Call, event: ev.CallbackStep) -> Fact:
    if event.status == "DIALLING":
        return fa.CitizenDialled(call_id=call.call_id, at=event.at, callback=event.callback)
    return fa.CitizenNotReached(
        call_id=call.call_id,
        at=event.at,
        callback=event.callback,
        status=event.status,
        cause=event.cause,
    )
