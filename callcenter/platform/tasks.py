"""Long-running tasks, named and watched: when one ends, the process that needs it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from callcenter.platform.errors import HotlineError

log = logging.getLogger(__name__)


class TaskEnded(HotlineError):
    """A task that never ends has ended."""

    slug = "task-ended"


async def run_until_stopped(
    tasks: Mapping[str, Coroutine[Any, Any, None]],
    *,
    grace: timedelta = timedelta(seconds=2),
    stop: asyncio.Event | None = None,
) -> None:
    """Run all until SIGTERM, SIGINT or `stop`; then cancel them and wait at most `grace`.

    Raises the error of the first task that fails, or `TaskEnded` naming one that just returned:
    a process without one of its parts is worse than one that starts again.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = {asyncio.create_task(work, name=name) for name, work in tasks.items()}
    asked = asyncio.create_task(stop.wait(), name="stop")
    try:
        done, _ = await asyncio.wait({*running, asked}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {asked}:
            if (error := task.exception()) is not None:
                log.error("task %s failed", task.get_name(), exc_info=error)
                raise error
            raise TaskEnded(f"The task {task.get_name()} ended.")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        asked.cancel()
        for task in running:
            task.cancel()
        # Not gather() within a timeout: a gather that is cancelled waits for the deaf all the same.
        ended, _ = await asyncio.wait({*running, asked}, timeout=grace.total_seconds())
        for task in ended:
            if not task.cancelled():
                task.exception()  # taken note of: the first one is raised, or somebody said stop
