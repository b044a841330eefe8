"""The finisher: from the voices Asterisk wrote to one sealed file, or to the reason why not.

What is to be done stands in the rows (`pending`), so a restart loses nothing and doing it twice
makes the same file. The voices are moved away only after the commit that says the file is there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import announce
from callcenter.recordings import audio, store
from callcenter.recordings.audio import Measured, UnreadableAudio, Voice
from callcenter.recordings.model import (
    Note,
    Outcome,
    Reason,
    RecordingKind,
    RecordingState,
    sealed_name,
    voice_names,
    why_nothing,
)
from callcenter.recordings.store import Row

#: Told in the transaction that writes a recording's outcome, with its call.
OnFinished = Callable[[AsyncConnection, UUID], Awaitable[None]]

log = logging.getLogger(__name__)

_AT_ONCE: Final = 4
_ROUND: Final = 20
_IDLE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.2
_FULL_DISK_SECONDS: Final = 60.0
_LONGEST_BACKOFF_SECONDS: Final = 5.0
#: Less than one 20 ms frame is no sound.
_LEAST_SECONDS: Final = 0.02


@dataclass(slots=True)
class FinisherCounters:
    """For metrics; all only grow."""

    ready: int = 0
    missing: int = 0
    damaged: int = 0
    repaired: int = 0
    faults: int = 0


class RecordingFinisher:
    """Finishes the recordings of one node's calls. `run` until cancelled; `step` is one round.

    `incoming` is where the dialplan has the voices written, `sealed` takes the finished files,
    `merged` the voices they were made of. `patience` bounds the wait for files still being written.
    """

    def __init__(
        self,
        database: Database,
        *,
        node: str,
        incoming: Path,
        sealed: Path,
        merged: Path,
        clock: Clock,
        patience: timedelta = timedelta(seconds=10),
        on_finished: OnFinished | None = None,
    ) -> None:
        self._database = database
        self._node = node
        self._incoming = incoming.resolve()
        self._sealed = sealed.resolve()
        self._merged = merged.resolve()
        self._clock = clock
        self._patience = patience
        self._on_finished = on_finished
        self._not_before: dict[UUID, float] = {}
        self.counters = FinisherCounters()

    async def run(self) -> None:
        """Comes back only by cancellation; a database that is away is tried again."""
        backoff = _IDLE_SECONDS
        while True:
            try:
                done = await self.step()
                backoff = _IDLE_SECONDS
            except DatabaseUnavailable:
                log.warning("recording finisher waits for the database")
                done, backoff = 0, min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
            if not done:
                await asyncio.sleep(backoff)

    async def step(self) -> int:
        """Finish what is pending now, at most 20; how many got their outcome.

        Raises `DatabaseUnavailable`; nothing is lost by it.
        """
        now = asyncio.get_running_loop().time()
        async with self._database.transaction() as connection:
            rows = await store.unfinished(connection, self._node, _ROUND + len(self._not_before))
        due = [row for row in rows if self._not_before.get(row["recording_id"], 0) <= now]
        gate = asyncio.Semaphore(_AT_ONCE)
        outcomes = await asyncio.gather(
            *(self._guarded(row, gate) for row in due[:_ROUND]), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(1 for outcome in outcomes if outcome is True)

    async def _guarded(self, row: Row, gate: asyncio.Semaphore) -> bool:
        """One recording whose finishing fails does not hold up the others."""
        async with gate:
            try:
                return await self._finish(row)
            except DatabaseUnavailable:
                raise
            except Exception as exc:
                self.counters.faults += 1
                self._postpone(row["recording_id"])
                log.exception(
                    "recording %s could not be finished", row["recording_id"], exc_info=exc
                )
                return False

    async def _finish(self, row: Row) -> bool:
        paths = self._voices(row)
        await self._settled(paths)
        result = await asyncio.to_thread(self._make, row, paths)
        if result is None:
            self._postpone(row["recording_id"])
            if row["reason"] == Reason.DISK_FULL:
                return False
            result = {
                "state": RecordingState.DAMAGED.value,
                "reason": Reason.DISK_FULL.value,
            }
        else:
            self._not_before.pop(row["recording_id"], None)
        async with self._database.transaction() as connection:
            if not await store.finish(connection, row["recording_id"], result):
                return True
            await announce(
                connection,
                "recording",
                str(row["recording_id"]),
                {"call_id": str(row["call_id"]), "state": result["state"]},
            )
            if self._on_finished is not None:
                await self._on_finished(connection, row["call_id"])
        self._count(result)
        if result.get("reason") != Reason.DISK_FULL:
            await asyncio.to_thread(self._put_away, paths)
        return True

    def _voices(self, row: Row) -> list[Path]:
        paths = []
        for name in voice_names(RecordingKind(row["kind"]), row["name"]):
            path = (self._incoming / name).resolve()
            if not path.is_relative_to(self._incoming):
                raise ValueError("a recording's name leads out of its folder")
            paths.append(path)
        return paths

    async def _settled(self, paths: list[Path]) -> None:
        """Wait until nobody writes: the headers are right and the sizes stand still.

        MixMonitor closes its files a moment after the channel is gone. A killed Asterisk never
        does: after `patience` the files are taken as they are.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience.total_seconds()
        before: list[int | None] = []
        while loop.time() < deadline:
            sizes = await asyncio.to_thread(lambda: [_look(path) for path in paths])
            # Twice: a file of a header only fits its length too, just before sound is written.
            if None not in sizes and sizes == before:
                return
            before = sizes
            await asyncio.sleep(_LOOK_SECONDS)

    def _make(self, row: Row, paths: list[Path]) -> dict[str, Any] | None:
        """Read, join, measure, seal: the columns to write; None when the disk is full."""
        kind = RecordingKind(row["kind"])
        target = self._sealed / sealed_name(row["recording_id"])
        voices: list[Voice | None] = []
        unreadable = any_file = False
        for path in paths:
            voice = None
            try:
                voice = audio.read_voice(path)
                any_file = True
            except FileNotFoundError:
                pass
            except UnreadableAudio:
                any_file = True
                unreadable = unreadable or path.stat().st_size > 0
            if voice is not None and voice.samples < voice.sample_rate * _LEAST_SECONDS:
                voice = None
            voices.append(voice)
        if not any(voices):
            if unreadable:
                return _nothing(Outcome(RecordingState.DAMAGED, Reason.UNREADABLE))
            return _nothing(why_nothing(kind, talked=row["talked"], any_file=any_file))
        try:
            if kind is RecordingKind.VOICEMAIL:
                assert voices[0] is not None
                measured = audio.copy(voices[0], target)
            else:
                measured = audio.join(voices[0], voices[1], target)
        except UnreadableAudio:
            return _nothing(Outcome(RecordingState.DAMAGED, Reason.UNREADABLE))
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                return None
            raise
        return self._sealed_values(row, kind, voices, measured)

    def _sealed_values(
        self, row: Row, kind: RecordingKind, voices: list[Voice | None], measured: Measured
    ) -> dict[str, Any]:
        notes = []
        if kind is RecordingKind.CONVERSATION and voices[0] is None:
            notes.append(Note.ONLY_CITIZEN)
        if kind is RecordingKind.CONVERSATION and voices[1] is None:
            notes.append(Note.ONLY_AGENT)
        repaired = any(voice.repaired for voice in voices if voice is not None)
        if repaired:
            notes.append(Note.CUT)
        return {
            "state": RecordingState.READY.value,
            "reason": None,
            "file": sealed_name(row["recording_id"]),
            "duration_ms": measured.duration_ms,
            "sample_rate": measured.sample_rate,
            "channels": measured.channels,
            "bytes": measured.bytes,
            "peak": measured.peak,
            "silence_ratio": measured.silence_ratio,
            "sha256": measured.sha256,
            "sealed_at": self._clock(),
            "repaired": repaired,
            "note": " ".join(notes) or None,
        }

    def _put_away(self, paths: list[Path]) -> None:
        self._merged.mkdir(parents=True, exist_ok=True)
        for path in paths:
            try:
                os.replace(path, self._merged / path.name)
            except FileNotFoundError:
                continue
            except OSError as exc:
                log.warning(
                    "a voice's file stays where it is: %s", errno.errorcode.get(exc.errno or 0)
                )

    def _postpone(self, recording_id: UUID) -> None:
        now = asyncio.get_running_loop().time()
        self._not_before[recording_id] = now + _FULL_DISK_SECONDS

    def _count(self, result: Mapping[str, Any]) -> None:
        state = str(result["state"])
        setattr(self.counters, state, getattr(self.counters, state) + 1)
        if result.get("repaired"):
            self.counters.repaired += 1


def _nothing(outcome: Outcome) -> dict[str, Any]:
    return {"state": outcome.state.value, "reason": outcome.reason.value}


def _look(path: Path) -> int | None:
    """The size of a closed file (0: there is none), None while its header does not fit its length.

    While Asterisk writes, the header says 0 and the file grows in steps of two seconds.
    """
    try:
        voice = audio.read_voice(path)
    except FileNotFoundError:
        return 0
    except UnreadableAudio:
        return None
    return None if voice.repaired else voice.samples
