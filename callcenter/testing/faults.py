"""Faults to inject into an instance, and how it looks from outside meanwhile.

Processes are hit by the pids of the instance's own pid files, never by name: other instances run
beside it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from callcenter.platform.db import dsn
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import load_settings
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance

#: Names of the supervised `agi` processes of an instance with default settings.
AGI = ("agi-1", "agi-2")

_ESTABLISHED = "01"


def kill(*pids: int) -> None:
    """As by the kernel out of memory: at once, with nothing said."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def freeze(*pids: int) -> None:
    """As in a deadlock: there, but doing nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Frozen for the time of the block."""
    freeze(*pids)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_running(pid: int) -> bool:
    """Whether the process is there and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def replaced(
    hotline: Instance, name: str, pid: int, within: timedelta = timedelta(seconds=15)
) -> int:
    """Wait until the supervisor has another process in the place of `pid`; returns its pid."""

    def other() -> int | None:
        now = hotline.pid(name)
        return now if now != pid and is_running(now) and not is_running(pid) else None

    new: int = await eventually(other, f"{name} is started again", within=within)
    return new


async def checks(hotline: Instance) -> tuple[int, dict[str, dict[str, Any]]]:
    """What /health/ready says: its status, and its checks by name."""
    reply = await hotline.client.get("/health/ready")
    return reply.status_code, {check["name"]: check for check in reply.json()["checks"]}


async def fails(
    hotline: Instance, check: str, within: timedelta = timedelta(seconds=10)
) -> dict[str, Any]:
    """Wait until /health/ready answers 503 because of `check`; returns what it says of it."""

    async def said() -> dict[str, Any]:
        try:
            status, found = await checks(hotline)
        except httpx.HTTPError as exc:
            raise AssertionError(f"no answer: {type(exc).__name__}") from exc
        assert status == 503, f"ready answers {status}"
        assert not found[check]["ok"], f"{check} is said to be well"
        return found[check]

    result: dict[str, Any] = await eventually(
        said, f"/health/ready tells of {check}", within=within
    )
    return result


async def healthy(hotline: Instance, within: timedelta = timedelta(seconds=30)) -> None:
    """Wait until /health/ready answers 200 and every `agi` process is back."""

    async def well() -> bool:
        try:
            status, found = await checks(hotline)
        except httpx.HTTPError as exc:
            raise AssertionError(f"no answer: {type(exc).__name__}") from exc
        assert status == 200, [check for check in found.values() if not check["ok"]]
        assert found["agi"]["detail"] == f"{len(AGI)} of {len(AGI)} answer", found["agi"]
        return True

    await eventually(well, "/health/ready answers 200", within=within)


async def reconnects(hotline: Instance) -> int:
    """How often the node has taken its link to Asterisk anew."""
    (row,) = await rows(
        hotline, "SELECT (report #>> '{ami,reconnects}')::int AS n FROM node_status"
    )
    return int(row["n"])


async def relinked(
    hotline: Instance, before: int, within: timedelta = timedelta(seconds=20)
) -> None:
    """Wait until the link to Asterisk is another one than when `reconnects` said `before`."""

    async def again() -> bool:
        return await reconnects(hotline) > before

    await eventually(again, "the link to Asterisk is taken anew", within=within)


def agi_serving(hotline: Instance) -> list[str]:
    """Names of the `agi` processes that hold a session now."""
    sockets = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == _ESTABLISHED and int(local.partition(":")[2], 16) == hotline.agi_port:
            sockets.add(f"socket:[{rest[5]}]")
    return [name for name in AGI if sockets & _open_files(hotline.pid(name))]


def _open_files(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.add(os.readlink(entry))
    return found


def processes_of(home: Path) -> dict[int, str]:
    """Every living process that has to do with the instance in `home`: pid → command line.

    Known by its command line, its environment (CALLCENTER_HOME) or its folder (PostgreSQL's).
    """
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or not is_running(int(entry.name)):
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            told = f"{command} {(entry / 'environ').read_bytes().decode(errors='replace')} "
            told += os.readlink(entry / "cwd")
        except OSError:
            continue  # ended while we looked
        if str(home) in told:
            found[int(entry.name)] = command.strip()
    return found


async def rows(hotline: Instance, query: str, *arguments: object) -> list[dict[str, Any]]:
    """Rows of the instance's own database."""
    url = hotline.extra.get("DATABASE_URL")
    connection = await asyncpg.connect(
        url or dsn(database_url(load_settings(home=hotline.home))), timeout=5
    )
    try:
        return [dict(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def open_calls(hotline: Instance) -> list[dict[str, Any]]:
    """Calls without an end."""
    return await rows(hotline, "SELECT call_id, state FROM calls WHERE ended_at IS NULL")


async def cases_of(hotline: Instance, call_id: str) -> list[dict[str, Any]]:
    """Every case that has to do with a call, however it came to it."""
    return await rows(
        hotline,
        "SELECT case_number FROM cases WHERE origin_call_id = $1::uuid"
        " UNION SELECT case_number FROM case_calls WHERE call_id = $1::uuid",
        call_id,
    )
