"""SIPp as the people at both ends of a call: a citizen behind the trunk, an agent at a phone.

The scenarios are XML files an Asterisk engineer can read and start by hand: the first comment of
each says how. Each party has a loopback address of its own.
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
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from callcenter.asterisk.install import Installation
from callcenter.platform.errors import HotlineError

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
    #: The user part of the Request-URI: what is dialled, or who registers.
    service: str = "12345"
    #: Ends after so many; None: goes on until `end()`.
    calls: int | None = 1
    rate: float = 1
    limit: timedelta = timedelta(seconds=60)
    #: Values of the scenario's own `[name]` keywords.
    keys: Mapping[str, str] = field(default_factory=dict)
    #: Length of each `<pause/>` without one of its own.
    pause: timedelta = timedelta(seconds=5)
    credentials: tuple[str, str] | None = None
    port: int = 0
    transport: str = "u1"
    #: Further options of SIPp; a scenario that needs any names them in its first comment.
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder: Path | None = None
        if not self.port:
            self.port = free_udp_port(self.address)

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="cc-sipp-"))
        host, port = self.server
        media = free_udp_port(self.address)
        command = [
            *self.installation.sipp_command(),
            f"{host}:{port}",
            *("-sf", str(self.scenario)),
            *("-i", self.address),
            *("-p", str(self.port)),
            *("-mi", self.address),
            *("-min_rtp_port", str(media)),
            *("-max_rtp_port", str(min(media + 200, 65534))),
            *("-s", self.service),
            *("-d", str(int(self.pause.total_seconds() * 1000))),
            *("-r", str(self.rate)),
            *("-t", self.transport),
            *("-timeout", f"{int(self.limit.total_seconds())}s"),
            "-timeout_error",
            "-nostdin",
            "-trace_err",
            *("-error_file", str(self._folder / "errors.log")),
            "-trace_msg",
            *("-message_file", str(self._folder / "messages.log")),
            *self.flags,
        ]
        if self.calls is not None:
            command += ["-m", str(self.calls)]
        for name, value in self.keys.items():
            command += ["-key", name, value]
        if self.credentials is not None:
            command += ["-au", self.credentials[0], "-ap", self.credentials[1]]
        with (self._folder / "screen.log").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                # Scenarios name the audio that lies beside the shipped ones.
                cwd=SCENARIOS,
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

    def hang_up(self) -> None:
        """Say BYE in the first dialogue, whatever SIPp's own scenario waits for."""
        answer = re.findall(r"SIP/2\.0 200 OK.*?\r?\n\r?\n", self.messages, re.S)[0]
        header = {
            name: re.findall(rf"^{name}: (.*?)\r?$", answer, re.M)[0]
            for name in ("From", "To", "Call-ID", "Contact")
        }
        target = header["Contact"].partition("<")[2].partition(">")[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.bind((self.address, 0))
            here = f"{self.address}:{way.getsockname()[1]}"
            # PJSIP knows a transaction by its branch alone, and keeps it for 32 s.
            branch = f"z9hG4bK{uuid4().hex}"
            bye = (
                f"BYE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch={branch}\r\n"
                f"From: {header['From']}\r\nTo: {header['To']}\r\nCall-ID: {header['Call-ID']}\r\n"
                "CSeq: 2 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            way.sendto(bye.encode(), self.server)

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


class AgentPhone:
    """An agent's phone: registers with digest, then answers calls as its scenario says.

    At the end it takes itself out, unless nobody will be there to hear it (`signs_off=False`).
    """

    def __init__(
        self,
        installation: Installation,
        server: tuple[str, int],
        *,
        agent_id: str,
        secret: str,
        address: str,
        scenario: Path | None = None,
        pause: timedelta = timedelta(seconds=5),
        limit: timedelta = timedelta(minutes=5),
        keys: Mapping[str, str] | None = None,
        flags: tuple[str, ...] = (),
        signs_off: bool = True,
    ) -> None:
        self._signs_off = signs_off
        self._port = free_udp_port(address)
        self.credentials = (agent_id, secret)
        self._register = SippParty(
            installation,
            SCENARIOS / "agent_register.xml",
            address,
            server,
            service=agent_id,
            credentials=self.credentials,
            keys={"expires": "600"},
            port=self._port,
            limit=timedelta(seconds=10),
        )
        self._take_out = replace(self._register, keys={"expires": "0"})
        #: The phone after it registered.
        self.calls = SippParty(
            installation,
            scenario or SCENARIOS / "agent_answers.xml",
            address,
            server,
            service=agent_id,
            credentials=(agent_id, secret),
            keys=keys or {},
            flags=flags,
            calls=None,
            port=self._port,
            pause=pause,
            limit=limit,
        )

    async def __aenter__(self) -> Self:
        async with self._register as party:
            result = await party.result()
        if not result.ok:
            raise PhoneRefused(f"The phone could not register: {result}")
        await self.calls.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.calls.__aexit__(kind, error, trace)
        if self._signs_off:
            async with self._take_out as party:
                await party.result()


class PhoneRefused(HotlineError):
    """The phone could not register."""

    slug = "phone-refused"


def free_udp_port(address: str) -> int:
    """A UDP port (and the one above it) nobody listens on at this address now."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            port: int = probe.getsockname()[1]
        if port % 2 == 0:
            return port
