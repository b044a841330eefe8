"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

_POLL_SECONDS: Final = 0.01


class NeverHappened(AssertionError):
    """The condition did not come true in time."""


async def eventually(
    condition: Callable[[], Awaitable[Any] | Any],
    what: str = "this",
    *,
    within: timedelta = timedelta(seconds=5),
) -> Any:
    """The first truthy value of `condition()`, which may be async. Raises `NeverHappened`.

    An AssertionError of the condition counts as "not yet", and is shown when time is up.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within.total_seconds()
    while True:
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            last: object = value
        except AssertionError as exc:
            last = exc
        if loop.time() > deadline:
            raise NeverHappened(f"{what}: not within {within.total_seconds():g} s (last: {last!r})")
        await asyncio.sleep(_POLL_SECONDS)
