"""`callcenter run`: everything on one machine under a supervisor, and a real call to prove it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta

from callcenter.asterisk.install import Installation, install
from callcenter.bootstrap.demo import DemoFailed, put_one_call_through
from callcenter.bootstrap.prepare import prepare_database, prepare_folders, prepare_switch
from callcenter.bootstrap.processes import Program, Supervised, python_command, wait_ready
from callcenter.bootstrap.ready import api_client, asterisk_has_booted, is_ready, what_is_not_ready
from callcenter.platform.errors import Conflict, HotlineError
from callcenter.platform.postgres import EmbeddedPostgres, embedded
from callcenter.platform.settings import Settings

#: Everything must be gone within five seconds of Ctrl-C; this leaves room for slow machines.
_STOP_LIMIT = timedelta(seconds=2)


class AlreadyRunning(Conflict):
    """Another `callcenter run` uses this CALLCENTER_HOME: stop it, or set another one and ports."""

    slug = "already-running"


class Progress:
    """Numbered steps with their time, on standard output."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._step = 0
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        # Nobody may read it any more; that is no reason to end.
        with suppress(OSError):
            print(f"       {text}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._step += 1
        print(f"[{self._step}/{self._steps}] {title} …", flush=True)
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        if took >= 0.5:
            self.say(f"done in {took:.1f} s")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began


async def run_all(settings: Settings, *, once: bool, demo: bool) -> int:
    """Start, prove, serve; returns the exit code. Raises our errors for what cannot be started."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    progress = Progress(steps=7 if demo else 6)
    prepare_folders(settings)
    with _only_one(settings):
        work = asyncio.create_task(_serve(settings, progress, stop, once=once, demo=demo))
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not work.done():
            print("\nstopping …", flush=True)
            work.cancel()
        try:
            return await work
        except asyncio.CancelledError:
            print("stopped: no process is left", flush=True)
            return 0


async def _serve(
    settings: Settings, progress: Progress, stop: asyncio.Event, *, once: bool, demo: bool
) -> int:
    with progress.step("Asterisk, SIPp and espeak-ng"):
        installation = await asyncio.to_thread(install, None, progress.say)
        progress.say(f"Asterisk {installation.version}")
    async with _postgres(settings, progress) as postgres:
        with progress.step("database schema, first users, flows and prompts"):
            first_password = await prepare_database(settings, installation, progress.say)
            if first_password is not None:
                progress.say(f"made the user admin, password {first_password} (shown this once)")
        with progress.step("Asterisk's configuration"):
            await prepare_switch(settings, installation)
        supervised = {
            program.name: Supervised(program, tell=progress.say)
            for program in _programs(settings, installation)
        }
        keepers: list[asyncio.Task[None]] = []
        try:
            with progress.step("Asterisk, agi, node, api, worker"):
                # First those a caller needs: on a small machine each start costs a second of it.
                later = set(supervised) - {"asterisk", "agi-1", "node", "api"}
                for name, process in supervised.items():
                    if name not in later:
                        await process.start()
                        keepers.append(asyncio.create_task(process.keep(), name=f"keep {name}"))
                if postgres is not None:
                    keepers.append(
                        asyncio.create_task(
                            _keep_postgres(postgres, progress), name="keep postgres"
                        )
                    )
                await wait_ready(
                    "Asterisk",
                    lambda: asterisk_has_booted(installation, settings),
                    timedelta(seconds=30),
                    why_not=supervised["asterisk"].log_end,
                )
            with progress.step("everything answers (/health/ready)"):
                async with api_client(settings) as client:
                    await wait_ready(
                        "the instance",
                        lambda: is_ready(client),
                        timedelta(seconds=30),
                        why_not=lambda: what_is_not_ready(settings, client),
                    )
            for name in sorted(later):
                await supervised[name].start()
                keepers.append(asyncio.create_task(supervised[name].keep(), name=f"keep {name}"))
            code = 0
            if demo:
                with progress.step("one real call: a citizen dials 12345"):
                    try:
                        await put_one_call_through(settings, installation, print)
                    except DemoFailed as exc:
                        print(f"The call FAILED: {exc.message}", file=sys.stderr, flush=True)
                        code = 1
            if once or code:
                return code
            _print_addresses(settings, first_password, progress)
            await _first_to_end(keepers, stop)
            return 0
        finally:
            for keeper in keepers:
                keeper.cancel()
            # All at once: what the journal's reader misses now it reads at the next start.
            await asyncio.gather(*(process.stop(_STOP_LIMIT) for process in supervised.values()))


async def _first_to_end(keepers: list[asyncio.Task[None]], stop: asyncio.Event) -> None:
    asked = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*keepers, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    for task in done - {asked}:
        if (error := task.exception()) is not None:
            raise error


@asynccontextmanager
async def _postgres(
    settings: Settings, progress: Progress
) -> AsyncIterator[EmbeddedPostgres | None]:
    if settings.database_url is not None:
        with progress.step("PostgreSQL: the one in CALLCENTER_DATABASE_URL"):
            yield None
        return
    server = embedded(settings)
    with progress.step("embedded PostgreSQL"):
        await server.start()
        await server.create_database()
    try:
        yield server
    finally:
        await server.stop(limit=_STOP_LIMIT)


async def _keep_postgres(server: EmbeddedPostgres, progress: Progress) -> None:
    while True:
        await asyncio.sleep(0.5)
        if server.pid() is None:
            progress.say("PostgreSQL ended: starting it again")
            try:
                await server.start()
            except (HotlineError, OSError) as exc:
                progress.say(f"PostgreSQL cannot be started: {exc}")


def _programs(settings: Settings, installation: Installation) -> list[Program]:
    run, logs = settings.run_directory, settings.log_directory
    conf = settings.asterisk_directory / "etc" / "asterisk.conf"

    def ours(name: str, *arguments: str, patience: float) -> Program:
        return Program(
            name=name,
            command=python_command(*arguments),
            log=logs / f"{name}.log",
            pid_file=run / f"{name}.pid",
            sign_of_life=run / f"{name}.alive",
            patience=timedelta(seconds=patience),
            known_by=f"callcenter {arguments[0]}",
        )

    return [
        Program(
            name="asterisk",
            command=installation.asterisk_command(conf),
            log=logs / "asterisk-console.log",
            pid_file=run / "asterisk-supervised.pid",
            known_by=str(conf),
            adopt=True,
        ),
        # A hung agi keeps its callers in silence: it gets the shortest patience.
        *(
            ours(f"agi-{number}", "agi", "--number", str(number), patience=2)
            for number in range(1, settings.agi_processes + 1)
        ),
        ours("node", "node", patience=5),
        ours("api", "api", patience=5),
        ours("worker", "worker", patience=10),
    ]


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    path = settings.home / "run.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _print_addresses(settings: Settings, first_password: str | None, progress: Progress) -> None:
    base = f"http://{settings.api_host}:{settings.api_port}"
    password = (
        first_password
        if first_password
        else "as set in CALLCENTER_ADMIN_PASSWORD, or shown at the first start"
    )
    print(
        f"""
The hotline answers (ready after {progress.elapsed:.1f} s).
  API            {base}/api/v1   pages {base}/docs   health {base}/health/ready
  log in         user admin, password {password}
  a softphone    server {settings.sip_bind} (UDP or TCP), user 1001, password in
                 {settings.secrets_directory / "phones.toml"}
  logs           {settings.log_directory}
Ctrl-C stops everything.
""",
        flush=True,
    )
