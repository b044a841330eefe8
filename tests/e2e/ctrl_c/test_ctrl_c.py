"""Ctrl-C while a call is going on: everything is gone within five seconds, no process is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: The promise is five; a busy machine gets some more.
LIMIT = timedelta(seconds=8)


async def test_with_a_conversation_going_on(
    tmp_path: Path, stage: Callable[[Instance], Scene]
) -> None:
    home = tmp_path / "home"
    async with Instance(home) as instance:
        scene = stage(instance)
        async with scene.agent("1001", signs_off=False), scene.citizen("citizen_waits.xml"):

            async def talking() -> bool:
                return any(call["state"] == "talking" for call in await scene.calls())

            await eventually(talking, "the conversation has begun", within=timedelta(seconds=20))
            there = faults.processes_of(home)
            assert len(there) >= 12, there  # ours, Asterisk, PostgreSQL with its backends
            os.kill(instance.supervisor, signal.SIGINT)
            began = time.monotonic()
            async with asyncio.timeout(LIMIT.total_seconds()):
                code = await instance.ended()
            print(f"Ctrl-C: ended after {time.monotonic() - began:.2f} s")
            left = {pid: told for pid, told in there.items() if faults.is_running(pid)}
            assert not left, "processes are left"
            assert not faults.processes_of(home)
        assert code == 0
        assert "no process is left" in (home / "run.log").read_text()

        # What was cut off has its end after the next start.
        await instance.start()
        call = await scene.call(within=timedelta(seconds=25))
        assert call["disposition"] == "answered"
        assert (await scene.recording_of(call))["state"] == "ready"
        assert await faults.open_calls(instance) == []
