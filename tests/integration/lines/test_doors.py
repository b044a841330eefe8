"""The door of a line for one caller is found in one query, as the rows stand now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.door import Blocked, ClosedTo, Door, DoorRow, Notice
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.ivr.spoken import PromptRef
from callcenter.lines import store
from callcenter.lines.callers.model import ListName, NewEntry
from callcenter.lines.callers.store import add, lift
from callcenter.lines.doors import Doors, door_of, doors
from callcenter.lines.model import LineEdit
from callcenter.lines.notices.seed import WORDS
from callcenter.lines.notices.seed import seed_defaults as seed_notice
from callcenter.lines.notices.store import add_version
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.schedules.seed import seed_schedules
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
NUMBER = "+8613800138000"


@pytest.fixture
async def connection(database: Database) -> AsyncConnection:
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_schedules(connection, FixedClock())
        await seed_flow(connection, FixedClock())
        await seed_notice(connection, FixedClock())
        await seed_line(connection)
        yield connection  # type: ignore[misc]


async def listed(connection: AsyncConnection, name: ListName, *, number: str = NUMBER) -> int:
    entry = await add(
        connection,
        NewEntry(
            list=name,
            number=number,
            reason="why",
            expires_at=NOW + timedelta(days=1),
            priority=7 if name is ListName.PRIORITY else None,
        ),
        by="ling",
        at=NOW - timedelta(days=1),
    )
    return entry.entry_id


async def test_the_shipped_line_has_a_plain_door(connection: AsyncConnection) -> None:
    assert await door_of(connection, "12345", NUMBER, NOW) == DoorRow(Door())
    assert await door_of(connection, "12346", NUMBER, NOW) is None


async def test_everything_a_line_says_of_its_door_is_in_it(connection: AsyncConnection) -> None:
    edit = LineEdit(
        "x",
        "main",
        "general",
        "zh",
        schedule="office",
        closed_to=ClosedTo.HANGUP,
        closed_say=PromptRef(prompt="office_closed"),
        welcome={"zh": "您好"},
        recording_notice="recording",
        emergency_key="9",
    )
    await store.replace_line(connection, "12345", edit)
    found = await door_of(connection, "12345", None, NOW)
    assert found == DoorRow(
        Door(
            welcome={"zh": "您好"},
            notice=Notice("recording", 1, WORDS),
            emergency_key="9",
            closed_to=ClosedTo.HANGUP,
            closed_say=PromptRef(prompt="office_closed"),
        ),
        "office",
    )
    newer = {"zh": "录音一年"}
    await add_version(connection, "recording", newer, comment="", by="x", at=NOW)
    again = await door_of(connection, "12345", None, NOW)
    assert again is not None
    assert again.door.notice == Notice("recording", 2, newer), "the latest is in force"


async def test_a_listed_caller_is_known_and_nobody_else_is(connection: AsyncConnection) -> None:
    await listed(connection, ListName.BLOCKED)
    first = await listed(connection, ListName.PRIORITY, number="+8613800138001")
    blocked = await door_of(connection, "12345", NUMBER, NOW)
    assert blocked == DoorRow(Door(blocked=Blocked(NOW + timedelta(days=1), "why")))
    prioritised = await door_of(connection, "12345", "+8613800138001", NOW)
    assert prioritised == DoorRow(Door(priority=7, priority_reason="why", priority_entry=first))
    for nobody in (None, "+8613800138002"):
        assert await door_of(connection, "12345", nobody, NOW) == DoorRow(Door())


async def test_what_is_over_or_lifted_does_not_count(connection: AsyncConnection) -> None:
    entry = await listed(connection, ListName.BLOCKED)
    assert await door_of(connection, "12345", NUMBER, NOW + timedelta(days=1)) == DoorRow(Door())
    await lift(connection, entry, reason="x", by="x", at=NOW)
    assert await door_of(connection, "12345", NUMBER, NOW) == DoorRow(Door())


async def test_it_is_one_query_by_an_index(connection: AsyncConnection) -> None:
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    engine = connection.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await door_of(connection, "12345", NUMBER, NOW)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert len(statements) == 1
    await connection.execute(text("SET LOCAL enable_seqscan = off"))
    plan = await connection.execute(
        text(
            "EXPLAIN SELECT * FROM listed_callers"
            " WHERE number = '+8613800138000' AND lifted_at IS NULL"
        )
    )
    assert "ix_listed_callers_number" in "\n".join(row[0] for row in plan)


async def test_the_doors_kept_for_a_lost_database_know_no_caller(
    connection: AsyncConnection,
) -> None:
    await listed(connection, ListName.BLOCKED)
    assert await doors(connection) == {"12345": DoorRow(Door())}


@pytest.fixture
async def hotline(database: Database) -> Database:
    """The shipped line with hours and a notice, and a blocked and a prioritised number."""
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_schedules(connection, FixedClock())
        await seed_flow(connection, FixedClock())
        await seed_notice(connection, FixedClock())
        await seed_line(connection)
        edit = LineEdit(
            "x", "main", "general", "zh", schedule="office", recording_notice="recording"
        )
        await store.replace_line(connection, "12345", edit)
        await listed(connection, ListName.BLOCKED)
    return database


async def test_each_call_meets_the_door_as_it_is_now(hotline: Database) -> None:
    asked: list[tuple[str, datetime]] = []

    def is_open(schedule: str, at: datetime) -> bool:
        asked.append((schedule, at))
        return False

    doors_ = Doors(hotline, lambda: NOW, is_open)
    door = await doors_.door_for("12345", NUMBER)
    assert door.blocked is not None
    assert door.notice == Notice("recording", 1, WORDS)
    assert (door.is_open, asked) == (False, [("office", NOW)])
    async with hotline.transaction() as connection:
        await lift(connection, 1, reason="x", by="x", at=NOW)
    assert (await doors_.door_for("12345", NUMBER)).blocked is None, "lifted a moment ago"


async def test_while_the_database_is_away_the_notice_is_said_and_nobody_is_blocked(
    hotline: Database, caplog: pytest.LogCaptureFixture
) -> None:
    doors_ = Doors(hotline, lambda: NOW, lambda _s, _at: True, limit=timedelta(milliseconds=200))
    await doors_.refresh()
    async with hotline.transaction() as connection:
        # Whoever asks for a line now waits.
        await connection.execute(text("LOCK TABLE lines IN ACCESS EXCLUSIVE MODE"))
        door = await doors_.door_for("12345", NUMBER)
        nowhere = await doors_.door_for("12399", NUMBER)
    assert door == Door(notice=Notice("recording", 1, WORDS))
    assert nowhere == Door(welcome=PromptRef(prompt="recording_notice"))
    assert doors_.served_from_memory == 2
    assert "138" not in caplog.text


async def test_a_line_nobody_knows_says_that_calls_are_recorded(hotline: Database) -> None:
    doors_ = Doors(hotline, lambda: NOW, lambda _s, _at: True)
    assert await doors_.door_for("12399", None) == Door(
        welcome=PromptRef(prompt="recording_notice")
    )
