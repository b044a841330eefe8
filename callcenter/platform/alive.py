"""Signs of life: each process of ours touches a file from its event loop.

A file and not a socket: a process whose loop hangs, is stopped or swaps cannot touch it, and
whoever watches needs no answer. The supervisor kills a process whose sign is too old: a hung `agi`
keeps its callers in silence, while a dead one lets the dialplan go on.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

BEAT = timedelta(seconds=0.25)


async def show_life(sign: Path, *, every: timedelta = BEAT) -> None:
    """Touch `sign` for as long as this event loop runs. Never returns by itself."""
    while True:
        sign.touch()
        await asyncio.sleep(every.total_seconds())


def age(sign: Path) -> timedelta | None:
    """How old the last sign of life is; None where there was none yet."""
    try:
        return timedelta(seconds=max(0.0, time.time() - sign.stat().st_mtime))
    except FileNotFoundError:
        return None


def touched(sign: Path) -> int | None:
    """A number that is another one after each sign; None where there was none yet."""
    try:
        return sign.stat().st_mtime_ns
    except FileNotFoundError:
        return None
