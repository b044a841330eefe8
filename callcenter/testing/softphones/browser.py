"""A browser phone: JsSIP on a page in a headless Chromium, with a file for a microphone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from callcenter.testing.softphones.install import SoftphonePrograms

_TYPES = {"index.html": "text/html", "phone.js": "text/javascript"}

#: The last four keep it from looking for its maker's hosts.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class BrowserPhone:
    """One Chromium with one phone; an async context manager. It answers every call at once.

    `settings` is what `GET /agents/{id}/phone` says; `certificate` is the one certificate it trusts
    beyond its own.
    """

    programs: SoftphonePrograms
    settings: dict[str, Any]
    secret: str
    certificate: Path
    #: A WAV of 48 kHz, mono: what its microphone hears, over and over.
    says: Path
    #: What the page reported, in order; written by the page server's threads.
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._folder = Path()
        self._pages: ThreadingHTTPServer | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="cc-browser-"))
        self._pages = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(
            target=self._pages.serve_forever, name="pages of the browser phone", daemon=True
        ).start()
        pin = await asyncio.to_thread(_public_key_hash, self.certificate)
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self.programs.chromium),
                *_FLAGS,
                f"--user-data-dir={self._folder / 'profile'}",
                f"--use-file-for-fake-audio-capture={self.says}",
                f"--ignore-certificate-errors-spki-list={pin}",
                f"http://127.0.0.1:{self._pages.server_port}/index.html",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.programs.environment | {"HOME": str(self._folder)},
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._pages is not None:
            await asyncio.to_thread(self._pages.shutdown)
            self._pages.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """What Chromium said."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def reports(self, what: str) -> list[dict[str, Any]]:
        """The page's reports of one kind: registered, answered, speech, notes, ended, refused …"""
        return [report for report in self.said if report["said"] == what]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                if name == "settings.json":
                    told = phone.settings | {"secret": phone.secret}
                    self._reply("application/json", json.dumps(told).encode())
                elif name in _TYPES:
                    self._reply(_TYPES[name], (phone.programs.page / name).read_bytes())
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                phone.said.append(json.loads(self.rfile.read(length)))
                self._reply("text/plain", b"")

            def _reply(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the reports are what counts."""

        return Handler


def _public_key_hash(certificate: Path) -> str:
    """SHA-256 of a certificate's public key, in base64, as Chromium's pins are written."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl is not installed"
    text = ["x509", "-in", str(certificate), "-noout", "-pubkey"]
    pem = subprocess.run([openssl, *text], check=True, capture_output=True).stdout  # noqa: S603
    lines = [line for line in pem.decode().splitlines() if not line.startswith("-----")]
    der = base64.b64decode("".join(lines))
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
