"""The journal becomes rows: once, in order, whatever dies between."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.book import derived_call_id
from callcenter.calls.consumer import JournalConsumer, PlaceLost
from callcenter.calls.facts import CallEnded, Fact
from callcenter.calls.service import CallSeed, remember_call
from callcenter.calls.tables import call_events, calls, journal_positions, journal_rejects
from callcenter.calls.tail import JournalReader
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import outbox
from callcenter.testing.eventually import eventually

pytestmark = pytest.mark.integration

JOURNALS = Path(__file__).parents[2] / "recordings" / "journal"
NAMES = sorted(path.stem for path in JOURNALS.glob("*.csv"))
#: The attended transfer is two calls: the citizen's, and the agent's question to another agent.
HOW_MANY_CALLS = len(NAMES) + 1
ANSWERED = uuid.UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)


class Heard:
    """Notes the facts it is given; fails when told to."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.fails_at: type[Fact] | None = None

    async def __call__(self, _connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        if self.fails_at and any(isinstance(fact, self.fails_at) for fact in facts):
            raise RuntimeError("a fault in another room")
        self.facts += facts


def consumer(
    database: Database, path: Path, heard: Heard | None = None, **options: Any
) -> JournalConsumer:
    return JournalConsumer(
        database,
        JournalReader(path),
        node="node1",
        clock=lambda: NOW,
        region="CN",
        on_facts=heard or Heard(),
        **options,
    )


async def drain(consumer: JournalConsumer) -> None:
    while await consumer.step():
        pass


def all_journals() -> bytes:
    return b"".join((JOURNALS / f"{name}.csv").read_bytes() for name in NAMES)


def write(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def tables(database: Database) -> str:
    """Every row of this room, as text, without identities and without where the file lies."""
    told = []
    async with database.transaction() as connection:
        for statement in (
            "SELECT * FROM calls ORDER BY call_id",
            "SELECT * FROM call_legs ORDER BY call_id, uniqueid",
            "SELECT * FROM call_linkedids ORDER BY node, linkedid, call_id",
            "SELECT node, event_key, call_id, at, kind, uniqueid, linkedid, detail"
            " FROM call_events ORDER BY call_id, event_id",
            "SELECT node, line_key, at, rule, line FROM journal_rejects ORDER BY line_key",
        ):
            rows = await connection.execute(text(statement))
            told += [repr(tuple(row)) for row in rows]
    return "\n".join(told)


async def row_of(database: Database, call_id: uuid.UUID) -> Mapping[str, Any]:
    async with database.transaction() as connection:
        found = await connection.execute(select(calls).where(calls.c.call_id == call_id))
        return dict(found.mappings().one())


async def count(database: Database, table: Any) -> int:
    async with database.transaction() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def forget_everything(database: Database) -> None:
    """Back to zero, past the triggers that keep the tables append-only."""
    async with database.transaction() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = 'replica'"))
        for table in (
            "call_events",
            "call_legs",
            "call_linkedids",
            "journal_rejects",
            "journal_positions",
            "calls",
        ):
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


async def test_calls_facts_and_news_leave_in_one_commit(database: Database, journal: Path) -> None:
    write(journal, (JOURNALS / "answered_call.csv").read_bytes())
    heard = Heard()
    await drain(consumer(database, journal, heard))
    row = await row_of(database, ANSWERED)
    assert (row["state"], row["disposition"], row["hangup_by"], row["agent"]) == (
        "ended",
        "answered",
        "caller",
        "1001",
    )
    assert [step["key"] for step in row["ivr_path"]] == [None, "1", None, "0"]
    assert isinstance(heard.facts[-1], CallEnded)
    async with database.transaction() as connection:
        news = (await connection.execute(select(outbox).order_by(outbox.c.news_id))).all()
    assert [n.payload["fact"] for n in news] == [fact.kind for fact in heard.facts]
    assert {n.key for n in news} == {str(ANSWERED)}
    assert "13800138000" not in json.dumps([n.payload for n in news])


async def test_reading_the_journal_twice_and_from_zero_gives_the_same_rows(
    database: Database, journal: Path
) -> None:
    write(journal, all_journals() + b"no record\n")
    await drain(consumer(database, journal))
    once = await tables(database)
    assert len(once) > 10_000
    async with database.transaction() as connection:
        await connection.execute(journal_positions.delete())
    heard = Heard()
    again = consumer(database, journal, heard)
    await drain(again)
    assert await tables(database) == once
    assert heard.facts == []
    assert again.counters.repeated > 60
    await forget_everything(database)
    await drain(consumer(database, journal))
    assert await tables(database) == once


async def test_one_line_at_a_time_with_a_new_process_each_gives_the_same_rows(
    database: Database, journal: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.csv"
    write(whole, all_journals())
    heard = Heard()
    for line in whole.read_bytes().splitlines(keepends=True):
        write(journal, line)
        await drain(consumer(database, journal, heard))
    slowly = await tables(database)
    await forget_everything(database)
    at_once = Heard()
    await drain(consumer(database, whole, at_once))
    assert await tables(database) == slowly
    assert sorted(map(repr, heard.facts)) == sorted(map(repr, at_once.facts))


async def test_records_before_our_uuid_wait_and_the_position_waits_with_them(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    write(journal, lines[0])
    first = consumer(database, journal)
    await drain(first)
    assert first.counters.held == 1
    assert await count(database, calls) == 0
    async with database.transaction() as connection:
        assert await connection.scalar(select(journal_positions.c.offset_bytes)) == 0
    write(journal, b"".join(lines[1:]))
    await drain(consumer(database, journal))
    row = await row_of(database, ANSWERED)
    assert row["started_at"] == datetime.fromtimestamp(1795463732, UTC) + timedelta(
        microseconds=913826
    )


async def test_a_call_that_never_got_our_uuid_has_a_row_all_the_same(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "hangup_in_menu.csv").read_bytes().splitlines(keepends=True)
    write(journal, b"".join(line for line in lines if b'"CC_' not in line))
    await drain(consumer(database, journal))
    row = await row_of(database, derived_call_id("node1", "node1-1795463646.5"))
    assert (row["line"], row["caller_number"], row["disposition"]) == (
        "12345",
        "+8613800138000",
        "abandoned",
    )


async def test_an_attended_transfer_takes_the_other_agents_leg_to_the_citizens_call(
    database: Database, journal: Path
) -> None:
    for line in (JOURNALS / "attended_transfer.csv").read_bytes().splitlines(keepends=True):
        write(journal, line)
        # A new process for each record: what moved must be found again in the rows.
        await drain(consumer(database, journal))
    async with database.transaction() as connection:
        legs = await connection.execute(
            text(
                "SELECT direction, channel, call_legs.ended_at IS NOT NULL AS over FROM call_legs"
                " JOIN calls USING (call_id) ORDER BY direction, call_legs.started_at"
            )
        )
        assert [tuple(row) for row in legs] == [
            ("inbound", "PJSIP/trunk-00000001", True),
            ("inbound", "PJSIP/1001-00000002", True),
            ("inbound", "PJSIP/1002-00000004", True),
            ("internal", "PJSIP/1001-00000003", True),
            ("internal", "PJSIP/1002-00000004", True),
        ]
        unanswered = await connection.scalars(
            text("SELECT channel FROM call_legs WHERE answered_at IS NULL")
        )
        assert list(unanswered) == []
        answered = await connection.scalars(
            text(
                "SELECT payload->>'agent' FROM outbox JOIN calls ON key = call_id::text"
                " WHERE direction = 'inbound' AND payload->>'fact' = 'agent_answered'"
                " ORDER BY news_id"
            )
        )
        assert list(answered) == ["1001", "1002"]


async def test_channels_that_are_no_call_of_ours_are_let_go(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "hangup_in_menu.csv").read_bytes().replace(b'"from-trunk"', b'"elsewhere"')
    kept = [
        line
        for line in lines.replace(b'"cc-inbound"', b'"elsewhere"').splitlines(keepends=True)
        if b'"CC_' not in line
    ]
    write(journal, b"".join(kept))
    reading = consumer(database, journal)
    await drain(reading)
    assert await count(database, calls) == 0
    assert (reading.counters.held, reading.counters.dropped) == (0, 5)
    async with database.transaction() as connection:
        offset = await connection.scalar(select(journal_positions.c.offset_bytes))
    assert offset == journal.stat().st_size


async def test_a_bad_line_is_kept_with_its_rule_and_the_others_count(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    write(journal, b"\xff\x00garbage\n" + b"".join(lines[:5]) + b"x" * 20_000 + b"\n")
    write(journal, b"".join(lines[5:]))
    reading = consumer(database, journal)
    await drain(reading)
    assert (await row_of(database, ANSWERED))["disposition"] == "answered"
    assert reading.counters.rejects == 2
    async with database.transaction() as connection:
        rules = list(await connection.scalars(select(journal_rejects.c.rule)))
    assert sorted(rules) == ["line has not 14 columns", "line is longer than 16384 bytes"]


async def test_a_row_the_flow_remembered_first_becomes_the_journals_call(
    database: Database, journal: Path
) -> None:
    seed = CallSeed(
        call_id=ANSWERED,
        node="node1",
        linkedid="node1-1795463732.12",
        uniqueid="node1-1795463732.12",
        line="12345",
        caller_number="+8613800138000",
        started_at=NOW,
        language="en",
    )
    async with database.transaction() as connection:
        await remember_call(connection, seed)
        await remember_call(connection, seed)
    assert (await row_of(database, ANSWERED))["state"] == "in_menu"
    write(journal, (JOURNALS / "answered_call.csv").read_bytes())
    await drain(consumer(database, journal))
    row = await row_of(database, ANSWERED)
    assert (row["disposition"], row["language"]) == ("answered", "en")
    assert row["started_at"] < NOW
    async with database.transaction() as connection:
        await remember_call(connection, seed)
    assert await row_of(database, ANSWERED) == row


async def test_another_call_with_the_same_uniqueid_is_no_obstacle(
    database: Database, journal: Path
) -> None:
    async with database.transaction() as connection:
        await remember_call(
            connection,
            CallSeed(
                call_id=uuid.UUID(int=7),
                node="node1",
                linkedid="node1-1795463732.12",
                uniqueid="node1-1795463732.12",
                line="12345",
                caller_number=None,
                started_at=NOW,
            ),
        )
    write(journal, (JOURNALS / "answered_call.csv").read_bytes())
    await drain(consumer(database, journal))
    assert (await row_of(database, ANSWERED))["disposition"] == "answered"
    assert (await row_of(database, uuid.UUID(int=7)))["ended_at"] is None


async def test_a_channel_that_gets_a_second_uuid_ends_the_first_call(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    other = uuid.UUID(int=9)
    second = lines[1].replace(str(ANSWERED).encode(), str(other).encode())
    write(journal, b"".join([*lines[:6], second, *lines[6:]]))
    await drain(consumer(database, journal))
    first, later = await row_of(database, ANSWERED), await row_of(database, other)
    assert (first["state"], first["merged_into"]) == ("ended", other)
    assert (later["disposition"], later["agent"]) == ("answered", "1001")


async def test_a_call_whose_channels_are_gone_is_ended_by_the_snapshot(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    write(journal, b"".join(lines[:15]))
    heard = Heard()
    await drain(consumer(database, journal, heard))
    restarted = consumer(database, journal, heard)
    restarted.reconcile({"node1-1795463732.12": object()}, started_at=NOW - timedelta(minutes=5))
    await drain(restarted)
    assert (await row_of(database, ANSWERED))["state"] == "talking"
    at = NOW - timedelta(minutes=4)
    restarted.reconcile({}, started_at=at)
    await drain(restarted)
    row = await row_of(database, ANSWERED)
    assert (row["state"], row["disposition"], row["hangup_by"], row["ended_at"]) == (
        "ended",
        "answered",
        "system",
        at,
    )
    async with database.transaction() as connection:
        stored = list(await connection.scalars(select(call_events.c.kind)))
        open_legs = await connection.scalar(
            text("SELECT count(*) FROM call_legs WHERE ended_at IS NULL")
        )
    assert stored.count("reconciled") == 1
    assert open_legs == 0
    # What the journal says after all changes nothing any more.
    write(journal, b"".join(lines[15:]))
    await drain(restarted)
    assert await row_of(database, ANSWERED) == row


async def test_a_call_younger_than_the_snapshot_is_left_alone(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    write(journal, b"".join(lines[:8]))
    reading = consumer(database, journal)
    reading.reconcile({}, started_at=datetime.fromtimestamp(1795463733, UTC))
    await drain(reading)
    assert (await row_of(database, ANSWERED))["ended_at"] is None


async def test_a_snapshot_is_not_judged_before_the_journal_had_time_to_follow(
    database: Database, journal: Path
) -> None:
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    write(journal, b"".join(lines[:8]))
    reading = consumer(database, journal)
    reading.reconcile({}, started_at=NOW - timedelta(seconds=1))
    await drain(reading)
    assert (await row_of(database, ANSWERED))["ended_at"] is None


async def test_a_remembered_row_the_journal_never_told_of_is_ended_too(
    database: Database, journal: Path
) -> None:
    async with database.transaction() as connection:
        await remember_call(
            connection,
            CallSeed(
                call_id=uuid.UUID(int=5),
                node="node1",
                linkedid="node1-1.1",
                uniqueid="node1-1.1",
                line="12345",
                caller_number=None,
                caller_withheld=True,
                started_at=NOW - timedelta(hours=1),
            ),
        )
    reading = consumer(database, journal)
    reading.reconcile({}, started_at=NOW - timedelta(minutes=1))
    await drain(reading)
    row = await row_of(database, uuid.UUID(int=5))
    assert (row["state"], row["hangup_by"], row["caller_withheld"]) == ("ended", "system", True)


async def test_a_fault_in_another_room_loses_that_record_only(
    database: Database, journal: Path
) -> None:
    lines = all_journals()
    write(journal, lines)
    heard = Heard()
    heard.fails_at = CallEnded
    reading = consumer(database, journal, heard)
    for _ in range(2 * lines.count(b"\n")):  # behind a fault it reads line by line
        if not await reading.step():
            break
    assert reading.counters.faults > 3
    assert await count(database, calls) == HOW_MANY_CALLS
    assert heard.facts
    async with database.transaction() as connection:
        rules = list(await connection.scalars(select(journal_rejects.c.rule)))
    assert set(rules) == {"record could not be applied"}


async def test_node_types_come_from_the_published_version(
    database: Database, journal: Path
) -> None:
    write(journal, (JOURNALS / "hangup_in_menu.csv").read_bytes())
    asked = []

    async def types(_connection: AsyncConnection, flow: str, version: int) -> Mapping[str, str]:
        asked.append((flow, version))
        return {"main": "article"}

    await drain(consumer(database, journal, node_types=types))
    row = await row_of(database, uuid.UUID("481f0cfe-00d7-411f-a117-622b34d5d1f5"))
    assert row["disposition"] == "self_served"
    assert asked == [("main", 3)]


async def test_a_consumer_that_lost_its_place_writes_nothing(
    database: Database, journal: Path
) -> None:
    lines = all_journals().splitlines(keepends=True)
    write(journal, b"".join(lines[:14]))
    old = consumer(database, journal)
    await drain(old)
    write(journal, b"".join(lines[14:]))
    await drain(consumer(database, journal))
    before = await tables(database)
    old._reader.seek(None)
    with pytest.raises(PlaceLost):
        await old.step()
    assert await tables(database) == before


async def test_the_second_consumer_waits_until_the_first_is_gone(
    database: Database, journal: Path
) -> None:
    write(journal, all_journals())
    first, second = consumer(database, journal), consumer(database, journal)
    running = asyncio.create_task(first.run(), name="first")
    long = timedelta(seconds=10)
    await eventually(lambda: first.counters.lines, "the first reads", within=long)
    waiting = asyncio.create_task(second.run(), name="second")
    await asyncio.sleep(0.3)  # absence has no condition to wait for
    assert (first.holds_place, second.holds_place) == (True, False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await eventually(lambda: second.holds_place, "the second has the place", within=long)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await count(database, calls) == HOW_MANY_CALLS


async def test_a_database_that_is_away_costs_nothing_but_time(
    database: Database, journal: Path
) -> None:
    lines = all_journals().splitlines(keepends=True)
    write(journal, b"".join(lines[:30]))
    reading = consumer(database, journal)
    running = asyncio.create_task(reading.run(), name="reading")
    long = timedelta(seconds=20)
    await eventually(lambda: reading.counters.lines, "it reads", within=long)
    async with database.transaction() as connection:
        pids = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        assert len(pids.all()) >= 1
    write(journal, b"".join(lines[30:]))
    await eventually(lambda: reading.counters.lines >= len(lines), "all is read", within=long)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM calls")) == HOW_MANY_CALLS
        assert (
            await connection.scalar(text("SELECT count(*) FROM calls WHERE ended_at IS NULL")) == 0
        )


async def test_an_unreachable_database_raises_and_keeps_the_place(
    journal: Path, tmp_path: Path
) -> None:
    write(journal, all_journals())
    away = Database(f"postgresql://nobody@/none?host={tmp_path}")
    reading = JournalConsumer(
        away, JournalReader(journal), node="node1", clock=lambda: NOW, region="CN", on_facts=Heard()
    )
    with pytest.raises(DatabaseUnavailable):
        await reading.step()
    await away.close()
    assert reading.counters.lines == 0


@pytest.mark.parametrize(
    "wrong", ["state = 'ended'", "hangup_by = 'caller'", "agent_answered_at = started_at"]
)
async def test_the_table_refuses_what_the_fold_never_writes(database: Database, wrong: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, state,"
                " started_at)"
                " VALUES (gen_random_uuid(), 'n', 'l', 'u', 'inbound', 'ringing', now())"
            )
        )

    async def spoil() -> None:
        async with database.transaction() as connection:
            await connection.execute(text(f"UPDATE calls SET {wrong}"))

    with pytest.raises(IntegrityError):
        await spoil()
