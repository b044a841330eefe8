"""Figures of a year of a million waits, on a PostgreSQL of its own: `python -m bench.figures [n]`.

Prints seconds for a day, a month and the year, of figures, of the lowest 24 hours, of the calls
behind a figure, and of agents.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.queues.seed import seed_queues
from callcenter.reports import store
from callcenter.reports.agents import store as agents
from callcenter.reports.model import Asked, Figure, Interval, Part, spans

WAITS = 1_000_000
ROUNDS = 3
ZONE = ZoneInfo("Asia/Shanghai")
END = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)

# Waits spread evenly over the year; one in twelve is given up; 100 agents.
_ROWS = (
    """
    CREATE TEMP TABLE day AS
    SELECT n, gen_random_uuid() AS call_id, CAST(:end AS timestamptz)
        - n * (interval '365 days' / CAST(:count AS integer)) AS at,
      (array['general', 'enterprise', 'legal'])[1 + n % 3] AS queue,
      CAST(1001 + n % 100 AS text) AS agent, n % 12 > 0 AS answered,
      interval '1 second' * (n % 997 * 7919 % 40) AS wait,
      interval '1 second' * (60 + n * 31 % 400) AS talk
    FROM generate_series(1, CAST(:count AS integer)) AS n
    """,
    """
    INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, caller_number, state,
      started_at, ended_at, disposition, hangup_by)
    SELECT call_id, 'n', n::text, n::text, 'inbound', '+86' || n, 'ended', at - interval '20 s',
      at + wait + talk, CASE WHEN answered THEN 'answered' ELSE 'abandoned' END, 'caller' FROM day
    """,
    """
    INSERT INTO queue_visits (call_id, visit, queue, why, entered_at, answered_at, agent, left_at,
      outcome)
    SELECT call_id, 1, queue, 'flow', at, CASE WHEN answered THEN at + wait END,
      CASE WHEN answered THEN agent END, at + wait,
      CASE WHEN answered THEN 'answered' ELSE 'abandoned' END FROM day
    """,
    """
    INSERT INTO agent_talks (call_id, uniqueid, agent, visit, began_at, ended_at)
    SELECT call_id, 'leg', agent, 1, at + wait, at + wait + talk FROM day WHERE answered
    """,
    """
    INSERT INTO agent_activity (agent_id, state, call_id, began_at, ended_at)
    SELECT agent, 'wrap_up', call_id, at + wait + talk, at + wait + talk + interval '20 s'
    FROM day WHERE answered
    """,
    """
    INSERT INTO agent_activity (agent_id, state, began_at, ended_at)
    SELECT agent, 'ready', at + wait + talk + interval '20 s', at + interval '50 minutes'
    FROM day WHERE answered
    """,
)


async def figures(count: int) -> None:
    """Fill, and measure."""
    with tempfile.TemporaryDirectory(prefix="cc-figures-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(home / "data", home / "run", home / "log", durable=False)
        await server.start()
        try:
            await server.create_database("figures")
            await upgrade(server.url("figures"))
            database = Database(
                server.url("figures"), command_timeout=timedelta(minutes=10), pool_size=1
            )
            try:
                await _fill(database, count)
                await _measure(database)
            finally:
                await database.close()
        finally:
            await server.stop()


async def _fill(database: Database, count: int) -> None:
    began = time.monotonic()
    async with database.transaction() as connection:
        await seed_queues(connection)
        for statement in _ROWS:
            values = {"count": count, "end": END} if ":count" in statement else {}
            wanted = text(statement)
            await (connection.execute(wanted, values) if values else connection.execute(wanted))
        await connection.execute(text("ANALYZE"))
    print(f"{count:,} waits of a year, written in {time.monotonic() - began:.0f} s")


async def _measure(database: Database) -> None:
    for name, days, interval in (
        ("a day by the hour", 1, Interval.HOUR),
        ("a month by the day", 30, Interval.DAY),
        ("a year by the day", 365, Interval.DAY),
    ):
        asked = Asked(begin=END - timedelta(days=days), end=END, now=END)
        parts = spans(asked.begin, asked.end, interval, ZONE)
        async with database.transaction() as connection:

            async def queues(asked: Asked = asked, parts: list[Any] = parts) -> object:
                return await store.counted(connection, asked, parts, by_queue=True)

            async def together(asked: Asked = asked, parts: list[Any] = parts) -> object:
                return await store.counted(connection, asked, parts, by_queue=False)

            async def lowest(asked: Asked = asked) -> object:
                return await store.lowest_connection(connection, asked, "general")

            async def opened(asked: Asked = asked) -> object:
                return await store.calls_of(
                    connection,
                    asked,
                    Figure.ABANDONMENT,
                    Part.NUMERATOR,
                    queue="general",
                    behind=None,
                    limit=100,
                )

            async def worked(asked: Asked = asked, parts: list[Any] = parts) -> object:
                return await agents.worked(connection, asked, parts, None)

            works: dict[str, Callable[[], Awaitable[object]]] = {
                "queues": queues,
                "all calls": together,
                "lowest 24 h": lowest,
                "100 calls": opened,
            }
            if days <= 31:
                works["agents"] = worked
            cells = [f"{what} {await _best(work):8.3f} s" for what, work in works.items()]
        print(f"{name:20}" + "   ".join(cells), flush=True)


async def _best(work: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        await work()
        times.append(time.monotonic() - began)
    return min(times)


if __name__ == "__main__":
    asyncio.run(figures(int(sys.argv[1]) if len(sys.argv) > 1 else WAITS))
