"""SQL of the rows that figures of queues count: waits and whole ways of calls.

Only citizens' calls count, and no wait that merely keeps the place of a callback.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Double,
    Subquery,
    and_,
    case,
    cast,
    extract,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from callcenter.agents.tables import agent_activity
from callcenter.calls.tables import agent_talks, calls, queue_visits
from callcenter.queues.callbacks.tables import callback_calls, callback_tries, callbacks
from callcenter.reports.model import Span

#: A wait that only keeps a callback's place: nobody is on the line.
PLACEHOLDER: Final = "callback"


def _seconds(span: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(extract("epoch", span), Double)


def _within(at: Any, spans: Sequence[Span]) -> ColumnElement[bool]:
    """One range of an index for each span."""
    return or_(false(), *(and_(at >= span.begin, at < span.end) for span in spans))


def _counted(visit: Any) -> ColumnElement[bool]:
    counts: ColumnElement[bool] = visit.c.why != PLACEHOLDER
    return counts


def _wrap_ups(call_id: Any, agent: Any, began_at: Any) -> Any:
    """Wrap-up after one talk: until the same agent talks in the same call again."""
    later = agent_talks.alias("later_talk")
    spans = agent_activity.alias("wrap_ups")
    return (
        select(
            func.coalesce(func.sum(_seconds(spans.c.ended_at - spans.c.began_at)), 0).label(
                "seconds"
            ),
            func.coalesce(func.bool_or(spans.c.ended_at.is_(None)), false()).label("going_on"),
        )
        .where(
            spans.c.call_id == call_id,
            spans.c.agent_id == agent,
            spans.c.state == "wrap_up",
            spans.c.began_at >= began_at,
            not_(
                select(later.c.uniqueid)
                .where(
                    later.c.call_id == call_id,
                    later.c.agent == agent,
                    later.c.began_at > began_at,
                    later.c.began_at <= spans.c.began_at,
                )
                .correlate_except(later)
                .exists()
            ),
        )
        .correlate_except(spans)
        .lateral("wrap_up")
    )


def _follow_ups(call_id: Any) -> Any:
    """When this caller was called back: dialled, or so documented by hand, or reached because
    the citizen called again. A later call of a citizen may have joined the callback of an earlier.
    """
    back, tries = callbacks.alias("back"), callback_tries.alias("tries")
    made = or_(tries.c.dialled_at.is_not(None), tries.c.by.is_not(None))
    reached = case((back.c.outcome.in_(("reached", "called_again")), back.c.done_at))
    at = func.coalesce(tries.c.dialled_at, tries.c.ended_at, reached)
    with_tries = back.outerjoin(tries, and_(tries.c.callback_id == back.c.callback_id, made))
    own = select(at.label("at")).select_from(with_tries).where(back.c.call_id == call_id)
    joined = (
        select(at.label("at"))
        .select_from(
            with_tries.join(callback_calls, callback_calls.c.callback_id == back.c.callback_id)
        )
        .where(callback_calls.c.call_id == call_id)
    )
    everything = own.correlate_except(back, tries).union_all(
        joined.correlate_except(back, tries, callback_calls)
    )
    return everything.lateral("follow_ups")


def _first(moments: Any) -> Any:
    return select(func.min(moments.c.at).label("at")).lateral("follow_up")


def visits(within: Sequence[Span], queue: str | None = None) -> Subquery:
    """One row for each wait that began within these spans."""
    visit, talk = queue_visits.alias("visit"), agent_talks.alias("talk")
    wrap_up = _wrap_ups(visit.c.call_id, visit.c.agent, talk.c.began_at)
    follow_up = _first(_follow_ups(visit.c.call_id))
    wanted = (
        select(
            visit.c.call_id,
            visit.c.visit,
            visit.c.queue,
            visit.c.entered_at,
            calls.c.started_at,
            visit.c.position,
            visit.c.estimate_seconds,
            visit.c.outcome,
            visit.c.agent,
            visit.c.outcome.is_not(None).label("decided"),
            (visit.c.outcome == "answered").label("answered"),
            (visit.c.outcome == "abandoned").label("abandoned"),
            _seconds(visit.c.left_at - visit.c.entered_at).label("wait"),
            _seconds(visit.c.left_at - calls.c.started_at).label("wait_from_ring"),
            visit.c.left_at,
            case(
                (
                    and_(talk.c.ended_at.is_not(None), not_(wrap_up.c.going_on)),
                    _seconds(talk.c.ended_at - talk.c.began_at) + wrap_up.c.seconds,
                )
            ).label("handling"),
            calls.c.caller_number.is_not(None).label("has_number"),
            follow_up.c.at.label("followed_up_at"),
        )
        .select_from(
            visit.join(calls, calls.c.call_id == visit.c.call_id)
            .outerjoin(talk, and_(talk.c.call_id == visit.c.call_id, talk.c.visit == visit.c.visit))
            .outerjoin(wrap_up, talk.c.call_id.is_not(None))
            .outerjoin(follow_up, visit.c.outcome == "abandoned")
        )
        .where(
            _within(visit.c.entered_at, within),
            _counted(visit),
            calls.c.direction == "inbound",
        )
    )
    if queue is not None:
        wanted = wanted.where(visit.c.queue == queue)
    return wanted.subquery("waited")


def journeys(within: Sequence[Span]) -> Subquery:
    """One row for each call whose first wait began within these spans: from there to the first
    answer in any queue, or to the end of the last wait. All its talks and wrap-ups count."""
    first, earlier = queue_visits.alias("first_visit"), queue_visits.alias("earlier_visit")
    each, last = queue_visits.alias("each_visit"), queue_visits.alias("last_visit")
    talk = agent_talks.alias("talk")
    answer = (
        select(each.c.answered_at, each.c.agent)
        .where(each.c.call_id == first.c.call_id, each.c.outcome == "answered", _counted(each))
        .order_by(each.c.visit)
        .limit(1)
        .lateral("answer")
    )
    end = (
        select(last.c.left_at, last.c.outcome)
        .where(last.c.call_id == first.c.call_id, _counted(last))
        .order_by(last.c.visit.desc())
        .limit(1)
        .lateral("end_of_waits")
    )
    wrap_up = _wrap_ups(talk.c.call_id, talk.c.agent, talk.c.began_at)
    work = (
        select(
            func.sum(
                _seconds(talk.c.ended_at - talk.c.began_at) + func.coalesce(wrap_up.c.seconds, 0)
            ).label("seconds"),
            func.bool_or(or_(talk.c.ended_at.is_(None), wrap_up.c.going_on)).label("going_on"),
        )
        .select_from(talk.outerjoin(wrap_up, true()))
        .where(talk.c.call_id == first.c.call_id)
        .lateral("work")
    )
    follow_up = _first(_follow_ups(first.c.call_id))
    answered = answer.c.answered_at.is_not(None)
    over = or_(answered, calls.c.ended_at.is_not(None))
    until = func.coalesce(answer.c.answered_at, end.c.left_at)
    return (
        select(
            first.c.call_id,
            first.c.visit,
            first.c.queue,
            first.c.entered_at,
            calls.c.started_at,
            first.c.position,
            first.c.estimate_seconds,
            case((answered, literal("answered")), (over, end.c.outcome)).label("outcome"),
            answer.c.agent,
            over.label("decided"),
            answered.label("answered"),
            and_(not_(answered), over, end.c.outcome == "abandoned").label("abandoned"),
            case((over, _seconds(until - first.c.entered_at))).label("wait"),
            case((over, _seconds(until - calls.c.started_at))).label("wait_from_ring"),
            until.label("left_at"),
            case((not_(work.c.going_on), work.c.seconds)).label("handling"),
            calls.c.caller_number.is_not(None).label("has_number"),
            follow_up.c.at.label("followed_up_at"),
        )
        .select_from(
            first.join(calls, calls.c.call_id == first.c.call_id)
            .outerjoin(answer, true())
            .outerjoin(end, true())
            .outerjoin(work, true())
            .outerjoin(follow_up, and_(not_(answered), end.c.outcome == "abandoned"))
        )
        .where(
            _within(first.c.entered_at, within),
            _counted(first),
            calls.c.direction == "inbound",
            not_(
                select(earlier.c.visit)
                .where(
                    earlier.c.call_id == first.c.call_id,
                    earlier.c.visit < first.c.visit,
                    _counted(earlier),
                )
                .correlate_except(earlier)
                .exists()
            ),
        )
        .subquery("waited")
    )
