"""A thousand clients of the live state on one API process: how late they are told, how often.

`python -m bench.live` alone. The server is a process of its own, as in production; the clients
share this one, so what is measured includes their own work.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy import insert, text

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
from callcenter.queues.tables import queue_members, queues
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

_LINE = re.compile(rb'"line":"([0-9]+)"')


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
        await _measure(database, port, process.pid)
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
        await connection.execute(
            insert(queues), [{"name": f"q{n}", "title": f"q{n}"} for n in range(TEAMS)]
        )
        await connection.execute(
            insert(users),
            [
                {
                    "user_id": i,
                    "name": n,
                    "role": r,
                    "password_hash": "$argon2id$-",
                    "created_at": now,
                }
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
                    "agent_id": a, "name": a, "sip_digest": "0" * 32, "created_at": now,
                    "user_id": i, "team": f"t{int(a) % TEAMS}",
                }
                for a, i in people
            ],
        )  # fmt: skip
        await connection.execute(
            insert(queue_members),
            [{"queue": f"q{int(a) % TEAMS}", "agent_id": a} for a, _ in people],
        )
    return [(await access.issue(name)).token for _, name, _ in made]


class _Client(asyncio.Protocol):
    """The least a WebSocket client must do (RFC 6455), so that the server is measured and not it.

    Counts messages, and keeps when it knew of which change.
    """

    def __init__(self, port: int, token: str) -> None:
        self._hello = (
            f"GET /api/v1/events?topic=queues&topic=calls HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YmVuY2hiZW5jaGJlbmNoYg==\r\n\r\n"
        ).encode()
        self._data = b""
        self._is_open = False
        self.messages = 0
        self.bytes = 0
        self.newest = -1
        self.knew_at: dict[int, float] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of it.
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._is_open:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head, head
            self._is_open, self._data = True, rest
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == 1:
                self._message(payload)
            elif opcode == 9:
                self.transport.write(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
            else:
                raise AssertionError(f"frame {opcode}: {payload!r}")

    def _frame(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        length, start = data[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(data) < start:
                return None
            length = int.from_bytes(data[2:start])
        if len(data) < start + length:
            return None
        self._data = data[start + length :]
        return data[0] & 0x0F, data[start : start + length]

    def _message(self, payload: bytes) -> None:
        self.messages += 1
        self.bytes += len(payload)
        newest = max(map(int, _LINE.findall(payload)), default=-1)
        if newest > self.newest:
            self.newest = newest
            self.knew_at[newest] = time.monotonic()


async def _measure(database: Database, port: int, pid: int) -> None:
    tokens = await _people(database)
    async with database.transaction() as connection:
        call_ids = [
            await add_call(connection, system_clock(), queue=f"q{number % TEAMS}", line="0")
            for number in range(CALLS)
        ]
    loop, began = asyncio.get_running_loop(), time.monotonic()
    clients = []
    try:
        for token in tokens:
            _, client = await loop.create_connection(
                lambda token=token: _Client(port, token), "127.0.0.1", port
            )
            clients.append(client)
        await eventually(
            lambda: all(client.messages for client in clients),
            "everybody has a snapshot",
            within=timedelta(seconds=60),
        )
        took = time.monotonic() - began
        print(f"live: {CLIENTS} clients connected, each with a snapshot, in {took:.1f} s")
        await _one_by_one(database, call_ids, clients, pid)
        await _all_at_once(database, call_ids, clients, pid)
    finally:
        for client in clients:
            client.transport.abort()


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _one_by_one(
    database: Database, call_ids: Sequence[UUID], clients: Sequence[_Client], pid: int
) -> None:
    """Each change is one of a call of every team, so that everybody is told."""
    late: list[float] = []
    cpu = _cpu(pid)
    for number in range(1, SINGLE + 1):
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await _change(database, dict.fromkeys(call_ids[:TEAMS], str(number)))
        await eventually(
            lambda number=number: all(client.newest >= number for client in clients),
            "everybody knows",
            within=timedelta(seconds=20),
        )
        late += [client.knew_at[number] - began for client in clients]
    cpu = (_cpu(pid) - cpu) / SINGLE
    middle, worst = statistics.median(late), statistics.quantiles(late, n=100)[98]
    print(
        f"live: a change told to {CLIENTS} clients  {middle * 1000:8.1f} ms"
        f"   p99 {worst * 1000:.1f} ms, of the server's CPU {cpu * 1000:.0f} ms"
    )


async def _all_at_once(
    database: Database, call_ids: Sequence[UUID], clients: Sequence[_Client], pid: int
) -> None:
    before = [client.messages for client in clients]
    sizes = sum(client.bytes for client in clients)
    began, cpu = time.monotonic(), _cpu(pid)
    done = first = SINGLE + 1
    while (spent := time.monotonic() - began) < BUSY_SECONDS:
        due = first + int(spent * RATE)
        await _change(database, {call_ids[n % CALLS]: str(n) for n in range(done, due)})
        done = max(done, due)
        await asyncio.sleep(0.02)
    counts = [client.messages - start for client, start in zip(clients, before, strict=True)]
    sizes, cpu = sum(client.bytes for client in clients) - sizes, (_cpu(pid) - cpu) / spent
    written = time.monotonic()
    await _change(database, dict.fromkeys(call_ids[:TEAMS], str(done)))
    await eventually(
        lambda: all(client.newest >= done for client in clients),
        "everybody knows the last",
        within=timedelta(seconds=20),
    )
    after = time.monotonic() - written
    a_second = [count / spent for count in counts]
    print(
        f"live: {(done - first) / spent:.0f} changes a second        "
        f"{statistics.median(a_second):8.1f} messages a second and client,"
        f" at most {max(a_second):.1f} (wanted: 10)"
    )
    print(
        f"live: … {sum(counts) / spent:,.0f} messages and {sizes / spent / 1e6:.1f} MB a second,"
        f" {cpu * 100:.0f} % of a core; the last change was known after {after * 1000:.0f} ms"
    )


async def _change(database: Database, lines: Mapping[UUID, str]) -> None:
    """Calls change, each with its news."""
    if not lines:
        return
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE calls SET line = new.line FROM unnest(CAST(:ids AS uuid[]),"
                " CAST(:lines AS text[])) AS new (id, line) WHERE call_id = new.id"
            ),
            {"ids": list(lines), "lines": list(lines.values())},
        )
        await connection.execute(
            text(
                "INSERT INTO outbox (topic, key, payload)"
                " SELECT 'call', key, '{}' FROM unnest(CAST(:keys AS text[])) AS keys (key)"
            ),
            {"keys": [str(call_id) for call_id in lines]},
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
