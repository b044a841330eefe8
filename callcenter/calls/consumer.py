"""From the journal to the rows: one ordered consumer per node, one transaction per batch.

Rows, stored records, news, what other rooms do with the facts, and the journal position leave in
one commit: a batch happened or it did not. Whatever goes wrong, the consumer forgets what it holds
in memory and goes on from the committed position; records applied before are recognised by key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls import events as ev
from callcenter.calls import store
from callcenter.calls.book import CallBook, with_node_types
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.journal import Ignored, Reject, line_key, parse_line
from callcenter.calls.seed import began_of_seed
from callcenter.calls.tail import JournalReader, Line, Position
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import outbox

log = logging.getLogger(__name__)

#: Called inside the batch's transaction, after the rows of the calls are written.
OnFacts = Callable[[AsyncConnection, Sequence[Fact]], Awaitable[None]]
#: Node types of one version of a flow: node id → type. Versions never change.
NodeTypes = Callable[[AsyncConnection, str, int], Awaitable[Mapping[str, str]]]

_BATCH: Final = 500
_POLL_SECONDS: Final = 0.05
_PLACE_SECONDS: Final = 1.0
_LONGEST_BACKOFF_SECONDS: Final = 5.0
#: CEL is written a little after AMI tells the same: a snapshot is judged this much later.
_GRACE: Final = timedelta(seconds=2)
#: A settled call without its LINKEDID_END is forgotten after this long.
_LINGER: Final = timedelta(minutes=1)
#: A record that cannot be applied is set aside after so many tries alone.
_TRIES: Final = 3


@dataclass(slots=True)
class JournalCounters:
    """For metrics. `held` and `lag_bytes` are levels, the rest only grows."""

    lines: int = 0
    events: int = 0
    repeated: int = 0
    ignored: int = 0
    rejects: int = 0
    dropped: int = 0
    batches: int = 0
    faults: int = 0
    gaps: int = 0
    held: int = 0
    lag_bytes: int = 0


class PlaceLost(Exception):
    """Another process moved the journal position: this one no longer is the consumer."""


class JournalConsumer:
    """Folds the journal of `node` into the database. `run` until cancelled; `step` is one batch.

    `on_facts` and `node_types` are other rooms' work in the same transaction; `clock` gives the
    times of our own rows, never those of calls.
    """

    def __init__(
        self,
        database: Database,
        reader: JournalReader,
        *,
        node: str,
        clock: Clock,
        region: str,
        on_facts: OnFacts,
        node_types: NodeTypes | None = None,
    ) -> None:
        self._database = database
        self._reader = reader
        self._node = node
        self._clock = clock
        self._region = region
        self._on_facts = on_facts
        self._node_types = node_types
        self._types: dict[tuple[str, int], Mapping[str, str]] = {}
        self._book = CallBook(node)
        self._loaded = False
        self._committed: Position | None = None
        self._snapshot: tuple[frozenset[str], datetime] | None = None
        self._own: list[tuple[CallEvent, asyncio.Future[None]]] = []
        self._singly = 0  # so many batches of one line each, to find the one that fails
        self._tries: dict[bytes, int] = {}
        self.counters = JournalCounters()
        self.holds_place = False

    def reconcile(self, live: Collection[str], *, started_at: datetime) -> None:
        """Asterisk's channels (uniqueids, or a mapping by them) in a snapshot begun at
        `started_at`.

        Judged once the journal is read to its end and CEL had time to follow: calls without a
        channel are ended by a record of our own, through the same fold.
        """
        self._snapshot = (frozenset(live), started_at)

    async def note(self, event: CallEvent) -> None:
        """Fold a record of our own into its call (`event.uniqueid`), after what is read already;
        returns once that is committed. For what AMI can do and Asterisk's journal cannot tell.

        Cancelled or failed, nobody knows whether it was: the same record may be given again.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._own.append((event, done))
        await done

    async def run(self) -> None:
        """Wait for the place, then follow the journal; comes back only by cancellation."""
        backoff = 0.1
        while True:
            try:
                async with asyncio.timeout(10):
                    connection = await self._database.listen_connection()
            except (DatabaseUnavailable, TimeoutError):
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
                continue
            try:
                await self._take_place(connection)
                backoff = 0.1
                await self._follow(connection)
            except (
                DatabaseUnavailable,
                PlaceLost,
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as exc:
                log.warning("journal consumer begins again: %s", type(exc).__name__)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
            finally:
                self.holds_place = False
                self._forget()
                connection.terminate()

    async def _take_place(self, connection: asyncpg.Connection[Any]) -> None:
        wish = "SELECT pg_try_advisory_lock(hashtext('callcenter journal'), hashtext($1))"
        # Asking again, not waiting inside the server: a wait there would outlive every time limit.
        while not await connection.fetchval(wish, self._node, timeout=3):
            await asyncio.sleep(_PLACE_SECONDS)
        self.holds_place = True

    async def _follow(self, connection: asyncpg.Connection[Any]) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            if loop.time() - checked >= _PLACE_SECONDS:
                await connection.execute("SELECT 1", timeout=3)
                checked = loop.time()
            if not await self.step():
                await asyncio.sleep(_POLL_SECONDS)

    async def step(self) -> bool:
        """One batch: what is there, at most 500 lines. False when there was nothing to do.

        Raises `DatabaseUnavailable`, `PlaceLost` or OSError, with nothing lost: the next step goes
        on from the committed position.
        """
        lines: list[Line] = []
        try:
            if not self._loaded:
                await self._load()
            if self._own:
                await self._commit_own()
                return True
            lines = await asyncio.to_thread(self._reader.read, 1 if self._singly else _BATCH)
            if not lines:
                return await self._at_end()
            await self._commit(lines)
        except asyncio.CancelledError:
            self._forget()
            raise
        except (DatabaseUnavailable, PlaceLost, OSError):
            self._forget()
            raise
        except Exception as exc:
            self._forget()
            if isinstance(exc, DBAPIError) and _is_passing(exc):
                await asyncio.sleep(_POLL_SECONDS)
                return True
            self._fault(exc, lines)
        return True

    async def _load(self) -> None:
        """Begin where the last commit stands, with the calls that were going on."""
        async with self._database.transaction() as connection:
            self._committed = await store.read_position(connection, self._node)
            open_calls = await store.open_call_ids(connection, self._node)
            for call in await store.folded(connection, self._node, open_calls):
                self._book.know(call)
        self._reader.seek(self._committed)
        self._loaded = True

    def _forget(self) -> None:
        self._book = CallBook(self._node)
        self._loaded = False

    def _fault(self, exc: Exception, lines: Sequence[Line]) -> None:
        """A batch that cannot be applied: find its line, and in the end do without it."""
        self.counters.faults += 1
        # Not the message: the database's errors quote the row, and rows hold numbers and names.
        log.error("journal batch of %d lines failed: %s", len(lines), type(exc).__name__)
        if len(lines) > 1:
            self._singly = max(self._singly, 2 * len(lines))
        elif lines:
            key = line_key(lines[0].data)
            self._tries[key] = self._tries.get(key, 0) + 1

    async def _commit(self, lines: Sequence[Line]) -> None:
        events, rejects, ignored = self._parse(lines)
        at = self._clock()
        async with self._database.transaction() as connection:
            if await store.read_position(connection, self._node) != self._committed:
                raise PlaceLost
            known = await store.known_keys(connection, self._node, [e.key for e, _ in events])
            fresh = [(event, start) for event, start in events if event.key not in known]
            await self._learn(connection, [event for event, _ in fresh])
            for event, start in fresh:
                self._book.take(with_node_types(event, self._types), start)
            position = self._book.oldest_held() or lines[-1].end
            await self._write(connection, position, rejects, at)
        self._committed = position
        self.counters.lines += len(lines)
        self.counters.ignored += ignored
        self.counters.rejects += len(rejects)
        self.counters.repeated += len(known)
        self._settle(fresh[-1][0].at if fresh else None)
        self._singly = max(0, self._singly - 1)
        if not self._singly:
            self._tries.clear()

    async def _commit_own(self) -> None:
        own = list(self._own)
        events = [event for event, _ in own]
        try:
            async with self._database.transaction() as connection:
                if await store.read_position(connection, self._node) != self._committed:
                    raise PlaceLost
                known = await store.known_keys(connection, self._node, [e.key for e in events])
                await self._learn(connection, events)
                for event in events:
                    if event.key not in known and self._book.knows(event.uniqueid):
                        self._book.take(event, Position(0, 0))
                await self._write(connection, None, [], self._clock())
        except (DatabaseUnavailable, PlaceLost):
            raise  # tried again at the next step
        except Exception as exc:
            self._own = self._own[len(own) :]
            for _, done in own:
                if not done.done():
                    done.set_exception(exc)
            raise
        self._own = self._own[len(own) :]
        self._settle(None)
        for _, done in own:
            if not done.done():
                done.set_result(None)

    def _parse(
        self, lines: Sequence[Line]
    ) -> tuple[list[tuple[CallEvent, Position]], list[Reject], int]:
        events: dict[bytes, tuple[CallEvent, Position]] = {}
        rejects: list[Reject] = []
        ignored = 0
        for line in lines:
            if not line.data.strip():
                ignored += 1
                continue
            found = parse_line(line.data, self._region)
            if isinstance(found, Ignored):
                ignored += 1
            elif isinstance(found, Reject):
                rejects.append(found)
            elif self._tries.get(found.key, 0) >= _TRIES:
                rejects.append(Reject(found.key, "record could not be applied", found.kind))
            else:
                events.setdefault(found.key, (found, line.start))
        return list(events.values()), rejects, ignored

    async def _learn(self, connection: AsyncConnection, events: Sequence[CallEvent]) -> None:
        """Fetch what these records refer to and the book does not have."""
        uniqueids, linkedids, call_ids = self._book.unknown(events)
        if uniqueids or linkedids or call_ids:
            found = await store.find_calls(connection, self._node, uniqueids, linkedids, call_ids)
            for call in found:
                if call.call_id not in self._book.calls:
                    self._book.know(call)
        if self._node_types is None:
            return
        for event in events:
            if isinstance(event, ev.FlowNodeEntered) and event.flow and event.version:
                wanted = (event.flow, event.version)
                if wanted not in self._types:
                    if len(self._types) > 500:
                        self._types.clear()
                    self._types[wanted] = await self._node_types(connection, *wanted)

    async def _write(
        self,
        connection: AsyncConnection,
        position: Position | None,
        rejects: Sequence[Reject],
        at: datetime,
    ) -> None:
        book = self._book
        await store.write_calls(connection, [book.calls[call_id] for call_id in book.changed])
        await store.write_events(connection, self._node, book.applied)
        await store.write_rejects(connection, self._node, rejects, at)
        if book.facts:
            await connection.execute(
                insert(outbox),
                [
                    {"topic": "call", "key": str(fact.call_id), "payload": fact.payload()}
                    for fact in book.facts
                ],
            )
            await self._on_facts(connection, book.facts)
        if position is not None:
            await store.write_position(connection, self._node, position, at)

    async def _at_end(self) -> bool:
        """The journal has nothing more: now a snapshot can be judged."""
        self.counters.lag_bytes = await asyncio.to_thread(self._reader.lag_bytes)
        if self._snapshot is None:
            return False
        live, snapshot_at = self._snapshot
        if self._clock() < snapshot_at + _GRACE:
            return False
        async with self._database.transaction() as connection:
            if await store.read_position(connection, self._node) != self._committed:
                raise PlaceLost
            for row in await store.rows_without_records(connection, self._node):
                if row["started_at"] < snapshot_at and row["uniqueid"] not in live:
                    self._book.take(began_of_seed(dict(row)), Position(0, 0))
            self._book.end_gone(live, snapshot_at)
            # What was held may have been judged: then the position can move on.
            position = self._book.oldest_held() or self._reader.position or self._committed
            await self._write(connection, position, [], self._clock())
        self._committed = position
        self._snapshot = None
        self._settle(None)
        return True

    def _settle(self, newest: datetime | None) -> None:
        book = self._book
        self.counters.events += len(book.applied)
        self.counters.batches += 1
        self.counters.dropped += book.dropped
        book.dropped = 0
        sweep = newest is not None and self.counters.batches % 100 == 0
        book.forget_settled(newest - _LINGER if newest and sweep else None)
        self.counters.held = book.held
        self.counters.gaps = self._reader.gaps


def _is_passing(exc: DBAPIError) -> bool:
    """Deadlocks and serialization failures (class 40): the same again may succeed."""
    return (getattr(exc.orig, "sqlstate", None) or "").startswith("40")
