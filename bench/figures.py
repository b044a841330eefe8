"""Figures of a year of a million waits, on a PostgreSQL of its own: `python -m bench.figures [n]`.

Each line in pairs: counted from the rows alone, and with roll-ups, seconds. Then how long the
roll-ups take to make, and what noting late changes costs the rows that are written.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.queues.seed import seed_queues
from callcenter.reports.agents import store as agents
from callcenter.reports.model import Asked, Figure, Interval, Part, Span, spans
from callcenter.reports.queues import store
from callcenter.reports.queues.lowest import lowest_connection
from callcenter.reports.rollups import figures as rolled
from callcenter.reports.rollups.figures import repeat_reads
from callcenter.reports.rollups.service import RollUps
from callcenter.reports.service import ReportService

WAITS = 1_000_000
ROUNDS = 3
#: Longer than this, once is enough.
LONG = 5.0
ZONE = ZoneInfo("Asia/Shanghai")
END = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
QUEUES = ("general", "enterprise", "legal")

# Waits spread evenly over the year, 100 agents. From one in thirty to one in eight is given up, as
# the day goes. One in five of those answered is handed on: a second talk.
_ROWS = (
    "SELECT setseed(0.5)",
    """
    CREATE TEMP TABLE day AS
    SELECT n, gen_random_uuid() AS call_id, at, queue, agent, wait, talk,
      random() > 0.03 + (hashint4(extract(doy FROM at)::integer) & 1023) / 10240.0 AS answered,
      random() < 0.2 AS handed_on
    FROM (
      SELECT n, CAST(:end AS timestamptz)
          - n * (interval '365 days' / CAST(:count AS integer)) AS at,
        (array['general', 'enterprise', 'legal'])[1 + n % 3] AS queue,
        CAST(1001 + n % 100 AS text) AS agent,
        interval '1 millisecond' * (random() * 40000)::integer AS wait,
        interval '1 second' * (60 + (random() * 400)::integer) AS talk
      FROM generate_series(1, CAST(:count AS integer)) AS n
    ) AS waits
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
    UNION ALL
    SELECT call_id, 'leg2', agent, NULL, at + wait + talk, at + wait + talk + interval '1 minute'
    FROM day WHERE answered AND handed_on
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


_FRESH = (
    "UPDATE queue_visits SET entered_at = now(), left_at = now(),"
    " answered_at = CASE WHEN answered_at IS NOT NULL THEN now() END WHERE entered_at > :at",
    "UPDATE agent_talks SET began_at = now(), ended_at = now() WHERE began_at > :at",
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
                server.url("figures"), command_timeout=timedelta(minutes=10), pool_size=2
            )
            try:
                await _fill(database, count)
                await _marks(database)
                await _roll_up(database)
                await _measure(database)
            finally:
                await database.close()
        finally:
            await server.stop()


async def _fill(database: Database, count: int) -> None:
    began = time.monotonic()
    async with database.transaction() as connection:
        await seed_queues(connection)
        # Without triggers: all of it would be noted as late.
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in _ROWS:
            values = {"count": count, "end": END} if ":count" in statement else {}
            wanted = text(statement)
            await (connection.execute(wanted, values) if values else connection.execute(wanted))
        await connection.execute(text("ANALYZE"))
        talks = await connection.scalar(text("SELECT count(*) FROM agent_talks"))
    print(
        f"{count:,} waits and {talks:,} talks of a year,"
        f" written in {time.monotonic() - began:.0f} s",
        flush=True,
    )


async def _marks(database: Database) -> None:
    """Microseconds a row of `agent_talks` costs more where changes are noted: fresh and late."""
    times: dict[str, list[float]] = {"no triggers": [], "fresh": [], "late": []}
    for _ in range(ROUNDS):
        for name, found in times.items():
            async with database.transaction() as connection:
                if name == "no triggers":
                    await connection.execute(text("SET LOCAL session_replication_role = replica"))
                if name == "fresh":
                    for statement in _FRESH:
                        await connection.execute(text(statement), {"at": END - timedelta(hours=6)})
                began = time.monotonic()
                result = await connection.execute(
                    text(
                        "UPDATE agent_talks SET ended_at = ended_at + interval '1 s'"
                        " WHERE began_at > :at"
                    ),
                    {"at": END - timedelta(hours=6)},
                )
                found.append((time.monotonic() - began) / result.rowcount * 1e6)
                await connection.rollback()
    told = ", ".join(f"{name} {min(found):.0f} µs" for name, found in times.items())
    print(f"an update of a talk: {told}", flush=True)


async def _roll_up(database: Database) -> None:
    began = time.monotonic()
    roll_ups = RollUps(database, lambda: datetime.now(UTC), zone=ZONE)
    steps = await roll_ups.keep(most=timedelta(hours=3), until=END)
    print(f"rolled up in {steps} steps, {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE agent_talks SET ended_at = ended_at + interval '1 s' WHERE call_id IN"
                " (SELECT call_id FROM queue_visits ORDER BY entered_at DESC LIMIT 1)"
            )
        )
    steps = await roll_ups.keep(until=END)
    print(f"a late change rolled up anew in {time.monotonic() - began:.2f} s, {steps} steps")
    async with database.transaction() as connection:
        await connection.execute(text("ANALYZE"))


async def _measure(database: Database) -> None:
    print(f"{'':28}{'rows alone':>12}{'roll-ups':>12}  seconds")
    for name, days, interval in (
        ("a day by the hour", 1, Interval.HOUR),
        ("a month by the day", 30, Interval.DAY),
        ("a year by the month", 365, Interval.MONTH),
    ):
        asked = Asked(begin=END - timedelta(days=days), end=END, now=END + timedelta(days=1))
        await _report(database, name, asked, spans(asked.begin, asked.end, interval, ZONE))
        service = ReportService(database, lambda: END + timedelta(days=1), zone=ZONE)

        async def whole(
            service: ReportService = service, asked: Asked = asked, by: Interval = interval
        ) -> object:
            return await service.queues(asked, by, None)

        async def people(service: ReportService = service, asked: Asked = asked) -> object:
            return await service.agents(asked, None, agent=None, queue=None)

        print(f"{name}: GET /reports/queues {await _best(whole):.3f} s", flush=True)
        print(f"{name}: GET /reports/agents {await _best(people):.3f} s", flush=True)


async def _report(database: Database, name: str, asked: Asked, parts: list[Span]) -> None:
    Old = Callable[[AsyncConnection], Awaitable[object]]

    async def lowest_rows(connection: AsyncConnection) -> object:
        whole = Span(asked.begin, asked.end)
        return [(await lowest_connection(connection, whole, queue)) for queue in (*QUEUES, None)]

    async def lowest_rolled(connection: AsyncConnection) -> object:
        sources = await rolled.sources_of_queues(connection, asked, parts)
        found = await rolled.lowest(connection, asked, sources, [*QUEUES, None])
        return [found[queue] for queue in (*QUEUES, None)]

    def counted_rows(by_queue: bool) -> Old:
        return lambda connection: store.counted(connection, asked, parts, by_queue=by_queue)

    def counted_rolled(by_queue: bool) -> Old:
        async def count(connection: AsyncConnection) -> object:
            sources = await rolled.sources_of_queues(connection, asked, parts)
            return await rolled.counted(connection, asked, parts, sources, by_queue=by_queue)

        return count

    pairs: dict[str, tuple[Old, Old]] = {
        "queues": (counted_rows(True), counted_rolled(True)),
        "all calls": (counted_rows(False), counted_rolled(False)),
        "lowest 24 h, four times": (lowest_rows, lowest_rolled),
        "agents": (
            lambda connection: agents.worked(connection, asked, parts, None),
            lambda connection: rolled.worked(connection, asked, parts, None, None),
        ),
    }
    for what, ways in pairs.items():
        times = []
        for way in ways:

            async def run(way: Old = way) -> object:
                async with database.transaction() as connection:
                    await repeat_reads(connection)
                    return await way(connection)

            times.append(await _best(run))
        print(f"{name}, {what:24}".ljust(46) + "".join(f"{t:12.3f}" for t in times), flush=True)

    async def opened() -> object:
        async with database.transaction() as connection:
            return await store.calls_of(
                connection,
                asked,
                Figure.ABANDONMENT,
                Part.NUMERATOR,
                queue="general",
                behind=None,
                limit=100,
            )

    print(f"{name}, 100 calls behind a figure".ljust(46) + f"{await _best(opened):12.3f}")


async def _best(work: Callable[[], Awaitable[object]]) -> float:
    times: list[float] = []
    while len(times) < ROUNDS and (not times or times[-1] < LONG):
        began = time.monotonic()
        await work()
        times.append(time.monotonic() - began)
    return min(times)


if __name__ == "__main__":
    asyncio.run(figures(int(sys.argv[1]) if len(sys.argv) > 1 else WAITS))
