"""ffmpeg as a program that is not trusted: no network, no other files, little time, little memory.

It decodes what strangers made. So it gets its input as one file or by a pipe, may open nothing
else, runs in an empty folder, at a low priority, and is killed at the first limit it reaches.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from imageio_ffmpeg import get_ffmpeg_exe

from callcenter.platform import programs
from callcenter.platform.errors import Unavailable
from callcenter.prompts.audio import SAMPLE_RATE, telephone_samples, telephone_wav
from callcenter.prompts.model import SLOW

WALL_CLOCK: Final = timedelta(seconds=60)
_CPU_SECONDS: Final = 45
_MEMORY_BYTES: Final = 2 * 1024**3
_FILE_BYTES: Final = 64 * 1024**2
_OPEN_FILES: Final = 64
_NICE: Final = 10  #: calls come first
_PIECE: Final = 1 << 20
_AFTER: Final = SAMPLE_RATE  #: bytes of silence behind what is slowed, half a second

#: Before the input: no question, no word, no way to the network or to other files.
HARDENED: Final = (
    *("-nostdin", "-hide_banner", "-loglevel", "quiet", "-threads", "1"),
    *("-protocol_whitelist", "file,pipe"),
)


class ConversionFailed(Unavailable):
    """The audio could not be converted now."""

    slug = "conversion-failed"


class OutputRefused(Exception):
    """What came out is more than the taker takes."""


@lru_cache(maxsize=1)
def ffmpeg_program() -> str:
    """The ffmpeg that came with imageio-ffmpeg. Blocking. Raises `ConversionFailed`."""
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as exc:
        raise ConversionFailed("There is no ffmpeg: install imageio-ffmpeg again.") from exc


async def run_ffmpeg(
    arguments: Sequence[str],
    folder: Path,
    *,
    feed: bytes | None = None,
    take: Callable[[bytes], None],
    limit: timedelta = WALL_CLOCK,
) -> int:
    """Run it in `folder`; its exit status (negative: killed by a signal).

    `feed` goes to its standard input; `take` gets its standard output piece by piece, and may raise
    (`OutputRefused` or any other) to end it. Raises `ConversionFailed` when it cannot be started or
    takes longer than `limit`. No process is left behind, whatever happens.
    """
    program = await asyncio.to_thread(ffmpeg_program)
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if feed is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # it would quote what the file says of itself
            cwd=folder,
            env={"LANG": "C.UTF-8", "HOME": str(folder)},
        )
    except OSError as exc:
        raise ConversionFailed(f"Cannot start ffmpeg: {exc.strerror}.") from exc
    feeding = asyncio.create_task(_feed(process, feed), name="ffmpeg-feed")
    try:
        _restrain(process.pid)
        async with asyncio.timeout(limit.total_seconds()):
            assert process.stdout is not None
            while piece := await process.stdout.read(_PIECE):
                take(piece)
            return await process.wait()
    except TimeoutError as exc:
        raise ConversionFailed(
            f"The audio was not converted within {limit.total_seconds():g} s."
        ) from exc
    finally:
        feeding.cancel()
        await programs.end(process)
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(process: asyncio.subprocess.Process, feed: bytes | None) -> None:
    if feed is None or process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(feed)
        await process.stdin.drain()
    process.stdin.close()


def _restrain(pid: int) -> None:
    """Limits from outside: what a preexec_fn would do is not safe in a process with threads."""
    with suppress(ProcessLookupError):
        for kind, most in (
            (resource.RLIMIT_CPU, _CPU_SECONDS),
            (resource.RLIMIT_AS, _MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, _FILE_BYTES),
            (resource.RLIMIT_NOFILE, _OPEN_FILES),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.prlimit(pid, kind, (most, most))
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)


async def slowed(sound: bytes) -> bytes:
    """A finished 8 kHz prompt at 0.8 of its speed and its own pitch.

    Raises `BadAudio` when it is not in our format, `ConversionFailed`.
    """
    samples = await asyncio.to_thread(telephone_samples, sound)
    wanted = 2 * round(len(samples) / 2 / SLOW)
    form = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1")
    most = 2 * len(samples) + 4 * _AFTER
    out = bytearray()

    def take(piece: bytes) -> None:
        out.extend(piece)
        if len(out) > most:
            raise OutputRefused

    with tempfile.TemporaryDirectory(prefix="cc-slow-") as folder:
        try:
            status = await run_ffmpeg(
                [
                    *(*HARDENED, *form, "-i", "pipe:0"),
                    *("-filter:a", f"atempo={SLOW}", "-f", "s16le", "pipe:1"),
                ],
                Path(folder),
                # atempo keeps its last window back: a piece of a number would be lost in it.
                feed=samples + bytes(_AFTER),
                take=take,
            )
        except OutputRefused:
            status = 1
    if status or len(out) < wanted:
        raise ConversionFailed("ffmpeg did not make the slow version.")
    return telephone_wav(bytes(out[:wanted]))
