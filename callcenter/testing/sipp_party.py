"""SIPp as the people at both ends of a call: a citizen behind the trunk, an agent at a phone.

The scenarios are XML files an Asterisk engineer can read; `{name}` texts in them are filled in
here (SIPp's own `[name]` keywords stay). Each party has a loopback address of its own.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape

from callcenter.asterisk.install import Installation

SCENARIOS = Path(__file__).parent / "sipp"

#: sipp's exit codes (sipp.cpp): what the person at the phone would say.
_EXITS = {
    0: "all calls ended as planned",
    1: "a call failed",
    97: "ended by a command",
    99: "no call",
}


@dataclass(frozen=True)
class SippResult:
    """How a SIPp party ended."""

    code: int
    output: str
    messages: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    def __str__(self) -> str:
        return f"exit {self.code} ({_EXITS.get(self.code, 'fault')})\n{self.output[-1500:]}"


@dataclass
class SippParty:
    """One running SIPp. Use as an async context manager: it is ended at the end of the block."""

    installation: Installation
    scenario: Path
    address: str
    server: tuple[str, int]
    #: The user part of the To and Request-URI: what is dialled.
    service: str = "12345"
    calls: int = 1
    rate: float = 1
    limit: timedelta = timedelta(seconds=60)
    fill: Mapping[str, str] = field(default_factory=dict)
    credentials: tuple[str, str] | None = None
    port: int = 0
    transport: str = "u1"

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder: Path | None = None
        if not self.port:
            self.port = free_udp_port(self.address)

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="cc-sipp-"))
        script = self._folder / "scenario.xml"
        script.write_text(self._filled(), "utf-8")
        host, port = self.server
        command = [
            *self.installation.sipp_command(),
            f"{host}:{port}",
            *("-sf", str(script)),
            *("-i", self.address),
            *("-p", str(self.port)),
            *("-mi", self.address),
            *("-mp", str(free_udp_port(self.address))),
            *("-s", self.service),
            *("-m", str(self.calls)),
            *("-r", str(self.rate)),
            *("-t", self.transport),
            *("-timeout", f"{int(self.limit.total_seconds())}s"),
            "-timeout_error",
            "-nostdin",
            "-trace_err",
            *("-error_file", str(self._folder / "errors.log")),
            "-trace_msg",
            *("-message_file", str(self._folder / "messages.log")),
        ]
        if self.credentials is not None:
            command += ["-au", self.credentials[0], "-ap", self.credentials[1]]
        with (self._folder / "screen.log").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                cwd=self._folder,
                env={**os.environ, "TERM": "dumb"},
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._folder is not None
        await self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def result(self) -> SippResult:
        """Wait until the party has ended (by itself, at most `limit` and some seconds)."""
        assert self._process is not None
        async with asyncio.timeout(self.limit.total_seconds() + 10):
            code = await self._process.wait()
        return SippResult(code, self._read("errors.log") + self._read("screen.log"), self.messages)

    @property
    def messages(self) -> str:
        """Every SIP message sent and received so far."""
        return self._read("messages.log")

    def hang(self) -> None:
        """Freeze the party, as a phone whose network died."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    async def end(self) -> None:
        """End the party at once, whatever it does."""
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        async with asyncio.timeout(5):
            await self._process.wait()

    def _read(self, name: str) -> str:
        assert self._folder is not None
        try:
            return (self._folder / name).read_text("utf-8", "replace")
        except OSError:
            return ""

    def _filled(self) -> str:
        text = self.scenario.read_text("utf-8")

        def fill(match: re.Match[str]) -> str:
            key = match[1]
            if key.startswith("dtmf_"):
                return str(self.installation.dtmf_pcap(key.removeprefix("dtmf_")))
            if key == "media":
                return str(SCENARIOS / "media")
            if key not in self.fill:
                raise KeyError(f"{self.scenario.name} needs a value for {{{key}}}")
            return escape(self.fill[key], {'"': "&quot;"})

        return re.sub(r"\{([a-z0-9_]+)\}", fill, text)


def free_udp_port(address: str) -> int:
    """A UDP port (and the one above it) nobody listens on at this address now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port % 2 == 0:
            return port
