"""SQL of making roll-ups: what may be rolled up, and what was noted against them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: Roll-ups are made by one at a time; reports do not wait for it.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('callcenter figures'))")

_LIMIT: Final = text("""
SELECT least(clock_timestamp(), (SELECT min(xact_start) FROM pg_stat_activity
  WHERE datname = current_database() AND xact_start IS NOT NULL)) - interval '1 hour'
""")

_TAKE_MARKS: Final = text("""
WITH noted AS (DELETE FROM figure_marks RETURNING what, from_at, to_at),
quarters AS (
  UPDATE figure_quarters SET stale = true
  WHERE NOT stale AND begin_at IN (SELECT from_at FROM noted WHERE what = 'queues')
)
UPDATE figure_days SET stale = true
WHERE NOT stale AND EXISTS (SELECT FROM noted
  WHERE what = 'agents' AND from_at < figure_days.end_at AND to_at >= figure_days.begin_at)
""")


async def one_at_a_time(connection: AsyncConnection) -> None:
    """Until the end of the transaction."""
    await connection.execute(_LOCK)


async def rolled_up_until(connection: AsyncConnection) -> datetime:
    """Nothing that ends later may be rolled up: rows of it may change without a mark."""
    return await connection.scalar(_LIMIT)  # type: ignore[no-any-return]


async def take_marks(connection: AsyncConnection) -> None:
    """What was noted makes roll-ups stale."""
    await connection.execute(_TAKE_MARKS)


async def rows_begin(connection: AsyncConnection) -> tuple[datetime | None, datetime | None]:
    """When the first wait began, and the first talk or state of an agent."""
    found = await connection.execute(
        text("""
        SELECT (SELECT min(entered_at) FROM queue_visits) AS waits,
          least((SELECT min(began_at) FROM agent_talks), (SELECT min(began_at) FROM agent_activity))
            AS work
        """)
    )
    row = found.one()
    return row.waits, row.work
