"""A hotline as it is after its first start, without a telephone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.ivr import api
from callcenter.ivr.flows import FlowCache
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.ivr.service import FlowService
from callcenter.ivr.studio import api as studio_api
from callcenter.ivr.studio.service import StudioService
from callcenter.knowledge.seed import seed_articles
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAuthenticated
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.shipped import deploy_shipped
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
    """The flow room over a real database, with a voice that is a tone."""

    database: Database
    clock: FixedClock
    speech: ToneSpeech
    library: PromptLibrary
    service: FlowService
    cache_file: Path
    client: Callable[[str | None], httpx.AsyncClient]

    def cache(self) -> FlowCache:
        return FlowCache(self.database, self.cache_file)

    async def as_role(
        self, role: str | None, method: str, path: str, **more: object
    ) -> httpx.Response:
        async with self.client(role) as client:
            return await client.request(method, f"/ivr/flows{path}", **more)  # type: ignore[arg-type]


@pytest.fixture
async def studio(database: Database, tmp_path: Path) -> Studio:
    clock, speech = FixedClock(), ToneSpeech()
    library = PromptLibrary(tmp_path / "prompts", speech)
    deploy_shipped(library.directory)
    service = FlowService(database, library, clock)
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_articles(connection, clock)
        await seed_flow(connection, clock)
        await seed_line(connection)
    app = FastAPI()
    install_problem_handlers(app)
    guard = Guard(authenticate)
    app.include_router(api.router(service, guard))
    studio_service = StudioService(database, service, library, clock)
    app.include_router(studio_api.router(studio_service, service, guard, clock))

    def client(role: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {role}"} if role else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url="http://hotline",
            headers=headers,
        )

    return Studio(database, clock, speech, library, service, tmp_path / "cache" / "f.json", client)


Request = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def admin(studio: Studio) -> Request:
    async def request(method: str, path: str, **more: object) -> httpx.Response:
        return await studio.as_role("admin", method, path, **more)

    return request
