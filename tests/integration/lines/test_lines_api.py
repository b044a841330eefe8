"""Lines over REST: in force when Asterisk was seen to have loaded them, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.lines import api, store
from callcenter.lines.model import LineEdit
from callcenter.lines.notices import store as notices
from callcenter.lines.notices.seed import seed_defaults as seed_notice
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.lines.service import LineService
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.shipped import deploy_shipped
from callcenter.queues.seed import seed_queues
from callcenter.schedules.seed import seed_schedules
from callcenter.schedules.store import users_of_schedule
from callcenter.switch.service import SwitchService
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.tone_speech import ToneSpeech

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
LINE = {"title": "法律热线", "flow": "main", "queue": "legal", "language": "zh", "mode": "menu"}
#: The door of a line of which nothing is said.
PLAIN_DOOR = {
    "schedule": None,
    "closed_to": "voicemail",
    "closed_say": None,
    "welcome": None,
    "recording_notice": None,
    "emergency_key": "0",
}


@dataclass
class Desk:
    database: Database
    switch: SwitchService
    client: httpx.AsyncClient
    library: PromptLibrary
    speech: ToneSpeech

    async def load(self, *, reads_late: bool = False, refuses: str | None = None) -> None:
        """One round of what `node` does: read, write, reload, read back, say so."""
        async with self.database.transaction() as connection:
            changes = await self.switch.open_changes(connection)
            rows = await store.lines_after(connection)
        loaded = {line.number: line.version - reads_late for line in rows}
        async with self.database.transaction() as connection:
            if changes and refuses is None:
                await store.mark_in_force(connection, loaded)
            for change in changes:
                await self.switch.settle(
                    connection, change.change_id, in_force=refuses is None, detail=refuses
                )

    @asynccontextmanager
    async def node(self, **how: Any) -> AsyncIterator[None]:
        """A node at work beside the API."""

        async def work() -> None:
            while True:
                await self.load(**how)
                await asyncio.sleep(0.02)  # the node's own pace

        working = asyncio.create_task(work(), name="node")
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def __call__(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        return await self.client.request(method, f"/lines{path}", **more)


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    clock, speech = FixedClock(), ToneSpeech()
    library = PromptLibrary(tmp_path / "prompts", speech)
    deploy_shipped(library.directory)
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_flow(connection, clock)
        await seed_notice(connection, clock)
        await seed_line(connection)
    switch = SwitchService(database, clock, "node1")

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    service = LineService(database, switch, library, limit=timedelta(milliseconds=500))
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer supervisor"},
    ) as client:
        yield Desk(database, switch, client, library, speech)


async def test_the_shipped_line_is_not_in_force_until_it_was_loaded(desk: Desk) -> None:
    (line,) = (await desk("GET")).json()["items"]
    assert line == {
        "number": "12345",
        "title": "政务服务便民热线 Hotline",
        "flow": "main",
        "queue": "general",
        "language": "zh",
        "mode": "menu",
        **PLAIN_DOOR,
        "version": 1,
        "in_force": False,
    }
    async with desk.database.transaction() as connection:
        await store.mark_in_force(connection, {"12345": 1})
    assert (await desk("GET", "/12345")).json()["in_force"] is True


async def test_a_line_is_opened_changed_and_closed_and_asterisk_confirms(desk: Desk) -> None:
    async with desk.node():
        opened = await desk("POST", json={"number": "12348", **LINE})
        assert opened.status_code == 201
        assert opened.json() == {
            "number": "12348",
            **LINE,
            **PLAIN_DOOR,
            "version": 1,
            "in_force": True,
            "detail": None,
        }
        etag = opened.headers["etag"]
        changed = await desk(
            "PUT", "/12348", json=LINE | {"mode": "direct"}, headers={"If-Match": etag}
        )
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        assert changed.json()["in_force"] is True
        stale = await desk("PUT", "/12348", json=LINE, headers={"If-Match": etag})
        assert stale.status_code == 412
        assert (await desk("DELETE", "/12348", headers={"If-Match": etag})).status_code == 412
        closed = await desk("DELETE", "/12348", headers=ANY)
        assert (closed.status_code, closed.content) == (204, b"")
    assert (await desk("GET", "/12348")).status_code == 404


async def test_without_a_confirmation_the_reply_says_it_is_not_in_force(desk: Desk) -> None:
    opened = await desk("POST", json={"number": "12348", **LINE})
    assert (opened.status_code, opened.json()["in_force"]) == (202, False)
    assert "did not confirm" in opened.json()["detail"]
    closed = await desk("DELETE", "/12348", headers=ANY)
    assert (closed.status_code, closed.json()["in_force"]) == (202, False)


async def test_a_refusal_of_asterisk_is_told(desk: Desk) -> None:
    async with desk.node(refuses="dialplan reload failed"):
        changed = await desk("PUT", "/12345", json=LINE, headers=ANY)
    assert (changed.status_code, changed.json()["in_force"]) == (202, False)
    assert changed.json()["detail"] == "dialplan reload failed"


async def test_an_older_state_that_was_loaded_is_not_in_force(desk: Desk) -> None:
    async with desk.node(reads_late=True):
        changed = await desk("PUT", "/12345", json=LINE, headers=ANY)
    assert (changed.status_code, changed.json()["in_force"]) == (202, False)
    assert "older state" in changed.json()["detail"]


async def test_a_change_is_news_and_a_wish_to_the_switch(desk: Desk) -> None:
    await desk("PUT", "/12345", json=LINE, headers=ANY)
    async with desk.database.transaction() as connection:
        rows = (await connection.execute(text("SELECT topic, key FROM outbox"))).all()
        changes = await desk.switch.open_changes(connection)
    assert {("line", "12345"), ("switch", "node1")} <= {tuple(row) for row in rows}
    assert [change.subject for change in changes] == ["lines"]


async def test_bad_input_names_its_field(desk: Desk) -> None:
    new = {"number": "12348", **LINE}
    await desk.load()
    for change, field in [
        ({"number": "12a"}, "number"),
        ({"number": "1"}, "number"),
        ({"queue": "police"}, "queue"),
        ({"flow": "nothing"}, "flow"),
        ({"language": "chinese"}, "language"),
        ({"language": "fr"}, "language"),
        ({"mode": "robot"}, "mode"),
        ({"title": ""}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"colour": "red"}, "colour"),
        ({"schedule": "office"}, "schedule"),
        ({"recording_notice": "nothing"}, "recording_notice"),
        ({"closed_to": "police"}, "closed_to"),
        ({"closed_to": "hangup"}, "closed_say"),
        ({"closed_to": "flow", "closed_say": {"zh": "下班"}}, "closed_say"),
        ({"welcome": {"en": "hello"}}, "welcome"),
        ({"welcome": {"prompt": "no_such"}}, "welcome"),
        ({"welcome": "hello"}, "welcome"),
        ({"welcome": {"zh": "a\x00b"}}, "welcome.words.zh"),
        ({"emergency_key": "#"}, "emergency_key"),
        ({"emergency_key": "10"}, "emergency_key"),
    ]:
        refused = await desk("POST", json=new | change)
        assert refused.status_code == 422, change
        assert [e["field"] for e in refused.json()["errors"]] == [field], change
    async with desk.database.transaction() as connection:
        assert await desk.switch.open_changes(connection) == []


async def test_a_number_is_ours_only_once_and_a_flow_must_have_been_published(desk: Desk) -> None:
    again = await desk("POST", json={"number": "12345", **LINE})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/line-exists")
    async with desk.database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO ivr_flows (name, title, created_at) VALUES ('night', 'x', now())")
        )
    refused = await desk("PUT", "/12345", json=LINE | {"flow": "night"}, headers=ANY)
    assert refused.json()["errors"][0]["field"] == "flow"
    direct = LINE | {"flow": "night", "mode": "direct"}
    assert (await desk("PUT", "/12345", json=direct, headers=ANY)).status_code == 202


async def test_agents_read_lines_and_change_none(desk: Desk) -> None:
    agent = {"Authorization": "Bearer agent"}
    assert (await desk("GET", headers=agent)).status_code == 200
    for method, path, body in [
        ("POST", "", {"number": "12348", **LINE}),
        ("PUT", "/12345", LINE),
        ("DELETE", "/12345", None),
    ]:
        refused = await desk(method, path, json=body, headers={**agent, **ANY})
        assert refused.status_code == 403, method


async def test_what_only_a_call_reads_is_in_force_at_once_and_asterisk_is_not_asked(
    desk: Desk,
) -> None:
    async with desk.database.transaction() as connection:
        await store.mark_in_force(connection, {"12345": 1})
    door = {
        "welcome": {"zh": "您好，这里是热线。", "en": "Hello."},
        "recording_notice": "recording",
        "closed_to": "hangup",
        "closed_say": {"prompt": "office_closed"},
        "emergency_key": "9",
    }
    line = LINE | {"queue": "general", "title": "热线"} | door
    changed = await desk("PUT", "/12345", json=line, headers=ANY)
    assert changed.status_code == 200, changed.text
    assert changed.json() == {
        "number": "12345",
        **line,
        "schedule": None,
        "version": 2,
        "in_force": True,
        "detail": None,
    }
    assert (await desk("GET", "/12345")).json()["in_force"] is True
    async with desk.database.transaction() as connection:
        assert await desk.switch.open_changes(connection) == []
    for text_, language in [("您好，这里是热线。", "zh"), ("Hello.", "en")]:
        assert desk.library.text(text_, language).is_file(), "spoken before it was saved"


async def test_a_version_that_asterisk_need_not_know_outlives_an_older_confirmation(
    desk: Desk,
) -> None:
    async with desk.database.transaction() as connection:
        await store.mark_in_force(connection, {"12345": 1})
    line = LINE | {"queue": "general", "title": "热线"}
    await desk("PUT", "/12345", json=line, headers=ANY)
    async with desk.database.transaction() as connection:
        await store.mark_in_force(connection, {"12345": 1})
    assert (await desk("GET", "/12345")).json()["in_force"] is True


async def test_what_asterisk_has_not_loaded_yet_is_not_in_force_by_a_smaller_edit(
    desk: Desk,
) -> None:
    moved = await desk("PUT", "/12345", json=LINE, headers=ANY)
    assert moved.json()["in_force"] is False
    renamed = await desk("PUT", "/12345", json=LINE | {"title": "y"}, headers=ANY)
    assert (renamed.status_code, renamed.json()["in_force"]) == (202, False)


async def test_a_notice_must_be_said_in_the_line_s_language(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await notices.add_notice(connection, "english", "x", FixedClock()())
        await notices.add_version(
            connection, "english", {"en": "Recorded."}, comment="", by="x", at=FixedClock()()
        )
    refused = await desk("PUT", "/12345", json=LINE | {"recording_notice": "english"}, headers=ANY)
    assert [e["field"] for e in refused.json()["errors"]] == ["recording_notice"]


async def test_a_line_has_a_schedule_that_is_there(desk: Desk) -> None:
    async with desk.database.transaction() as connection:
        await seed_schedules(connection, FixedClock())
    changed = await desk("PUT", "/12345", json=LINE | {"schedule": "office"}, headers=ANY)
    assert (changed.status_code, changed.json()["schedule"]) == (202, "office")
    async with desk.database.transaction() as connection:
        assert await users_of_schedule(connection, "office") == ["line 12345"]
    refused = await desk("PUT", "/12345", json=LINE | {"schedule": "night"}, headers=ANY)
    assert [e["field"] for e in refused.json()["errors"]] == ["schedule"]


async def test_a_fax_line_needs_no_published_flow(desk: Desk) -> None:
    async with desk.node():
        opened = await desk("POST", json={"number": "12349", **LINE, "mode": "fax"})
    assert (opened.status_code, opened.json()["mode"]) == (201, "fax")


async def test_a_voice_that_fails_leaves_the_line_as_it_was(desk: Desk) -> None:
    desk.speech.broken = True
    refused = await desk("PUT", "/12345", json=LINE | {"welcome": {"zh": "新词"}}, headers=ANY)
    assert refused.status_code == 503, refused.text
    line = (await desk("GET", "/12345")).json()
    assert (line["version"], line["welcome"]) == (1, None)


async def test_what_the_doors_say_is_spoken_again_on_a_new_machine(desk: Desk) -> None:
    switch, library = desk.switch, desk.library
    service = LineService(desk.database, switch, library, limit=timedelta(milliseconds=10))
    await service.change(
        "12345",
        LineEdit("x", "main", "general", "zh", welcome={"zh": "欢迎"}, emergency_key="7"),
        based_on=None,
    )
    for file in library.directory.glob("*/text-*.wav"):
        file.unlink()
    # The welcome, two languages of the words for a blocked caller, and two of the shipped notice.
    assert await service.render_all() == 5
    assert await service.render_all() == 0
