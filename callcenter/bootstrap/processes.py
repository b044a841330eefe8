"""The supervisor's hands: processes started again when they end, killed when they hang.

A process is known by its pid file, not by being our child: Asterisk and PostgreSQL outlive a
supervisor that was killed, with their calls and their data, and the next one takes them over.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from callcenter.platform.alive import touched
from callcenter.platform.errors import Unavailable

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_LOG_LIMIT_BYTES = 20_000_000
#: A process that starts has this long until its first sign of life: on a machine with far too much
#: to do the imports alone take 20 s.
_FIRST_SIGN = timedelta(seconds=45)
#: Of the time between two looks at most this counts: we may have been asleep ourselves.
_LONGEST_LOOK = 0.5


class ProcessFailed(Unavailable):
    """A process of ours did not start."""

    slug = "process-failed"


@dataclass(frozen=True)
class Program:
    """What to run, and how to tell that it lives."""

    name: str
    command: Sequence[str]
    log: Path
    pid_file: Path
    #: Touched by the process (`platform.alive`); None where the program is not ours.
    sign_of_life: Path | None = None
    #: A sign older than this means hung.
    patience: timedelta = timedelta(seconds=5)
    #: Part of the command line by which a pid of an earlier run is recognised.
    known_by: str = ""
    #: Take over a running one from an earlier supervisor instead of replacing it.
    adopt: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervised:
    """One program kept running until `stop()`."""

    def __init__(self, program: Program, *, tell: Callable[[str], None]) -> None:
        self.program = program
        self.restarts = 0
        self._tell = tell
        self._pid: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._sign: int | None = None
        self._silence = 0.0
        self._looked = 0.0
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return self._pid if self._pid is not None and self._is_running() else None

    async def start(self) -> None:
        """Start it, or take over the one an earlier supervisor left."""
        left = self._left_over()
        if left is not None and self.program.adopt:
            self._pid, self._child, self._started = left, None, time.monotonic()
            return
        if left is not None:
            await end_stray(left, self.program.known_by)
        self._spawn()

    async def keep(self) -> None:
        """Watch it: start it again when it ended, kill it when it hangs. Never returns."""
        pause = _FIRST_PAUSE
        while True:
            await asyncio.sleep(0.1)
            if self._stopping:
                continue
            if self._is_running():
                if time.monotonic() - self._started > 30:
                    pause = _FIRST_PAUSE
                if self._hangs():
                    self._tell(f"{self.program.name} hangs: killed")
                    self._signal(signal.SIGKILL)
                    self._silence = 0.0
                continue
            self.restarts += 1
            self._tell(f"{self.program.name} ended ({self._exit()}): starting it again")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if not self._stopping:
                try:
                    self._spawn()
                except OSError as exc:
                    # A full disk, no memory: this process waits, the others and the calls go on.
                    self._tell(f"{self.program.name} cannot be started: {exc.strerror}")

    async def stop(self, limit: timedelta) -> None:
        """Ask it to end; after `limit` end it."""
        self._stopping = True
        if self._pid is None or not self._is_running():
            return
        self._signal(self.program.stop_signal)
        deadline = time.monotonic() + limit.total_seconds()
        while self._is_running() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._is_running():
            log.warning("%s did not stop in time: killed", self.program.name)
            self._signal(signal.SIGKILL)
            while self._is_running() and time.monotonic() < deadline + 1:
                await asyncio.sleep(0.02)
        self.program.pid_file.unlink(missing_ok=True)

    def _spawn(self) -> None:
        program = self.program
        for folder in (program.log.parent, program.pid_file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if program.sign_of_life is not None:
            program.sign_of_life.unlink(missing_ok=True)
        if program.log.exists() and program.log.stat().st_size > _LOG_LIMIT_BYTES:
            program.log.replace(program.log.with_suffix(".old.log"))
        with program.log.open("ab") as output:
            # A session of its own: Ctrl-C in our terminal is ours to pass on, in order.
            self._child = subprocess.Popen(  # noqa: S603 - our own command
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **program.environment},
            )
        self._pid = self._child.pid
        self._started = self._looked = time.monotonic()
        self._sign, self._silence = None, 0.0
        # Whole or not at all: an empty one would hide the process from the next supervisor.
        new = program.pid_file.with_suffix(".new")
        new.write_text(f"{self._pid}\n")
        new.replace(program.pid_file)

    def _is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._pid is not None and _is_process(self._pid, self.program.known_by)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._pid is not None:
                os.kill(self._pid, number)

    def _exit(self) -> str:
        if self._child is None or self._child.returncode is None:
            return "gone"
        code = self._child.returncode
        return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def _hangs(self) -> bool:
        """Whether its sign of life has not changed for longer than is patient.

        Counted in looks of ours, not by the sign's own time: a clock that is set, or a machine that
        slept, must not look like every process hanging at once.
        """
        if self.program.sign_of_life is None:
            return False
        now = time.monotonic()
        self._silence += min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        sign = touched(self.program.sign_of_life)
        if sign != self._sign:
            self._sign, self._silence = sign, 0.0
        patience = self.program.patience if sign is not None else _FIRST_SIGN
        return self._silence > patience.total_seconds()

    def _left_over(self) -> int | None:
        try:
            pid = int(self.program.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if self.program.known_by and _is_process(pid, self.program.known_by) else None

    async def log_end(self, size: int = 2000) -> str:
        """The last of what it wrote, for the person who must mend it."""
        try:
            with self.program.log.open("rb") as file:
                file.seek(max(0, self.program.log.stat().st_size - size))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return "(no log)"


async def wait_ready(
    name: str,
    ready: Callable[[], Awaitable[bool]],
    limit: timedelta,
    *,
    why_not: Callable[[], Awaitable[str]],
) -> None:
    """Wait until `ready()`; raises `ProcessFailed` with what `why_not()` says after `limit`."""
    deadline = time.monotonic() + limit.total_seconds()
    while not await ready():
        if time.monotonic() > deadline:
            reason = await why_not()
            raise ProcessFailed(
                f"{name} was not ready within {limit.total_seconds():.0f} s:\n{reason}"
            )
        await asyncio.sleep(0.15)


def python_command(*arguments: str) -> list[str]:
    """A process of ours, in the same interpreter."""
    return [sys.executable, "-m", "callcenter", *arguments]


def _is_process(pid: int, known_by: str) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError as exc:
        return exc.errno == errno.EPERM
    return state != "Z" and known_by.encode() in command


async def end_stray(pid: int, known_by: str) -> None:
    """Kill a process an earlier supervisor left, and see it gone (at most two seconds)."""
    deadline = time.monotonic() + 2
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while _is_process(pid, known_by) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
