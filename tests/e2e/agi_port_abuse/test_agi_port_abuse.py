"""Strangers knock a thousand times at the AGI port; the calls beside them notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.asterisk.agi.server import answers_ping
from callcenter.testing import faults

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CONNECTIONS, AT_ONCE = 1000, 250
MEGABYTE = b"agi_nonsense: " + b"x" * 1_000_000


async def _open_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def _one_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"a")
    await asyncio.sleep(0.5)  # keeps the connection for so long


async def _a_megabyte(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(MEGABYTE)
    async with asyncio.timeout(10):
        await writer.drain()


Visit = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _thousand(port: int, visit: Visit) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                # Being thrown out in the middle is what they may expect.
                with suppress(ConnectionError):
                    await visit(reader, writer)
            finally:
                writer.transport.abort()

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(one())


@pytest.mark.parametrize("visit", [_open_and_close, _one_byte, _a_megabyte])
async def test_a_call_beside_a_thousand_connections(scene: Scene, visit: Visit) -> None:
    hotline = scene.hotline
    pids = {name: hotline.pid(name) for name in faults.AGI}
    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        await _thousand(hotline.agi_port, visit)
        # Once more while the call is in its second menu.
        await _thousand(hotline.agi_port, visit)
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
    assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
        ("welcome", None),
        ("id_card", "1"),
        ("answers", None),
        ("person", "0"),
    ]
    assert "flow_failed" not in await scene.timeline(call)
    assert len(await faults.cases_of(hotline, call["call_id"])) == 1
    await scene.recording_of(call)

    assert {name: hotline.pid(name) for name in faults.AGI} == pids, "nothing was restarted"
    for _ in range(8):  # the kernel chooses one of the two
        assert await answers_ping("127.0.0.1", hotline.agi_port, timedelta(seconds=5))
    await faults.healthy(hotline)
