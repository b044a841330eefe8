"""Long-running tasks: all run until one ends or somebody says stop."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from callcenter.platform.tasks import TaskEnded, run_until_stopped

pytestmark = pytest.mark.integration


class Worker:
    """A task that never ends by itself, and says how it ended."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.cancelled = False

    async def run(self) -> None:
        self.running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def _fail() -> None:
    raise ZeroDivisionError


async def _return() -> None:
    return


async def test_stop_cancels_all_and_returns() -> None:
    one, other, stop = Worker(), Worker(), asyncio.Event()
    running = asyncio.create_task(
        run_until_stopped({"one": one.run(), "other": other.run()}, stop=stop)
    )
    await one.running.wait()
    await other.running.wait()
    assert not running.done()
    stop.set()
    async with asyncio.timeout(5):
        await running
    assert one.cancelled
    assert other.cancelled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_a_stop(number: signal.Signals) -> None:
    worker = Worker()
    running = asyncio.create_task(run_until_stopped({"worker": worker.run()}))
    await worker.running.wait()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        await running
    assert worker.cancelled
    # It is nobody's any more.
    assert not asyncio.get_running_loop().remove_signal_handler(number)


async def test_the_error_of_one_ends_all() -> None:
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(5):
            await run_until_stopped({"worker": worker.run(), "failing": _fail()})
    assert worker.cancelled


async def test_one_that_just_returns_ends_all_and_is_named() -> None:
    worker = Worker()
    with pytest.raises(TaskEnded, match="journal"):
        async with asyncio.timeout(5):
            await run_until_stopped({"worker": worker.run(), "journal": _return()})
    assert worker.cancelled


async def test_one_that_will_not_end_is_waited_for_no_longer_than_the_grace() -> None:
    stop, release = asyncio.Event(), asyncio.Event()

    async def deaf() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    running = asyncio.create_task(
        run_until_stopped({"deaf": deaf()}, grace=timedelta(seconds=0.1), stop=stop)
    )
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait({running}, timeout=5)
    in_time = running.done()
    release.set()
    await running
    assert in_time
