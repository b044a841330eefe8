"""What is done with faxes: ordered, shown, cancelled, sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.numbers import NumberRule
from callcenter.calls.service import CallSeed, remember_call
from callcenter.cases.service import CaseService
from callcenter.channels.fax import store
from callcenter.channels.fax.document import Printable
from callcenter.channels.fax.documents import DocumentService, FaxNotThere, read_file
from callcenter.channels.fax.files import FaxFiles, pdf_bytes
from callcenter.channels.fax.follow import CASE_TITLE, TOPIC, FaxFollower
from callcenter.channels.fax.model import (
    Direction,
    FaxState,
    Policy,
    Way,
)
from callcenter.channels.fax.store import Row
from callcenter.channels.fax.tiff import hash_of
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import Conflict, InvalidField, NotFound, TooMany
from callcenter.platform.news import announce

_DAY = timedelta(days=1)


class NoSuchFax(NotFound):
    """There is no such fax."""

    slug = "no-such-fax"


class FaxNotWaiting(Conflict):
    """Only a fax that waits for its next try can be cancelled."""

    slug = "fax-not-waiting"


class FaxNotOver(Conflict):
    """Only an outgoing fax that failed or was cancelled can be sent again."""

    slug = "fax-not-over"


class FaxLimit(TooMany):
    """This caller has ordered as many faxes as one day allows."""

    slug = "fax-limit"


@dataclass(frozen=True, slots=True)
class FaxView:
    """A fax with its tries and the case of its call."""

    row: Row
    tries: Sequence[Row]


class FaxService:
    """Faxes out and in. `per_day` bounds orders of a caller, or to a number."""

    def __init__(
        self,
        database: Database,
        cases: CaseService,
        files: FaxFiles,
        documents: DocumentService,
        *,
        rule: NumberRule,
        policy: Policy,
        per_day: int,
        clock: Clock,
    ) -> None:
        self._database = database
        self._cases = cases
        self._files = files
        self._documents = documents
        self._rule = rule
        self._policy = policy
        self._per_day = per_day
        self._clock = clock
        self._follower = FaxFollower(cases, policy)

    async def order(
        self,
        call_id: UUID,
        document: str | Printable,
        language: str,
        number: str | None = None,
        *,
        or_number: str | None = None,
        by: str = "system:ivr",
        seed: CallSeed | None = None,
    ) -> UUID:
        """Order a fax; when this returns, its pages lie ready.

        `number` None: in the call itself, by `Exit.FAX`; and to `or_number`, should that fail.
        `document` is a name, or what is to be drawn now. `seed` makes the call's row where the
        journal has not yet. The same again, before it has begun, is the same order: a second `agi`
        that goes on where the first one died orders nothing twice.

        Raises `NoSuchDocument`, `InvalidField` (the number), `FaxLimit`, `NoSuchCall`,
        `NoFont`.
        """
        goes_to = number if number is not None else or_number
        if goes_to is not None:
            goes_to = self._rule.allowed(goes_to)
        fax_id = uuid4()
        try:
            title, name, pages = await self._documents.made_ready(fax_id, document, language)
            async with self._database.transaction() as connection:
                if seed is not None:
                    await remember_call(connection, seed)
                await self._one_at_a_time(connection, call_id, goes_to)
                state = FaxState.READY if number is None else FaxState.WAITING
                same = await store.same_order(connection, call_id, title, name, goes_to, state)
                if same is not None:
                    self._files.out(fax_id).unlink(missing_ok=True)
                    return same
                await self._within_limit(connection, call_id, goes_to)
                now = self._clock()
                # Before the fax: it refers to the call, and the case says if there is none.
                await self._cases.note_for_call(
                    connection,
                    call_id,
                    f"传真预约 Fax ordered: {pages} 页 pages.\n{title}",
                    title=CASE_TITLE,
                    by=by,
                    at=now,
                )
                fax = {
                    "fax_id": fax_id,
                    "direction": Direction.OUT.value,
                    "way": Way.CALL.value,
                    "call_id": call_id,
                    "document": name,
                    "language": language,
                    "title": title,
                    "number": goes_to,
                    "state": FaxState.READY.value,
                    "pages": pages,
                    "created_at": now,
                    "created_by": by,
                }
                await store.add_fax(connection, fax)
                if number is not None:
                    first = self._policy.first(now)
                    await self._follower.try_again(connection, fax, 1, first, error="")
                await announce(connection, TOPIC, str(fax_id))
        except Exception as exc:
            # A connection lost at the commit (or we, cancelled in it) does not say whether the row
            # was written: a file nobody names is better than a row without its file.
            if not isinstance(exc, DatabaseUnavailable):
                self._files.out(fax_id).unlink(missing_ok=True)
            raise
        return fax_id

    async def _one_at_a_time(
        self, connection: AsyncConnection, call_id: UUID, number: str | None
    ) -> None:
        caller = await store.caller_of(connection, call_id) or str(call_id)
        # In one order, so that two orders never wait for each other.
        for what in sorted({caller, number or caller}):
            await store.one_at_a_time(connection, what)

    async def _within_limit(
        self, connection: AsyncConnection, call_id: UUID, number: str | None
    ) -> None:
        since = self._clock() - _DAY
        if await store.ordered_since(connection, call_id, number, since) >= self._per_day:
            raise FaxLimit

    async def faxes(
        self,
        *,
        direction: Direction | None = None,
        state: FaxState | None = None,
        call_id: UUID | None = None,
        behind: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[FaxView]:
        """Youngest first, those behind that place."""
        equal: dict[str, object] = {}
        if direction is not None:
            equal["direction"] = direction.value
        if state is not None:
            equal["state"] = state.value
        if call_id is not None:
            equal["call_id"] = call_id
        return await self._views(equal, behind, limit)

    async def fax(self, fax_id: UUID) -> FaxView:
        """Raises `NoSuchFax`."""
        found = await self._views({"fax_id": fax_id}, None, 1)
        if not found:
            raise NoSuchFax
        return found[0]

    async def _views(
        self, equal: dict[str, object], behind: tuple[datetime, UUID] | None, limit: int
    ) -> list[FaxView]:
        async with self._database.transaction() as connection:
            rows = await store.list_faxes(connection, equal, behind, limit)
            tries = await store.deliveries_of(connection, [row["fax_id"] for row in rows])
        return [FaxView(row, tries.get(row["fax_id"], ())) for row in rows]

    async def pdf(self, fax_id: UUID) -> bytes:
        """A fax that came in: its sealed PDF, checked against its seal; one that goes out: its
        pages. Raises `NoSuchFax`, `FaxNotThere`."""
        row = (await self.fax(fax_id)).row
        if row["direction"] == Direction.OUT:
            return await read_file(self._files.out(fax_id), pdf_bytes)
        if row["sha256"] is None:
            raise FaxNotThere(row["error"] or f"The fax is {row['state']}.")
        path = self._files.received(fax_id)
        content = await read_file(path, Path.read_bytes)
        if await asyncio.to_thread(hash_of, path) != row["sha256"]:
            raise FaxNotThere("The file is not the one that was sealed: its content has changed.")
        return content

    async def cancel(self, fax_id: UUID, *, by: str) -> FaxView:
        """No further try. Raises `NoSuchFax`, `FaxNotWaiting`."""
        async with self._database.transaction() as connection:
            row = await store.fax_of(connection, fax_id, lock=True)
            if row is None:
                raise NoSuchFax
            now = self._clock()
            if row["state"] != FaxState.WAITING or not await store.cancel_waiting(
                connection, fax_id, now
            ):
                raise FaxNotWaiting
            await store.change_fax(
                connection, fax_id, {"state": FaxState.CANCELLED.value, "ended_at": now}
            )
            await self._cases.note_for_call(
                connection,
                row["call_id"],
                f"传真已取消 Fax cancelled.\n{row['title']}",
                title=CASE_TITLE,
                by=by,
                at=now,
            )
            await announce(connection, TOPIC, str(fax_id))
        return await self.fax(fax_id)

    async def retry(self, fax_id: UUID, number: str | None, *, by: str) -> FaxView:
        """Try once more (and as often as the policy has tries left), to `number` or where it was
        to go. Raises `NoSuchFax`, `FaxNotOver`, `InvalidField`."""
        wanted = self._rule.allowed(number) if number is not None else None
        async with self._database.transaction() as connection:
            row = await store.fax_of(connection, fax_id, lock=True)
            if row is None:
                raise NoSuchFax
            over = (FaxState.FAILED, FaxState.CANCELLED)
            if row["direction"] != Direction.OUT or row["state"] not in over:
                raise FaxNotOver
            goes_to = wanted or row["number"]
            if goes_to is None:
                raise InvalidField("number", "say where it goes to: it was asked for in a call")
            self._rule.allowed(goes_to)
            now = self._clock()
            await store.change_fax(connection, fax_id, {"number": goes_to})
            attempt = await store.last_attempt(connection, fax_id) + 1
            await self._follower.try_again(
                connection, row | {"number": goes_to}, attempt, self._policy.first(now), error=""
            )
            await self._cases.note_for_call(
                connection,
                row["call_id"],
                f"传真重发 Fax is sent again.\n{row['title']}",
                title=CASE_TITLE,
                by=by,
                at=now,
            )
        return await self.fax(fax_id)
