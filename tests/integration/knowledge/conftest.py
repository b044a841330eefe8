"""The knowledge room over a real database, with a voice that is a tone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.knowledge import api
from callcenter.knowledge.keeper import ArticleKeeper
from callcenter.knowledge.service import ArticleService
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAuthenticated
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts.library import PromptLibrary
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.tone_speech import ToneSpeech

ANY = {"If-Match": "*"}


def article(name: str = "permit", **more: Any) -> dict[str, Any]:
    """An article that may be written."""
    return {
        "name": name,
        "kind": "policy",
        "department": "公安局",
        "keywords": ["居住证"],
        "content": {
            "zh": {"title": "居住证申领", "body": "居住半年以上可以申领。"},
            "en": {"title": "Residence permit", "body": "After half a year."},
        },
        **more,
    }


def edition(**more: Any) -> dict[str, Any]:
    """The same without its name."""
    return {key: value for key, value in article(**more).items() if key != "name"}


async def authenticate(token: str) -> Principal:
    """A token is `role` or `role:name`."""
    role, _, name = token.partition(":")
    if role not in list(Role):
        raise NotAuthenticated
    return Principal(UUID(int=1), name or f"{role}-ling", Role(role))


@dataclass
class Voice:
    """A `Renderer`: the library's own where a test is about audio, else none, for speed."""

    library: PromptLibrary
    speaks: bool = False
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def available(self) -> Mapping[str, frozenset[str]]:
        return await self.library.available()

    async def ensure(self, texts: Iterable[tuple[str, str]]) -> int:
        if self.meanwhile is not None:
            await self.meanwhile()
        return await self.library.ensure(texts) if self.speaks else 0


@dataclass
class Room:
    """Requests by role, and what is beneath."""

    database: Database
    clock: FixedClock
    speech: ToneSpeech
    library: PromptLibrary
    voice: Voice
    service: ArticleService
    keeper: ArticleKeeper
    client: httpx.AsyncClient
    app: FastAPI

    async def __call__(
        self, method: str, path: str = "", *, by: str = "admin:anna", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {by}", **more.pop("headers", ANY)}
        return await self.client.request(method, f"/articles{path}", headers=headers, **more)

    async def act(self, name: str, act: str, *, by: str = "admin:anna") -> httpx.Response:
        return await self("POST", f"/{name}/{act}", by=by, json={"reason": "because"})

    async def published(self, name: str = "permit", **more: Any) -> dict[str, Any]:
        """Write (or write anew), approve and publish; the reply to the last."""
        if (await self("GET", f"/{name}")).status_code == 404:
            written = await self("POST", by="supervisor:wen", json=article(name, **more))
        else:
            written = await self("PUT", f"/{name}", by="supervisor:wen", json=edition(**more))
        assert written.status_code in (200, 201), written.text
        approved = await self.act(name, "approve", by="supervisor:mei")
        assert approved.status_code == 200, approved.text
        done = await self.act(name, "publish")
        assert done.status_code == 201, done.text
        reply: dict[str, Any] = done.json()
        return reply


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    clock, speech = FixedClock(), ToneSpeech()
    library = PromptLibrary(tmp_path / "prompts", speech)
    voice = Voice(library)
    service = ArticleService(database, voice, clock)
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://hotline"
    ) as client:
        yield Room(
            database,
            clock,
            speech,
            library,
            voice,
            service,
            ArticleKeeper(database, clock),
            client,
            app,
        )
