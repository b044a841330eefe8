"""Queues over REST: in force when Asterisk was seen to work so, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.agents.seed import seed_agents
from callcenter.calls.seed import CallSeed, seed_row
from callcenter.calls.tables import calls
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues import api, store
from callcenter.queues.callbacks.service import take_callback
from callcenter.queues.seed import seed_queues
from callcenter.queues.service import QueueService
from callcenter.switch.service import SwitchService
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
TAX = {"name": "tax", "title": "税务"}
#: What is said of a queue that only has a title.
PLAIN = {
    "strategy": "rrmemory",
    "ring_seconds": 15,
    "max_wait_seconds": None,
    "max_waiting": 0,
    "weight": 0,
    "wrapup_seconds": 0,
    "music": "default",
    "comfort_prompt": None,
    "comfort_seconds": 60,
    "announce_position": False,
    "announce_seconds": 60,
    "offers_callback": True,
    "missed_calls": None,
    "skills": [],
    "languages": [],
    "exits": {
        cause: {"to": "voicemail", "queue": None, "number": None}
        for cause in ("full", "timeout", "no_agents")
    },
}


async def prompts() -> Mapping[str, frozenset[str]]:
    return {"queue_comfort": frozenset({"zh", "en"}), "only_zh": frozenset({"zh"})}


@dataclass
class Desk:
    database: Database
    switch: SwitchService
    client: httpx.AsyncClient

    async def load(self, *, refuses: str | None = None, reads_late: bool = False) -> None:
        """One round of what `node` does: read, write, reload, read back, say so."""
        async with self.database.transaction() as connection:
            changes = await self.switch.open_changes(connection)
            queues = await store.list_queues(connection)
        async with self.database.transaction() as connection:
            if changes and refuses is None:
                await store.mark_in_force(
                    connection, {queue.name: queue.version - reads_late for queue in queues}
                )
            for change in changes:
                assert change.subject == "queues"
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
        return await self.client.request(method, f"/queues{path}", **more)

    async def queue(self, name: str) -> dict[str, Any]:
        reply = await self("GET", f"/{name}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    async def sql(self, statement: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement))


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    clock = FixedClock()
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_flow(connection, clock)
        await seed_line(connection)
        await seed_agents(connection, clock, lambda agent_id: agent_id * 4)
        await connection.execute(
            text(
                "INSERT INTO prompts (name, title, texts, created_at, created_by, edited_at,"
                " edited_by) SELECT n, n, '{}', now(), 'x', now(), 'x'"
                " FROM unnest(ARRAY['queue_comfort', 'only_zh']) AS n"
            )
        )
    switch = SwitchService(database, clock, "node1")

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    service = QueueService(database, switch, prompts, limit=timedelta(milliseconds=500))
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer admin"},
    ) as client:
        yield Desk(database, switch, client)


async def test_a_queue_is_in_force_once_asterisk_has_it(desk: Desk) -> None:
    async with desk.node():
        reply = await desk("POST", json=TAX | {"members": [{"agent_id": "1001", "penalty": 2}]})
    assert reply.status_code == 201, reply.text
    assert reply.json() == {
        **TAX,
        **PLAIN,
        "is_default": False,
        "version": 1,
        "in_force": True,
        "detail": None,
        "members": [{"agent_id": "1001", "penalty": 2}],
    }
    assert reply.headers["ETag"] == '"1"'
    assert (await desk("POST", json=TAX)).status_code == 409


async def test_all_of_a_queue_is_kept_as_it_was_given(desk: Desk) -> None:
    everything = {
        "title": "企业",
        "strategy": "wrandom",
        "ring_seconds": 20,
        "max_wait_seconds": 120,
        "max_waiting": 40,
        "weight": 3,
        "wrapup_seconds": 30,
        "music": "default",
        "comfort_prompt": "queue_comfort",
        "comfort_seconds": 45,
        "announce_position": True,
        "announce_seconds": 30,
        "offers_callback": False,
        "missed_calls": "dial",
        "skills": [{"skill": "law", "level": 3, "relax": [{"after_seconds": 30, "level": 1}]}],
        "languages": [
            {
                "language": "en",
                "level": 4,
                "relax": [{"after_seconds": 20, "level": 2}, {"after_seconds": 40, "level": 0}],
            }
        ],
        "exits": {
            "full": {"to": "callback", "queue": None, "number": None},
            "timeout": {"to": "queue", "queue": "legal", "number": None},
            "no_agents": {"to": "number", "queue": None, "number": "12366"},
        },
    }
    async with desk.node():
        reply = await desk("PUT", "/enterprise", json=everything, headers={"If-Match": '"1"'})
        assert reply.status_code == 200, reply.text
        assert reply.json() | everything == reply.json()
        assert reply.json()["version"] == 2
        stale = await desk("PUT", "/enterprise", json=everything, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
        reply = await desk("PUT", "/enterprise", json={"title": "企业"}, headers=ANY)
    assert reply.json() | PLAIN == reply.json(), "what is left out is as of a plain queue"
    listed = (await desk("GET", headers={"Authorization": "Bearer agent"})).json()["items"]
    assert [queue["name"] for queue in listed] == ["enterprise", "general", "legal"]


async def test_a_reload_that_fails_is_told(desk: Desk) -> None:
    async with desk.node(refuses="queue tax: Max is '0', wanted '5'"):
        reply = await desk("POST", json=TAX | {"max_waiting": 5})
    assert reply.status_code == 202
    assert reply.json()["in_force"] is False
    assert "wanted '5'" in reply.json()["detail"]
    assert (await desk.queue("tax"))["in_force"] is False


async def test_an_older_state_in_asterisk_is_not_this_one(desk: Desk) -> None:
    async with desk.node(reads_late=True):
        reply = await desk("PUT", "/legal", json={"title": "法律"}, headers=ANY)
    assert reply.status_code == 202
    assert "older state" in reply.json()["detail"]


async def test_without_a_node_the_change_is_kept_and_not_in_force(desk: Desk) -> None:
    reply = await desk("PUT", "/legal", json={"title": "法律二"}, headers=ANY)
    assert reply.status_code == 202
    assert "did not confirm" in reply.json()["detail"]
    await desk.load()
    assert (await desk.queue("legal"))["title"] == "法律二"
    assert (await desk.queue("legal"))["in_force"] is True


async def test_members_are_set_as_a_whole(desk: Desk) -> None:
    async with desk.node():
        wanted = {"members": [{"agent_id": "1002", "penalty": 5}, {"agent_id": "1009"}]}
        reply = await desk("PUT", "/legal/members", json=wanted, headers={"If-Match": '"1"'})
        assert reply.status_code == 200, reply.text
        assert reply.json()["members"] == [
            {"agent_id": "1009", "penalty": 0},
            {"agent_id": "1002", "penalty": 5},
        ]
        assert reply.json()["version"] == 2
        for bad in (
            {"members": [{"agent_id": "4711"}]},
            {"members": [{"agent_id": "1002"}, {"agent_id": "1002"}]},
            {"members": [{"agent_id": "x"}]},
            {"members": [{"agent_id": "1002", "penalty": 10**40}]},
        ):
            reply = await desk("PUT", "/legal/members", json=bad, headers=ANY)
            assert reply.status_code == 422, bad
    assert len((await desk.queue("legal"))["members"]) == 2


#: Changes of a queue, and a word the refusal must hold.
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"exits": {"full": {"to": "queue", "queue": "nowhere"}}}, "exits"),
    ({"exits": {"full": {"to": "queue", "queue": "legal"}}}, "exits"),
    ({"exits": {"full": {"to": "queue"}}}, "exits"),
    ({"comfort_prompt": "nothing"}, "comfort_prompt"),
    ({"comfort_prompt": "only_zh", "languages": [{"language": "en", "level": 3}]}, ""),
    ({"title": "x\u0000"}, "title"),
    ({"title": ""}, "title"),
    ({"strategy": "linear"}, "strategy"),
    ({"strategy": "nonsense"}, "strategy"),
    ({"ring_seconds": 10**40}, ""),
    ({"ring_seconds": True}, ""),
    ({"music": "jazz"}, "music"),
    ({"unknown": 1}, ""),
    (
        {"skills": [{"skill": "law", "level": 3, "relax": [{"after_seconds": 9, "level": 3}]}]},
        "",
    ),
    ({"skills": [{"skill": "law", "level": 3}] * 2}, "skills"),
)


async def test_what_cannot_be_is_refused(desk: Desk) -> None:
    for changes, word in REFUSED:
        reply = await desk("PUT", "/legal", json={"title": "法律"} | changes, headers=ANY)
        assert reply.status_code == 422, (changes, reply.text)
        assert word in reply.text, changes
    assert (await desk.queue("legal"))["version"] == 1


async def test_names_that_no_queue_can_have_are_not_there(desk: Desk) -> None:
    for name in ("nowhere", "x" * 40):
        assert (await desk("GET", f"/{name}")).status_code == 404
        assert (await desk("DELETE", f"/{name}", headers=ANY)).status_code == 404
    for name in ("%00", "General", "a-b"):
        assert (await desk("GET", f"/{name}")).status_code in (404, 422)
    for name in ("h", "fax", "General", "a" * 33):
        assert (await desk("POST", json=TAX | {"name": name})).status_code == 422


async def test_admins_edit_and_everybody_reads(desk: Desk) -> None:
    for role in ("agent", "supervisor"):
        as_role = {"Authorization": f"Bearer {role}"}
        assert (await desk("GET", "/legal", headers=as_role)).status_code == 200
        for method, path, body in (
            ("POST", "", TAX),
            ("PUT", "/legal", {"title": "x"}),
            ("PUT", "/legal/members", {"members": []}),
            ("POST", "/legal/default", None),
            ("DELETE", "/legal", None),
        ):
            reply = await desk(method, path, json=body, headers=as_role | ANY)
            assert reply.status_code == 403, (role, method, path)


async def test_a_queue_that_is_used_stays(desk: Desk) -> None:
    async with desk.node():
        reply = await desk("DELETE", "/general", headers=ANY)
        assert (reply.status_code, "default queue" in reply.text) == (409, True)

        await desk.sql("UPDATE lines SET queue = 'legal' WHERE number = '12345'")
        await desk.sql(
            "INSERT INTO ivr_references (flow, version, kind, name)"
            " VALUES ('main', 0, 'queue', 'legal')"
        )
        await desk(
            "PUT",
            "/enterprise",
            json={"title": "x", "exits": {"timeout": {"to": "queue", "queue": "legal"}}},
            headers=ANY,
        )
        await _callback(desk, "legal")
        reply = await desk("DELETE", "/legal", headers=ANY)
        assert reply.status_code == 409
        for user in ("flow main (draft)", "line 12345", "exit of queue enterprise", "callback "):
            assert user in reply.json()["detail"], user

        await desk.sql("UPDATE lines SET queue = 'general' WHERE number = '12345'")
        await desk.sql("DELETE FROM ivr_references WHERE kind = 'queue' AND name = 'legal'")
        await desk("PUT", "/enterprise", json={"title": "x"}, headers=ANY)
        await desk.sql(
            "UPDATE callbacks SET state = 'done', outcome = 'reached', done_at = now(),"
            " done_by = 'x'"
        )
        await desk.sql(
            "INSERT INTO queue_visits (call_id, visit, queue, why, entered_at)"
            " SELECT call_id, 1, 'legal', 'flow', now() FROM callbacks"
        )
        reply = await desk("DELETE", "/legal", headers=ANY)
        assert (reply.status_code, "1 callers who wait" in reply.text) == (409, True)
        await desk.sql("UPDATE queue_visits SET outcome = 'abandoned', left_at = now()")

        reply = await desk("DELETE", "/legal", headers={"If-Match": '"7"'})
        assert reply.status_code == 412
        reply = await desk("DELETE", "/legal", headers=ANY)
        assert reply.status_code == 204, reply.text
    assert (await desk("GET", "/legal")).status_code == 404


async def test_another_queue_becomes_the_default(desk: Desk) -> None:
    async with desk.node():
        reply = await desk("POST", "/legal/default", headers=ANY)
        assert reply.status_code == 200, reply.text
        assert reply.json()["is_default"] is True
        assert (await desk.queue("general"))["is_default"] is False
        assert (await desk("DELETE", "/legal", headers=ANY)).status_code == 409


REFUSED_BY_SQL = (
    "UPDATE queues SET max_wait_seconds = 4",
    "UPDATE queues SET max_waiting = -1",
    "UPDATE queues SET weight = 101",
    "UPDATE queues SET music = 'jazz'",
    "UPDATE queues SET comfort_seconds = 1",
    "UPDATE queues SET announce_seconds = 1",
    "UPDATE queues SET comfort_prompt = 'nowhere'",
    "UPDATE queues SET in_force_version = 2",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'Law', 3)",
    "INSERT INTO queue_requirements VALUES ('legal', 'language', 'yue', 3)",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 6)",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 3, '[[10, 3]]')",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 3, '[[10, 2], [10, 1]]')",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 3, '[[10]]')",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 3, '[[\"1\", 2]]')",
    "INSERT INTO queue_requirements VALUES ('legal', 'skill', 'law', 3, '{}')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'queue')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'queue', 'legal')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'queue', 'nowhere')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'number', NULL, 'x')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'number', 'general', '110')",
    "INSERT INTO queue_exits VALUES ('legal', 'bored', 'voicemail')",
    "INSERT INTO queue_exits VALUES ('legal', 'full', 'moon')",
)


async def test_the_tables_refuse_it_too(desk: Desk) -> None:
    for statement in REFUSED_BY_SQL:
        with pytest.raises(IntegrityError):
            await desk.sql(statement)


async def _callback(desk: Desk, queue: str) -> None:
    """One that waits, with its call."""
    call_id, at = UUID(int=7), datetime(2026, 11, 25, tzinfo=UTC)
    async with desk.database.transaction() as connection:
        await connection.execute(
            insert(calls).values(
                **seed_row(
                    CallSeed(
                        call_id=call_id,
                        node="node1",
                        linkedid="l",
                        uniqueid="u",
                        line="12345",
                        caller_number="13800138000",
                        started_at=at,
                    )
                )
            )
        )
        await take_callback(
            connection, call_id, queue=queue, number="13800138000", language="zh", at=at
        )
