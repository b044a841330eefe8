"""The whole REST API over a socket, on a database of its own."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn

from callcenter.access.model import Principal, Role
from callcenter.access.service import AccessService
from callcenter.asterisk.install import locate
from callcenter.bootstrap.api import build_app
from callcenter.bootstrap.prepare import prepare_database, prepare_folders
from callcenter.platform.db import Database
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.platform.settings import load_settings
from callcenter.testing.instance import ADMIN_PASSWORD, free_tcp_port

#: A token nothing can revoke: the fuzzer logs out, and switches users off.
TOKEN = "fuzz"

_numbers = itertools.count(1)


class _Faults(logging.Handler):
    """What the API logs as a fault of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


class _Server(uvicorn.Server):
    """Says when it listens; handles no signals, for it runs in a thread."""

    def __init__(self, config: uvicorn.Config, listens: threading.Event) -> None:
        super().__init__(config)
        self._listens = listens

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listens.set()


class Served:
    """The whole REST API on a database of its own, in a thread with a loop of its own."""

    def __init__(self, home: Path, url: str) -> None:
        self.port = free_tcp_port()
        self.token = TOKEN
        self.home = home
        self.url = url
        self._logged = _Faults()
        self._server: _Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="api")

    async def _serve(self) -> None:
        settings = load_settings(
            home=self.home, database_url=self.url, admin_password=ADMIN_PASSWORD
        )
        installation = locate()
        assert installation is not None, "run `callcenter asterisk install`"
        prepare_folders(settings)
        await prepare_database(settings, installation, lambda _line: None)
        database = Database(self.url, name="fuzz")
        config = uvicorn.Config(
            build_app(settings, database, installation),
            host="127.0.0.1",
            port=self.port,
            log_config=None,
            access_log=False,
        )
        self._server = _Server(config, self._ready)
        await self._server.serve()
        await database.close()

    @property
    def faults(self) -> list[str]:
        """Every fault that was logged so far, with its traceback."""
        return self._logged.seen

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        assert self._server is not None
        return bool(self._server.server_state.tasks)

    def client(self) -> httpx.Client:
        """An admin."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=20,
            trust_env=False,
        )

    def __enter__(self) -> Served:
        logging.getLogger().addHandler(self._logged)
        self._thread.start()
        assert self._ready.wait(120), "the API did not start"
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._logged)
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(30)


@pytest.fixture(scope="module")
def served(
    postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    really = AccessService.authenticate

    async def authenticate(self: AccessService, token: str) -> Principal:
        if token == TOKEN:
            return Principal(UUID(int=1), "admin", Role.ADMIN)
        return await really(self, token)

    name = f"fuzz_{next(_numbers)}"
    asyncio.run(postgres.create_database(name))
    url = postgres.url(name).set(drivername="postgresql").render_as_string(hide_password=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AccessService, "authenticate", authenticate)
        with Served(tmp_path_factory.mktemp("fuzz") / "home", url) as served:
            yield served
