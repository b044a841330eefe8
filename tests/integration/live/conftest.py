"""The live state served by a real uvicorn, and calls that come and go in its rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn
from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from callcenter.access.model import Role
from callcenter.access.tables import users
from callcenter.agents.tables import agent_states, agents, teams
from callcenter.bootstrap.live import WEBSOCKETS
from callcenter.calls.tables import agent_talks, call_legs, calls, queue_visits
from callcenter.live.api import router
from callcenter.live.screen.service import ScreenService
from callcenter.live.service import LiveService
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.news import announce
from callcenter.queues.tables import queue_members, queues
from callcenter.testing.desk import PASSWORD, Desk, add_call, open_desk
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import free_tcp_port
from callcenter.testing.live_client import LiveClient, follow

ORIGIN = "https://desk.city.example"


@dataclass
class Calls:
    """Calls as the fold writes them: rows and news in one transaction."""

    database: Database
    clock: Clock

    async def queued(self, queue: str = "general", **columns: Any) -> UUID:
        at = columns.pop("at", self.clock())
        async with self.database.transaction() as connection:
            call_id = await add_call(
                connection, at, queue=queue, queued_at=at, line="12345", **columns
            )
            await connection.execute(
                insert(queue_visits).values(
                    call_id=call_id, visit=1, queue=queue, why="flow", entered_at=at,
                    position=3, estimate_seconds=90,
                )
            )  # fmt: skip
            await announce(connection, "call", str(call_id), {"fact": "caller_queued"})
        return call_id

    async def many(self, count: int) -> list[UUID]:
        """So many calls in no queue, without news."""
        async with self.database.transaction() as connection:
            return [await add_call(connection, self.clock()) for _ in range(count)]

    async def rings(self, call_id: UUID, agent: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                insert(call_legs).values(
                    call_id=call_id, uniqueid=f"{call_id}.{agent}", node="node1", role="agent",
                    channel=f"PJSIP/{agent}-00000001", agent=agent, started_at=self.clock(),
                )
            )  # fmt: skip
            await announce(connection, "call", str(call_id), {"fact": "agent_rang"})

    async def answered(self, call_id: UUID, agent: str) -> None:
        at, leg = self.clock(), f"{call_id}.{agent}"
        async with self.database.transaction() as connection:
            await connection.execute(
                update(call_legs).where(call_legs.c.uniqueid == leg).values(answered_at=at)
            )
            await connection.execute(
                update(queue_visits)
                .where(queue_visits.c.call_id == call_id)
                .values(answered_at=at, left_at=at, agent=agent, outcome="answered")
            )
            await connection.execute(
                insert(agent_talks).values(call_id=call_id, uniqueid=leg, agent=agent, began_at=at)
            )
            await connection.execute(
                update(calls)
                .where(calls.c.call_id == call_id)
                .values(state="talking", agent=agent, agent_answered_at=at)
            )
            await announce(connection, "call", str(call_id), {"fact": "agent_answered"})

    async def over(self, call_id: UUID, disposition: str = "answered") -> None:
        at = self.clock()
        async with self.database.transaction() as connection:
            await connection.execute(
                update(calls)
                .where(calls.c.call_id == call_id)
                .values(state="ended", ended_at=at, disposition=disposition, hangup_by="caller")
            )
            for table in (call_legs, agent_talks):
                await connection.execute(
                    update(table).where(table.c.call_id == call_id).values(ended_at=at)
                )
            await connection.execute(
                update(queue_visits)
                .where(queue_visits.c.call_id == call_id, queue_visits.c.outcome.is_(None))
                .values(left_at=at, outcome="abandoned")
            )
            await announce(connection, "call", str(call_id), {"fact": "call_ended"})

    async def agent_is(self, agent: str, state: str, **columns: Any) -> None:
        values = {"state": state, "since": self.clock(), "phone": "there"} | columns
        async with self.database.transaction() as connection:
            await connection.execute(
                upsert(agent_states)
                .values(agent_id=agent, **values)
                .on_conflict_do_update(index_elements=["agent_id"], set_=values)
            )
            await announce(connection, "agent_state", agent)


@dataclass
class Served:
    """The API of the live state at a port, with a desk's users."""

    desk: Desk
    live: LiveService
    calls: Calls
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/events"

    async def token(self, name: str) -> str:
        """Another token of this user."""
        return (await self.desk.access.login(name, PASSWORD)).token

    def follow(
        self, token: str | None, query: str = "", **options: Any
    ) -> AbstractAsyncContextManager[LiveClient]:
        return follow(self.url, token, query=query, **options)

    @asynccontextmanager
    async def follower(
        self, name: str, query: str = "", **options: Any
    ) -> AsyncIterator[LiveClient]:
        """Connected as this user, with a token of its own."""
        async with self.follow(await self.token(name), query, **options) as client:
            yield client


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(database: Database) -> AsyncIterator[Served]:
    """The desk, a city with two teams, and the live state behind a real socket."""
    made: list[LiveService] = []

    async with open_desk(database, lambda _guard, _clock: []) as desk:
        # Read again so seldom that a test sees what news alone do.
        live = LiveService(
            database, desk.access, desk.clock, zone=_UTC8, reconcile=timedelta(seconds=30)
        )
        made.append(live)
        desk.app.include_router(
            router(live, ScreenService(database), desk.access, desk.guard, origins=[ORIGIN]),
            prefix="/api/v1",
        )
        await _city(desk)
        port = free_tcp_port()
        server = _Server(
            uvicorn.Config(
                desk.app, port=port, log_config=None, access_log=False, lifespan="off",
                timeout_graceful_shutdown=1, **WEBSOCKETS,
            )
        )  # fmt: skip
        tasks = [
            asyncio.create_task(work)
            for work in (
                server.serve(), live.keep_picture(), live.follow_news(), live.watch_tokens()
            )
        ]  # fmt: skip
        try:
            await eventually(lambda: server.started, "uvicorn listens")
            yield Served(desk, live, Calls(database, desk.clock), port)
        finally:
            server.should_exit = True
            await tasks[0]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


_UTC8 = datetime.strptime("+0800", "%z").tzinfo or pytest.fail("a zone")


async def _city(desk: Desk) -> None:
    """Aki (1001) and Bea (1002) in the east, Cleo (1003) in the west; two queues."""
    for name in ("bea", "cleo"):
        await desk.access.create_user(name, PASSWORD, Role.AGENT)
    async with desk.database.transaction() as connection:
        found = await connection.execute(select(users.c.name, users.c.user_id))
        ids = {row.name: row.user_id for row in found}
        await connection.execute(insert(teams), [{"name": n, "title": n} for n in ("east", "west")])
        await connection.execute(
            insert(queues),
            [
                {"name": "general", "title": "General", "is_default": True},
                {"name": "law", "title": "Law", "is_default": False},
            ],
        )
        for agent, user, team, queue in (
            ("1001", "aki", "east", "general"),
            ("1002", "bea", "east", "general"),
            ("1003", "cleo", "west", "law"),
        ):
            await connection.execute(
                insert(agents).values(
                    agent_id=agent, name=user.title(), sip_digest=uuid4().hex, team=team,
                    user_id=ids[user], created_at=desk.clock(),
                )
            )  # fmt: skip
            await connection.execute(insert(queue_members).values(queue=queue, agent_id=agent))


@pytest.fixture
async def served(database: Database) -> AsyncIterator[Served]:
    async with serving(database) as served:
        yield served
