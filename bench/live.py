"""A thousand clients of the live state on one API process: how late they are told, how often.

`python -m bench.live` alone. The server is a process of its own, as in production; the clients
share this one, so what is measured includes their own work.
"""

from __future__ import annotations

import asyncio
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy import insert, text
from websockets.asyncio.client import ClientConnection, connect

from callcenter.access.guard import Guard
from callcenter.access.model import Role
from callcenter.access.service import AccessService
from callcenter.access.tables import users
from callcenter.agents.tables import agents, teams
from callcenter.bootstrap.live import WEBSOCKETS, live_tasks
from callcenter.live.api import router
from callcenter.live.screen.service import ScreenService
from callcenter.live.service import LiveService
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queue_members
from callcenter.testing.desk import add_call
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import free_tcp_port

CLIENTS = 1_000
SUPERVISORS = 50
TEAMS = 20
CALLS = 300
#: One change after the other, each waited for.
SINGLE = 20
#: Then so many a second, for so long.
RATE = 500
BUSY_SECONDS = 5

_LINE = re.compile(r'"line":"([0-9]+)"')


def live() -> None:
    """Latency of a broadcast, and messages a second when much changes."""
    uvloop.run(_run())


async def _run() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="cc-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(home / "data", home / "run", home / "log", durable=True)
        await server.start()
        try:
            await server.create_database("bench")
            await upgrade(server.url("bench"))
            database = Database(server.url("bench"), name="bench")
            try:
                await _with_server(database, str(server.url("bench")))
            finally:
                await database.close()
        finally:
            await server.stop()


async def _with_server(database: Database, url: str) -> None:
    port = free_tcp_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.live", "serve", url, str(port)
    )
    try:
        await eventually(lambda: _listens(port), "the server", within=timedelta(seconds=20))
        await _measure(database, port)
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _people(database: Database) -> list[str]:
    """A token each: supervisors, and agents in their teams."""
    access = AccessService(database, system_clock, timedelta(hours=1))
    made = [
        (uuid4(), f"u{n}", Role.SUPERVISOR if n < SUPERVISORS else Role.AGENT)
        for n in range(CLIENTS)
    ]
    now = system_clock()
    async with database.transaction() as connection:
        await seed_queues(connection)
        await connection.execute(
            insert(users),
            [
                {"user_id": i, "name": n, "role": r, "password_hash": "-", "created_at": now}
                for i, n, r in made
            ],
        )
        await connection.execute(
            insert(teams), [{"name": f"t{n}", "title": f"t{n}"} for n in range(TEAMS)]
        )
        people = [(str(10_000 + n), i) for n, (i, _, r) in enumerate(made) if r is Role.AGENT]
        await connection.execute(
            insert(agents),
            [
                {
                    "agent_id": a, "name": a, "sip_digest": "-", "created_at": now, "user_id": i,
                    "team": f"t{int(a) % TEAMS}",
                }
                for a, i in people
            ],
        )  # fmt: skip
        await connection.execute(
            insert(queue_members), [{"queue": "general", "agent_id": a} for a, _ in people]
        )
    return [(await access.issue(name)).token for _, name, _ in made]


class _Client:
    """Counts messages, and keeps when it knew of which change."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.messages = 0
        self.bytes = 0
        self.newest = -1
        self.knew_at: dict[int, float] = {}

    async def read(self) -> None:
        async for message in self._connection:
            now = time.monotonic()
            assert isinstance(message, str)
            self.messages += 1
            self.bytes += len(message)
            if found := _LINE.findall(message):
                newest = max(map(int, found))
                if newest > self.newest:
                    self.newest = newest
                    self.knew_at[newest] = now


async def _measure(database: Database, port: int) -> None:
    tokens = await _people(database)
    async with database.transaction() as connection:
        call_ids = [
            await add_call(connection, system_clock(), queue="general", line="0")
            for _ in range(CALLS)
        ]
    async with AsyncExitStack() as stack:
        began = time.monotonic()
        clients = [_Client(await _connected(stack, port, token)) for token in tokens]
        readers = [asyncio.create_task(client.read()) for client in clients]
        stack.callback(lambda: [reader.cancel() for reader in readers])
        await eventually(
            lambda: all(client.messages for client in clients),
            "everybody has a snapshot",
            within=timedelta(seconds=60),
        )
        took = time.monotonic() - began
        print(f"live: {CLIENTS} clients connected, each with a snapshot, in {took:.1f} s")
        await _one_by_one(database, call_ids, clients)
        await _all_at_once(database, call_ids, clients)


async def _connected(stack: AsyncExitStack, port: int, token: str) -> ClientConnection:
    return await stack.enter_async_context(
        connect(
            f"ws://127.0.0.1:{port}/api/v1/events?topic=queues&topic=calls",
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            max_size=None,
            ping_interval=None,
        )
    )


async def _one_by_one(
    database: Database, call_ids: Sequence[UUID], clients: Sequence[_Client]
) -> None:
    late: list[float] = []
    for number in range(1, SINGLE + 1):
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await _change(database, call_ids, range(number, number + 1))
        await eventually(
            lambda number=number: all(client.newest >= number for client in clients),
            "everybody knows",
            within=timedelta(seconds=20),
        )
        late += [client.knew_at[number] - began for client in clients]
    middle, worst = statistics.median(late), statistics.quantiles(late, n=100)[98]
    print(
        f"live: a change to {CLIENTS} clients       {middle * 1000:8.1f} ms"
        f"   p99 {worst * 1000:.1f} ms"
    )


async def _all_at_once(
    database: Database, call_ids: Sequence[UUID], clients: Sequence[_Client]
) -> None:
    before = [client.messages for client in clients]
    sizes = sum(client.bytes for client in clients)
    began = time.monotonic()
    done = SINGLE + 1
    while (spent := time.monotonic() - began) < BUSY_SECONDS:
        due = SINGLE + 1 + int(spent * RATE)
        await _change(database, call_ids, range(done, due))
        done = max(done, due)
        await asyncio.sleep(0.02)
    counts = [client.messages - start for client, start in zip(clients, before, strict=True)]
    sizes = sum(client.bytes for client in clients) - sizes
    changes = (done - SINGLE - 1) / spent
    written = time.monotonic()
    await eventually(
        lambda: all(client.newest >= done - 1 for client in clients),
        "everybody knows the last",
        within=timedelta(seconds=20),
    )
    after = time.monotonic() - written
    a_second = [count / spent for count in counts]
    print(
        f"live: {changes:.0f} changes a second            {statistics.median(a_second):8.1f}"
        f" messages a second and client, at most {max(a_second):.1f} (wanted: 10)"
    )
    print(
        f"live: … in all {sum(counts) / spent:,.0f} messages, {sizes / spent / 1e6:.1f} MB"
        f" a second; all knew the last change after {after * 1000:.0f} ms"
    )


async def _change(database: Database, call_ids: Sequence[UUID], numbers: range) -> None:
    """Each number a change of a call, with its news."""
    if not numbers:
        return
    newest = {call_ids[number % len(call_ids)]: str(number) for number in numbers}
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE calls SET line = new.line FROM unnest(CAST(:ids AS uuid[]),"
                " CAST(:lines AS text[])) AS new (id, line) WHERE call_id = new.id"
            ),
            {"ids": list(newest), "lines": list(newest.values())},
        )
        await connection.execute(
            text(
                "INSERT INTO outbox (topic, key, payload)"
                " SELECT 'call', key, '{}' FROM unnest(CAST(:keys AS text[])) AS keys (key)"
            ),
            {"keys": [str(call_ids[number % len(call_ids)]) for number in numbers]},
        )


async def _serve(url: str, port: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    database = Database(url, name="bench-live")
    access = AccessService(database, system_clock, timedelta(hours=1))
    live = LiveService(database, access, system_clock, zone=system_clock().tzinfo)
    app = FastAPI()
    app.include_router(
        router(live, ScreenService(database), access, Guard(access.authenticate)),
        prefix="/api/v1",
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port, log_config=None, access_log=False, lifespan="off", **WEBSOCKETS
        )
    )
    tasks = [asyncio.create_task(work, name=name) for name, work in live_tasks(live).items()]
    with suppress(asyncio.CancelledError):
        await server.serve()
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(_serve(sys.argv[2], int(sys.argv[3])))
    else:
        live()
