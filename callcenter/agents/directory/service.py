"""What is done with the directory: a number is added, changed, removed, and confirmed once phones
reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.agents.directory import store
from callcenter.agents.directory.model import (
    Entry,
    EntryEdit,
    NoSuchNumber,
    NumberTaken,
    UnitKind,
    checked,
    checked_number,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Stale, Unavailable
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: What a change of the directory is called in `switch_changes`.
SUBJECT: Final = "directory"
#: How long a reply waits for the node.
WAIT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Changed:
    """An entry after a change, and whether agents' phones reach it so; `detail` says why not."""

    entry: Entry
    in_force: bool
    detail: str | None


class DirectoryService:
    """Use cases of the REST API. What can be called costs money, so each change is audited."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switch: SwitchRequests,
        *,
        wait: timedelta = WAIT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._switch = switch
        self._wait = wait

    async def entries(
        self,
        *,
        after: str = "",
        limit: int,
        kind: UnitKind | None = None,
        active: bool | None = None,
    ) -> Sequence[Entry]:
        """In order of number, behind `after`."""
        async with self._database.transaction() as connection:
            return await store.entries_after(connection, after, limit, kind=kind, active=active)

    async def entry(self, number: str) -> Entry:
        """Raises `NoSuchNumber`."""
        async with self._database.transaction() as connection:
            entry = await store.entry_of(connection, number)
        if entry is None:
            raise NoSuchNumber
        return entry

    async def add(self, number: str, edit: EntryEdit, *, by: str) -> Changed:
        """Raises `InvalidField`, `NumberTaken`."""
        kept = checked(checked_number(number), edit)
        async with self._database.transaction() as connection:
            if await store.is_agent(connection, number):
                raise NumberTaken("An agent has that number: no one else can be dialled by it.")
            if not await store.add(connection, number, kept, self._clock()):
                raise NumberTaken
            change_id = await self._tell(connection, number, "directory.added", kept, by)
        outcome = await self._outcome(change_id)
        return Changed(await self.entry(number), outcome.in_force, outcome.detail)

    async def change(
        self, number: str, edit: EntryEdit, *, based_on: int | None, by: str
    ) -> Changed:
        """Raises `NoSuchNumber`, `Stale`, `InvalidField`."""
        kept = checked(number, edit)
        async with self._database.transaction() as connection:
            await self._held(connection, number, based_on)
            await store.replace(connection, number, kept)
            change_id = await self._tell(connection, number, "directory.changed", kept, by)
        outcome = await self._outcome(change_id)
        return Changed(await self.entry(number), outcome.in_force, outcome.detail)

    async def remove(self, number: str, *, based_on: int | None, by: str) -> SwitchOutcome:
        """In force: no phone reaches it any more. Raises `NoSuchNumber`, `Stale`."""
        async with self._database.transaction() as connection:
            await self._held(connection, number, based_on)
            await store.remove(connection, number)
            change_id = await self._tell(connection, number, "directory.removed", None, by)
        return await self._outcome(change_id)

    async def _held(self, connection: AsyncConnection, number: str, based_on: int | None) -> None:
        entry = await store.entry_of(connection, number, for_update=True)
        if entry is None:
            raise NoSuchNumber
        if based_on is not None and based_on != entry.version:
            raise Stale

    async def _tell(
        self, connection: AsyncConnection, number: str, act: str, edit: EntryEdit | None, by: str
    ) -> int:
        await audit.record(
            connection,
            who=by,
            act=act,
            subject=f"directory/{number}",
            reason="",
            at=self._clock(),
            detail={}
            if edit is None
            else {
                "dialled": edit.number_dialled,
                "kind": edit.kind.value,
                "active": edit.active,
            },
        )
        return await self._switch.request(connection, SUBJECT)

    async def _outcome(self, change_id: int) -> SwitchOutcome:
        try:
            return await self._switch.wait(change_id, self._wait)
        except Unavailable as exc:
            return SwitchOutcome(in_force=False, detail=exc.message)
