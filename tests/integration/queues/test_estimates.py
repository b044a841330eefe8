"""Wait estimates from the hotline's rows: how a queue stands, how it went, what was off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, insert, text

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.agents.tables import agent_activity, agent_queue_logouts, agent_states, agents
from callcenter.calls.tables import agent_talks, call_legs, calls, queue_visits
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues.estimates import store
from callcenter.queues.estimates.api import router
from callcenter.queues.estimates.model import Foretold, Standing
from callcenter.queues.estimates.service import EstimateService, PaceKeeper
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queue_members
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Hotline:
    """Writes what the fold and the sessions write."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._calls = 0

    async def rows(self, table: Any, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(insert(table).values(**values))

    async def agent(self, agent_id: str, *queues: str, **state: Any) -> None:
        await self.rows(agents, agent_id=agent_id, name="A", sip_digest="0" * 32, created_at=NOW)
        for queue in queues:
            await self.rows(queue_members, queue=queue, agent_id=agent_id)
        if state:
            known = {"state": "ready", "phone": "there"} | state
            await self.rows(agent_states, agent_id=agent_id, since=NOW, **known)

    async def call(self, **more: Any) -> UUID:
        self._calls += 1
        call_id = UUID(int=self._calls)
        values = {
            "call_id": call_id,
            "node": "n",
            "linkedid": str(call_id),
            "uniqueid": str(call_id),
            "direction": "inbound",
            "state": "queued",
            "started_at": NOW - timedelta(hours=2),
        }
        await self.rows(calls, **(values | more))
        return call_id

    async def waiting(self, queue: str = "general", priority: int | None = None) -> UUID:
        call_id = await self.call()
        await self.rows(
            queue_visits,
            call_id=call_id,
            visit=1,
            queue=queue,
            why="flow",
            priority=priority,
            entered_at=NOW - timedelta(seconds=60),
        )
        return call_id

    async def answered(
        self,
        *,
        waited: float,
        talked: float,
        told: int | None = None,
        rang: float = 4,
        wrapped: float = 0,
        agent: str = "1001",
        ago: float = 600,
    ) -> None:
        call_id = await self.call()
        answered_at = NOW - timedelta(seconds=ago)
        await self.rows(
            queue_visits,
            call_id=call_id,
            visit=1,
            queue="general",
            why="flow",
            entered_at=answered_at - timedelta(seconds=waited),
            estimate_seconds=told,
            answered_at=answered_at,
            left_at=answered_at,
            agent=agent,
            outcome="answered",
        )
        ended_at = answered_at + timedelta(seconds=talked)
        await self.rows(
            agent_talks,
            call_id=call_id,
            uniqueid="leg",
            agent=agent,
            visit=1,
            began_at=answered_at,
            ended_at=ended_at,
        )
        await self.rows(
            call_legs,
            call_id=call_id,
            uniqueid="leg",
            node="n",
            channel=f"PJSIP/{agent}-00000001",
            role="agent",
            agent=agent,
            started_at=answered_at - timedelta(seconds=rang),
            answered_at=answered_at,
        )
        if wrapped:
            await self.rows(
                agent_activity,
                agent_id=agent,
                state="wrap_up",
                call_id=call_id,
                began_at=ended_at,
                ended_at=ended_at + timedelta(seconds=wrapped),
            )

    async def gave_up(self, waited: float) -> None:
        left_at = NOW - timedelta(seconds=500)
        await self.rows(
            queue_visits,
            call_id=await self.call(),
            visit=1,
            queue="general",
            why="flow",
            entered_at=left_at - timedelta(seconds=waited),
            left_at=left_at,
            outcome="abandoned",
        )


@pytest.fixture
async def hotline(database: Database) -> Hotline:
    async with database.transaction() as connection:
        await seed_queues(connection)
    return Hotline(database)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database: Database, clock: FixedClock) -> EstimateService:
    return EstimateService(database, clock, limit=timedelta(seconds=5))


@pytest.fixture
async def api(service: EstimateService) -> AsyncIterator[httpx.AsyncClient]:
    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "someone", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer agent"},
    ) as client:
        yield client


@contextmanager
def recorded(database: Database, seen: list[tuple[str, Any]]) -> Iterator[None]:
    """Statements as they go to the server."""

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        seen.append((statement, values))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def standing(hotline: Hotline, queue: str = "general", priority: int = 0) -> Standing:
    async with hotline.database.transaction() as connection:
        known = await store.known_of(connection, queue, priority=priority, now=NOW)
    return known.standing


async def test_who_is_there_to_serve(hotline: Hotline) -> None:
    await hotline.agent("1001", "general", state="ready")
    await hotline.agent("1002", "general", state="talking")
    await hotline.agent("1003", "general", state="wrap_up")
    await hotline.agent("1004", "general", state="paused", paused=True, pause_reason="rest")
    await hotline.agent("1005", "general", state="talking", paused=True, pause_reason="rest")
    await hotline.agent("1006", "general", state="ready", phone="away")
    await hotline.agent("1007", "general", state="offline", logged_in=False)
    await hotline.agent("1008", "legal", state="ready")
    # Nothing is known of this one's state, but that a talk goes on.
    await hotline.agent("1009", "general")
    await hotline.agent("1010", "general")
    await hotline.rows(
        agent_talks,
        call_id=await hotline.call(),
        uniqueid="leg",
        agent="1009",
        began_at=NOW - timedelta(minutes=1),
    )
    assert await standing(hotline) == Standing(ahead=0, free=1, busy=3)
    await hotline.rows(agent_queue_logouts, agent_id="1001", queue="general", at=NOW)
    await hotline.rows(agent_queue_logouts, agent_id="1002", queue="legal", at=NOW)
    assert await standing(hotline) == Standing(ahead=0, free=0, busy=3)


async def test_who_waits_before_a_caller_by_priority_and_without_those_being_rung(
    hotline: Hotline,
) -> None:
    await hotline.agent("1001", "general", state="ringing", queue="general")
    for priority in (None, None, 5, 10):
        await hotline.waiting(priority=priority)
    await hotline.waiting("legal")
    assert (await standing(hotline)).ahead == 3
    assert (await standing(hotline)).overtaking == pytest.approx(2 / 3600)
    assert (await standing(hotline, priority=10)).ahead == 0
    assert (await standing(hotline, priority=10)).overtaking == 0
    assert (await standing(hotline, "legal")).ahead == 1


async def test_callers_of_another_queue_count_by_the_share_of_agents(hotline: Hotline) -> None:
    await hotline.agent("1001", "general", "legal", state="talking")
    await hotline.agent("1002", "general", state="talking")
    await hotline.agent("1003", "legal", state="talking")
    for _ in range(4):
        await hotline.waiting("legal")
    await hotline.waiting("general")
    assert await standing(hotline) == Standing(ahead=1, free=0, busy=2, elsewhere=2.0)


async def test_the_pace_is_that_of_the_last_calls(
    hotline: Hotline, service: EstimateService, clock: FixedClock
) -> None:
    await hotline.agent("1001", "general", state="talking")
    for _ in range(6):
        await hotline.answered(waited=30, talked=200, wrapped=20)
    await hotline.gave_up(120)
    keeper = PaceKeeper(hotline.database, clock)
    assert await keeper.draw() == 1
    pace = (await service.of_queue("general")).drawn.pace
    assert pace is not None
    assert (pace.talks, pace.handling, pace.answering) == (
        6,
        timedelta(seconds=224),
        timedelta(seconds=4),
    )
    # 6 × 30 s and 120 s were waited for the one who gave up.
    assert pace.patience == timedelta(seconds=300)
    # Once more for talks that ended since; then nothing is looked at again.
    clock.forward(timedelta(hours=1))
    assert [await keeper.draw() for _ in range(3)] == [1, 0, 0]
    # One ahead, one agent at work.
    await hotline.waiting()
    told = await service.foretell("general", 0)
    assert told.position == 2
    assert told.wait is not None
    assert timedelta(seconds=250) < told.wait < timedelta(seconds=400)


async def test_the_error_is_that_of_answered_calls_and_decides_whether_callers_hear_it(
    hotline: Hotline, clock: FixedClock, api: httpx.AsyncClient, service: EstimateService
) -> None:
    await hotline.agent("1001", "general", state="talking")
    reply = (await api.get("/queues/general/estimate")).json()
    assert reply["estimate_seconds"] is None
    assert reply["spoken"] is False
    assert reply["error"] is None
    assert "cannot be known" in reply["why"]
    for number in range(29):
        await hotline.answered(waited=60 + number, talked=100, told=60)
    await hotline.answered(waited=3, talked=100, told=4)
    keeper = PaceKeeper(hotline.database, clock)
    await keeper.draw()
    reply = (await api.get("/queues/general/estimate")).json()
    assert reply["error"] == {"median_seconds": 13.5, "p90_seconds": 25, "calls": 30}
    assert reply["error_when_waiting"] == {"median_seconds": 14, "p90_seconds": 26, "calls": 29}
    assert reply["spoken"] is False
    assert "29 answered calls that had to wait; 30 are needed" in reply["why"]
    await hotline.answered(waited=60, talked=100, told=60)
    await keeper.draw()
    reply = (await api.get("/queues/general/estimate")).json()
    assert reply["spoken"] is True
    assert reply["why"] is None
    assert reply["estimate_seconds"] >= 30
    assert (await service.foretell("general", 0)).spoken
    # Four that were off by minutes: callers are told nothing more.
    for _ in range(4):
        await hotline.answered(waited=400, talked=100, told=60)
    await keeper.draw()
    reply = (await api.get("/queues/general/estimate")).json()
    assert reply["spoken"] is False
    assert "One in ten was off" in reply["why"]
    assert not (await service.foretell("general", 0)).spoken


async def test_there_is_no_estimate_for_no_queue(api: httpx.AsyncClient) -> None:
    for name in ("nowhere", "Q", "a%00b", "%ED%A0%80", "x" * 300):
        reply = await api.get(f"/queues/{name}/estimate")
        assert reply.status_code == 404, reply.text
        assert reply.json()["type"] == "/problems/no-such-queue"


async def test_a_database_that_is_slow_does_not_hold_the_caller(
    database: Database, clock: FixedClock, hotline: Hotline
) -> None:
    service = EstimateService(database, clock, limit=timedelta(milliseconds=50))
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE queue_paces IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(2):
            assert await service.foretell("general", 0) == Foretold()
    assert service.not_known == 1


async def test_a_queue_that_is_removed_takes_its_pace_with_it(
    hotline: Hotline, clock: FixedClock
) -> None:
    await hotline.answered(waited=30, talked=200)
    await PaceKeeper(hotline.database, clock).draw()
    async with hotline.database.transaction() as connection:
        assert await store.all_drawn(connection) != []
        await connection.execute(text("DELETE FROM queues WHERE name = 'general'"))
        assert await store.all_drawn(connection) == []
        # Drawn before, written after: nothing to write to.
        drawn = {
            "general": (await EstimateService(hotline.database, clock).of_queue("legal")).drawn
        }
        await store.keep(connection, drawn, NOW)


async def test_the_lookup_reads_by_indexes(hotline: Hotline) -> None:
    """Thousands of calls that are over cost a caller who comes now nothing."""
    async with hotline.database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, state,"
                " started_at, ended_at, disposition, hangup_by) SELECT gen_random_uuid(), 'n',"
                " n::text, n::text, 'inbound', 'ended',"
                " CAST(:now AS timestamptz) - n * interval '1 minute', CAST(:now AS timestamptz),"
                " 'answered', 'caller'"
                " FROM generate_series(1, 5000) AS n"
            ),
            {"now": NOW},
        )
        await connection.execute(
            text(
                "INSERT INTO queue_visits (call_id, visit, queue, why, entered_at, answered_at,"
                " agent, left_at, outcome) SELECT call_id, 1, 'general', 'flow', started_at,"
                " started_at, '1001', started_at, 'answered' FROM calls"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO agent_talks (call_id, uniqueid, agent, visit, began_at, ended_at)"
                " SELECT call_id, 'leg', '1001', 1, started_at, started_at FROM calls"
            )
        )
        for table in ("calls", "queue_visits", "agent_talks"):
            await connection.execute(text(f"ANALYZE {table}"))
        seen: list[tuple[str, Any]] = []
        with recorded(hotline.database, seen):
            await store.known_of(connection, "general", priority=0, now=NOW)
            await store.past_waits(connection, NOW)
        for statement, values in seen:
            found = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
            plan = "\n".join(row[0] for row in found)
            for table in ("calls", "queue_visits", "agent_talks"):
                assert f"Seq Scan on {table}" not in plan, plan
