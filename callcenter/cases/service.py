"""What is done with cases. One transaction an act, with its history entry and its news."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.cases import store
from callcenter.cases.model import (
    Case,
    CaseEvent,
    CaseFile,
    CaseFilter,
    NoSuchCall,
    NoSuchCase,
    Relation,
)
from callcenter.cases.number import CaseNumber, case_number
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Stale
from callcenter.platform.news import announce

#: Topic of the news about cases; the key is the case number.
TOPIC = "case"


class CaseService:
    """Opens cases, acts on them, finds them.

    `by` is who acts: a user's name, or `system:<part>` for a part of ours. `expected` is the
    version the asker has seen; None takes any.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open_for_call(
        self,
        connection: AsyncConnection,
        call_id: UUID,
        *,
        title: str,
        opened_by: str,
        at: datetime,
    ) -> Case:
        """The case of this call, opened now if there is none; within the caller's transaction.

        Two at once give one case: the later one waits for the other's commit, then returns its
        case. Raises `NoSuchCall`, `InvalidField`; the transaction stays usable.
        """
        existing = await store.case_of_call(connection, call_id)
        if existing is not None:
            return existing
        if not await store.call_exists(connection, call_id):
            raise NoSuchCall
        opened = await self._open(connection, title=title, call_id=call_id, by=opened_by, at=at)
        if opened is not None:
            return opened
        existing = await store.case_of_call(connection, call_id)
        assert existing is not None, "a case is never deleted"
        return existing

    async def note_for_call(
        self,
        connection: AsyncConnection,
        call_id: UUID,
        text: str,
        *,
        title: str,
        by: str,
        at: datetime,
    ) -> Case:
        """A note on the case of this call, opened now if there is none; within the caller's
        transaction. Raises `NoSuchCall`, `InvalidField`.
        """
        case = await self.open_for_call(connection, call_id, title=title, opened_by=by, at=at)
        case = await _locked(connection, case.number)
        await store.save_case(connection, case, case.add_note(text, by=by, at=at))
        await announce(connection, TOPIC, case.number)
        return case

    async def link_into_case_of(
        self, connection: AsyncConnection, call_id: UUID, of: UUID, *, by: str
    ) -> None:
        """Link a call to the case that the call `of` brought, if it brought one; within the
        caller's transaction."""
        case = await store.case_of_call(connection, of)
        if case is not None:
            await self._link(connection, await _locked(connection, case.number), call_id, by)

    async def set_due(
        self, connection: AsyncConnection, number: CaseNumber, due_at: datetime | None, *, by: str
    ) -> None:
        """Set or lift a deadline within the caller's transaction. Raises `NoSuchCase`."""
        case = await _locked(connection, number)
        event = case.set_due(due_at, by=by, at=self._clock())
        if event is not None:
            await store.save_case(connection, case, event)
            await announce(connection, TOPIC, number)

    async def note(
        self, connection: AsyncConnection, number: CaseNumber, text: str, *, by: str
    ) -> None:
        """Add a note within the caller's transaction. Raises `NoSuchCase`, `InvalidField`."""
        case = await _locked(connection, number)
        await store.save_case(connection, case, case.add_note(text, by=by, at=self._clock()))
        await announce(connection, TOPIC, number)

    async def open(
        self,
        *,
        title: str,
        citizen_words: str = "",
        category: str = "",
        call_id: UUID | None = None,
        by: str,
    ) -> CaseFile:
        """Open a case. A call that brought a case already is linked: it brought two matters.

        Raises `InvalidField`, `NoSuchCall`.
        """
        at = self._clock()
        async with self._database.transaction() as connection:
            if call_id is not None and not await store.call_exists(connection, call_id):
                raise NoSuchCall
            case = None
            if call_id is None or await store.case_of_call(connection, call_id) is None:
                case = await self._open(
                    connection,
                    title=title,
                    citizen_words=citizen_words,
                    category=category,
                    call_id=call_id,
                    by=by,
                    at=at,
                )
            if case is None:
                assert call_id is not None
                case = await self._open(
                    connection,
                    title=title,
                    citizen_words=citizen_words,
                    category=category,
                    by=by,
                    at=at,
                )
                assert case is not None, "only a call can be taken"
                await self._link(connection, case, call_id, by)
            return await _file(connection, case)

    async def edit(
        self,
        number: CaseNumber,
        changes: Mapping[str, str],
        *,
        by: str,
        expected: int | None,
    ) -> CaseFile:
        """Change `title`, `citizen_words`, `category`.

        Raises `NoSuchCase`, `Stale`, `InvalidField`, `IllegalTransition`.
        """
        return await self._act(number, expected, lambda case, at: case.edit(changes, by=by, at=at))

    async def add_note(self, number: CaseNumber, text: str, *, by: str) -> CaseFile:
        """Raises `NoSuchCase`, `InvalidField`."""
        return await self._act(number, None, lambda case, at: case.add_note(text, by=by, at=at))

    async def link_call(self, number: CaseNumber, call_id: UUID, *, by: str) -> CaseFile:
        """Link a call; once linked, again changes nothing. Raises `NoSuchCase`, `NoSuchCall`."""
        async with self._database.transaction() as connection:
            case = await _locked(connection, number)
            if not await store.call_exists(connection, call_id):
                raise NoSuchCall
            await self._link(connection, case, call_id, by)
            return await _file(connection, case)

    async def link_within(
        self,
        connection: AsyncConnection,
        number: CaseNumber,
        call_id: UUID,
        relation: Relation,
        *,
        by: str,
    ) -> None:
        """Link a call within the caller's transaction; once linked, again changes nothing.

        Raises `NoSuchCase`.
        """
        await self._link(connection, await _locked(connection, number), call_id, by, relation)

    async def close(
        self, number: CaseNumber, reason: str, *, by: str, expected: int | None = None
    ) -> CaseFile:
        """Raises `NoSuchCase`, `Stale`, `InvalidField`, `IllegalTransition`."""
        return await self._act(number, expected, lambda case, at: case.close(reason, by=by, at=at))

    async def reopen(
        self, number: CaseNumber, reason: str, *, by: str, expected: int | None = None
    ) -> CaseFile:
        """Raises `NoSuchCase`, `Stale`, `InvalidField`, `IllegalTransition`."""
        return await self._act(number, expected, lambda case, at: case.reopen(reason, by=by, at=at))

    async def get(self, number: CaseNumber) -> CaseFile:
        """A case with its history and calls. Raises `NoSuchCase`."""
        async with self._database.transaction() as connection:
            case = await store.find_case(connection, number)
            if case is None:
                raise NoSuchCase
            return await _file(connection, case)

    async def list(
        self, wanted: CaseFilter, *, before: tuple[datetime, str] | None = None, limit: int = 50
    ) -> Sequence[Case]:
        """Newest first, those behind the position `before`."""
        async with self._database.transaction() as connection:
            return await store.list_cases(connection, wanted, before=before, limit=limit)

    async def _act(
        self,
        number: CaseNumber,
        expected: int | None,
        act: Callable[[Case, datetime], CaseEvent | None],
    ) -> CaseFile:
        async with self._database.transaction() as connection:
            case = await _locked(connection, number)
            if expected is not None and case.version != expected:
                raise Stale
            event = act(case, self._clock())
            if event is not None:
                await store.save_case(connection, case, event)
                await announce(connection, TOPIC, number)
            return await _file(connection, case)

    async def _link(
        self,
        connection: AsyncConnection,
        case: Case,
        call_id: UUID,
        by: str,
        relation: Relation = Relation.LINKED,
    ) -> None:
        linked = frozenset(
            call.call_id for call in await store.linked_calls(connection, case.number)
        )
        at = self._clock()
        event = case.link_call(call_id, linked, by=by, at=at)
        if event is not None:
            await store.add_call(connection, case.number, call_id, relation, at)
            await store.save_case(connection, case, event)
            await announce(connection, TOPIC, case.number)

    async def _open(
        self,
        connection: AsyncConnection,
        *,
        title: str,
        citizen_words: str = "",
        category: str = "",
        call_id: UUID | None = None,
        by: str,
        at: datetime,
    ) -> Case | None:
        """None where another case came of the call in the meantime."""
        case, event = Case.open(
            case_number(at.year, await store.next_serial(connection)),
            title=title,
            citizen_words=citizen_words,
            category=category,
            origin_call_id=call_id,
            by=by,
            at=at,
        )
        if not await store.add_case(connection, case, event):
            return None
        await announce(connection, TOPIC, case.number)
        return case


async def _locked(connection: AsyncConnection, number: CaseNumber) -> Case:
    case = await store.find_case(connection, number, lock=True)
    if case is None:
        raise NoSuchCase
    return case


async def _file(connection: AsyncConnection, case: Case) -> CaseFile:
    # Read without a lock: what was done since the case was read is left out, to fit its version.
    return CaseFile(
        case=case,
        history=tuple(
            event
            for event in await store.history(connection, case.number)
            if event.seq <= case.version
        ),
        calls=await store.linked_calls(connection, case.number),
    )
