"""SQL of the figures: what each of them counts, row by row.

A figure is a pair of conditions over the same rows (`_WAITED`), so that the number and the calls
behind it cannot differ. Rows are waits (`visits`: one for each time a caller entered a queue) or
calls (`journeys`: the whole way of one call through queues). Only citizens' calls count, and no
wait that merely keeps the place of a callback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
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
    literal_column,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_activity
from callcenter.calls.tables import agent_talks, calls, queue_visits
from callcenter.platform.db import Moment
from callcenter.queues.callbacks.tables import callback_calls, callback_tries, callbacks
from callcenter.queues.tables import queues
from callcenter.reports.model import (
    FOLLOW_UP,
    SECOND_THRESHOLD,
    Asked,
    Figure,
    Lowest,
    Part,
    Ratio,
    Span,
)

#: A wait that only keeps a callback's place: nobody is on the line.
PLACEHOLDER: Final = "callback"


def _seconds(span: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(extract("epoch", span), Double)


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


def visits(asked: Asked, queue: str | None = None) -> Subquery:
    """One row for each wait that began in the time asked for."""
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
            visit.c.entered_at >= asked.begin,
            visit.c.entered_at < asked.end,
            _counted(visit),
            calls.c.direction == "inbound",
        )
    )
    if queue is not None:
        wanted = wanted.where(visit.c.queue == queue)
    return wanted.subquery("waited")


def journeys(asked: Asked) -> Subquery:
    """One row for each call whose first wait began in the time asked for: from there to the first
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
            first.c.entered_at >= asked.begin,
            first.c.entered_at < asked.end,
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


@dataclass(frozen=True, slots=True)
class _Definition:
    """Which rows a figure counts; `weight`: what of each makes the numerator, None: one."""

    numerator: ColumnElement[bool]
    denominator: ColumnElement[bool]
    weight: ColumnElement[Any] | None = None


def _definitions(waited: Subquery, asked: Asked) -> Mapping[Figure, _Definition]:
    row = waited.c
    threshold, second = asked.threshold.total_seconds(), SECOND_THRESHOLD.total_seconds()
    short = asked.short.total_seconds()
    offered = row.decided
    answered = row.answered

    def gave_up_at_once(wait: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(row.abandoned, wait <= short)

    def waiting(wait: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(offered, not_(gave_up_at_once(wait)))

    def answered_in(wait: ColumnElement[Any], within: float) -> ColumnElement[bool]:
        return and_(answered, wait <= within)

    missed = and_(row.abandoned, row.wait > short, row.has_number)
    in_time = row.followed_up_at <= row.left_at + FOLLOW_UP
    handled = and_(answered, row.handling.is_not(None))
    return {
        Figure.ANSWERED_WITHIN: _Definition(answered_in(row.wait, threshold), waiting(row.wait)),
        Figure.ANSWERED_WITHIN_20: _Definition(answered_in(row.wait, second), waiting(row.wait)),
        Figure.ANSWERED_WITHIN_OF_ANSWERED: _Definition(answered_in(row.wait, threshold), answered),
        Figure.CONNECTION: _Definition(answered, offered),
        Figure.ABANDONMENT: _Definition(and_(row.abandoned, row.wait > short), waiting(row.wait)),
        Figure.SPEED_OF_ANSWER: _Definition(answered, answered, row.wait),
        Figure.HANDLING_TIME: _Definition(handled, handled, row.handling),
        Figure.FOLLOW_UP: _Definition(
            and_(missed, func.coalesce(in_time, false())),
            and_(
                missed,
                or_(row.left_at + FOLLOW_UP <= asked.now, func.coalesce(in_time, false())),
            ),
        ),
        Figure.ANSWERED_WITHIN_FROM_RING: _Definition(
            answered_in(row.wait_from_ring, threshold), waiting(row.wait_from_ring)
        ),
        Figure.ANSWERED_WITHIN_20_FROM_RING: _Definition(
            answered_in(row.wait_from_ring, second), waiting(row.wait_from_ring)
        ),
        Figure.ABANDONMENT_FROM_RING: _Definition(
            and_(row.abandoned, row.wait_from_ring > short), waiting(row.wait_from_ring)
        ),
        Figure.SPEED_OF_ANSWER_FROM_RING: _Definition(answered, answered, row.wait_from_ring),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One queue (None: all calls together) in one part of the time, by number of the part from 0.

    `offered` has every wait that is over; `undecided` are still going on; `other`: neither answered
    nor given up (too long, too many, nobody there, moved on, chose something else, broke off).
    """

    queue: str | None
    part: int
    offered: int
    answered: int
    abandoned: int
    abandoned_at_once: int
    undecided: int
    figures: Mapping[Figure, Ratio]

    @property
    def other(self) -> int:
        return self.offered - self.answered - self.abandoned


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


async def counted(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    *,
    by_queue: bool,
    queue: str | None = None,
) -> list[Counted]:
    """Every part in which anything happened. `by_queue`: a row for each queue, waits counted one by
    one; else the calls, once each."""
    waited = visits(asked, queue) if by_queue else journeys(asked)
    row = waited.c
    edges = literal([span.begin for span in parts], ARRAY(Moment))
    part = func.width_bucket(row.entered_at, edges).label("part")
    columns: list[ColumnElement[Any]] = [
        part,
        _count(row.decided).label("offered"),
        _count(row.answered).label("answered"),
        _count(row.abandoned).label("abandoned"),
        _count(and_(row.abandoned, row.wait <= asked.short.total_seconds())).label("at_once"),
        _count(not_(row.decided)).label("undecided"),
    ]
    for figure, definition in _definitions(waited, asked).items():
        top = (
            _count(definition.numerator)
            if definition.weight is None
            else func.coalesce(func.sum(definition.weight).filter(definition.numerator), 0)
        )
        columns.append(top.label(f"{figure}_n"))
        columns.append(_count(definition.denominator).label(f"{figure}_d"))
    keys = [row.queue, part] if by_queue else [part]
    if by_queue:
        columns.append(row.queue)
    found = await connection.execute(select(*columns).group_by(*keys).order_by(*keys))
    return [
        Counted(
            queue=one["queue"] if by_queue else None,
            part=one["part"] - 1,
            offered=one["offered"],
            answered=one["answered"],
            abandoned=one["abandoned"],
            abandoned_at_once=one["at_once"],
            undecided=one["undecided"],
            figures={
                figure: Ratio(float(one[f"{figure}_n"]), float(one[f"{figure}_d"]))
                for figure in Figure
            },
        )
        for one in found.mappings()
    ]


async def calls_of(
    connection: AsyncConnection,
    asked: Asked,
    figure: Figure,
    part: Part,
    *,
    queue: str | None,
    behind: tuple[datetime, UUID, int] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """The waits (of one queue) or calls (`queue` None) a figure counts, in order of coming."""
    waited = visits(asked, queue) if queue is not None else journeys(asked)
    definition = _definitions(waited, asked)[figure]
    place = (waited.c.entered_at, waited.c.call_id, waited.c.visit)
    wanted = select(waited).where(
        definition.numerator if part is Part.NUMERATOR else definition.denominator
    )
    if behind is not None:
        wanted = wanted.where(tuple_(*place) > tuple_(*behind))
    found = await connection.execute(wanted.order_by(*place).limit(limit))
    return [dict(row) for row in found.mappings()]


async def queue_names(connection: AsyncConnection) -> list[str]:
    found = await connection.execute(select(queues.c.name).order_by(queues.c.name))
    return [row.name for row in found]


_DAY: Final = timedelta(hours=24)
_TICK: Final = timedelta(microseconds=1)


async def lowest_connection(
    connection: AsyncConnection, asked: Asked, queue: str | None
) -> Lowest | None:
    """The worst 24 hours that lie within the time asked for; None: none in which anybody came.

    What is in such a window changes only where a wait enters it or leaves it. So those that begin
    just behind a wait, those that end just behind one and the first of all are every one there is.
    Times are whole microseconds in the database: just behind is one of these.
    """
    if asked.end - asked.begin < _DAY:
        return None
    waited = visits(asked, queue) if queue is not None else journeys(asked)
    row = waited.c
    came = select(row.entered_at, row.answered).where(row.decided).cte("came", nesting=True)
    at = came.c.entered_at

    def within(begin: ColumnElement[Any], frame: str, condition: ColumnElement[bool]) -> Any:
        over = f"OVER (ORDER BY came.entered_at RANGE BETWEEN {frame})"
        return select(
            begin.label("begin"),
            literal_column(f"count(*) {over}", BigInteger).label("offered"),
            literal_column(f"count(*) FILTER (WHERE came.answered) {over}", BigInteger).label(
                "answered"
            ),
            condition.label("whole"),
        ).select_from(came)

    behind = within(
        at + _TICK,
        "INTERVAL '1 microsecond' FOLLOWING AND INTERVAL '24 hours' FOLLOWING",
        at + _TICK + _DAY <= asked.end,
    )
    until = within(
        at - _DAY + _TICK,
        "INTERVAL '23:59:59.999999' PRECEDING AND CURRENT ROW",
        at - _DAY + _TICK >= asked.begin,
    )
    first = select(
        literal(asked.begin, Moment),
        func.count(),
        func.count().filter(came.c.answered),
        true(),
    ).where(at < asked.begin + _DAY)
    windows = union_all(behind, until, first).subquery("windows")
    found = await connection.execute(
        select(windows.c.begin, windows.c.offered, windows.c.answered)
        .where(windows.c.whole, windows.c.offered > 0)
        .order_by(windows.c.answered / cast(windows.c.offered, Double), windows.c.begin)
        .limit(1)
    )
    worst = found.one_or_none()
    if worst is None:
        return None
    return Lowest(
        ratio=Ratio(float(worst.answered), float(worst.offered)),
        span=Span(worst.begin, worst.begin + _DAY),
    )
