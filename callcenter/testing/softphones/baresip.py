"""baresip, a softphone people use, at an agent's desk: registers, answers, plays and records."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from callcenter.testing.softphones.install import SoftphonePrograms

_MODULES = ("account", "menu", "g711", "aufile", "sndfile", "srtp", "stdio")


@dataclass
class Baresip:
    """One running baresip; an async context manager. It answers every call at once.

    `says` is a WAV of 8 kHz, mono; what it hears is in `heard()` when the call is over.
    `certificate` is what the server's must be signed by, over TLS.
    """

    programs: SoftphonePrograms
    username: str
    secret: str
    server: str
    transport: Literal["udp", "tcp", "tls"]
    says: Path
    address: str = "127.0.0.1"
    certificate: Path | None = None

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder = Path()

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="cc-baresip-"))
        account = (
            f"<sip:{self.username}@{self.server};transport={self.transport}>"
            f";auth_user={self.username};auth_pass={self.secret};answermode=auto;regint=60"
            ";audio_codecs=PCMA,PCMU" + (";mediaenc=srtp" if self.transport == "tls" else "")
            # Offered, and taken where the other side has it (RFC 4568).
        )
        (self._folder / "accounts").write_text(account + "\n")
        (self._folder / "contacts").write_text("")
        lines = [
            f"module_path {self.programs.baresip_modules}",
            *(f"module {name}.so" for name in _MODULES if name not in ("account", "menu")),
            *(f"module_app {name}.so" for name in ("account", "menu")),
            f"sip_listen {self.address}:0",
            f"audio_source aufile,{self.says}",
            # A file for each direction of each call, as it is sent and as it is decoded.
            f"snd_path {self._folder}",
            "audio_srate 8000",
            "audio_channels 1",
            *([f"sip_cafile {self.certificate}"] if self.certificate else []),
        ]
        (self._folder / "config").write_text("\n".join(lines) + "\n")
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(self.programs.baresip), "-4", "-s", "-f", str(self._folder)),
                # Its menu ends the program where standard input ends.
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.programs.environment,
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def hang_up(self) -> None:
        """As its user does: `b` in its menu."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"b\n")
        await self._process.stdin.drain()

    async def end(self) -> None:
        """Take the phone out: it says so to the server."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(timedelta(seconds=5).total_seconds()):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    @property
    def log(self) -> str:
        """What it said, with every SIP message."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def heard(self) -> bytes:
        """The WAV of what came from the other side."""
        [decoded] = self._folder.glob("dump-*-dec.wav")
        return decoded.read_bytes()
