"""Whether the parts answer: for the supervisor's waiting, never for decisions about calls."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from callcenter.asterisk.install import Installation
from callcenter.platform.settings import Settings


async def asterisk_has_booted(installation: Installation, settings: Settings) -> bool:
    """Fully booted, by its own word on the control socket."""
    conf = settings.asterisk_directory / "etc" / "asterisk.conf"
    try:
        process = await asyncio.create_subprocess_exec(
            *installation.console_command(conf, "core show uptime seconds"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(5):
            output, _ = await process.communicate()
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0 and b"System uptime" in output


async def http_get(host: str, port: int, path: str) -> tuple[int, bytes]:
    """A minimal GET on our own API. Raises OSError or TimeoutError when it does not answer."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        raise OSError("no HTTP reply")
    return int(words[1]), body


async def api_is_ready(settings: Settings) -> bool:
    """`/health/ready` says ready."""
    try:
        status, _ = await http_get(api_host(settings), settings.api_port, "/health/ready")
    except (OSError, TimeoutError):
        return False
    return status == 200


async def readiness(settings: Settings) -> list[dict[str, object]]:
    """The checks of `/health/ready`, failed ones too. Raises OSError when the API is away."""
    _, body = await http_get(api_host(settings), settings.api_port, "/health/ready")
    checks: list[dict[str, object]] = json.loads(body)["checks"]
    return checks


def api_host(settings: Settings) -> str:
    """The API's address as seen from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104
