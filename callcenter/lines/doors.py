"""The door of a line for one caller: what the call side asks once, before anything is said.

Asked anew for each call, so that a number that was listed a moment ago is known to the next call. A
caller waits no longer than `LOOKUP_LIMIT` for that; then the line's last known door serves, and
nobody is kept out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.door import SHIPPED_NOTICE, Blocked, ClosedTo, Door, DoorRow, Notice
from callcenter.ivr.spoken import PromptRef
from callcenter.lines import store
from callcenter.lines.callers.model import Decision, decide
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.deadline import at_most
from callcenter.platform.errors import HotlineError
from callcenter.platform.news import listen

#: How long a caller may wait for the database before the last known door is taken.
LOOKUP_LIMIT: Final = timedelta(milliseconds=300)

#: Whether a schedule, by name, is open at a moment. True for one that is not known: a caller is
#: not sent away by mistake.
IsOpen = Callable[[str, datetime], bool]

log = logging.getLogger(__name__)


class Doors:
    """What the call handler asks: an `ivr.door.DoorPort`, one for each `agi` process."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        is_open: IsOpen,
        *,
        limit: timedelta = LOOKUP_LIMIT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._is_open = is_open
        self._limit = limit
        #: The doors of the lines, for callers on no list.
        self._known: dict[str, DoorRow] = {}
        #: How many callers met a door from memory because the database did not answer.
        self.served_from_memory = 0

    async def door_for(self, line: str, caller: str | None) -> Door:
        """The door this caller meets now. Never raises, never waits longer than the limit.

        Of a line nobody knows: nothing but the shipped words that calls are recorded.
        """
        now = self._clock()
        try:
            row = await at_most(self._limit, self._look_up(line, caller, now), name="door-lookup")
        except Exception as exc:  # whatever it is, the caller has called now
            self.served_from_memory += 1
            row = self._known.get(line)
            log.warning(
                "no answer about a door from the database (%s): %s",
                type(exc).__name__,
                "the last known one serves" if row else "nothing known",
            )
        if row is None:
            return Door(welcome=PromptRef(prompt=SHIPPED_NOTICE))
        is_open = row.schedule is None or self._is_open(row.schedule, now)
        return row.at_hours(is_open=is_open)

    async def _look_up(self, line: str, caller: str | None, at: datetime) -> DoorRow | None:
        async with self._database.transaction() as connection:
            return await door_of(connection, line, caller, at)

    async def refresh(self) -> None:
        """Keep every line's door for when the database is away. Raises `DatabaseUnavailable`."""
        async with self._database.transaction() as connection:
            self._known = await doors(connection)

    async def follow(self) -> None:
        """Keep up with the news of lines, for ever. To be supervised."""
        async for news in listen(self._database):
            if news is not None and news.topic != "line":
                continue
            try:
                await self.refresh()
            except HotlineError as exc:
                log.warning("cannot read the doors of the lines now: %s", type(exc).__name__)


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
        survey=bool(row["survey"]),
    )
    return DoorRow(door, row["schedule"])


def _blocked(decision: Decision) -> Blocked | None:
    entry = decision.blocked
    if entry is None:
        return None
    assert entry.expires_at is not None  # as the model and the table have it
    return Blocked(entry.expires_at, entry.reason)
