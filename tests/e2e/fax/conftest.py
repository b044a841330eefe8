"""The citizens' fax machines: a second Asterisk on 127.0.0.9, the trunk's other end.

Here `hotline` is an instance of this scenario's own, with quick pauses between tries.
"""

from __future__ import annotations

import asyncio
import shutil
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
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import free_udp_port

ADDRESS = "127.0.0.9"
#: Files Asterisk wants to see, with nothing to say in them.
EMPTY = ("ccss", "cdr", "cel", "codecs", "features", "http", "indications", "manager")
EMPTY += ("musiconhold", "pjproject", "res_fax", "stasis")


class Machine:
    """The second Asterisk. An async context manager."""

    def __init__(self, installation: Installation, home: Path, hotline: tuple[str, int]) -> None:
        self._installation = installation
        self.home = home
        self._hotline = "{}:{}".format(*hotline)
        self.sip_port = free_udp_port(ADDRESS)
        self._run = Path(tempfile.mkdtemp(prefix="cc-machine-"))
        self._process: asyncio.subprocess.Process | None = None
        self._read = 0

    async def __aenter__(self) -> Self:
        for name in ("etc", "var/keys", "log"):
            (self.home / name).mkdir(parents=True, exist_ok=True)
        for name in EMPTY:
            (self.home / "etc" / f"{name}.conf").write_text("[general]\n")
        (self.home / "etc" / "acl.conf").write_text("")
        self._configure(t38=False)
        with (self.home / "log" / "console").open("ab") as console:
            self._process = await asyncio.create_subprocess_exec(
                *self._installation.asterisk_command(self._conf),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        await eventually(self._has_booted, "the machine has booted", within=timedelta(seconds=20))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            async with asyncio.timeout(5):
                await self._process.wait()
        shutil.rmtree(self._run, ignore_errors=True)

    async def begin_anew(self, *, t38: bool, busy: int = 0) -> None:
        """A machine with such a line, whose next `busy` calls find it engaged; nothing was said."""
        self._configure(t38=t38)
        await self.console("module reload res_pjsip.so")
        await self.console(f"dialplan set global BUSY {busy}")
        self.received.unlink(missing_ok=True)
        self._read = len(self._log())

    async def call(self, what: str, number: str = "12345") -> None:
        """The machine calls the hotline; `what`: an extension of [calls]."""
        uri = f"sip:{number}@{self._hotline}"
        await self.console(f"channel originate PJSIP/hotline/{uri} extension {what}@calls")

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

    @property
    def received(self) -> Path:
        """What the machine printed last."""
        return self.home / "received.tif"

    @property
    def page(self) -> Path:
        """What lies in its feeder."""
        return self.home / "page.tif"

    @property
    def said(self) -> str:
        """All it said and heard since `begin_anew`, every SIP message included."""
        return self._log()[self._read :]

    def _log(self) -> str:
        return (self.home / "log" / "full").read_text("utf-8", "replace")

    def _configure(self, *, t38: bool) -> None:
        values = {
            "HOME": self.home,
            "RUN": self._run,
            "MODULES": self._installation.modules_dir,
            "DATA": self._installation.data_dir,
            "SIP_PORT": self.sip_port,
            "T38": "yes" if t38 else "no",
        }
        for template in (Path(__file__).parent / "machine").glob("*.conf"):
            text = template.read_text()
            for name, value in values.items():
                text = text.replace(f"@{name}@", str(value))
            (self.home / "etc" / template.name).write_text(text)

    @property
    def _conf(self) -> Path:
        return self.home / "etc" / "asterisk.conf"

    async def _has_booted(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self.home / "log" / "console").read_text()
        return "System uptime" in await self.console("core show uptime seconds")


@dataclass
class Office:
    """The hotline and the machines that call it and are called."""

    hotline: Instance
    machine: Machine = field(repr=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """Both, started; all tests of this folder share them."""
    folder = tmp_path_factory.mktemp("fax")
    hotline = Instance(folder / "hotline")
    machine = Machine(hotline.installation, folder / "machine", hotline.sip)
    hotline.extra = {
        "TRUNK_ADDRESSES": ADDRESS,
        "TRUNK_HOST": f"{ADDRESS}:{machine.sip_port}",
        "TRUNK_OPTIONS": "false",
        "AGI_PROCESSES": "1",
        "FAX_PAUSES": "1,1",
        "FAX_HOURS": "00:00-24:00",
    }
    async with AsyncExitStack() as stack:
        await asyncio.gather(stack.enter_async_context(machine), stack.enter_async_context(hotline))
        yield Office(hotline, machine)


@pytest.fixture
def hotline(office: Office) -> Instance:
    """What the frame of the scenarios works with."""
    return office.hotline
