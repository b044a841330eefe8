"""The door of a line for one caller: what the call side asks once, before anything is said."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.door import Blocked, ClosedTo, Door, DoorRow, Notice
from callcenter.lines import store
from callcenter.lines.callers.model import Decision, decide


async def door_of(
    connection: AsyncConnection, line: str, caller_number: str | None, at: datetime
) -> DoorRow | None:
    """The door this caller meets at `at`; None: no such line. One query.

    `caller_number` as in `calls.caller_number`, None where it is withheld or unknown: nobody is
    blocked then, and nobody comes first.
    """
    rows = await store.door_rows(connection, line, caller_number)
    if not rows:
        return None
    entries = [entry for _row, entry in rows if entry is not None]
    return _door_row(rows[0][0], decide(caller_number, entries, at))


async def doors(connection: AsyncConnection) -> dict[str, DoorRow]:
    """Every line's door for a caller on no list: what is kept for when the database is away."""
    nobody = Decision()
    rows = await store.door_rows(connection, None, None)
    return {row["number"]: _door_row(row, nobody) for row, _entry in rows}


def _door_row(row: RowMapping, decision: Decision) -> DoorRow:
    notice = None
    if row["notice_version"] is not None:
        notice = Notice(row["recording_notice"], row["notice_version"], row["notice_words"])
    first = decision.priority
    door = Door(
        welcome=store.said_of(row["welcome"]),
        notice=notice,
        blocked=_blocked(decision),
        priority=0 if first is None else first.priority or 0,
        priority_reason=None if first is None else first.reason,
        priority_entry=None if first is None else first.entry_id,
        emergency_key=row["emergency_key"],
        closed_to=ClosedTo(row["closed_to"]),
        closed_say=store.said_of(row["closed_say"]),
    )
    return DoorRow(door, row["schedule"])


def _blocked(decision: Decision) -> Blocked | None:
    entry = decision.blocked
    if entry is None:
        return None
    assert entry.expires_at is not None  # as the model and the table have it
    return Blocked(entry.expires_at, entry.reason)
