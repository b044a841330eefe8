"""What is done with recordings: expect one, release it at the call's end, read, hear, verify."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.facts import CallEnded, Fact, RecordingStarted
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, NotFound
from callcenter.platform.news import announce
from callcenter.recordings import store
from callcenter.recordings.audio import hash_of
from callcenter.recordings.model import (
    Reason,
    RecordingKind,
    RecordingState,
    recording_id_of,
)
from callcenter.recordings.store import Row


class NoSuchRecording(NotFound):
    """There is no recording with that id."""

    slug = "no-such-recording"


class RecordingNotReady(Conflict):
    """The recording is not finished yet: ask again in a few seconds."""

    slug = "recording-not-ready"


class RecordingNotThere(Conflict):
    """There is no sound to hear; the detail says why."""

    slug = "recording-not-there"


async def expect(connection: AsyncConnection, fact: RecordingStarted) -> None:
    """Asterisk was told to record: from now on the recording exists or has a stated reason.

    In the fact's transaction.
    """
    over = await store.call_has_ended(connection, fact.call_id)
    await store.add(
        connection,
        {
            "recording_id": recording_id_of(fact.call_id, fact.name),
            "call_id": fact.call_id,
            "kind": fact.recording_kind,
            "name": fact.name,
            "state": (RecordingState.PENDING if over else RecordingState.RECORDING).value,
            "started_at": fact.at,
        },
    )


async def conversation_ended(connection: AsyncConnection, call_id: UUID) -> None:
    """The call is over: its recordings wait for the finisher. In the fact's transaction."""
    await store.release(connection, call_id)


async def on_facts(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """What this room does with the facts of a batch of calls."""
    for fact in facts:
        if isinstance(fact, RecordingStarted):
            await expect(connection, fact)
    for fact in facts:
        if isinstance(fact, CallEnded):
            await conversation_ended(connection, fact.call_id)


@dataclass(frozen=True, slots=True)
class Sound:
    """A finished file that was seen on the disk a moment ago."""

    path: Path
    bytes: int
    sha256: str
    sealed_at: datetime


class RecordingService:
    """Recordings as the outside sees them. `sealed` is the folder of finished files."""

    def __init__(self, database: Database, *, sealed: Path, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed.resolve()
        self._clock = clock

    async def list(
        self, *, call_id: UUID | None, behind: tuple[datetime, UUID] | None, limit: int
    ) -> list[Row]:
        """The youngest `limit` recordings behind that place."""
        async with self._database.transaction() as connection:
            rows = await store.list_rows(connection, call_id=call_id, behind=behind, limit=limit)
            await _with_pauses(connection, rows)
        return rows

    async def get(self, recording_id: UUID) -> Row:
        """Raises `NoSuchRecording`."""
        async with self._database.transaction() as connection:
            row = await store.by_id(connection, recording_id)
            if row is None:
                raise NoSuchRecording
            await _with_pauses(connection, [row])
        return row

    async def sound(self, recording_id: UUID) -> Sound:
        """The finished file, after a look at the disk: a file that is gone or has another size is
        marked damaged. Raises `NoSuchRecording`, `RecordingNotReady`, `RecordingNotThere`."""
        row = await self.get(recording_id)
        if row["state"] in (RecordingState.RECORDING, RecordingState.PENDING):
            raise RecordingNotReady
        if row["state"] != RecordingState.READY:
            raise RecordingNotThere(row["reason"])
        path = self._path(row["file"])
        size = await asyncio.to_thread(_size_of, path)
        if size is None or size != row["bytes"]:
            reason = Reason.GONE if size is None else Reason.CHANGED
            await self._damaged(recording_id, reason)
            raise RecordingNotThere(reason.value)
        return Sound(path, size, row["sha256"], row["sealed_at"])

    async def verify(self, recording_id: UUID) -> bool:
        """Read the finished file again and compare it with its seal; True when it is the same.

        Otherwise the recording is marked damaged. Raises as `sound` does.
        """
        sound = await self.sound(recording_id)
        try:
            same = await asyncio.to_thread(hash_of, sound.path) == sound.sha256
        except FileNotFoundError:
            await self._damaged(recording_id, Reason.GONE)
            return False
        if not same:
            await self._damaged(recording_id, Reason.CHANGED)
            return False
        async with self._database.transaction() as connection:
            await store.change(connection, recording_id, {"verified_at": self._clock()})
        return True

    async def verify_oldest(self, limit: int) -> int:
        """Verify the sealed files that were looked at longest ago; how many were not as sealed."""
        async with self._database.transaction() as connection:
            oldest = await store.longest_unverified(connection, limit)
        wrong = 0
        for recording_id in oldest:
            try:
                wrong += not await self.verify(recording_id)
            except RecordingNotThere:
                wrong += 1
        return wrong

    async def _damaged(self, recording_id: UUID, reason: Reason) -> None:
        async with self._database.transaction() as connection:
            await store.change(
                connection,
                recording_id,
                {"state": RecordingState.DAMAGED.value, "reason": reason.value},
            )
            await announce(connection, "recording", str(recording_id), {"state": "damaged"})

    def _path(self, name: str) -> Path:
        path = (self._sealed / name).resolve()
        if not path.is_relative_to(self._sealed):
            raise RecordingNotThere(Reason.GONE.value)
        return path


async def _with_pauses(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Each row with the `pauses` of its call: a message has none."""
    pauses = await store.pauses_of(connection, [row["call_id"] for row in rows])
    for row in rows:
        talked = row["kind"] == RecordingKind.CONVERSATION.value
        row["pauses"] = pauses.get(row["call_id"], []) if talked else []


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
