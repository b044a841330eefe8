"""Programs of others are ended, whatever they do with their output."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta

import pytest

from callcenter.platform import programs

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


async def started(code: str, **options: bool) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, **options
    )


FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 4096)"


async def test_a_program_that_writes_without_end_is_ended_though_nobody_reads_on() -> None:
    process = await started(FLOOD)
    assert process.stdout is not None
    assert await process.stdout.read(1)
    # The reader's buffer is full, and asyncio has stopped to look at the pipe.
    transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        while transport.is_reading():
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await programs.end(process)
    assert process.returncode == -signal.SIGKILL


async def test_a_program_that_has_ended_is_no_error() -> None:
    process = await started("print('done')")
    assert process.stdout is not None
    assert await process.stdout.read() == b"done\n"
    await process.wait()
    await programs.end(process)
    assert process.returncode == 0


async def test_its_children_end_with_it() -> None:
    child = "import subprocess, sys\nsubprocess.run(['sleep', '600'])"
    process = await started(child, start_new_session=True)
    async with asyncio.timeout(10):
        await programs.end(process, group=True)
    assert process.returncode == -signal.SIGKILL


async def test_who_keeps_its_pipes_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(programs, "_ENDED_WITHIN", timedelta(milliseconds=200))
    code = (
        "import subprocess\n"
        "p = subprocess.Popen(['sleep', '5'], start_new_session=True)\n"
        "print(p.pid, flush=True)\n"
        "p.wait()"
    )
    process = await started(code)
    assert process.stdout is not None
    sleeper = int(await process.stdout.readline())
    try:
        async with asyncio.timeout(4):
            await programs.end(process)
        assert "has not let go of its pipes" in caplog.text
    finally:
        os.kill(sleeper, signal.SIGKILL)
        assert await process.stdout.read() == b""
        await process.wait()
