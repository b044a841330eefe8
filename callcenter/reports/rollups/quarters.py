"""SQL of roll-ups by quarters: which may be used, what they add up to, how they are made.

A roll-up may be used where nothing was noted against it since (`figure_marks`, in the transaction
of each late change). What is noted and what is rolled up is read from one snapshot: reports run in
a transaction that repeats its reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.reports.model import (
    FOLLOW_UP,
    QUARTER,
    SECOND_THRESHOLD,
    Asked,
    Figure,
    Ratio,
    Span,
)
from callcenter.reports.queues.rows import journeys, visits
from callcenter.reports.queues.store import Counted
from callcenter.reports.rollups.model import is_edge, quarter_of
from callcenter.reports.rollups.tables import figure_quarter_counts, figure_quarters

#: In `figure_quarter_counts.queue`: calls, once each.
ALL_CALLS: Final = ""

_USABLE_QUARTERS: Final = text("""
SELECT min(begin_at) AS begin_at, max(begin_at) AS last_at FROM (
  SELECT begin_at,
    begin_at - row_number() OVER (ORDER BY begin_at) * interval '15 minutes' AS run
  FROM figure_quarters AS quarter
  WHERE begin_at >= :begin AND begin_at <= :last AND NOT stale AND settled_at <= :now
    AND begin_at <> ALL(:cut)
    AND NOT EXISTS (SELECT FROM figure_marks
      WHERE what = 'queues' AND from_at = quarter.begin_at)
) AS usable GROUP BY run ORDER BY 1
""").bindparams(
    bindparam("begin", type_=Moment),
    bindparam("last", type_=Moment),
    bindparam("now", type_=Moment),
    bindparam("cut", type_=ARRAY(Moment)),
)


async def usable_quarters(
    connection: AsyncConnection, asked: Asked, parts: Sequence[Span]
) -> list[Span]:
    """What of the time asked for is rolled up by quarters, none of which lies in two parts."""
    found = await connection.execute(
        _USABLE_QUARTERS,
        {
            "begin": asked.begin,
            "last": asked.end - QUARTER,
            "now": asked.now,
            "cut": [quarter_of(span.begin) for span in parts if not is_edge(span.begin)],
        },
    )
    return [Span(row.begin_at, row.last_at + QUARTER) for row in found]


def _lying(at: Any, spans: Sequence[Span]) -> ColumnElement[bool]:
    return or_(false(), *(and_(at >= span.begin, at < span.end) for span in spans))


async def counted(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    usable: Sequence[Span],
    *,
    by_queue: bool,
    queue: str | None = None,
) -> list[Counted]:
    """As `queues.store.counted`, from the roll-ups of the spans `usable`. Thresholds must be whole
    seconds."""
    if not usable:
        return []
    row = figure_quarter_counts.c
    part = func.width_bucket(
        row.begin_at, literal([span.begin for span in parts], ARRAY(Moment))
    ).label("part")

    def within(seconds: timedelta, waits: ColumnElement[Any]) -> ColumnElement[int]:
        wanted = cast(literal(int(seconds.total_seconds())), Integer)
        return func.sum(func.width_bucket(wanted, waits))

    def number(waits: ColumnElement[Any]) -> ColumnElement[int]:
        return func.sum(func.cardinality(waits))

    columns = {
        "offered": func.sum(row.offered),
        "undecided": func.sum(row.undecided),
        "answered": number(row.answered),
        "abandoned": number(row.abandoned),
        "at_once": within(asked.short, row.abandoned),
        "at_once_ring": within(asked.short, row.abandoned_from_ring),
        "in_time": within(asked.threshold, row.answered),
        "in_time_ring": within(asked.threshold, row.answered_from_ring),
        "in_20": within(SECOND_THRESHOLD, row.answered),
        "in_20_ring": within(SECOND_THRESHOLD, row.answered_from_ring),
        "missed": number(row.missed) - within(asked.short, row.missed),
        "followed_up": number(row.followed_up) - within(asked.short, row.followed_up),
        "wait": func.sum(row.wait_seconds),
        "ring": func.sum(row.ring_seconds),
        "handled": func.sum(row.handled),
        "handling": func.sum(row.handling_seconds),
    }
    keys = [row.queue, part] if by_queue else [part]
    wanted = select(*keys, *(column.label(name) for name, column in columns.items())).where(
        _lying(row.begin_at, usable)
    )
    if not by_queue:
        wanted = wanted.where(row.queue == ALL_CALLS)
    elif queue is None:
        wanted = wanted.where(row.queue != ALL_CALLS)
    else:
        wanted = wanted.where(row.queue == queue)
    found = await connection.execute(wanted.group_by(*keys))
    return [_told(one, by_queue) for one in found.mappings()]


async def came_by_quarter(
    connection: AsyncConnection,
    begin: datetime,
    number: int,
    usable: Sequence[Span],
    gaps: Sequence[Span],
    queue: str | None,
) -> dict[str, tuple[list[int], list[int]]]:
    """How many came and were answered in each of the quarters 0 to `number` - 1 from `begin`, by
    queue; with no queue named, of all, and of all calls as `ALL_CALLS`. `usable` from roll-ups,
    `gaps` from the rows."""
    found: dict[str, tuple[list[int], list[int]]] = {}

    def add(rows: Any) -> None:
        for name, slots, offered, answered in rows:
            came, served = found.setdefault(name, ([0] * number, [0] * number))
            for slot, many, few in zip(slots, offered, answered, strict=True):
                came[slot] += many
                served[slot] += few

    def by_name(name: Any, at: Any, offered: Any, answered: Any) -> Any:
        slot = cast(func.extract("epoch", at - begin) / QUARTER.total_seconds(), Integer)
        return select(
            name, func.array_agg(slot), func.array_agg(offered), func.array_agg(answered)
        ).group_by(name)

    counts = figure_quarter_counts.c
    if usable:
        wanted = by_name(
            counts.queue, counts.begin_at, counts.offered, func.cardinality(counts.answered)
        ).where(_lying(counts.begin_at, usable))
        if queue is not None:
            wanted = wanted.where(counts.queue == queue)
        add(await connection.execute(wanted))
    if gaps:
        for together in (False, True) if queue is None else (False,):
            row = (journeys(gaps) if together else visits(gaps, queue)).c
            at = func.figure_quarter(row.entered_at, type_=Moment).label("at")
            name = (literal(ALL_CALLS) if together else row.queue).label("name")
            came = (
                select(
                    name,
                    at,
                    func.count().filter(row.decided).label("offered"),
                    func.count().filter(row.answered).label("answered"),
                )
                .group_by(at, *([] if together else [row.queue]))
                .subquery("came")
            )
            add(
                await connection.execute(
                    by_name(came.c.name, came.c.at, came.c.offered, came.c.answered)
                )
            )
    return found


def _told(one: Mapping[Any, Any], by_queue: bool) -> Counted:
    waits = one["offered"] - one["at_once"]
    waits_from_ring = one["offered"] - one["at_once_ring"]
    answered, abandoned = one["answered"], one["abandoned"]

    def ratio(numerator: float, denominator: float) -> Ratio:
        return Ratio(float(numerator), float(denominator))

    return Counted(
        queue=one["queue"] if by_queue else None,
        part=one["part"] - 1,
        offered=one["offered"],
        answered=answered,
        abandoned=abandoned,
        abandoned_at_once=one["at_once"],
        undecided=one["undecided"],
        figures={
            Figure.ANSWERED_WITHIN: ratio(one["in_time"], waits),
            Figure.ANSWERED_WITHIN_20: ratio(one["in_20"], waits),
            Figure.ANSWERED_WITHIN_OF_ANSWERED: ratio(one["in_time"], answered),
            Figure.CONNECTION: ratio(answered, one["offered"]),
            Figure.ABANDONMENT: ratio(abandoned - one["at_once"], waits),
            Figure.SPEED_OF_ANSWER: ratio(one["wait"], answered),
            Figure.HANDLING_TIME: ratio(one["handling"], one["handled"]),
            Figure.FOLLOW_UP: ratio(one["followed_up"], one["missed"]),
            Figure.ANSWERED_WITHIN_FROM_RING: ratio(one["in_time_ring"], waits_from_ring),
            Figure.ANSWERED_WITHIN_20_FROM_RING: ratio(one["in_20_ring"], waits_from_ring),
            Figure.ABANDONMENT_FROM_RING: ratio(abandoned - one["at_once_ring"], waits_from_ring),
            Figure.SPEED_OF_ANSWER_FROM_RING: ratio(one["ring"], answered),
        },
    )


async def quarters_known(
    connection: AsyncConnection,
) -> tuple[datetime | None, datetime | None, list[datetime]]:
    """The first and the last quarter rolled up, and those that are stale."""
    found = await connection.execute(
        select(func.min(figure_quarters.c.begin_at), func.max(figure_quarters.c.begin_at))
    )
    first, last = found.one()
    stale = await connection.scalars(
        select(figure_quarters.c.begin_at)
        .where(figure_quarters.c.stale)
        .order_by(figure_quarters.c.begin_at)
        .limit(10_000)
    )
    return first, last, list(stale)


def _waits(wait: Any, which: ColumnElement[bool]) -> ColumnElement[Any]:
    seconds = cast(func.ceil(wait), Integer)
    return func.coalesce(
        func.array_agg(aggregate_order_by(seconds, seconds)).filter(which),
        cast(array([]), ARRAY(Integer)),
    )


async def roll_up_quarters(connection: AsyncConnection, span: Span) -> None:
    """Count the quarters of `span` (quarters' edges both) anew from the rows."""
    quarters = figure_quarters.c.begin_at
    await connection.execute(
        delete(figure_quarters).where(quarters >= span.begin, quarters < span.end)
    )
    rows: list[dict[str, Any]] = []
    settled: dict[datetime, datetime] = {}
    at = span.begin
    while at < span.end:
        settled[at] = at + QUARTER
        at += QUARTER
    for waited, queue in ((visits([span]), None), (journeys([span]), ALL_CALLS)):
        row = waited.c
        missed = and_(row.abandoned, row.has_number)
        in_time = func.coalesce(row.followed_up_at <= row.left_at + FOLLOW_UP, false())
        handled = and_(row.answered, row.handling.is_not(None))
        begin_at = func.figure_quarter(row.entered_at, type_=Moment).label("begin_at")
        name = row.queue if queue is None else literal(queue)
        found = await connection.execute(
            select(
                begin_at,
                name.label("queue"),
                func.count().filter(row.decided).label("offered"),
                func.count().filter(not_(row.decided)).label("undecided"),
                _waits(row.wait, row.answered).label("answered"),
                _waits(row.wait_from_ring, row.answered).label("answered_from_ring"),
                _waits(row.wait, row.abandoned).label("abandoned"),
                _waits(row.wait_from_ring, row.abandoned).label("abandoned_from_ring"),
                _waits(row.wait, missed).label("missed"),
                _waits(row.wait, and_(missed, in_time)).label("followed_up"),
                func.coalesce(func.sum(row.wait).filter(row.answered), 0).label("wait_seconds"),
                func.coalesce(func.sum(row.wait_from_ring).filter(row.answered), 0).label(
                    "ring_seconds"
                ),
                func.count().filter(handled).label("handled"),
                func.coalesce(func.sum(row.handling).filter(handled), 0).label("handling_seconds"),
                func.max(row.left_at + FOLLOW_UP)
                .filter(and_(missed, not_(in_time)))
                .label("settled_at"),
            ).group_by(begin_at, *([row.queue] if queue is None else []))
        )
        for one in found.mappings():
            values = dict(one)
            due_at = values.pop("settled_at")
            if due_at is not None:
                settled[one["begin_at"]] = max(settled[one["begin_at"]], due_at)
            rows.append(values)
    await connection.execute(
        insert(figure_quarters),
        [{"begin_at": at, "settled_at": until} for at, until in settled.items()],
    )
    if rows:
        await connection.execute(insert(figure_quarter_counts), rows)
