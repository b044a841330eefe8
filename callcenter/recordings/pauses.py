"""Pauses of recordings: spans with silence in place, begun with a reason, over at a limit.

The order of writing decides what a crash leaves: a pause is written before Asterisk is asked, and
wanted over before Asterisk is asked again. So whoever looks later (`open_pauses`) knows of every
mute there may be, and lifts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.calls.facts import CallEnded, Fact
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict
from callcenter.recordings import store

#: Who ends a pause that nobody ended.
BY_LIMIT = "system:limit"
BY_CALL_END = "system:call_ended"


class AlreadyPaused(Conflict):
    """The recording is paused already."""

    slug = "recording-already-paused"


class NotPaused(Conflict):
    """The recording is not paused."""

    slug = "recording-not-paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPause:
    """A pause that is going on; `citizen` is the uniqueid of the channel that is recorded.
    `resumed_by`: somebody wants it over."""

    pause_id: int
    call_id: UUID
    citizen: str
    until_at: datetime
    resumed_by: str | None

    def is_over(self, at: datetime) -> bool:
        """Wanted over, or longer than it may be."""
        return self.resumed_by is not None or at >= self.until_at


class PauseBook:
    """The rows of pauses, each change with its line in the audit."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, call_id: UUID, *, by: str, reason: str, limit: timedelta) -> int:
        """The pause's id. Asterisk is asked next. Raises `AlreadyPaused`."""
        at = self._clock()
        async with self._database.transaction() as connection:
            pause_id = await store.begin_pause(
                connection, call_id, by=by, reason=reason, at=at, until_at=at + limit
            )
            if pause_id is None:
                raise AlreadyPaused
            await _audit(connection, "recording.pause", call_id, by, reason, at, pause_id)
        return pause_id

    async def refused(self, pause_id: int, call_id: UUID, *, by: str, why: str) -> None:
        """Asterisk certainly did not mute: there was no pause."""
        async with self._database.transaction() as connection:
            await store.drop_pause(connection, pause_id)
            at = self._clock()
            await _audit(connection, "recording.pause_refused", call_id, by, why, at, pause_id)

    async def want_over(self, call_id: UUID, *, by: str) -> int:
        """The pause's id. Asterisk is asked next. Raises `NotPaused`."""
        async with self._database.transaction() as connection:
            pause_id = await store.want_pause_over(connection, call_id, by)
        if pause_id is None:
            raise NotPaused
        return pause_id

    async def end(self, pause_id: int, call_id: UUID, *, by: str) -> None:
        """Asterisk was seen to record again, or has nothing to record any more."""
        at = self._clock()
        async with self._database.transaction() as connection:
            if await store.end_pause(connection, pause_id, by=by, at=at):
                await _audit(connection, "recording.resume", call_id, by, "", at, pause_id)

    async def open_pauses(self, node: str) -> Sequence[OpenPause]:
        """Those going on in calls of this node."""
        async with self._database.transaction() as connection:
            rows = await store.open_pauses(connection, node)
        return [_open(row) for row in rows]


async def on_facts(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """A pause ends with its call. In the facts' transaction."""
    for fact in facts:
        if not isinstance(fact, CallEnded):
            continue
        for row in await store.open_pauses(connection, call_id=fact.call_id):
            pause_id = row["pause_id"]
            if await store.end_pause(connection, pause_id, by=BY_CALL_END, at=fact.at):
                await _audit(
                    connection, "recording.resume", fact.call_id, BY_CALL_END, "", fact.at, pause_id
                )


def _open(row: dict[str, Any]) -> OpenPause:
    return OpenPause(
        pause_id=row["pause_id"],
        call_id=row["call_id"],
        citizen=row["uniqueid"],
        until_at=row["until_at"],
        resumed_by=row["resumed_by"],
    )


async def _audit(
    connection: AsyncConnection,
    act: str,
    call_id: UUID,
    who: str,
    reason: str,
    at: datetime,
    pause_id: int,
) -> None:
    await audit.record(
        connection,
        who=who,
        act=act,
        subject=f"call/{call_id}",
        reason=reason,
        at=at,
        detail={"pause_id": pause_id},
    )
