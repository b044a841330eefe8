"""What is done with the lists of callers: a number is listed, and lifted again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from callcenter.calls.numbers import normalise_number
from callcenter.lines.callers import store
from callcenter.lines.callers.model import (
    AlreadyLifted,
    AlreadyListed,
    Entry,
    ListName,
    NewEntry,
    NoSuchEntry,
    checked,
    checked_reason,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField


class CallerListService:
    """Use cases of the REST API. The next call meets what the rows say: a call asks each time.

    `region` reads national numbers, as the journal does.
    """

    def __init__(self, database: Database, clock: Clock, *, region: str) -> None:
        self._database = database
        self._clock = clock
        self._region = region

    def now(self) -> datetime:
        return self._clock()

    async def add(self, new: NewEntry, *, by: str) -> Entry:
        """Put a number on a list. A number is on one list at most, once.

        Raises `InvalidField`, `AlreadyListed`.
        """
        now = self._clock()
        entry = replace(checked(new, now), number=self._number(new.number))
        async with self._database.transaction() as connection:
            await store.hold_number(connection, entry.number)
            if any(e.holds(now) for e in await store.unlifted(connection, entry.number)):
                raise AlreadyListed
            return await store.add(connection, entry, by=by, at=now)

    async def lift(self, name: ListName, entry_id: int, reason: str, *, by: str) -> Entry:
        """End an entry before its time. Raises `NoSuchEntry`, `AlreadyLifted`, `InvalidField`."""
        why = checked_reason(reason)
        now = self._clock()
        async with self._database.transaction() as connection:
            entry = await store.entry(connection, name, entry_id, for_update=True)
            if entry is None:
                raise NoSuchEntry
            if entry.lifted_at is not None:
                raise AlreadyLifted
            at = max(now, entry.listed_at)
            return await store.lift(connection, entry_id, reason=why, by=by, at=at)

    async def entry(self, name: ListName, entry_id: int) -> Entry:
        """Raises `NoSuchEntry`."""
        async with self._database.transaction() as connection:
            entry = await store.entry(connection, name, entry_id)
        if entry is None:
            raise NoSuchEntry
        return entry

    async def entries(
        self,
        name: ListName,
        *,
        before: int | None,
        number: str | None,
        active: bool | None,
        limit: int,
    ) -> Sequence[Entry]:
        """Newest first. `active`: only those that count now, or only those that do not.

        Raises `InvalidField` for a number that is none.
        """
        async with self._database.transaction() as connection:
            return await store.entries_before(
                connection,
                name,
                before=before,
                number=None if number is None else self._number(number),
                active=active,
                at=self._clock(),
                limit=limit,
            )

    def _number(self, text: str) -> str:
        number = normalise_number(text, self._region)
        if number is None:
            raise InvalidField("number", "must be a telephone number")
        return number
