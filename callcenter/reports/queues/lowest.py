"""The lowest connection rate of any 24 hours of a report."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.reports.model import DAY, QUARTER, Lowest, Ratio, Span
from callcenter.reports.queues.rows import journeys, visits
from callcenter.reports.queues.windows import Bound, at_edges, bounds, runs

#: After so many looks at the rows the rest is looked at as one.
_MOST_LOOKS: Final = 30
#: So few waits are all read at once: bounds are loose where hardly anybody comes in a quarter.
FEW: Final = 20_000
_TICK: Final = timedelta(microseconds=1)


async def lowest_connection(
    connection: AsyncConnection, span: Span, queue: str | None
) -> Lowest | None:
    """The worst 24 hours that lie within `span`, counted from the rows; None: none in which anybody
    came.

    What is in such a window changes only where a wait enters it or leaves it. So those that begin
    just behind a wait, those that end just behind one and the first of all are every one there is.
    Times are whole microseconds in the database: just behind is one of these.
    """
    if span.end - span.begin < DAY:
        return None
    waited = visits([span], queue) if queue is not None else journeys([span])
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
        at + _TICK + DAY <= span.end,
    )
    until = within(
        at - DAY + _TICK,
        "INTERVAL '23:59:59.999999' PRECEDING AND CURRENT ROW",
        at - DAY + _TICK >= span.begin,
    )
    first = select(
        literal(span.begin, Moment),
        func.count(),
        func.count().filter(came.c.answered),
        true(),
    ).where(at < span.begin + DAY)
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
        span=Span(worst.begin, worst.begin + DAY),
    )


@dataclass(frozen=True, slots=True)
class Quarters:
    """What came and was answered in each quarter of a report, only what lies within it. Number 0
    begins at `begin`, which may lie before the report."""

    begin: datetime
    offered: Sequence[int]
    answered: Sequence[int]


async def lowest_by_quarters(
    connection: AsyncConnection,
    span: Span,
    queue: str | None,
    quarters: Quarters,
    *,
    few: int = FEW,
) -> Lowest | None:
    """The same as `lowest_connection`, reading only rows of quarters in which it can lie."""
    if span.end - span.begin < DAY:
        return None
    if sum(quarters.offered) <= few:
        return await lowest_connection(connection, span, queue)
    last = (span.end - DAY - quarters.begin) // QUARTER
    first = 0 if quarters.begin >= span.begin else 1
    found, best = await asyncio.to_thread(_looked_at, quarters, first, last, span.end - DAY)
    worst: Lowest | None = None
    looks = 0
    while left := runs(found, best):
        begin, behind = left[0]
        looks += 1
        if looks > _MOST_LOOKS:
            begin, behind = min(run[0] for run in left), max(run[1] for run in left)
        found = [bound for bound in found if not begin <= bound.quarter <= behind]
        here = await lowest_connection(
            connection,
            Span(
                max(span.begin, quarters.begin + begin * QUARTER),
                min(span.end, quarters.begin + (behind + 1) * QUARTER + DAY),
            ),
            queue,
        )
        if here is None:
            continue
        if worst is None or _order(here) < _order(worst):
            worst = here
        number = (worst.span.begin - quarters.begin) // QUARTER
        mark = Bound(worst.ratio.value or 0.0, number)
        best = mark if best is None else min(best, mark)
    return worst


def _looked_at(
    quarters: Quarters, first: int, last: int, latest: datetime
) -> tuple[list[Bound], Bound | None]:
    exact = last if quarters.begin + last * QUARTER <= latest else last - 1
    return (
        bounds(quarters.offered, quarters.answered, last),
        at_edges(quarters.offered, quarters.answered, first, exact),
    )


def _order(lowest: Lowest) -> tuple[float, datetime]:
    return lowest.ratio.value or 0.0, lowest.span.begin
