"""A fax room on a database of the test's own, without a switch: the test tells the facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.asterisk.install import locate
from callcenter.calls.facts import Fact
from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.calls.service import CallSeed, remember_call
from callcenter.cases.service import CaseService
from callcenter.channels.fax import api
from callcenter.channels.fax.document import Document, Printable
from callcenter.channels.fax.documents import DocumentService
from callcenter.channels.fax.files import FaxFiles
from callcenter.channels.fax.follow import FaxFollower
from callcenter.channels.fax.model import Policy
from callcenter.channels.fax.service import FaxService
from callcenter.channels.fax.tiff import write_tiff
from callcenter.platform.body_limit import BodyLimit
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.testing.fixed_clock import FixedClock

NUMBER = "053188880001"


def blank(pages: int = 1, *, ink: int = 0) -> list[Image.Image]:
    """Pages with a black square that tells one document from another."""
    found = []
    for _ in range(pages):
        page = Image.new("1", (1728, 2287), 255)
        page.paste(0, (100, 100, 300 + ink, 300))
        found.append(page)
    return found


def pdf(path: Path, pages: int = 1) -> bytes:
    first, *others = blank(pages)
    first.save(path, "PDF", save_all=True, append_images=others, dpi=(204, 196))
    return path.read_bytes()


class Shelf:
    """Published articles, as `knowledge` gives them."""

    def __init__(self) -> None:
        self.articles: dict[tuple[str, str], tuple[Document, int]] = {}

    async def printable(self, article: str, language: str) -> tuple[Printable, int] | None:
        return self.articles.get((article, language))


@dataclass
class Room:
    database: Database
    clock: FixedClock
    files: FaxFiles
    cases: CaseService
    policy: Policy
    rule: NumberRule
    service: FaxService
    documents: DocumentService
    shelf: Shelf
    client: httpx.AsyncClient
    follower: FaxFollower = field(init=False)

    def __post_init__(self) -> None:
        self.follower = FaxFollower(self.cases, self.policy)

    async def call(self, caller: str | None = "+8613800138000") -> UUID:
        """A call that is going on."""
        call_id = uuid4()
        async with self.database.transaction() as connection:
            await remember_call(connection, self.seed(call_id, caller))
        return call_id

    def seed(self, call_id: UUID, caller: str | None = "+8613800138000") -> CallSeed:
        return CallSeed(
            call_id=call_id,
            node="node1",
            linkedid=f"l-{call_id}",
            uniqueid=f"u-{call_id}",
            line="12345",
            caller_number=caller,
            started_at=self.clock(),
        )

    async def tell(self, *facts: Fact) -> None:
        """What the journal says."""
        async with self.database.transaction() as connection:
            await self.follower.on_facts(connection, facts)

    async def document(self, name: str = "form", pages: int = 1) -> None:
        """A document there is already."""
        content = pdf(self.files.home / "any.pdf", pages)
        await self.documents.put_pdf(name, "zh", content, title="申请表", by="ling", based_on=None)

    async def notes(self, call_id: UUID) -> Sequence[str]:
        async with self.database.transaction() as connection:
            case = await self.cases.open_for_call(
                connection, call_id, title="-", opened_by="test", at=self.clock()
            )
        file = await self.cases.get(case.number)
        return [event.detail["text"] for event in file.history if "text" in event.detail]

    async def __call__(
        self, method: str, path: str, role: str = "admin", **more: object
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {role}", **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
        return await self.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    clock = FixedClock()
    files = FaxFiles(tmp_path / "faxes")
    for folder in files.folders:
        folder.mkdir(parents=True)
    cases = CaseService(database, clock)
    hours = Hours(time(), time(), ZoneInfo("Asia/Shanghai"))
    policy = Policy(3, [timedelta(minutes=5), timedelta(minutes=15)], hours)
    rule = NumberRule("CN")
    shelf = Shelf()

    def font() -> Path:
        found = locate()
        if found is None or not found.has_font:
            pytest.skip("no font: run `callcenter asterisk install`")
        return found.fax_font()

    documents = DocumentService(database, files, font=font, clock=clock, articles=shelf)
    service = FaxService(
        database,
        cases,
        files,
        documents,
        rule=rule,
        policy=policy,
        per_day=3,
        clock=clock,
    )

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, most_bytes=2**21, routes=api.FAX_BODIES)
    app.include_router(api.router(service, documents, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://hotline"
    ) as client:
        yield Room(database, clock, files, cases, policy, rule, service, documents, shelf, client)


__all__ = ["NUMBER", "Room", "Shelf", "blank", "pdf", "write_tiff"]
