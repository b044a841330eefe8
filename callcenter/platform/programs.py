"""Programs of others that we start: how one is ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from datetime import timedelta
from typing import Final

log = logging.getLogger(__name__)

_PIECE: Final = 1 << 16
_ENDED_WITHIN: Final = timedelta(seconds=5)


async def end(process: asyncio.subprocess.Process, *, group: bool = False) -> None:
    """Kill it, where it still lives, and take its status; with `group` its children, too (it was
    started with `start_new_session`). Never raises.

    What it had written and nobody read is thrown away: until Python 3.13 `Process.wait()` returns
    once the pipes are closed (cpython gh-119710), and asyncio does not see the end of a pipe whose
    reader has stopped in a full buffer. It would wait for ever.
    """
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
    try:
        async with asyncio.timeout(_ENDED_WITHIN.total_seconds()):
            for pipe in (process.stdout, process.stderr):
                while pipe is not None and await pipe.read(_PIECE):
                    pass
            await process.wait()
    except TimeoutError:
        # Somebody it started outside its group holds its pipes.
        log.error("process %d was killed and has not let go of its pipes", process.pid)
