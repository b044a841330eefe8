"""Calls over REST, from journals that a real Asterisk wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.calls.api import router
from callcenter.calls.consumer import JournalConsumer
from callcenter.calls.service import CallService
from callcenter.calls.tail import JournalReader
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAuthenticated
from callcenter.platform.problems import install_problem_handlers
from callcenter.recordings.service import on_facts

pytestmark = pytest.mark.integration

JOURNALS = Path(__file__).parents[2] / "recordings" / "journal"
CALLS = (
    "abandoned_in_queue",
    "agent_no_answer_then_next",
    "answered_call",
    "hangup_in_menu",
    "no_agent_voicemail",
)
ANSWERED = "4fc6bba4-4f16-4435-9887-6240b902185e"
CONTRACT = {
    "call_id",
    "linkedid",
    "node",
    "line",
    "caller_number",
    "caller_name",
    "dialled_number",
    "language",
    "state",
    "disposition",
    "started_at",
    "answered_at",
    "queued_at",
    "agent_answered_at",
    "ended_at",
    "hangup_by",
    "queue",
    "agent",
    "case_number",
    "recordings",
    "ivr_flow",
    "ivr_version",
    "ivr_path",
    "caller_withheld",
    "direction",
    "caller_number_source",
    "legs",
    "recording_notice",
    "recording_notice_version",
    "priority",
    "priority_reason",
}


DOOR = ("recording_notice", "recording_notice_version", "priority", "priority_reason")


async def authenticate(token: str) -> Principal:
    if token not in [role.value for role in Role]:
        raise NotAuthenticated
    return Principal(uuid4(), token, Role(token))


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    journal = tmp_path / "journal.csv"
    journal.write_bytes(b"".join((JOURNALS / f"{name}.csv").read_bytes() for name in CALLS))
    consumer = JournalConsumer(
        database,
        JournalReader(journal),
        node="node1",
        clock=lambda: datetime(2026, 11, 23, 20, 30, tzinfo=UTC),
        region="CN",
        on_facts=on_facts,
    )
    while await consumer.step():
        pass
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router(CallService(database, region="CN"), Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://hotline",
        headers={"Authorization": "Bearer agent"},
    ) as client:
        yield client


async def open_case(connection: AsyncConnection, call_id: str, prefix: str) -> str:
    for digit in range(10):
        number = f"{prefix}{digit}"
        if await connection.scalar(text("SELECT case_number_is_valid(:n)"), {"n": number}):
            break
    await connection.execute(
        text(
            "INSERT INTO cases (case_number, title, origin_call_id, opened_at, opened_by)"
            " VALUES (:n, 't', :c, now(), 'system')"
        ),
        {"n": number, "c": UUID(call_id)},
    )
    await connection.execute(
        text(
            "INSERT INTO case_calls (case_number, call_id, relation, linked_at)"
            " VALUES (:n, :c, 'origin', now())"
        ),
        {"n": number, "c": UUID(call_id)},
    )
    return number


async def test_a_call_has_every_field_of_the_contract(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.transaction() as connection:
        number = await open_case(connection, ANSWERED, "202611230")
    reply = await client.get(f"/calls/{ANSWERED}")
    assert reply.status_code == 200
    call = reply.json()
    assert set(call) == CONTRACT
    assert call["case_number"] == number
    assert call["line"] == call["dialled_number"] == "12345"
    assert call["started_at"] == "2026-11-23T19:55:32.913826Z"
    assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
        ("main", None),
        ("streetlights", "1"),
        ("main", None),
        ("person", "0"),
    ]
    assert [(r["kind"], r["state"]) for r in call["recordings"]] == [("conversation", "pending")]
    assert [leg["role"] for leg in call["legs"]] == ["citizen", "agent"]


async def test_a_call_says_which_notice_was_played_and_why_it_came_first(
    client: httpx.AsyncClient, database: Database
) -> None:
    call = (await client.get(f"/calls/{ANSWERED}")).json()
    assert {call[name] for name in DOOR} == {None}
    async with database.transaction() as connection:
        entry = await connection.scalar(
            text(
                "INSERT INTO listed_callers (list, number, reason, priority, listed_at, listed_by)"
                " VALUES ('priority', '123', 'dialysis at home', 7, now(), 'ling')"
                " RETURNING entry_id"
            )
        )
        await connection.execute(
            text(
                "UPDATE calls SET recording_notice = 'recording', recording_notice_version = 3,"
                " priority = 7, priority_entry = :entry WHERE call_id = :call"
            ),
            {"entry": entry, "call": ANSWERED},
        )
    call = (await client.get(f"/calls/{ANSWERED}")).json()
    assert {name: call[name] for name in DOOR} == {
        "recording_notice": "recording",
        "recording_notice_version": 3,
        "priority": 7,
        "priority_reason": "dialysis at home",
    }


async def test_calls_are_listed_youngest_first_page_by_page(client: httpx.AsyncClient) -> None:
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(3):
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/calls", params=params)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    starts = [call["started_at"] for call in seen]
    assert len(starts) == len({call["call_id"] for call in seen}) == 5
    assert starts == sorted(starts, reverse=True)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=ended", 5),
        ("state=talking", 0),
        ("disposition=answered", 2),
        ("disposition=abandoned&queue=general", 1),
        ("line=12346", 3),
        ("agent=1002", 1),
        ("caller_number=13800138000", 5),
        ("caller_number=%2B8613800138000", 5),
        ("caller_number=10086", 0),
        ("started_after=2026-11-23T19:56:00Z", 2),
        ("started_before=2026-11-23T19:54:10%2B00:00", 1),
    ],
)
async def test_a_list_is_narrowed(client: httpx.AsyncClient, query: str, count: int) -> None:
    reply = await client.get(f"/calls?{query}")
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["items"]) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=sleeping", "state"),
        ("disposition=lost", "disposition"),
        ("limit=0", "limit"),
        ("started_after=2026-11-23T19:56:00", "started_after"),
        ("caller_number=robert", "caller_number"),
        ("cursor=eA", "cursor"),
        ("cursor=WyJ4IiwieSJd", "cursor"),
        # A time that leaves what can be computed once it is shifted to UTC.
        (
            "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwg"
            "IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwNyJd",
            "cursor",
        ),
    ],
)
async def test_a_bad_filter_is_refused_with_the_field_it_is_in(
    client: httpx.AsyncClient, query: str, field: str
) -> None:
    reply = await client.get(f"/calls?{query}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in reply.json()["errors"]] == [field]


async def test_the_timeline_tells_the_call_in_words_and_in_order(
    client: httpx.AsyncClient,
) -> None:
    items = (await client.get(f"/calls/{ANSWERED}/timeline")).json()["items"]
    assert [item["detail"] for item in items] == [
        "A call to 12345 arrived.",
        "The hotline answered.",
        "Heard 'main'.",
        "Came to 'streetlights' by pressing 1.",
        "Heard 'main'.",
        "Came to 'person' by pressing 0.",
        "Recording was switched on for the conversation.",
        "Began to wait in queue 'general' (chosen in the menu).",
        "The phone of agent 1001 rang.",
        "Agent 1001 answered; the two hear each other.",
        "Agent 1001 left the conversation after 5 s.",
        "The call ended after a conversation: the caller hung up.",
    ]
    times = [item["at"] for item in items]
    assert times == sorted(times)


async def test_a_call_that_is_not_there_is_said_so(client: httpx.AsyncClient) -> None:
    for path in (f"/calls/{uuid4()}", f"/calls/{uuid4()}/timeline"):
        reply = await client.get(path)
        assert reply.status_code == 404
        assert reply.json()["type"] == "/problems/no-such-call"
    assert (await client.get("/calls/12345")).status_code == 422


async def test_nobody_reads_calls_without_a_token(client: httpx.AsyncClient) -> None:
    for path in ("/calls", f"/calls/{ANSWERED}", f"/calls/{ANSWERED}/timeline"):
        assert (await client.get(path, headers={"Authorization": ""})).status_code == 401


async def test_a_page_costs_the_same_number_of_statements_for_one_call_and_for_many(
    client: httpx.AsyncClient, database: Database
) -> None:
    @contextmanager
    def counted(statements: list[str]) -> Any:
        def note(_c: object, _cur: object, statement: str, *_rest: object) -> None:
            statements.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        yield
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)

    one: list[str] = []
    many: list[str] = []
    with counted(one):
        await client.get("/calls?limit=1")
    with counted(many):
        await client.get("/calls?limit=100")
    assert len(one) == len(many) == 4
