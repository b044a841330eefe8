"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class NeverHappened(AssertionError):
    """The condition did not come true in time."""


async def eventually(
    condition: Callable[[], Awaitable[T | None]],
    what: str,
    *,
    within_seconds: float = 10,
    every_seconds: float = 0.05,
) -> T:
    """The first truthy value of `condition()`. Raises `NeverHappened` naming `what`.

    An AssertionError of the condition counts as "not yet", and is shown when time is up.
    """
    deadline = time.monotonic() + within_seconds
    last: object = None
    while True:
        try:
            value = await condition()
            if value:
                return value
            last = value
        except AssertionError as exc:
            last = exc
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {within_seconds:g} s (last: {last!r})")
        await asyncio.sleep(every_seconds)
