"""The prompt room over a real database, with a voice that is a tone, and a worker at hand."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.bootstrap.prepare import prepare_prompts
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.platform.body_limit import BodyLimit
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAuthenticated
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts import api
from callcenter.prompts.jobs import PromptJobs
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.service import PromptService
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.shipped import shipped_directory
from callcenter.queues.seed import seed_queues
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.tone_speech import ToneSpeech


async def authenticate(token: str) -> Principal:
    """The token is the role."""
    if token not in list(Role):
        raise NotAuthenticated
    return Principal(UUID(int=1), f"{token}-ling", Role(token))


@dataclass
class Studio:
    """Prompts as the API and the worker see them."""

    database: Database
    clock: FixedClock
    speech: ToneSpeech
    shelf: Shelf
    service: PromptService
    jobs: PromptJobs
    client: httpx.AsyncClient
    temporary: Path

    async def __call__(
        self, method: str, path: str = "", *, role: str = "admin", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {role}", **more.pop("headers", {})}
        return await self.client.request(method, f"/prompts{path}", headers=headers, **more)

    async def create(self, name: str = "welcome", **texts: str) -> None:
        made = await self("POST", json={"name": name, "title": name, "texts": texts})
        assert made.status_code == 201, made.text

    async def start(self) -> list[str]:
        """What a start of the instance does with prompts; what it says."""
        _, said = await prepare_prompts(self.database, self.shelf.library)
        return said

    async def execute(self, statement: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement))

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        async with self.database.transaction() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]

    def files(self) -> set[str]:
        folder = self.shelf.library.directory
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; none may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
async def studio(database: Database, tmp_path: Path, temporary: Path) -> AsyncIterator[Studio]:
    clock, speech = FixedClock(), ToneSpeech()
    shelf = Shelf(PromptLibrary(tmp_path / "prompts", speech), shipped_directory())
    service = PromptService(database, shelf, clock)
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_flow(connection, clock)
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(api.router(service, Guard(authenticate)))
    app.add_middleware(BodyLimit, most_bytes=2_000_000, routes=api.BODY_LIMITS)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hotline") as client:
        jobs = PromptJobs(database, shelf, clock)
        yield Studio(database, clock, speech, shelf, service, jobs, client, temporary)
