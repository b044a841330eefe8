"""The one rule by which a call changes: `apply(call, event) -> (call, facts)`.

Pure. A record seen before has no effect; a record that comes after the end only completes the legs.
No order of records raises, and none breaks the rules of the table `calls`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls import in_call, supervised, waiting
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.model import (
    SELF_SERVICE_NODES,
    Call,
    CallState,
    Disposition,
    DoorStep,
    Leg,
    MissedRing,
    PathStep,
    Take,
    VisitOutcome,
    agent_of,
    led_by,
)

#: A ring that ends no longer than this before its caller's hang-up was ended by it.
GIVING_UP: Final = timedelta(milliseconds=500)

_NOTICE: Final = re.compile(r"notice/([a-z][a-z0-9_-]{0,62})/([1-9][0-9]{0,8})")
_PRIORITY: Final = re.compile(r"priority/([1-9][0-9]{0,17})")


def begin(call_id: UUID, node: str, event: CallEvent) -> Call:
    """A call of which nothing is known yet but that `event` belongs to it (apply it next)."""
    return Call(call_id, node, event.linkedid, event.uniqueid, event.at)


def apply(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """The call after `event`, and what became true by it. Never raises."""
    if event.key in call.seen:
        return call, []
    before = call
    call, facts = _missed(_note(call, event), event)
    call, more = _changed(call, event)
    facts += more
    call, more = in_call.holds(call, event)
    return call, facts + more + in_call.parties(before, call, event)


def _changed(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    match event:
        case ev.CallBegan():
            return _began(call, event)
        case ev.RecordingBegan():
            return _recording(call, event, "conversation")
        case ev.ChannelHungUp() | ev.ChannelEnded() | ev.LegMoved():
            return _channel_over(call, event)
        case ev.LinkedidEnded():
            return _linkedid_over(call, event)
        case ev.MessageBegan():
            return _recording(_speaking(call, event), event, "voicemail")
        case ev.FaxEnded():
            return _fax_ended(call, event)
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
            return _bridged(call, event)
        case ev.FlowNodeEntered():
            return _at_node(call, event)
        case ev.FlowLeft():
            return _flow_left(call, event)
        case ev.HandingOn():
            call = replace(call, handed_on_to=event.to, handing_on=True)
            return call, [fa.CallHandedOn(call_id=call.call_id, at=event.at, to=event.to)]
        case ev.ExpertsMissed():
            return call, [
                fa.NoExpertTook(call_id=call.call_id, at=event.at, extension=event.extension)
            ]
        case ev.QueueEntered():
            call = replace(call, priority=event.priority or call.priority, handing_on=False)
            return _queued(call, event, event.queue, event.why)
        case ev.AppStarted() if event.app.lower() == "queue" and call.queued_at is None:
            # A Queue() that our dialplan did not announce counts all the same.
            return _queued(call, event, event.data.split(",", 1)[0], "")
        case ev.QueueLeft():
            return _left_queue(call, event)
        case ev.CallbackStep():
            return call, [_callback_step(call, event)]
        case ev.FaxBegan():
            return _fax_began(call, event)
        case ev.MessageEnded():
            return _spoken(call, event), []
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
        case ev.SpyBegan() | ev.TakenOver() | ev.SurveyBegan() | ev.PriorityChanged():
            return supervised.changed(call, event)
        case ev.Reconciled():
            return _end(call, event, "system", reconciled=True)
        case ev.Superseded():
            return _end(replace(call, merged_into=event.call_id), event, "system", reconciled=True)
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
    return _with_leg(call, changed)


def _with_leg(call: Call, leg: Leg) -> Call:
    if call.leg(leg.uniqueid) == leg:
        return call
    return replace(call, legs=tuple(leg if x.uniqueid == leg.uniqueid else x for x in call.legs))


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


def _fax_began(call: Call, event: ev.FaxBegan) -> tuple[Call, list[Fact]]:
    if call.state is CallState.RINGING:
        call = replace(call, state=CallState.IN_MENU)
    call = replace(call, fax=event.fax, fax_way=event.way, fax_is_over=False)
    fact = fa.FaxStarted(call_id=call.call_id, at=event.at, fax=event.fax, way=event.way)
    return call, [fact]


def _fax_ended(call: Call, event: ev.FaxEnded) -> tuple[Call, list[Fact]]:
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


def _speaking(call: Call, event: ev.MessageBegan) -> Call:
    """A take begins; the ones before it stay what they are."""
    if call.ended_at or any(take.name == event.name for take in call.takes):
        return call
    # Journals older than the reason: only a queue that gave up, or the flow, led there.
    reason = event.reason or ("overflow" if call.left_queue else "choice")
    take = Take(event.name, reason, event.at)
    return replace(call, state=CallState.LEAVING_MESSAGE, takes=(*call.takes, take))


def _spoken(call: Call, event: ev.MessageEnded) -> Call:
    length = None if event.length_ms is None else timedelta(milliseconds=event.length_ms)
    return _end_take(call, event.name, length)


def _end_take(call: Call, name: str, length: timedelta | None) -> Call:
    takes = tuple(
        replace(take, length=length, over=True) if take.name == name and not take.over else take
        for take in call.takes
    )
    return replace(call, takes=takes)


def _at_node(call: Call, event: ev.FlowNodeEntered) -> tuple[Call, list[Fact]]:
    key, why = led_by(event.pressed)
    if call.state is CallState.RINGING:
        call = replace(call, state=CallState.IN_MENU)
    step = PathStep(event.node, key, why, event.at, event.about)
    if event.flow and event.flow != (call.ivr_flow or event.flow):
        step = replace(step, flow=event.flow, version=event.version)
    call = replace(
        call,
        ivr_path=(*call.ivr_path, step),
        # The line's own flow, though it may run others.
        ivr_flow=call.ivr_flow or event.flow,
        ivr_version=call.ivr_version or event.version,
        language=event.language or call.language,
        self_served=call.self_served or _serves(event),
    )
    call = _at_the_door(call, event)
    return call, [
        fa.NodeEntered(call_id=call.call_id, at=event.at, node=event.node, key=key, led_by=why)
    ]


def _serves(event: ev.FlowNodeEntered) -> bool:
    """Whether who leaves here has been told something: an answer, or how a case stands."""
    if event.about:
        return event.about.startswith(("article/", "case/told", "fax/ordered"))
    return event.node_type in SELF_SERVICE_NODES


def _at_the_door(call: Call, event: ev.FlowNodeEntered) -> Call:
    if notice := _NOTICE.fullmatch(event.about):
        return replace(call, recording_notice=notice[1], recording_notice_version=int(notice[2]))
    if entry := _PRIORITY.fullmatch(event.about):
        return replace(call, priority_entry=int(entry[1]))
    if event.node == DoorStep.BLOCKED:
        return replace(call, refused=True)
    if event.node == DoorStep.EMERGENCY:
        return replace(call, refused=False)
    return call


def _flow_left(call: Call, event: ev.FlowLeft) -> tuple[Call, list[Fact]]:
    call = replace(call, language=event.language or call.language)
    if event.next == "hangup":
        return replace(call, self_served=True), []
    if event.next == "blocked":
        return replace(call, refused=True), []
    if event.next == "callback":
        return replace(call, wants_callback=True), []
    if event.next:
        return call, []
    return call, [fa.FlowFailed(call_id=call.call_id, at=event.at)]


def _queued(
    call: Call, event: ev.QueueEntered | ev.AppStarted, queue: str, why: str
) -> tuple[Call, list[Fact]]:
    nobody_yet = call.agent_answered_at is None
    call = replace(
        waiting.entered(call, event, queue, why),
        queue=queue,
        queued_at=call.queued_at or event.at,
        left_queue=False,
        surveyed=False,
        state=CallState.QUEUED if nobody_yet else call.state,
    )
    return call, [fa.CallerQueued(call_id=call.call_id, at=event.at, queue=queue, why=why)]


def _left_queue(call: Call, event: ev.QueueLeft) -> tuple[Call, list[Fact]]:
    call = waiting.left(call, event)
    if call.agent_answered_at or not call.queued_at or call.left_queue:
        return call, []
    state = CallState.IN_MENU if call.state is CallState.QUEUED else call.state
    fact = fa.CallerLeftQueue(
        call_id=call.call_id,
        at=event.at,
        queue=event.queue or call.queue or "",
        status=event.status,
    )
    return replace(call, left_queue=True, state=state), [fact]


def _bridged(call: Call, event: ev.BridgeEntered) -> tuple[Call, list[Fact]]:
    leg = call.leg(event.uniqueid)
    if leg is None or leg.bridged or leg.ended_at:
        return call, []
    # Who comes by an attended transfer answered in another call, which has that record.
    call = _with_leg(call, replace(leg, bridged=True, answered_at=leg.answered_at or event.at))
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
    call = waiting.taken(call, event.uniqueid, leg.agent, event.at)
    # The bridge, not the answer, is the conversation: of two who pick up at once one is bridged.
    if call.agent_answered_at is None:
        call = replace(call, agent_answered_at=event.at, agent=leg.agent, state=CallState.TALKING)
    # Who talks to a person after all has left nothing to be worked off; the takes stay recordings.
    call = replace(call, takes=())
    return call, [fa.AgentAnswered(call_id=call.call_id, at=event.at, agent=leg.agent)]


def _channel_over(
    call: Call, event: ev.ChannelHungUp | ev.ChannelEnded | ev.LegMoved
) -> tuple[Call, list[Fact]]:
    leg = call.leg(event.uniqueid)
    if leg is None:
        return call, []
    cause, source = None, ""
    if isinstance(event, ev.ChannelHungUp):
        cause, source = event.cause, event.source
    if source.startswith("PJSIP/") and call.calls_back and not call.let_go:
        call = replace(call, let_go=source)
    if leg.ended_at is None:
        ended = max(event.at, leg.started_at, leg.answered_at or leg.started_at)
        call = _with_leg(call, replace(leg, ended_at=ended, hangup_cause=cause))
        if _rang_in_vain(call, leg):
            assert leg.agent is not None
            missed = MissedRing(leg.agent, event.at, refused=source == leg.channel)
            call = replace(call, missed=(*call.missed, missed))
    elif leg.hangup_cause is None and cause is not None:
        call = _with_leg(call, replace(leg, hangup_cause=cause))
    call, facts = _talk_over(call, event)
    if isinstance(event, ev.LegMoved):
        call, more = in_call.moved(call, event)
        facts += more
    if isinstance(event, ev.ChannelHungUp) and not call.ended_at:
        call = supervised.parted(call, leg, event)
    own = call.leg(call.uniqueid)
    last = event.uniqueid == call.uniqueid or call.is_citizens(leg)
    if last and own is not None and own.ended_at and not call.ended_at and not _stays(call):
        call, more = _end(call, event, supervised.ended_by(call, _hung_up_by(call, own, source)))
        facts += more
    return call, facts


def _stays(call: Call) -> bool:
    """Whether a citizen who was called back is still there: after the agent, for the survey. The
    call's own channel is the placeholder, which ends with the agent."""
    return any(leg.answered_at and not leg.ended_at and call.is_citizens(leg) for leg in call.legs)


def _talk_over(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    call, talk = waiting.talk_over(call, event.uniqueid, event.at)
    if talk is None or talk.ended_at is None:
        return call, []
    length_ms = round((talk.ended_at - talk.began_at) / timedelta(milliseconds=1))
    fact = fa.AgentTalkEnded(
        call_id=call.call_id, at=talk.ended_at, agent=talk.agent, talk_ms=length_ms
    )
    return call, [fact]


def _rang_in_vain(call: Call, leg: Leg) -> bool:
    """An agent's phone that was not picked up, while no other one was either."""
    if call.ended_at or leg.agent is None or leg.bridged or leg.uniqueid == call.uniqueid:
        return False
    return not any(
        other.agent and other.answered_at and not other.ended_at
        for other in call.legs
        if other.uniqueid not in (leg.uniqueid, call.uniqueid)
    )


def _missed(call: Call, event: CallEvent) -> tuple[Call, list[Fact]]:
    """Whether agents whose phones fell silent had let them ring.

    A caller who gives up takes the ringing phone's channel away a moment before the caller's own
    (1.4 ms, measured), with nothing in it to tell the two cases apart: the next record does.
    """
    over = isinstance(event, ev.ChannelHungUp) and event.uniqueid == call.uniqueid
    another = isinstance(event, ev.ChannelHungUp | ev.ChannelEnded) and not over
    if not call.missed or another:
        return call, []
    facts: list[Fact] = [
        fa.AgentDidNotAnswer(call_id=call.call_id, at=ring.at, agent=ring.agent)
        for ring in call.missed
        if ring.refused or not (over and event.at - ring.at < GIVING_UP)
    ]
    return replace(call, missed=()), facts


def _linkedid_over(call: Call, event: ev.LinkedidEnded) -> tuple[Call, list[Fact]]:
    """Close what still counts as open below that linkedid; a merge may have moved legs away."""
    facts: list[Fact] = []
    for leg in call.legs:
        # Who was called in takes our linkedid over when joining; its own end is told of as well.
        if leg.linkedid == event.linkedid and leg.ended_at is None and not in_call.is_party(leg):
            ended = max(event.at, leg.started_at, leg.answered_at or leg.started_at)
            call = _with_leg(call, replace(leg, ended_at=ended))
            call, told = _talk_over(call, replace(event, uniqueid=leg.uniqueid, at=ended))
            facts += told
    own = call.leg(call.uniqueid)
    over = own.ended_at is not None if own else event.linkedid == call.linkedid
    if call.ended_at or not over or _stays(call):
        return call, facts
    call, more = _end(call, event, "system")
    return call, facts + more


def _hung_up_by(call: Call, own: Leg, source: str) -> str:
    """Who ended it, from HANGUP's `hangupsource`: the channel whose party hung up, the same on
    both legs; empty when Asterisk did it (measured, 22.10.1)."""
    source = call.let_go or source
    if source and source == own.channel:
        return "caller"
    if any(leg.channel == source and call.is_citizens(leg) for leg in call.legs):
        return "caller"
    if agent_of(source):
        return "agent"
    return "system"


def _end(
    call: Call, event: CallEvent, by: str, *, reconciled: bool = False
) -> tuple[Call, list[Fact]]:
    times = (call.started_at, call.answered_at, call.queued_at, call.agent_answered_at)
    ended_at = max([event.at, *(at for at in times if at)])
    facts: list[Fact] = []
    if reconciled:
        for leg in call.legs:
            if leg.ended_at is None:
                call = _with_leg(call, replace(leg, ended_at=max(ended_at, leg.started_at)))
        for talk in call.talks:
            ended = replace(event, uniqueid=talk.uniqueid, at=ended_at)
            call, told = _talk_over(call, ended)
            facts += told
    gave_up = by == "caller" and not reconciled
    call = waiting.over(call, ended_at, VisitOutcome.ABANDONED if gave_up else VisitOutcome.FAILED)
    for take in call.takes:
        # A hang-up ends a take too. Whether a call that broke off was silent only the file knows.
        if not take.over:
            length = None if reconciled else max(ended_at - take.began_at, timedelta())
            call = _end_take(call, take.name, length)
    disposition = _disposition(call, by, interrupted=reconciled)
    call = replace(
        call,
        state=CallState.ENDED,
        ended_at=ended_at,
        hangup_by=by,
        disposition=disposition,
    )
    if call.message:
        left = call.message
        facts.append(
            fa.MessageLeft(call_id=call.call_id, at=ended_at, name=left.name, reason=left.reason)
        )
    if call.fax and not call.fax_is_over:
        # Asterisk ended without a word of it; what lies on the disk is looked at all the same.
        call = replace(call, fax_is_over=True)
        facts.append(
            fa.FaxFinished(
                call_id=call.call_id,
                at=ended_at,
                fax=call.fax or "",
                way=call.fax_way,
                good=False,
                pages=0,
                mode="",
                error="the call ended without a word of it",
            )
        )
    facts.append(
        fa.CallEnded(
            call_id=call.call_id,
            at=ended_at,
            disposition=disposition,
            hangup_by=by,
            reconciled=reconciled,
        )
    )
    return call, facts


def _disposition(call: Call, by: str, *, interrupted: bool) -> Disposition:
    """The first that holds, from best served to not at all."""
    if call.other_answered or (call.agent_answered_at and not call.calls_back):
        return Disposition.ANSWERED
    if call.fax_went:
        return Disposition.FAX
    if call.message:
        return Disposition.VOICEMAIL
    if call.calls_back:
        return Disposition.FAILED  # nobody was reached; the callback itself goes on
    if call.queued_at:
        if call.wants_callback and call.left_queue:
            return Disposition.CALLBACK_REQUESTED
        if call.left_queue:
            return Disposition.OVERFLOWED
        return Disposition.FAILED if interrupted else Disposition.ABANDONED
    if call.fax:
        return Disposition.FAX
    if call.refused:
        return Disposition.BLOCKED
    if call.wants_callback:
        return Disposition.CALLBACK_REQUESTED
    if call.self_served:
        return Disposition.SELF_SERVED
    if call.direction == "outbound":
        return Disposition.FAILED  # whoever was called and did not answer abandons nothing
    # Who said nothing after the tone had nothing for us, also where we hung up at last.
    return Disposition.ABANDONED if by == "caller" or call.takes else Disposition.FAILED
