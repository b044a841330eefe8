"""A message from the fact that it was left to the person who worked it off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from callcenter.access.model import Role
from callcenter.calls.facts import MessageLeft, RecordingStarted
from callcenter.cases.service import CaseService
from callcenter.channels.messages.api import router
from callcenter.channels.messages.service import MessageKeeper, MessageService
from callcenter.channels.messages.tables import messages
from callcenter.health.metrics import Metrics
from callcenter.ivr.tables import ivr_flows
from callcenter.lines.tables import lines
from callcenter.platform.db import Database
from callcenter.platform.news import outbox
from callcenter.queues.tables import queues
from callcenter.recordings.model import Reason, recording_id_of
from callcenter.recordings.service import RecordingService
from callcenter.recordings.service import on_facts as recordings_on_facts
from callcenter.recordings.tables import recordings
from callcenter.testing.desk import PASSWORD, Desk, add_call, open_desk

pytestmark = pytest.mark.integration

DAY = timedelta(hours=24)


class Room:
    """A desk with messages on it, and the node's part."""

    def __init__(self, desk: Desk, sealed: Path) -> None:
        self.desk = desk
        self.sealed = sealed
        self.cases = CaseService(desk.database, desk.clock)
        self.keeper = MessageKeeper(self.cases, desk.clock, deadline=DAY)

    async def facts(
        self, call_id: UUID, takes: int = 1, *, counts: int = 1, reason: str = "closed"
    ) -> None:
        """What `node` does with the facts of a call that left a message."""
        names = [f"{call_id}-message{f'-{n}' if n > 1 else ''}" for n in range(1, takes + 1)]
        now = self.desk.clock()
        expected = [
            RecordingStarted(call_id=call_id, at=now, name=name, recording_kind="voicemail")
            for name in names
        ]
        left = MessageLeft(call_id=call_id, at=now, name=names[counts - 1], reason=reason)
        async with self.desk.database.transaction() as connection:
            await self.cases.open_for_call(
                connection, call_id, title="Call", opened_by="system:node", at=now
            )
            await recordings_on_facts(connection, expected)
            await self.keeper.on_facts(connection, [*expected, left])

    async def leave(self, takes: int = 1, *, counts: int = 1, **columns: object) -> UUID:
        """A call that left a message of so many takes, not finished yet."""
        at = self.desk.clock()
        values: dict[str, object] = {
            "state": "ended",
            "ended_at": at,
            "disposition": "voicemail",
            "hangup_by": "caller",
            "line": "12345",
            "language": "zh",
            "caller_number": "+8613800138000",
        }
        async with self.desk.database.transaction() as connection:
            call_id = await add_call(connection, at, **values | columns)
        await self.facts(call_id, takes, counts=counts)
        return call_id

    async def finish(
        self, call_id: UUID, take: int = 1, *, ms: int = 8000, silence: float = 0.2
    ) -> None:
        """The finisher's outcome of one take."""
        name = f"{call_id}-message{f'-{take}' if take > 1 else ''}"
        recording_id = recording_id_of(call_id, name)
        file = self.sealed / f"{take}.wav"
        file.write_bytes(b"RIFF" + bytes(96))
        await self._outcome(
            call_id,
            recording_id,
            state="ready",
            file=file.name,
            duration_ms=ms,
            sample_rate=8000,
            channels=1,
            bytes=100,
            peak=0.5,
            silence_ratio=silence,
            sha256="0" * 64,
            sealed_at=self.desk.clock(),
        )

    async def lose(self, call_id: UUID, reason: Reason, state: str = "missing") -> None:
        recording_id = recording_id_of(call_id, f"{call_id}-message")
        await self._outcome(call_id, recording_id, state=state, reason=reason.value)

    async def _outcome(self, call_id: UUID, recording_id: UUID, **values: object) -> None:
        async with self.desk.database.transaction() as connection:
            await connection.execute(
                update(recordings).where(recordings.c.recording_id == recording_id).values(**values)
            )
            await self.keeper.settle(connection, call_id)

    async def later(self, hours: float) -> None:
        """So much later, with a new token: one lasts an hour."""
        self.desk.clock.forward(timedelta(hours=hours))
        issued = await self.desk.access.login("aki", PASSWORD)
        self.desk.aki.headers["Authorization"] = f"Bearer {issued.token}"

    async def message(self, call_id: UUID) -> dict[str, Any]:
        reply = await self.desk.aki.get(f"/messages/{call_id}")
        assert reply.status_code == 200, reply.text
        body: dict[str, Any] = reply.json()
        return body

    async def case(self, call_id: UUID) -> Any:
        message = await self.message(call_id)
        return await self.cases.get(message["case_number"])

    async def listed(self, **params: Any) -> list[str]:
        reply = await self.desk.aki.get("/messages", params=params)
        assert reply.status_code == 200, reply.text
        return [item["call_id"] for item in reply.json()["items"]]


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[Room]:
    def routers(guard: Any, clock: Any) -> list[Any]:
        sound = RecordingService(database, sealed=tmp_path, clock=clock)
        cases = CaseService(database, clock)
        return [router(MessageService(database, cases, sound, clock), guard)]

    async with open_desk(database, routers) as desk:
        yield Room(desk, tmp_path)


async def test_who_was_never_in_a_queue_is_on_the_list_of_the_lines_own(room: Room) -> None:
    async with room.desk.database.transaction() as connection:
        await connection.execute(insert(queues).values(name="general", title="General"))
        await connection.execute(
            insert(ivr_flows).values(name="main", title="Main", created_at=room.desk.clock())
        )
        await connection.execute(
            insert(lines).values(
                number="12345", title="Hotline", flow="main", queue="general", language="zh"
            )
        )
    call_id = await room.leave(queue=None)
    assert (await room.message(call_id))["queue"] == "general"
    assert await room.listed(queue="general") == [str(call_id)]


async def test_a_message_has_its_case_its_recording_and_its_deadline(room: Room) -> None:
    call_id = await room.leave(queue="general")
    message = await room.message(call_id)
    left = room.desk.clock()
    assert message == {
        "call_id": str(call_id),
        "case_number": message["case_number"],
        "line": "12345",
        "queue": "general",
        "language": "zh",
        "reason": "closed",
        "caller_number": "+8613800138000",
        "caller_withheld": False,
        "left_at": message["left_at"],
        "length_ms": None,
        "due_at": message["due_at"],
        "state": "new",
        "taken_by": None,
        "taken_at": None,
        "done_by": None,
        "done_at": None,
        "outcome": None,
        "note": None,
        "recording": {
            "recording_id": str(recording_id_of(call_id, f"{call_id}-message")),
            "state": "pending",
            "reason": None,
            "audio": f"/api/v1/messages/{call_id}/audio",
        },
    }
    assert datetime.fromisoformat(message["left_at"]) == left
    assert datetime.fromisoformat(message["due_at"]) == left + DAY
    assert (await room.case(call_id)).case.due_at == left + DAY
    await room.finish(call_id)
    assert (await room.message(call_id))["length_ms"] == 8000


async def test_the_same_facts_again_change_nothing_not_even_what_is_done(room: Room) -> None:
    call_id = await room.leave()
    await room.finish(call_id, ms=900)
    before = (await room.message(call_id), (await room.case(call_id)).case)
    assert before[0]["state"] == "empty"
    await room.later(3)
    await room.facts(call_id)
    assert (await room.message(call_id), (await room.case(call_id)).case) == before


async def test_the_last_take_with_words_counts_once_all_are_finished(room: Room) -> None:
    call_id = await room.leave(3, counts=3)
    await room.finish(call_id, 1)
    await room.finish(call_id, 2, ms=5000)
    assert (await room.message(call_id))["length_ms"] is None
    await room.finish(call_id, 3, silence=1.0)
    message = await room.message(call_id)
    assert message["recording"]["recording_id"] == str(
        recording_id_of(call_id, f"{call_id}-message-2")
    )
    assert (message["state"], message["length_ms"]) == ("new", 5000)


async def test_silence_is_not_worked_off_and_its_case_is_not_due(room: Room) -> None:
    call_id = await room.leave()
    await room.finish(call_id, silence=0.999)
    assert (await room.message(call_id))["state"] == "empty"
    assert await room.listed() == []
    assert await room.listed(state="empty") == [str(call_id)]
    file = await room.case(call_id)
    assert file.case.due_at is None
    assert "no words" in file.notes[0].detail["text"]
    assert (await room.desk.aki.post(f"/messages/{call_id}/take")).status_code == 409


async def test_a_message_without_its_file_stays_to_be_worked_off_and_says_why(room: Room) -> None:
    call_id = await room.leave()
    await room.lose(call_id, Reason.NO_FILE)
    message = await room.message(call_id)
    assert (message["state"], message["recording"]["reason"]) == ("new", Reason.NO_FILE.value)
    await room.desk.aki.post(f"/messages/{call_id}/take")
    reply = await room.desk.aki.get(f"/messages/{call_id}/audio")
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/recording-not-there")


async def test_a_call_between_agents_leaves_no_message(room: Room) -> None:
    call_id = await room.leave(direction="internal", line=None)
    assert (await room.desk.aki.get(f"/messages/{call_id}")).status_code == 404


async def test_one_person_takes_a_message_another_cannot(room: Room) -> None:
    desk, call_id = room.desk, await room.leave()
    await desk.access.create_user("bo", PASSWORD, Role.AGENT)
    token = (await desk.access.login("bo", PASSWORD)).token
    bo = {"Authorization": f"Bearer {token}"}
    path = f"/messages/{call_id}"
    taken = await desk.aki.post(f"{path}/take")
    assert (taken.status_code, taken.json()["taken_by"]) == (200, "aki")
    assert (await desk.aki.post(f"{path}/take")).json() == taken.json()
    for act, body in (("take", None), ("release", None), ("done", {"outcome": "reached"})):
        reply = await desk.aki.post(f"{path}/{act}", headers=bo, json=body)
        assert (reply.status_code, reply.json()["type"]) == (409, "/problems/message-taken")
    assert (await desk.aki.get(f"{path}/audio", headers=bo)).status_code == 409
    released = await desk.sven.post(f"{path}/release")
    assert (released.status_code, released.json()["state"]) == (200, "new")
    assert (await desk.aki.post(f"{path}/take", headers=bo)).json()["taken_by"] == "bo"


async def test_the_case_tells_who_worked_the_message_off_and_when(room: Room) -> None:
    desk, call_id = room.desk, await room.leave()
    await room.finish(call_id)
    path = f"/messages/{call_id}"
    reply = await desk.aki.post(f"{path}/done", json={"outcome": "reached"})
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/message-not-taken")
    assert (await desk.aki.get(f"{path}/audio")).status_code == 409
    desk.clock.forward(timedelta(minutes=5))
    await desk.aki.post(f"{path}/take")
    audio = await desk.aki.get(f"{path}/audio", headers={"Range": "bytes=0-3"})
    assert (audio.status_code, audio.content) == (206, b"RIFF")
    desk.clock.forward(timedelta(minutes=5))
    done = await desk.aki.post(
        f"{path}/done", json={"outcome": "not_reached", "note": "无人接听\n再打一次"}
    )
    body = done.json()
    assert (body["state"], body["done_by"], body["outcome"]) == ("done", "aki", "not_reached")
    assert datetime.fromisoformat(body["done_at"]) == desk.clock()
    notes = (await room.case(call_id)).notes
    assert [(n.actor, n.at) for n in notes] == [
        ("aki", desk.clock() - timedelta(minutes=5)),
        ("aki", desk.clock()),
    ]
    assert "not reached" in notes[1].detail["text"]
    assert "再打一次" in notes[1].detail["text"]
    for act in ("take", "release"):
        assert (await desk.sven.post(f"{path}/{act}")).status_code == 409
    assert await room.listed() == []
    assert await room.listed(state="done") == [str(call_id)]
    async with desk.database.transaction() as connection:
        news = await connection.execute(
            select(outbox).where(outbox.c.topic == "message").order_by(outbox.c.news_id)
        )
        told = [(row.key, row.payload["state"]) for row in news]
    assert told == [(str(call_id), state) for state in ("new", "new", "taken", "done")]


async def test_what_is_due_first_comes_first_page_by_page(room: Room) -> None:
    left = []
    for number in range(5):
        left.append(str(await room.leave(queue="general" if number % 2 else "tax")))
        await room.later(8)
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await room.desk.aki.get("/messages", params=params)).json()
        seen += [item["call_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == left
    # 40 hours after the first one: those of hour 0 and 8 are past their 24, the third just not.
    assert await room.listed(overdue=True) == left[:2]
    assert await room.listed(overdue=False) == left[2:]
    assert await room.listed(queue="general") == [left[1], left[3]]
    await room.desk.aki.post(f"/messages/{left[0]}/take")
    assert await room.listed(state="taken", overdue=True) == [left[0]]
    scrape = (await Metrics(room.desk.database, room.desk.clock).scrape()).decode()
    assert 'callcenter_messages{state="new"} 4.0' in scrape
    assert 'callcenter_messages{state="taken"} 1.0' in scrape
    assert "callcenter_messages_overdue 2.0" in scrape


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/messages/nonsense", 422),
        ("/messages/00000000-0000-4000-8000-000000000000", 404),
        ("/messages?cursor=%00", 422),
        ("/messages?cursor=WyIyMDI2IiwgIngiXQ", 422),
        ("/messages?state=lost", 422),
        ("/messages?queue=A%00", 422),
        ("/messages?state=done&overdue=true", 422),
        ("/messages?limit=0", 422),
    ],
)
async def test_a_wrong_question_is_refused(room: Room, path: str, status: int) -> None:
    assert (await room.desk.aki.get(path)).status_code == status


@pytest.mark.parametrize("act", ["", "/take", "/release", "/done", "/audio"])
async def test_nothing_is_told_to_one_without_a_token(room: Room, act: str) -> None:
    call_id = await room.leave()
    method = "GET" if act in ("", "/audio") else "POST"
    body = {"outcome": "reached"} if act == "/done" else None
    reply = await room.desk.nobody.request(method, f"/messages/{call_id}{act}", json=body)
    assert reply.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"outcome": "lost"},
        {"outcome": "reached", "note": "\x00"},
        {"outcome": "reached", "note": "x" * 2001},
        {"outcome": "reached", "more": 1},
    ],
)
async def test_a_wrong_outcome_is_refused(room: Room, body: dict[str, object]) -> None:
    call_id = await room.leave()
    await room.desk.aki.post(f"/messages/{call_id}/take")
    reply = await room.desk.aki.post(f"/messages/{call_id}/done", json=body)
    assert (reply.status_code, reply.json()["type"]) == (422, "/problems/invalid-field")


async def test_sql_refuses_what_the_model_refuses(room: Room) -> None:
    call_id = await room.leave()
    other = await room.leave()
    now = room.desk.clock()
    this = messages.c.call_id == call_id
    wrong: list[Executable] = [
        update(messages).where(this).values(state="taken"),
        update(messages).where(this).values(taken_by="aki"),
        update(messages).where(this).values(state="done", done_by="aki", done_at=now),
        update(messages).where(this).values(state="empty"),
        update(messages).where(this).values(note="too early"),
        update(messages).where(this).values(due_at=now + 2 * DAY),
        update(messages).where(this).values(call_id=other),
        update(messages).where(this).values(length_ms=0),
        delete(messages).where(this),
        insert(messages).from_select(
            [column.name for column in messages.c],
            select(*(column for column in messages.c)).where(this),
        ),
    ]
    for statement in wrong:
        with pytest.raises(IntegrityError):
            async with room.desk.database.transaction() as connection:
                await connection.execute(statement)


async def test_the_list_goes_through_an_index(room: Room) -> None:
    async with room.desk.database.transaction() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await connection.scalars(
            text(
                "EXPLAIN SELECT * FROM messages WHERE done_at IS NULL ORDER BY due_at, call_id"
                " LIMIT 50"
            )
        )
        told = "\n".join(plan)
    assert "ix_messages_open" in told
