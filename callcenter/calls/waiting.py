"""A call's waits in queues and its talks with agents: the part of the fold that figures need.

Pure. Each function takes the call and gives it back changed; none raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from callcenter.calls import events as ev
from callcenter.calls.model import Call, QueueVisit, Talk, VisitOutcome

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


def entered(call: Call, event: ev.QueueEntered | ev.AppStarted, queue: str, why: str) -> Call:
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


def left(call: Call, event: ev.QueueLeft) -> Call:
    """Queue() gave the caller back."""
    return over(call, event.at, _OUTCOMES.get(event.status, VisitOutcome.FAILED))


def over(call: Call, at: datetime, outcome: VisitOutcome) -> Call:
    """The wait that is going on, if one is, ends unanswered."""
    visit = call.waiting
    if visit is None:
        return call
    done = replace(visit, left_at=max(at, visit.entered_at), outcome=outcome)
    return _with_visit(call, done)


def taken(call: Call, uniqueid: str, agent: str, at: datetime) -> Call:
    """An agent and the others hear each other on this leg; a wait that is going on is answered."""
    visit = call.waiting
    if visit is not None:
        at_least = max(at, visit.entered_at)
        call = _with_visit(
            call,
            replace(
                visit,
                answered_at=at_least,
                agent=agent,
                left_at=at_least,
                outcome=VisitOutcome.ANSWERED,
            ),
        )
    if any(talk.uniqueid == uniqueid for talk in call.talks):
        return call
    talk = Talk(uniqueid, agent, at, visit=visit.number if visit else None)
    return replace(call, talks=(*call.talks, talk))


def talk_over(call: Call, uniqueid: str, at: datetime) -> tuple[Call, Talk | None]:
    """The leg is gone; the talk that ended by it, if one did."""
    for talk in call.talks:
        if talk.uniqueid == uniqueid and talk.ended_at is None:
            done = replace(talk, ended_at=max(at, talk.began_at))
            talks = tuple(done if one is talk else one for one in call.talks)
            return replace(call, talks=talks), done
    return call, None


def _with_visit(call: Call, visit: QueueVisit) -> Call:
    visits = tuple(visit if one.number == visit.number else one for one in call.visits)
    return replace(call, visits=visits)
