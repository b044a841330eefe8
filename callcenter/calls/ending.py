"""How a call ends: its legs one by one, who hung up, what became of it.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls import faxing, in_call, messages, ringing, supervised, talking, waiting
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState, Disposition, Leg, VisitOutcome, agent_of


def channel_over(
    call: Call, event: ev.ChannelHungUp | ev.ChannelEnded | ev.LegMoved
) -> tuple[Call, list[Fact]]:
    """A channel is gone from the call; the caller's own takes the call with it."""
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
        call = call.with_leg(replace(leg, ended_at=ended, hangup_cause=cause))
        call = ringing.fell_silent(call, leg, event.at, source)
    elif leg.hangup_cause is None and cause is not None:
        call = call.with_leg(replace(leg, hangup_cause=cause))
    call, facts = talking.ended(call, event.uniqueid, event.at)
    if isinstance(event, ev.LegMoved):
        call, more = in_call.moved(call, event)
        facts += more
    if isinstance(event, ev.ChannelHungUp) and not call.ended_at:
        call = supervised.parted(call, leg, event)
    own = call.leg(call.uniqueid)
    last = event.uniqueid == call.uniqueid or call.is_citizens(leg)
    if last and own is not None and own.ended_at and not call.ended_at and not _stays(call):
        call, more = end(call, event, supervised.ended_by(call, _hung_up_by(call, own, source)))
        facts += more
    return call, facts


def _stays(call: Call) -> bool:
    """Whether a citizen who was called back is still there: after the agent, for the survey. The
    call's own channel is the placeholder, which ends with the agent."""
    return any(leg.answered_at and not leg.ended_at and call.is_citizens(leg) for leg in call.legs)


def linkedid_over(call: Call, event: ev.LinkedidEnded) -> tuple[Call, list[Fact]]:
    """Close what still counts as open below that linkedid; a merge may have moved legs away."""
    facts: list[Fact] = []
    for leg in call.legs:
        # Who was called in takes our linkedid over when joining; its own end is told of as well.
        if leg.linkedid == event.linkedid and leg.ended_at is None and not in_call.is_party(leg):
            ended = max(event.at, leg.started_at, leg.answered_at or leg.started_at)
            call = call.with_leg(replace(leg, ended_at=ended))
            call, told = talking.ended(call, leg.uniqueid, ended)
            facts += told
    own = call.leg(call.uniqueid)
    over = own.ended_at is not None if own else event.linkedid == call.linkedid
    if call.ended_at or not over or _stays(call):
        return call, facts
    call, more = end(call, event, "system")
    return call, facts + more


def end(
    call: Call, event: CallEvent, by: str, *, reconciled: bool = False
) -> tuple[Call, list[Fact]]:
    """The call is over by `event`. `reconciled`: nothing told of its end, so everything of it that
    still counts as open ends here."""
    times = (call.started_at, call.answered_at, call.queued_at, call.agent_answered_at)
    ended_at = max([event.at, *(at for at in times if at)])
    facts: list[Fact] = []
    if reconciled:
        for leg in call.legs:
            if leg.ended_at is None:
                call = call.with_leg(replace(leg, ended_at=max(ended_at, leg.started_at)))
        for talk in call.talks:
            call, told = talking.ended(call, talk.uniqueid, ended_at)
            facts += told
    gave_up = by == "caller" and not reconciled
    call = waiting.over(call, ended_at, VisitOutcome.ABANDONED if gave_up else VisitOutcome.FAILED)
    call = messages.cut_off(call, ended_at, interrupted=reconciled)
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
    call, more = faxing.cut_off(call, ended_at)
    facts += more
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
