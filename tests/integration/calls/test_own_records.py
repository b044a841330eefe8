"""Records of ours, of what Asterisk's journal cannot tell, go through the same fold, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter.calls.consumer import JournalConsumer
from callcenter.calls.events import PriorityChanged
from callcenter.calls.tables import call_events, calls, queue_visits
from callcenter.calls.tail import JournalReader
from callcenter.platform.db import Database

pytestmark = pytest.mark.integration

JOURNALS = Path(__file__).parents[2] / "recordings" / "journal"
NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)


async def _nothing(*_: object) -> None:
    return None


def consumer(database: Database, path: Path) -> JournalConsumer:
    return JournalConsumer(
        database,
        JournalReader(path),
        node="node1",
        clock=lambda: NOW,
        region="CN",
        on_facts=_nothing,
    )


def waiting(path: Path) -> None:
    """The journal of a call, as far as to its wait in the queue."""
    lines = (JOURNALS / "answered_call.csv").read_bytes().splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if b'"CC_QUEUE"' in line)
    path.write_bytes(b"".join(lines[: last + 1]))


async def noted(of: JournalConsumer, event: PriorityChanged) -> None:
    """Give the record and turn the consumer until it is committed."""
    task = asyncio.create_task(of.note(event))
    await asyncio.sleep(0)
    while await of.step():
        pass
    async with asyncio.timeout(5):
        await task


async def priorities(database: Database) -> tuple[int | None, int | None, int]:
    """The call's, its visit's, and how many records of it are kept."""
    async with database.transaction() as connection:
        of_call = await connection.scalar(select(calls.c.priority))
        of_visit = await connection.scalar(select(queue_visits.c.priority))
        kinds = (await connection.execute(select(call_events.c.kind))).scalars().all()
    return of_call, of_visit, kinds.count("priority_changed")


async def priority_changed(database: Database, uniqueid: str | None = None) -> PriorityChanged:
    async with database.transaction() as connection:
        row = (await connection.execute(select(calls))).mappings().one()
    return PriorityChanged(
        key=b"p" * 16,
        at=row["queued_at"] + timedelta(seconds=1),
        uniqueid=uniqueid or row["uniqueid"],
        linkedid=row["linkedid"],
        priority=9,
    )


async def test_the_row_follows_a_priority_that_a_supervisor_gave(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "journal.csv"
    waiting(path)
    first = consumer(database, path)
    while await first.step():
        pass
    event = await priority_changed(database)
    await noted(first, event)
    assert await priorities(database) == (9, 9, 1)
    # Given again, as after a crash between commit and answer.
    await noted(first, event)
    # Another life folds the call from its rows, this record too.
    second = consumer(database, path)
    await noted(second, event)
    path.write_bytes((JOURNALS / "answered_call.csv").read_bytes())
    while await second.step():
        pass
    assert await priorities(database) == (9, 9, 1)


async def test_a_record_of_a_channel_nobody_knows_is_dropped(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "journal.csv"
    waiting(path)
    one = consumer(database, path)
    while await one.step():
        pass
    await noted(one, await priority_changed(database, "n9-9.9"))
    assert await priorities(database) == (None, None, 0)
    assert one.counters.held == 0
