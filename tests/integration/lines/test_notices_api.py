"""Recording notices over REST: versions that never change, spoken before they are published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.lines.notices import api
from callcenter.lines.notices.seed import seed_defaults as seed_notice
from callcenter.lines.notices.service import NoticeService
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts.library import PromptLibrary
from callcenter.queues.seed import seed_queues
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.tone_speech import ToneSpeech

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
WORDS = {"zh": "本次通话全程录音。", "en": "We record this call."}


@dataclass
class Notices:
    database: Database
    library: PromptLibrary
    speech: ToneSpeech
    client: httpx.AsyncClient

    async def __call__(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        return await self.client.request(method, f"/recording-notices{path}", **more)

    async def stamp(self) -> int:
        async with self.database.transaction() as connection:
            return int(await connection.scalar(text("SELECT stamp FROM ivr_stamp")) or 0)


@pytest.fixture
async def notices(database: Database, tmp_path: Path) -> AsyncIterator[Notices]:
    clock, speech = FixedClock(), ToneSpeech()
    library = PromptLibrary(tmp_path / "prompts", speech)
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_flow(connection, clock)
        await seed_notice(connection, clock)
        await seed_line(connection)

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    service = NoticeService(database, library, clock)
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer admin"},
    ) as client:
        yield Notices(database, library, speech, client)


async def test_there_is_a_short_one_in_both_languages_out_of_the_box(notices: Notices) -> None:
    (notice,) = (await notices("GET")).json()["items"]
    assert (notice["name"], notice["version"], notice["lines"]) == ("recording", 1, [])
    assert set(notice["words"]) == {"zh", "en"}


async def test_a_version_is_published_and_the_ones_before_stay_as_they_were(
    notices: Notices,
) -> None:
    made = await notices("POST", json={"name": "court", "title": "法院", "words": WORDS})
    assert made.status_code == 201, made.text
    assert (made.json()["version"], made.json()["in_force"]) == (1, True)
    before = await notices.stamp()
    newer = {"words": {"zh": "通话录音保存一年。"}, "comment": "retention is told"}
    published = await notices(
        "POST", "/court/versions", json=newer, headers={"If-Match": made.headers["etag"]}
    )
    assert published.status_code == 201, published.text
    assert (published.json()["version"], published.json()["words"]) == (2, newer["words"])
    assert published.headers["etag"] == '"2"'
    assert await notices.stamp() > before, "the next caller hears it"
    assert notices.library.text("通话录音保存一年。", "zh").is_file()
    versions = (await notices("GET", "/court/versions")).json()["items"]
    assert [(v["version"], v["comment"]) for v in versions] == [(2, "retention is told"), (1, "")]
    first = (await notices("GET", "/court/versions/1")).json()
    assert (first["words"], first["published_by"]) == (WORDS, "ling")
    assert (await notices("GET", "/court/versions/3")).status_code == 404


async def test_who_publishes_has_read_the_latest_version(notices: Notices) -> None:
    body = {"words": WORDS}
    url = "/recording/versions"
    assert (await notices("POST", url, json=body)).status_code == 422
    assert (await notices("POST", url, json=body, headers={"If-Match": '"7"'})).status_code == 412
    assert (await notices("POST", url, json=body, headers={"If-Match": '"1"'})).status_code == 201
    assert (await notices("POST", url, json=body, headers={"If-Match": '"1"'})).status_code == 412


async def test_a_notice_says_which_lines_play_it_and_keeps_their_languages(
    notices: Notices,
) -> None:
    async with notices.database.transaction() as connection:
        await connection.execute(text("UPDATE lines SET recording_notice = 'recording'"))
    assert (await notices("GET", "/recording")).json()["lines"] == ["12345"]
    refused = await notices(
        "POST", "/recording/versions", json={"words": {"en": "Recorded."}}, headers=ANY
    )
    assert refused.status_code == 422
    assert [e["field"] for e in refused.json()["errors"]] == ["words"]
    published = await notices("POST", "/recording/versions", json={"words": WORDS}, headers=ANY)
    assert published.status_code == 201
    async with notices.database.transaction() as connection:
        news = (await connection.execute(text("SELECT topic, key FROM outbox"))).all()
    assert ("line", "12345") in [tuple(row) for row in news]


async def test_bad_input_names_its_field_and_leaves_nothing(notices: Notices) -> None:
    for change, field in [
        ({"name": "Court"}, "name"),
        ({"title": ""}, "title"),
        ({"words": {}}, "words"),
        ({"words": {"zh": " "}}, "words.zh"),
        ({"words": {"zh": "a\x00"}}, "words.zh"),
        ({"words": {"zh": "x" * 301}}, "words.zh"),
        ({"comment": "x" * 1001}, "comment"),
        ({"comment": "a\x00"}, "comment"),
    ]:
        body = {"name": "court", "title": "法院", "words": WORDS} | change
        refused = await notices("POST", json=body)
        assert refused.status_code == 422, (change, refused.text)
        assert [e["field"] for e in refused.json()["errors"]] == [field], change
    again = await notices("POST", json={"name": "recording", "title": "x", "words": WORDS})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/recording-notice-exists")
    missing = await notices("POST", "/court/versions", json={"words": WORDS}, headers=ANY)
    assert missing.status_code == 404
    for cursor in ("x", "WyJ4Il0", "WyItMSJd", "WyLCsiJd"):
        path = f"/recording/versions?cursor={cursor}"
        assert (await notices("GET", path)).status_code == 422


async def test_what_cannot_be_spoken_is_not_published(notices: Notices) -> None:
    notices.speech.broken = True
    refused = await notices("POST", "/recording/versions", json={"words": WORDS}, headers=ANY)
    assert refused.status_code == 503
    assert (await notices("GET", "/recording")).json()["version"] == 1


async def test_only_an_admin_decides_what_callers_hear(notices: Notices) -> None:
    for role in ("agent", "supervisor"):
        who = {"Authorization": f"Bearer {role}", **ANY}
        assert (await notices("GET", headers=who)).status_code == 200
        made = await notices("POST", json={"name": "x", "title": "x", "words": WORDS}, headers=who)
        assert made.status_code == 403
        published = await notices("POST", "/recording/versions", json={"words": WORDS}, headers=who)
        assert published.status_code == 403


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE recording_notice_versions SET words = \'{"zh": "x"}\'',
        "DELETE FROM recording_notice_versions",
        "TRUNCATE recording_notice_versions",
    ],
)
async def test_what_callers_were_told_cannot_be_changed(notices: Notices, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with notices.database.transaction() as connection:
            await connection.execute(text(statement))
