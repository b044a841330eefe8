"""The supervisor's hands on real child processes: started again, killed, taken over, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.bootstrap import processes
from callcenter.bootstrap.processes import ProcessFailed, Program, Supervised, wait_ready
from callcenter.testing.eventually import eventually
from callcenter.testing.faults import is_running

pytestmark = pytest.mark.integration

LONG = timedelta(seconds=10)
SLEEPER = "import sys, time; time.sleep(60)"
STUBBORN = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[2]).touch(); time.sleep(60)"
)
LIVELY = (
    "import pathlib, sys, time\n"
    "sign = pathlib.Path(sys.argv[2])\n"
    "while True:\n"
    "    sign.touch(); time.sleep(0.05)\n"
)
FALLS_SILENT = "import pathlib, sys, time; pathlib.Path(sys.argv[2]).touch(); time.sleep(60)"


class Told(list[str]):
    """What the supervisor said."""

    def __call__(self, text: str) -> None:
        self.append(text)

    def says(self, part: str) -> bool:
        return any(part in text for text in self)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Programs of one line of Python; whatever of them is left at the end is ended."""
    mark = f"of-{tmp_path.name}-{os.getpid()}"

    def make(code: str, name: str = "child", **options: object) -> Program:
        sign = tmp_path / f"{name}.alive"
        return Program(
            name=name,
            command=[sys.executable, "-S", "-E", "-c", code, mark, str(sign)],
            log=tmp_path / f"{name}.log",
            pid_file=tmp_path / "run" / f"{name}.pid",
            known_by=mark,
            **options,  # type: ignore[arg-type]
        )

    yield make
    for path in (tmp_path / "run").glob("*.pid"):
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(path.read_text()), signal.SIGKILL)


@asynccontextmanager
async def kept(supervised: Supervised) -> AsyncIterator[None]:
    """Started and watched for the time of the block."""
    await supervised.start()
    keeper = asyncio.create_task(supervised.keep())
    try:
        yield
        assert not keeper.done(), "the watch is never over"
    finally:
        keeper.cancel()
        await supervised.stop(timedelta(seconds=1))


async def _another(supervised: Supervised, pid: int | None) -> int:
    new: int = await eventually(
        lambda: supervised.pid if supervised.pid not in (None, pid) else None,
        "another process",
        within=LONG,
    )
    return new


async def test_one_that_ends_is_started_again(program: Callable[..., Program], told: Told) -> None:
    child = Supervised(program(SLEEPER), tell=told)
    async with kept(child):
        first = child.pid
        assert first is not None
        assert child.program.pid_file.read_text() == f"{first}\n"
        os.kill(first, signal.SIGKILL)
        second = await _another(child, first)
        assert child.program.pid_file.read_text() == f"{second}\n"
        assert child.restarts == 1
        assert told == ["child ended (signal SIGKILL): starting it again"]
    assert not is_running(second)
    assert not child.program.pid_file.exists()


async def test_the_pause_before_a_restart_grows(
    program: Callable[..., Program], told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def quick(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(min(seconds, 0.01))

    monkeypatch.setattr(processes.asyncio, "sleep", quick)
    child = Supervised(program("raise SystemExit(3)"), tell=told)
    async with kept(child):
        for _ in range(1000):
            if child.restarts >= 7:
                break
            await sleep(0.02)
    assert [pause for pause in pauses if pause >= 0.2][:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert told[0] == "child ended (exit 3): starting it again"


async def test_one_without_a_new_sign_of_life_is_killed(
    program: Callable[..., Program], told: Told, tmp_path: Path
) -> None:
    sign = tmp_path / "child.alive"
    patience = timedelta(seconds=0.4)
    child = Supervised(program(FALLS_SILENT, sign_of_life=sign, patience=patience), tell=told)
    async with kept(child):
        first = child.pid
        second = await _another(child, first)
        assert second != first
        assert told[:2] == [
            "child hangs: killed",
            "child ended (signal SIGKILL): starting it again",
        ]


async def test_one_that_is_stopped_is_killed(
    program: Callable[..., Program], told: Told, tmp_path: Path
) -> None:
    sign = tmp_path / "child.alive"
    patience = timedelta(seconds=0.5)
    child = Supervised(program(LIVELY, sign_of_life=sign, patience=patience), tell=told)
    async with kept(child):
        first = child.pid
        assert first is not None
        await eventually(sign.exists, "the first sign", within=LONG)
        os.kill(first, signal.SIGSTOP)
        await _another(child, first)
        assert told.says("hangs: killed")


async def test_a_clock_that_was_set_kills_nobody(
    program: Callable[..., Program], told: Told, tmp_path: Path
) -> None:
    """Signs dated an hour ago: the clock was set forward. New ones still come."""
    sign = tmp_path / "child.alive"
    patience = timedelta(seconds=0.5)
    child = Supervised(program(SLEEPER, sign_of_life=sign, patience=patience), tell=told)
    async with kept(child):
        loop = asyncio.get_running_loop()
        began = loop.time()
        old = 1_000_000_000
        while loop.time() < began + 1.2:
            sign.touch()
            old += 1
            os.utime(sign, (old, old))
            await asyncio.sleep(0.05)  # the pace of its signs
        assert told == []


async def test_time_in_which_we_slept_ourselves_does_not_count(
    program: Callable[..., Program],
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that slept for an hour: the first look comes before anybody's sign."""
    sign = tmp_path / "child.alive"
    child = Supervised(program(LIVELY, sign_of_life=sign, patience=timedelta(seconds=2)), tell=told)
    slept = 0.0
    monotonic = processes.time.monotonic
    monkeypatch.setattr(processes.time, "monotonic", lambda: monotonic() + slept)
    async with kept(child):
        await eventually(sign.exists, "the first sign", within=LONG)
        slept = 3600.0
        await asyncio.sleep(0.5)  # absence has no condition to wait for
        assert told == []


async def test_one_that_cannot_be_started_again_is_tried_again(
    program: Callable[..., Program], told: Told
) -> None:
    """A full disk, no memory: the watch goes on, and so do all the others."""
    child = Supervised(program(SLEEPER), tell=told)
    async with kept(child):
        first = child.pid
        assert first is not None
        log, away = child.program.log, child.program.log.with_suffix(".away")
        log.rename(away)
        log.mkdir()  # it cannot be opened for writing
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: told.says("cannot be started"), "it says so", within=LONG)
        log.rmdir()
        await _another(child, first)


async def test_one_of_an_earlier_supervisor_is_taken_over(
    program: Callable[..., Program], told: Told
) -> None:
    """What carries calls outlives a supervisor that was killed."""
    earlier = Supervised(program(SLEEPER), tell=told)
    await earlier.start()
    pid = earlier.pid
    assert pid is not None
    later = Supervised(program(SLEEPER, adopt=True), tell=told)
    async with kept(later):
        assert later.pid == pid
        os.kill(pid, signal.SIGKILL)
        # Its parent is this process: it must take note of the end, or a zombie is left.
        await eventually(lambda: earlier.pid is None, "the first one ended", within=LONG)
        new = await _another(later, pid)
        assert told == ["child ended (gone): starting it again"]
    assert not is_running(new)


async def test_one_taken_over_is_ended_by_stop(program: Callable[..., Program], told: Told) -> None:
    earlier = Supervised(program(SLEEPER), tell=told)
    await earlier.start()
    pid = earlier.pid
    assert pid is not None
    later = Supervised(program(SLEEPER, adopt=True), tell=told)
    await later.start()
    reaper = asyncio.create_task(asyncio.to_thread(os.waitpid, pid, 0))
    await later.stop(timedelta(seconds=2))
    await reaper
    assert not is_running(pid)
    earlier._child.returncode = 0  # type: ignore[union-attr] # reaped above


async def test_a_stray_of_an_earlier_supervisor_is_ended(
    program: Callable[..., Program], told: Told
) -> None:
    """Ours keep nothing: a new one takes the place, and there are never two."""
    earlier = Supervised(program(STUBBORN), tell=told)
    await earlier.start()
    stray = earlier.pid
    assert stray is not None
    # A process that was just born has no command line for a moment, so it is nobody's yet.
    await eventually(Path(f"/proc/{stray}/cmdline").read_bytes, "it has a command line")
    later = Supervised(program(SLEEPER), tell=told)
    async with kept(later):
        assert later.pid != stray
        assert not is_running(stray)
    assert earlier.pid is None


@pytest.mark.parametrize("content", ["", "nonsense", "-1", "1", "999999999"])
async def test_a_pid_file_that_names_nobody_of_ours_harms_nobody(
    program: Callable[..., Program], told: Told, content: str
) -> None:
    child = Supervised(program(SLEEPER, adopt=True), tell=told)
    child.program.pid_file.parent.mkdir()
    child.program.pid_file.write_text(content)
    async with kept(child):
        assert child.pid is not None
        assert str(child.pid) != content


async def test_a_pid_that_belongs_to_somebody_else_now_is_let_be(
    program: Callable[..., Program], told: Told
) -> None:
    somebody = await asyncio.create_subprocess_exec(sys.executable, "-S", "-E", "-c", SLEEPER)
    try:
        child = Supervised(program(SLEEPER), tell=told)
        child.program.pid_file.parent.mkdir()
        child.program.pid_file.write_text(str(somebody.pid))
        async with kept(child):
            assert child.pid != somebody.pid
            assert somebody.returncode is None
    finally:
        somebody.kill()
        await somebody.wait()


async def test_stop_asks_and_then_ends(
    program: Callable[..., Program], told: Told, tmp_path: Path
) -> None:
    polite, stubborn = program(SLEEPER, "polite"), program(STUBBORN, "stubborn")
    both = [Supervised(each, tell=told) for each in (polite, stubborn)]
    for each in both:
        await each.start()
    pids = [each.pid for each in both]
    await eventually((tmp_path / "stubborn.alive").exists, "it ignores SIGTERM now", within=LONG)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await both[0].stop(timedelta(seconds=30))
    assert loop.time() - began < 10, "the polite one is not waited for"
    await both[1].stop(timedelta(seconds=0.3))
    assert not any(is_running(pid) for pid in pids if pid is not None)
    assert both[0]._child.returncode == -signal.SIGTERM  # type: ignore[union-attr]
    assert both[1]._child.returncode == -signal.SIGKILL  # type: ignore[union-attr]


async def test_a_stopped_one_is_not_started_again(
    program: Callable[..., Program], told: Told
) -> None:
    child = Supervised(program(SLEEPER), tell=told)
    async with kept(child):
        await child.stop(timedelta(seconds=2))
        await asyncio.sleep(0.5)  # absence has no condition to wait for
        assert child.pid is None
        assert told == []


async def test_wait_ready_tells_why_not(program: Callable[..., Program], told: Told) -> None:
    child = Supervised(program("print('no such module'); raise SystemExit(1)"), tell=told)
    await child.start()
    await eventually(lambda: child.pid is None, "it ended", within=LONG)

    async def never() -> bool:
        return False

    with pytest.raises(ProcessFailed, match="no such module"):
        await wait_ready("child", never, timedelta(seconds=0.1), why_not=child.log_end)
