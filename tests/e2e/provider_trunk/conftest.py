"""A provider at the other end of the trunk: a second, small Asterisk on 127.0.0.8.

Here `hotline` is not the shared instance but one for each `Route`: its settings are what is tried.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import pytest_asyncio

from callcenter.asterisk.install import Installation
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance, free_tcp_port
from callcenter.testing.sipp_party import free_udp_port

ADDRESS = "127.0.0.8"
PASSWORD = "provider;pass#word"


def make_certificate(folder: Path, name: str, address: str) -> tuple[Path, Path]:
    """A certificate for an address, signed by itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", f"subjectAltName=IP:{address}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


class Provider:
    """The second Asterisk. An async context manager."""

    def __init__(self, installation: Installation, home: Path, hotline: tuple[str, int]) -> None:
        self._installation = installation
        self.home = home
        self._hotline = hotline
        self.sip_port = free_udp_port(ADDRESS)
        self.tls_port = free_udp_port(ADDRESS)
        self._run = Path(tempfile.mkdtemp(prefix="cc-provider-"))
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        for name in ("etc", "var", "log"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        values = {
            "HOME": self.home,
            "RUN": self._run,
            "MODULES": self._installation.modules_dir,
            "DATA": self._installation.data_dir,
            "CA": self.home / "hotline.pem",
            "SIP_PORT": self.sip_port,
            "TLS_PORT": self.tls_port,
            "PASSWORD": PASSWORD.replace(";", "\\;"),
            "HOTLINE": "{}:{}".format(*self._hotline),
        }
        for template in (Path(__file__).parent / "provider").glob("*.conf"):
            text = template.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", str(value))
            (self.home / "etc" / template.name).write_text(text)
        await self.start()
        return self

    async def start(self) -> None:
        """Boot; who was registered is forgotten."""
        for path in (self.home / "var").glob("astdb*"):
            path.unlink()
        with (self.home / "log" / "console").open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self._installation.asterisk_command(self._conf),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        await eventually(self._has_booted, "the provider has booted", within=timedelta(seconds=20))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        shutil.rmtree(self._run, ignore_errors=True)

    async def stop(self) -> None:
        """Gone at once, as a provider whose line was cut."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            async with asyncio.timeout(5):
                await self._process.wait()

    async def console(self, line: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._installation.console_command(self._conf, line),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        return output.decode("utf-8", "replace")

    async def call(
        self,
        way: str,
        keys: str,
        *,
        caller: str = "13800138000",
        pres: str = "allowed",
        talk: int = 2,
    ) -> None:
        """A citizen calls: `way` is `<endpoint>@<registered or static>`, `keys` of [keys]."""
        for name, value in {"CALLER": caller, "PRES": pres, "TALK": str(talk)}.items():
            await self.console(f"dialplan set global {name} {value}")
        await self.console(f"channel originate Local/{way}/n extension {keys}@keys")

    async def contacts(self) -> str:
        """Where the hotline registered, by the provider's own word."""
        return await self.console("pjsip show aor hotline")

    @property
    def log(self) -> str:
        """All it said and heard, every SIP message included."""
        return (self.home / "log" / "full").read_text("utf-8", "replace")

    @property
    def _conf(self) -> Path:
        return self.home / "etc" / "asterisk.conf"

    async def _has_booted(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self.home / "log" / "console").read_text()
        return "System uptime" in await self.console("core show uptime seconds")


@dataclass(frozen=True)
class Route:
    """One way to the provider: our settings, and how the provider's citizen calls."""

    name: str
    settings: dict[str, str]
    #: Endpoint of provider/pjsip.conf.
    way: str
    #: How the provider writes the caller, and how the call's row has it.
    caller: str
    normalised: str
    codec: str
    registers: bool = True
    tls: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass
class Trunk:
    """Both ends of one trunk."""

    route: Route
    hotline: Instance
    provider: Provider = field(repr=False)

    @property
    def way(self) -> str:
        return f"{self.route.way}@{'registered' if self.route.registers else 'static'}"


async def trunk_of(route: Route, folder: Path) -> AsyncIterator[Trunk]:
    """A provider, then an instance of ours with the route's settings, ready."""
    hotline = Instance(folder / "hotline")
    provider = Provider(hotline.installation, folder / "provider", hotline.sip)
    settings = {
        "TRUNK_HOST": f"{ADDRESS}:{provider.tls_port if route.tls else provider.sip_port}",
        "AGI_PROCESSES": "1",
        **route.settings,
    }
    if route.registers:
        settings |= {
            "TRUNK_REGISTER": "true",
            "TRUNK_USERNAME": "hotline",
            "TRUNK_PASSWORD": PASSWORD,
        }
    if route.tls:
        own = make_certificate(provider.home, "hotline", hotline.sip[0])
        its, _ = make_certificate(provider.home, "provider", ADDRESS)
        settings |= {
            "SIP_TLS_BIND": f"127.0.0.1:{free_tcp_port()}",
            "TLS_CERTIFICATE": str(own[0]),
            "TLS_KEY": str(own[1]),
            "TLS_CA": str(its),
        }
    hotline.extra = settings
    async with AsyncExitStack() as stack:
        # At once: the provider has booted long before ours registers.
        await asyncio.gather(
            stack.enter_async_context(provider), stack.enter_async_context(hotline)
        )
        yield Trunk(route, hotline, provider)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trunk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Trunk]:
    """The trunk of the route that the test is parametrised with; tests of one route share it."""
    async for trunk in trunk_of(request.param, tmp_path_factory.mktemp("trunk")):
        yield trunk


@pytest.fixture
def hotline(trunk: Trunk) -> Instance:
    """What the frame of the scenarios works with."""
    return trunk.hotline


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one route in a row: pytest's own order goes by a parameter's place in its list, and
    would start some instances twice."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.parent == here]
    ours = [item for item in items if item.path.parent == here]
    ours.sort(key=lambda item: item.callspec.params["trunk"].name)  # type: ignore[attr-defined]
    for place, item in zip(places, ours, strict=True):
        items[place] = item
