"""Waiting for a condition instead of for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_POLL: Final = 0.005


async def eventually(
    condition: Callable[[], object], *, within: timedelta = timedelta(seconds=5)
) -> None:
    """Returns as soon as `condition()` is true; AssertionError when it is not `within` the time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within.total_seconds()
    while not condition():
        if loop.time() > deadline:
            raise AssertionError(f"this did not become true within {within.total_seconds():g} s")
        await asyncio.sleep(_POLL)
