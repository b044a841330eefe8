"""Rows of a made-up time in the hotline, and the reports over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.agents.tables import agent_activity
from callcenter.calls.tables import agent_talks, calls, queue_visits
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues.seed import seed_queues
from callcenter.reports.agents.api import router as agents_router
from callcenter.reports.channels.api import router as channels_router
from callcenter.reports.channels.service import ChannelReportService
from callcenter.reports.queues.api import router as queues_router
from callcenter.reports.service import ReportService
from callcenter.reports.staffing.api import router as staffing_router
from callcenter.testing.fixed_clock import FixedClock

BEGIN = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
NOW = BEGIN + timedelta(days=4)
QUEUES = ("general", "enterprise", "legal")
AGENTS = ("1001", "1002", "1003")

ENDS = ("abandoned", "timeout", "full", "no_agents", "withdrawn", "left_by_key", "moved", "failed")


@dataclass
class Wait:
    queue: str
    why: str
    entered_at: datetime
    outcome: str | None
    left_at: datetime | None
    agent: str | None
    talk: tuple[datetime, datetime | None] | None = None


@dataclass
class Journey:
    """A call as the tables hold it; `talks` (agent, began, ended) are those no queue brought."""

    call_id: UUID
    started_at: datetime
    ended_at: datetime | None
    direction: str
    number: str | None
    waits: list[Wait] = field(default_factory=list)
    talks: list[tuple[str, datetime, datetime | None]] = field(default_factory=list)


@dataclass
class State:
    agent: str
    state: str
    began_at: datetime
    ended_at: datetime | None
    call_id: UUID | None = None


@dataclass
class Rows:
    calls: list[Journey] = field(default_factory=list)
    states: list[State] = field(default_factory=list)


def made_up(random: Random, count: int = 250, days: float = 3.0) -> Rows:
    """Calls and states with every kind of oddity; some of it lies outside the time asked for."""
    rows = Rows()
    for number in range(1, count + 1):
        at = BEGIN + timedelta(seconds=random.randrange(-20_000, int(days * 86_400)))
        # On the edges of parts, too.
        if random.random() < 0.1:
            at = at.replace(minute=random.choice((0, 15, 30, 45)), second=0)
        call = Journey(
            UUID(int=number),
            at - timedelta(seconds=random.choice((0, 3, 14, 40))),
            None,
            random.choice(("inbound",) * 9 + ("outbound",)),
            random.choice(("+8613800138000", None)),
        )
        waits = random.choice((1, 1, 1, 2, 3))
        for index in range(waits):
            last = index == waits - 1
            wait = timedelta(seconds=random.choice((0, 1, 5, 6, 15, 16, 20, 21, 90, 400)))
            outcome: str | None = random.choice(ENDS)
            if not last and outcome == "abandoned":
                outcome = "moved"
            if random.random() < 0.55:
                outcome = "answered"
            if last and random.random() < 0.05:
                outcome = None
            one = Wait(
                random.choice(QUEUES),
                "callback" if random.random() < 0.05 else "flow",
                at,
                outcome,
                None if outcome is None else at + wait,
                random.choice(AGENTS) if outcome == "answered" else None,
            )
            call.waits.append(one)
            at += wait + timedelta(seconds=1)
            if outcome == "answered":
                began = one.left_at
                assert began is not None
                going_on = last and random.random() < 0.05
                ended = began + timedelta(seconds=random.randrange(1, 900))
                one.talk = (began, None if going_on else ended)
                at = ended + timedelta(seconds=2)
                # The log of states has one at a time; where it begins, the rows do as well.
                if not going_on and ended >= BEGIN and random.random() < 0.7:
                    closed = random.random() < 0.95
                    rows.states.append(
                        State(
                            one.agent or "",
                            "wrap_up",
                            ended,
                            ended + timedelta(seconds=random.randrange(0, 60)) if closed else None,
                            call.call_id,
                        )
                    )
                if random.random() < 0.1:
                    # Handed on to a colleague.
                    call.talks.append(
                        (random.choice(AGENTS), at, at + timedelta(seconds=random.randrange(100)))
                    )
                    at += timedelta(seconds=101)
        undecided = call.waits[-1].outcome is None or (
            call.waits[-1].talk is not None and call.waits[-1].talk[1] is None
        )
        call.ended_at = None if undecided else at
        rows.calls.append(call)
    for agent in AGENTS:
        at = BEGIN - timedelta(hours=random.randrange(1, 30))
        while at < BEGIN + timedelta(days=days):
            length = timedelta(seconds=random.randrange(1, 7_200))
            state = random.choice(("ready", "ringing", "talking", "paused", "offline", "holding"))
            rows.states.append(State(agent, state, at, at + length))
            at += length
        # Only one may be open.
        for one in rows.states:
            if one.agent == agent and one.ended_at is None:
                one.ended_at = one.began_at + timedelta(seconds=30)
        rows.states.append(State(agent, "ready", at, None))
    return rows


async def write(database: Database, rows: Rows) -> None:
    """Fill the tables."""
    async with database.transaction() as connection:
        await seed_queues(connection)
        await connection.execute(
            insert(calls),
            [
                {
                    "call_id": call.call_id,
                    "node": "n",
                    "linkedid": str(call.call_id),
                    "uniqueid": str(call.call_id),
                    "direction": call.direction,
                    "caller_number": call.number,
                    "state": "ended" if call.ended_at else "talking",
                    "disposition": "answered" if call.ended_at else None,
                    "hangup_by": "caller" if call.ended_at else None,
                    "started_at": call.started_at,
                    "ended_at": call.ended_at,
                }
                for call in rows.calls
            ],
        )
        visits, talks = [], []
        for call in rows.calls:
            for number, wait in enumerate(call.waits, 1):
                visits.append(
                    {
                        "call_id": call.call_id,
                        "visit": number,
                        "queue": wait.queue,
                        "why": wait.why,
                        "entered_at": wait.entered_at,
                        "answered_at": wait.left_at if wait.outcome == "answered" else None,
                        "agent": wait.agent,
                        "left_at": wait.left_at,
                        "outcome": wait.outcome,
                    }
                )
                if wait.talk is not None:
                    talks.append((call, wait.agent, number, *wait.talk))
            talks += [(call, agent, None, began, ended) for agent, began, ended in call.talks]
        await connection.execute(insert(queue_visits), visits)
        legs = [
            {
                "call_id": call.call_id,
                "uniqueid": f"leg-{number}",
                "agent": agent,
                "visit": visit,
                "began_at": began,
                "ended_at": ended,
            }
            for number, (call, agent, visit, began, ended) in enumerate(talks)
        ]
        states = [
            {
                "agent_id": one.agent,
                "state": one.state,
                "call_id": one.call_id,
                "began_at": one.began_at,
                "ended_at": one.ended_at,
            }
            for one in rows.states
        ]
        for table, values in ((agent_talks, legs), (agent_activity, states)):
            if values:
                await connection.execute(insert(table), values)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database: Database, clock: FixedClock) -> ReportService:
    return ReportService(database, clock, zone=ZoneInfo("Asia/Shanghai"))


Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def ask(service: ReportService, database: Database, clock: FixedClock) -> AsyncIterator[Ask]:
    """GET of a path or a link, as a supervisor."""

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "someone", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    guard = Guard(authenticate)
    for room in (
        queues_router(service, guard),
        agents_router(service, guard),
        channels_router(ChannelReportService(database, clock, zone=service.zone), guard),
        staffing_router(guard),
    ):
        app.include_router(room, prefix="/api/v1")
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hotline") as client:

        async def get(path: str, *, by: str = "supervisor", **params: Any) -> httpx.Response:
            path = path if path.startswith("/api/") else f"/api/v1/reports{path}"
            if params:
                path = str(httpx.URL(path).copy_merge_params(params))
            return await client.get(path, headers={"Authorization": f"Bearer {by}"})

        yield get


def moments(*values: datetime) -> Sequence[str]:
    return [value.isoformat() for value in values]
