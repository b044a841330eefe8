"""Figures from roll-ups and, where there is none to be used, from the rows: the same either way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.errors import Conflict
from callcenter.reports.agents import store as agents
from callcenter.reports.agents.store import Worked
from callcenter.reports.model import QUARTER, Asked, Lowest, Span
from callcenter.reports.queues import store as queues
from callcenter.reports.queues.lowest import FEW, Quarters, lowest_by_quarters, lowest_connection
from callcenter.reports.queues.store import Counted
from callcenter.reports.rollups import days, quarters, store
from callcenter.reports.rollups.model import fewer, holes, quarter_of

#: More gaps are read with roll-ups between them counted anew.
_MOST_GAPS: Final = 40
#: Roll-ups are not worth a look for less.
_SHORT: Final = timedelta(hours=6)
#: No more than this is counted from the rows of agents: it would take minutes.
_MOST_DAYS: Final = timedelta(days=62)

_REPEAT_READS: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


class StillRollingUp(Conflict):
    """The figures of so long a time are still being rolled up: ask for a shorter one, or later."""

    slug = "still-rolling-up"


async def repeat_reads(connection: AsyncConnection) -> None:
    """All of a report is read from one snapshot. Must be the first statement of a transaction."""
    await connection.execute(_REPEAT_READS)
    await queues.plan_for_values(connection)


@dataclass(frozen=True, slots=True)
class Sources:
    """What of the time asked for is read from where; together all of it, without overlap."""

    rolled_up: Sequence[Span]
    rows: Sequence[Span]


async def sources_of_queues(
    connection: AsyncConnection, asked: Asked, parts: Sequence[Span]
) -> Sources:
    """Roll-ups know whole seconds only."""
    whole = not (asked.threshold % timedelta(seconds=1) or asked.short % timedelta(seconds=1))
    if not whole or asked.end - asked.begin < _SHORT:
        return Sources([], [Span(asked.begin, asked.end)])
    known = await quarters.usable_quarters(connection, asked, parts)
    gaps = fewer(holes(known, asked.begin, asked.end), _MOST_GAPS)
    return Sources(holes(gaps, asked.begin, asked.end), gaps)


async def counted(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    sources: Sources,
    *,
    by_queue: bool,
    queue: str | None = None,
) -> list[Counted]:
    """As `queues.store.counted`; a part may come more than once: what comes adds up."""
    found = await quarters.counted(
        connection, asked, parts, sources.rolled_up, by_queue=by_queue, queue=queue
    )
    if sources.rows:
        found += await queues.counted(
            connection, asked, parts, by_queue=by_queue, queue=queue, within=sources.rows
        )
    return found


async def lowest(
    connection: AsyncConnection,
    asked: Asked,
    sources: Sources,
    names: Sequence[str | None],
    *,
    few: int = FEW,
) -> dict[str | None, Lowest | None]:
    """The lowest 24 hours of these queues; None: of all calls. `few` as in `lowest_by_quarters`."""
    span = Span(asked.begin, asked.end)
    if not sources.rolled_up:
        return {name: await lowest_connection(connection, span, name) for name in names}
    begin = quarter_of(asked.begin)
    number = -((begin - asked.end) // QUARTER)
    only = names[0] if len(names) == 1 else None
    came = await quarters.came_by_quarter(
        connection, begin, number, sources.rolled_up, sources.rows, only
    )
    nobody = ([0] * number, [0] * number)
    found: dict[str | None, Lowest | None] = {}
    for name in names:
        offered, answered = came.get(quarters.ALL_CALLS if name is None else name, nobody)
        found[name] = await lowest_by_quarters(
            connection, span, name, Quarters(begin, offered, answered), few=few
        )
    return found


async def _refuse_too_many(connection: AsyncConnection, asked: Asked, gaps: Sequence[Span]) -> None:
    """Before the first row and in time to come there is nothing to count."""
    _waits, first = await store.rows_begin(connection)
    if first is None:
        return
    lengths = (max(min(gap.end, asked.now) - max(gap.begin, first), timedelta()) for gap in gaps)
    if sum(lengths, timedelta()) > _MOST_DAYS:
        raise StillRollingUp


async def worked(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    chosen: Sequence[str] | None,
    queue: str | None,
) -> list[Worked]:
    """As `agents.store.worked`; a part may come more than once: what comes adds up.

    Raises `StillRollingUp`.
    """
    known = await days.usable_days(connection, asked, parts, queue)
    gaps = holes(known, asked.begin, asked.end)
    if sum((gap.end - gap.begin for gap in gaps), timedelta()) > _MOST_DAYS:
        await _refuse_too_many(connection, asked, gaps)
    found = await days.worked(connection, parts, known, chosen, queue)
    for gap in gaps:
        inside = [
            (number, Span(max(part.begin, gap.begin), min(part.end, gap.end)))
            for number, part in enumerate(parts)
            if part.begin < gap.end and part.end > gap.begin
        ]
        rows = await agents.worked(
            connection,
            Asked(begin=gap.begin, end=gap.end, now=asked.now),
            [span for _number, span in inside],
            chosen,
            queue,
        )
        found += [replace(row, part=inside[row.part][0]) for row in rows]
    return found
