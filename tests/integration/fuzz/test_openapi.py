"""schemathesis reads our OpenAPI document and sends what it allows and what it forbids: every check
it has, on every operation. No reply may be a 5xx, every reply must be one the document tells of.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

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

pytestmark = pytest.mark.integration

#: Examples for each operation and phase; `FUZZ_EXAMPLES` of the environment asks for more.
EXAMPLES = 8
LIMIT_SECONDS = 900


#: A token nothing can revoke: the fuzzer logs out, and switches users off.
TOKEN = "fuzz"


@pytest.fixture
def _authenticated(monkeypatch: pytest.MonkeyPatch) -> None:
    really = AccessService.authenticate

    async def authenticate(self: AccessService, token: str) -> Principal:
        if token == TOKEN:
            return Principal(UUID(int=1), "admin", Role.ADMIN)
        return await really(self, token)

    monkeypatch.setattr(AccessService, "authenticate", authenticate)


class Served:
    """The whole REST API on a database of its own, in a thread with a loop of its own."""

    def __init__(self, home: Path, url: str) -> None:
        self.port = free_tcp_port()
        self.faults: list[str] = []
        self._home, self._url = home, url
        self._server: uvicorn.Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="api")

    async def _serve(self) -> None:
        settings = load_settings(
            home=self._home, database_url=self._url, admin_password=ADMIN_PASSWORD
        )
        installation = locate()
        assert installation is not None, "run `callcenter asterisk install`"
        prepare_folders(settings)
        await prepare_database(settings, installation, lambda _line: None)
        database = Database(self._url, name="fuzz")
        config = uvicorn.Config(
            build_app(settings, database, installation),
            host="127.0.0.1",
            port=self.port,
            log_config=None,
            access_log=False,
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._ready.set()
        await self._server.serve()
        await database.close()

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(120), "the API did not start"
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(30)


@pytest.fixture
def served(postgres: EmbeddedPostgres, tmp_path: Path, _authenticated: None) -> Iterator[Served]:
    asyncio.run(postgres.create_database("fuzz"))
    url = postgres.url("fuzz").set(drivername="postgresql").render_as_string(hide_password=False)
    with Served(tmp_path / "home", url) as served:
        yield served


def test_no_input_that_openapi_can_think_of_breaks_the_api(served: Served, tmp_path: Path) -> None:
    # In a process of its own: its plugins, warnings and event loops are not ours.
    report = tmp_path / "report.txt"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        "run",
        f"http://127.0.0.1:{served.port}/openapi.json",
        *("--header", f"Authorization: Bearer {TOKEN}"),
        *("--max-examples", os.environ.get("FUZZ_EXAMPLES", str(EXAMPLES))),
        *("--seed", "12345"),
        "--continue-on-failure",
        "--no-color",
    ]
    with report.open("wb") as output:
        ended = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, check=False
        )
    assert ended.returncode == 0, report.read_text("utf-8", "replace")
