"""Whether the parts answer: for the supervisor's waiting, never for decisions about calls."""

from __future__ import annotations

import asyncio

import httpx

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


def api_client(settings: Settings) -> httpx.AsyncClient:
    """A client of our own API. Make it once and keep it: each new one costs 20 ms."""
    return httpx.AsyncClient(base_url=api_url(settings), timeout=5)


async def says_ok(client: httpx.AsyncClient, path: str) -> bool:
    """Whether `/health/live` or `/health/ready` answers 200."""
    try:
        return (await client.get(path)).status_code == 200
    except httpx.HTTPError:
        return False


#: Not waited for at the start: a provider that is away must not keep us from starting.
OUTSIDE = frozenset({"trunk"})


async def is_ready(client: httpx.AsyncClient) -> bool:
    """Whether `/health/ready` finds everything of ours as it should be."""
    try:
        checks = (await client.get("/health/ready")).json()["checks"]
        return all(check["ok"] or check["name"] in OUTSIDE for check in checks)
    except (httpx.HTTPError, ValueError, KeyError):
        return False


async def what_is_not_ready(settings: Settings, client: httpx.AsyncClient) -> str:
    """The failed checks of `/health/ready`, and where to read more."""
    where = f"  more in {settings.log_directory}, or from `callcenter doctor`"
    try:
        checks = (await client.get("/health/ready")).json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError) as exc:
        return f"  the API does not answer ({type(exc).__name__})\n{where}"
    lines = [
        f"  {check['name']}: {check['detail']}; mend: {check['mend']}"
        for check in checks
        if not check["ok"]
    ]
    return "\n".join([*lines, where])


def api_url(settings: Settings) -> str:
    """The API's address as seen from this machine."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    return f"http://{everywhere.get(settings.api_host, settings.api_host)}:{settings.api_port}"
