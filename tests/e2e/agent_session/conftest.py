"""A direct line to one queue, whose ring and wrap-up times a scenario sets; restored afterwards."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest_asyncio
from httpx import AsyncClient
from sqlalchemy import select, update

from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.settings import Settings
from callcenter.queues.tables import queues
from callcenter.switch.service import SwitchService
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance

LINE = "12377"
QUEUE = "enterprise"
AGENTS = ("1001", "1002")


@dataclass
class Desk:
    """The agents of one queue, seen from outside: REST and Asterisk's console."""

    hotline: Instance
    database: Database

    async def state(self, agent_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.hotline.get(f"/agents/{agent_id}/state")
        return found

    async def wish(self, agent_id: str, client: AsyncClient | None = None, **body: Any) -> Any:
        reply = await (client or self.hotline.client).put(
            f"/api/v1/agents/{agent_id}/state", json=body
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def until(self, agent_id: str, within: float = 10, **wanted: object) -> dict[str, Any]:
        """Wait until the agent's state has these values."""

        async def found() -> dict[str, Any]:
            state = await self.state(agent_id)
            assert {name: state[name] for name in wanted} == wanted
            return state

        what = f"{agent_id} is {wanted}"
        state: dict[str, Any] = await eventually(found, what, within=timedelta(seconds=within))
        return state

    async def member(self, agent_id: str, queue: str = QUEUE) -> str | None:
        """What Asterisk's console says of a member; None: there is none."""
        said = await self.hotline.console(f"queue show q_{queue}")
        lines = [line.strip() for line in said.splitlines() if f"PJSIP/{agent_id}" in line]
        return lines[0] if lines else None

    async def paused_for(self, agent_id: str) -> str | None:
        """The reason Asterisk has the agent paused for."""
        found = re.search(r"\(paused(?::(\w+))?", await self.member(agent_id) or "")
        return (found[1] or "") if found else None

    @asynccontextmanager
    async def own_user(self, agent_id: str) -> AsyncIterator[AsyncClient]:
        """The agent at the screen: the user whom the agent is linked with."""
        password, name = "as the agent", f"screen-{agent_id}"
        user = {"name": name, "password": password, "role": "agent"}
        reply = await self.hotline.client.post("/api/v1/users", json=user)
        assert reply.status_code in (201, 409), reply.text
        agent = await self.hotline.get(f"/agents/{agent_id}")
        kept = ("name", "languages", "skills", "team", "departments", "phone")
        reply = await self.hotline.client.put(
            f"/api/v1/agents/{agent_id}",
            json={**{field: agent[field] for field in kept}, "user": name},
            headers={"If-Match": "*"},
        )
        assert reply.status_code == 200, reply.text
        async with AsyncClient(base_url=self.hotline.client.base_url, timeout=15) as client:
            reply = await client.post(
                "/api/v1/auth/token", data={"username": name, "password": password}
            )
            client.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
            yield client

    async def configure(self, **values: int) -> None:
        """Change the queue's times, and see them in force."""
        node = Settings.model_fields["node"].default
        switch = SwitchService(self.database, system_clock, node)
        async with self.database.transaction() as connection:
            await connection.execute(update(queues).where(queues.c.name == QUEUE).values(**values))
            change = await switch.request(connection, "queues")
        outcome = await switch.wait(change, timedelta(seconds=10))
        assert outcome.in_force, outcome.detail

    async def drift(self) -> float:
        """What /metrics says was repaired."""
        text = (await self.hotline.client.get("/metrics")).text
        found = re.search(r"^callcenter_agent_drift_repaired_total\{.*\} (\S+)$", text, re.M)
        assert found, "no such metric"
        return float(found[1])


@pytest_asyncio.fixture(loop_scope="session")
async def desk(hotline: Instance) -> AsyncIterator[Desk]:
    """1001 and 1002 are the whole queue while the scenario plays."""
    client = hotline.client
    database = Database(hotline.extra["DATABASE_URL"], name="desk")
    body = {"title": "测试", "flow": "main", "queue": QUEUE, "language": "zh", "mode": "direct"}
    reply = await client.post("/api/v1/lines", json={"number": LINE, **body})
    assert reply.status_code == 201, reply.text
    desk = Desk(hotline, database)
    async with database.transaction() as connection:
        before = (await connection.execute(select(queues).where(queues.c.name == QUEUE))).one()
    try:
        yield desk
    finally:
        await desk.configure(ring_seconds=before.ring_seconds, wrapup_seconds=before.wrapup_seconds)
        for agent_id in AGENTS:
            state = await desk.state(agent_id)
            if state["wanted_pause"] or not state["logged_in"]:
                await desk.wish(agent_id, state="ready")
        reply = await client.delete(f"/api/v1/lines/{LINE}", headers={"If-Match": "*"})
        assert reply.status_code == 204, reply.text
        await database.close()
