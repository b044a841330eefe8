"""A desk with the REST API on it: one user of each role, logged in, over a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.api import router as access_router
from callcenter.access.guard import Guard
from callcenter.access.model import Role
from callcenter.access.passwords import Passwords
from callcenter.access.service import AccessService
from callcenter.calls.tables import calls
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.news import announce
from callcenter.platform.problems import install_problem_handlers
from callcenter.switch.model import SwitchOutcome
from callcenter.switch.tables import switch_changes
from callcenter.testing.fixed_clock import FixedClock

#: The password of every user at the desk.
PASSWORD = "correct horse"  # noqa: S105 - for tests


def quick_passwords() -> Passwords:
    """argon2id with the least work, so that a test logs in within a millisecond."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class ScriptedSwitch:
    """A `SwitchRequests` that writes its rows as the real one does, and answers as told."""

    clock: Clock
    node: str = "node1"
    outcome: SwitchOutcome = field(default_factory=lambda: SwitchOutcome(True, None))
    fails: Exception | None = None
    waited: list[tuple[int, timedelta]] = field(default_factory=list)

    async def request(self, connection: AsyncConnection, subject: str) -> int:
        change_id: int | None = await connection.scalar(
            insert(switch_changes)
            .values(node=self.node, subject=subject, wanted_at=self.clock())
            .returning(switch_changes.c.change_id)
        )
        assert change_id is not None
        await announce(connection, "switch", self.node)
        return change_id

    async def wait(self, change_id: int, limit: timedelta) -> SwitchOutcome:
        self.waited.append((change_id, limit))
        if self.fails is not None:
            raise self.fails
        return self.outcome


@dataclass
class Desk:
    """Clients by role: `anna` is admin, `sven` supervisor, `aki` agent, `nobody` has no token."""

    app: FastAPI
    database: Database
    clock: FixedClock
    access: AccessService
    guard: Guard
    anna: AsyncClient
    sven: AsyncClient
    aki: AsyncClient
    nobody: AsyncClient

    def client(self, role: str) -> AsyncClient:
        """By role name, or `nobody`."""
        return {
            "admin": self.anna,
            "supervisor": self.sven,
            "agent": self.aki,
            "nobody": self.nobody,
        }[role]


@asynccontextmanager
async def open_desk(
    database: Database, routers: Callable[[Guard, FixedClock], Sequence[APIRouter]]
) -> AsyncIterator[Desk]:
    """`routers` are put below `/api/v1`, beside those of `access`."""
    clock = FixedClock()
    access = AccessService(database, clock, timedelta(hours=1), passwords=quick_passwords())
    guard = Guard(access.authenticate)
    app = FastAPI()
    install_problem_handlers(app)
    for router in (access_router(access, guard, clock=clock), *routers(guard, clock)):
        app.include_router(router, prefix="/api/v1")
    async with AsyncExitStack() as stack:

        async def client(token: str | None) -> AsyncClient:
            return await stack.enter_async_context(
                AsyncClient(
                    transport=ASGITransport(app=app),
                    base_url="http://desk/api/v1",
                    headers={"Authorization": f"Bearer {token}"} if token else {},
                )
            )

        async def logged_in(name: str, role: Role) -> AsyncClient:
            await access.create_user(name, PASSWORD, role)
            return await client((await access.login(name, PASSWORD)).token)

        yield Desk(
            app=app,
            database=database,
            clock=clock,
            access=access,
            guard=guard,
            anna=await logged_in("anna", Role.ADMIN),
            sven=await logged_in("sven", Role.SUPERVISOR),
            aki=await logged_in("aki", Role.AGENT),
            nobody=await client(None),
        )


async def add_call(
    connection: AsyncConnection, at: datetime, *, call_id: UUID | None = None, **columns: object
) -> UUID:
    """A row in `calls`: an inbound one that is queued, unless `columns` say otherwise."""
    call_id = call_id or uuid4()
    values: dict[str, object] = {
        "call_id": call_id,
        "node": "node1",
        "linkedid": str(call_id),
        "uniqueid": str(call_id),
        "direction": "inbound",
        "state": "queued",
        "started_at": at,
    }
    await connection.execute(insert(calls).values(values | columns))
    return call_id
