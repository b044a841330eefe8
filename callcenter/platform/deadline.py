"""A hard limit on a wait: the waiting one goes on at once, however long the other takes to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Cancelled work on its way out; the event loop itself holds tasks only weakly.
_leaving: set[asyncio.Task[Any]] = set()


async def at_most(limit: timedelta, work: Coroutine[Any, Any, T], *, name: str) -> T:
    """The result of `work`, or TimeoutError after `limit`, when it is cancelled and left behind.

    `asyncio.timeout` waits until the cancelled work has cleaned up; a database driver whose server
    vanished may take seconds for that, and a caller would listen to silence meanwhile.
    """
    task = asyncio.create_task(work, name=name)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
    except asyncio.CancelledError:
        _leave(task)
        raise
    if done:
        return task.result()
    _leave(task)
    raise TimeoutError(f"{name}: not done within {limit.total_seconds():g} s")


def _leave(task: asyncio.Task[Any]) -> None:
    _leaving.add(task)
    task.add_done_callback(_left)
    task.cancel()


def _left(task: asyncio.Task[Any]) -> None:
    _leaving.discard(task)
    if not task.cancelled() and (exc := task.exception()) is not None:
        log.warning("%s failed after its time was up: %s", task.get_name(), type(exc).__name__)
