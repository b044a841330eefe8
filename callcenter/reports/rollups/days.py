"""SQL of roll-ups by days of the city, for agents: as `quarters` is for queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, bindparam, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.reports.agents.store import Worked
from callcenter.reports.model import Asked, Span
from callcenter.reports.rollups.tables import figure_agent_days, figure_days

_USABLE_DAYS: Final = text("""
SELECT begin_at, end_at FROM figure_days AS day
WHERE begin_at >= :begin AND end_at <= least(:end, :now) AND NOT stale
  AND NOT EXISTS (SELECT FROM unnest(CAST(:edges AS timestamptz[])) AS edge
    WHERE edge > day.begin_at AND edge < day.end_at)
  AND NOT EXISTS (SELECT FROM figure_marks
    WHERE what = 'agents' AND from_at < day.end_at AND to_at >= day.begin_at)
  AND (CAST(:queue AS text) IS NULL OR NOT EXISTS (SELECT FROM queue_member_spans AS member
    WHERE member.queue = :queue
      AND (member.began_at > day.begin_at AND member.began_at < day.end_at
        OR member.ended_at > day.begin_at AND member.ended_at < day.end_at)))
ORDER BY begin_at
""").bindparams(
    bindparam("begin", type_=Moment),
    bindparam("end", type_=Moment),
    bindparam("now", type_=Moment),
    bindparam("edges", type_=ARRAY(Moment)),
)


_SUMS: Final = text("""
SELECT counts.agent_id,
  width_bucket(day.begin_at, CAST(:edges AS timestamptz[])) - 1 AS part,
  sum(talks) AS talks, sum(talks_over) AS talks_over, sum(talk_seconds) AS talk_seconds,
  sum(handling_seconds) AS handling_seconds, sum(talking) AS talking,
  sum(talking_logged) AS talking_logged, sum(wrap_up) AS wrap_up, sum(free) AS free,
  sum(paused) AS paused
FROM figure_days AS day JOIN figure_agent_days AS counts ON counts.begin_at = day.begin_at
WHERE day.begin_at = ANY(:days)
  AND (CAST(:agents AS text[]) IS NULL OR counts.agent_id = ANY(:agents))
  AND (CAST(:queue AS text) IS NULL OR EXISTS (SELECT FROM queue_member_spans AS member
    WHERE member.queue = :queue AND member.agent_id = counts.agent_id
      AND (member.began_at IS NULL OR member.began_at <= day.begin_at)
      AND (member.ended_at IS NULL OR member.ended_at >= day.end_at)))
GROUP BY 1, 2
""").bindparams(bindparam("edges", type_=ARRAY(Moment)), bindparam("days", type_=ARRAY(Moment)))


async def usable_days(
    connection: AsyncConnection, asked: Asked, parts: Sequence[Span], queue: str | None
) -> list[Span]:
    """Days rolled up for agents, none of which lies in two parts; nor, with a queue, was anybody
    made its member in the midst of one, or ceased to be."""
    found = await connection.execute(
        _USABLE_DAYS,
        {
            "begin": asked.begin,
            "end": asked.end,
            "now": asked.now,
            "edges": [span.begin for span in parts],
            "queue": queue,
        },
    )
    return [Span(row.begin_at, row.end_at) for row in found]


async def worked(
    connection: AsyncConnection,
    parts: Sequence[Span],
    days: Sequence[Span],
    agents: Sequence[str] | None,
    queue: str | None,
) -> list[Worked]:
    """As `agents.store.worked`, from the roll-ups of these days."""
    if not days:
        return []
    found = await connection.execute(
        _SUMS,
        {
            "edges": [span.begin for span in parts],
            "days": [day.begin for day in days],
            "agents": None if agents is None else list(agents),
            "queue": queue,
        },
    )
    return [Worked(**row) for row in found.mappings()]


async def days_known(
    connection: AsyncConnection,
) -> tuple[datetime | None, datetime | None, list[Span]]:
    """Where the first day rolled up begins, where the last one ends, and those that are stale."""
    found = await connection.execute(
        select(func.min(figure_days.c.begin_at), func.max(figure_days.c.end_at))
    )
    first, last = found.one()
    stale = await connection.execute(
        select(figure_days.c.begin_at, figure_days.c.end_at)
        .where(figure_days.c.stale)
        .order_by(figure_days.c.begin_at)
        .limit(1_000)
    )
    return first, last, [Span(row.begin_at, row.end_at) for row in stale]


async def write_day(connection: AsyncConnection, day: Span, rows: Sequence[Worked]) -> None:
    """In place of what there was of this day."""
    await connection.execute(delete(figure_days).where(figure_days.c.begin_at == day.begin))
    await connection.execute(insert(figure_days).values(begin_at=day.begin, end_at=day.end))
    values = [asdict(row) | {"begin_at": day.begin} for row in rows]
    for value in values:
        del value["part"]
    if values:
        await connection.execute(insert(figure_agent_days), values)
