"""A call's waits in queues: with `talking`, the part of the fold that figures need.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.model import Call, CallState, QueueVisit, VisitOutcome

#: QUEUESTATUS → how the wait ended; a status of a later Asterisk counts as a failure.
_OUTCOMES: Final = {
    "TIMEOUT": VisitOutcome.TIMEOUT,
    "FULL": VisitOutcome.FULL,
    "JOINEMPTY": VisitOutcome.NO_AGENTS,
    "LEAVEEMPTY": VisitOutcome.NO_AGENTS,
    "JOINUNAVAIL": VisitOutcome.NO_AGENTS,
    "LEAVEUNAVAIL": VisitOutcome.NO_AGENTS,
    "WITHDRAW": VisitOutcome.WITHDRAWN,
    "KEY": VisitOutcome.LEFT_BY_KEY,
}


def entered(
    call: Call, event: ev.QueueEntered | ev.AppStarted, queue: str, why: str
) -> tuple[Call, list[Fact]]:
    """The caller waits in `queue`; `why` says what led there."""
    nobody_yet = call.agent_answered_at is None
    call = replace(
        _begun(call, event, queue, why),
        queue=queue,
        queued_at=call.queued_at or event.at,
        left_queue=False,
        surveyed=False,
        state=CallState.QUEUED if nobody_yet else call.state,
    )
    return call, [fa.CallerQueued(call_id=call.call_id, at=event.at, queue=queue, why=why)]


def left(call: Call, event: ev.QueueLeft) -> tuple[Call, list[Fact]]:
    """Queue() gave the caller back."""
    call = over(call, event.at, _OUTCOMES.get(event.status, VisitOutcome.FAILED))
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


def over(call: Call, at: datetime, outcome: VisitOutcome) -> Call:
    """The wait that is going on, if one is, ends unanswered."""
    visit = call.waiting
    if visit is None:
        return call
    done = replace(visit, left_at=max(at, visit.entered_at), outcome=outcome)
    return _with_visit(call, done)


def answered(call: Call, agent: str, at: datetime) -> Call:
    """The wait that is going on, if one is, ends with this agent."""
    visit = call.waiting
    if visit is None:
        return call
    at = max(at, visit.entered_at)
    done = replace(visit, answered_at=at, agent=agent, left_at=at, outcome=VisitOutcome.ANSWERED)
    return _with_visit(call, done)


def _begun(call: Call, event: ev.QueueEntered | ev.AppStarted, queue: str, why: str) -> Call:
    """A wait begins; one that was still going on ended by it."""
    call = over(call, event.at, VisitOutcome.MOVED)
    visit = QueueVisit(
        number=len(call.visits) + 1,
        queue=queue,
        why=why,
        entered_at=event.at,
        language=call.language,
    )
    if isinstance(event, ev.QueueEntered):
        visit = replace(
            visit,
            priority=event.priority,
            position=event.position,
            estimate=None
            if event.estimate_seconds is None
            else timedelta(seconds=event.estimate_seconds),
        )
    return replace(call, visits=(*call.visits, visit))


def _with_visit(call: Call, visit: QueueVisit) -> Call:
    visits = tuple(visit if one.number == visit.number else one for one in call.visits)
    return replace(call, visits=visits)
