"""A whole instance of the hotline on ports of its own, started by its real command."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from callcenter.asterisk.install import Installation, locate
from callcenter.testing.eventually import eventually
from callcenter.testing.sipp_party import SippParty

ADMIN_PASSWORD = "first-call-admin"  # noqa: S105 - of throw-away instances on loopback


@dataclass
class Instance:
    """`callcenter run --no-demo` in `home`; stopped as Ctrl-C stops it.

    `extra` adds or overrides settings (names without prefix).
    """

    home: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = locate()
        assert found is not None, "no Asterisk: run `callcenter asterisk install`"
        self.installation: Installation = found
        self.sip = ("127.0.0.1", free_tcp_port())
        self.api_port, self.ami_port, self.agi_port = (free_tcp_port() for _ in range(3))
        self._process: asyncio.subprocess.Process | None = None
        self._token = ""
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.api_port}", timeout=15)

    @property
    def environment(self) -> dict[str, str]:
        ours = {
            "HOME": str(self.home),
            "API_PORT": str(self.api_port),
            "SIP_BIND": f"127.0.0.1:{self.sip[1]}",
            "AMI_PORT": str(self.ami_port),
            "AGI_PORT": str(self.agi_port),
            "ADMIN_PASSWORD": ADMIN_PASSWORD,
            "RTP_PORTS": "20000-29999",
            **self.extra,
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CALLCENTER_")}
        return {**kept, **{f"CALLCENTER_{name}": value for name, value in ours.items()}}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def start(self) -> None:
        """Start the command and wait until it is ready; again, where the one before has ended."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "run.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "callcenter", "run", "--no-demo"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        await eventually(self._is_ready, "the instance is ready", within=timedelta(seconds=90))
        await self.log_in()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        await self.client.aclose()

    @property
    def supervisor(self) -> int:
        """Process id of `callcenter run` itself."""
        assert self._process is not None
        return self._process.pid

    async def ended(self) -> int:
        """Wait for the supervisor's end; its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """Ctrl-C, and see it ended."""
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            text = (self.home / "run.log").read_text("utf-8", "replace")
            raise RuntimeError(f"the instance ended:\n{text[-3000:]}")
        try:
            return (await self.client.get("/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def log_in(self, name: str = "admin", password: str = ADMIN_PASSWORD) -> None:
        """Take a token; later requests carry it."""
        reply = await self.client.post(
            "/api/v1/auth/token", data={"username": name, "password": password}
        )
        reply.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    async def get(self, path: str, **params: str) -> Any:
        """The JSON behind `/api/v1<path>`; fails on anything but success."""
        reply = await self.client.get(f"/api/v1{path}", params=params)
        assert reply.is_success, f"GET {path}: {reply.status_code} {reply.text}"
        return reply.json()

    async def console(self, line: str) -> str:
        """What Asterisk's own console says to `line`."""
        conf = self.home / "asterisk" / "etc" / "asterisk.conf"
        process = await asyncio.create_subprocess_exec(
            *self.installation.console_command(conf, line),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        return output.decode("utf-8", "replace")

    async def channels(self) -> int:
        """How many channels live in Asterisk."""
        for line in (await self.console("core show channels count")).splitlines():
            if line.endswith(("active channels", "active channel")):
                return int(line.split()[0])
        raise AssertionError("Asterisk's console did not tell its channels")

    def pid(self, name: str) -> int:
        """Process id of one supervised process: `agi-1`, `node`, `api`, `asterisk-supervised` …"""
        return int((self.home / "run" / f"{name}.pid").read_text())

    def party(self, scenario: Path, address: str, **options: Any) -> SippParty:
        """A SIPp party that talks to this instance."""
        options.setdefault("limit", timedelta(seconds=60))
        return SippParty(self.installation, scenario, address, self.sip, **options)


def free_tcp_port() -> int:
    """A TCP and UDP port of 127.0.0.1 nobody listens on now."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        ):
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
