"""SQL of cases. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.cases.model import (
    Case,
    CaseEvent,
    CaseFilter,
    CaseState,
    EventKind,
    LinkedCall,
    Relation,
)
from callcenter.cases.number import CaseNumber
from callcenter.cases.progress_model import FailedTries, Progress, ProgressFacts, TryOutcome
from callcenter.cases.tables import (
    case_calls,
    case_events,
    case_progress_tries,
    case_serial,
    cases,
)

#: Namespaces of our advisory locks (first key of two).
_LOCK_TRIES_AT_CASE: Final = 7411020
_LOCK_TRIES_OF_CALLER: Final = 7411021


def _case(row: Row[Any]) -> Case:
    return Case(
        number=CaseNumber(row.case_number),
        title=row.title,
        citizen_words=row.citizen_words,
        category=row.category,
        state=CaseState(row.state),
        origin_call_id=row.origin_call_id,
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        closed_at=row.closed_at,
        version=row.version,
        due_at=row.due_at,
    )


async def next_serial(connection: AsyncConnection) -> int:
    """Never the same twice; gaps are possible."""
    serial = await connection.scalar(select(case_serial.next_value()))
    assert serial is not None
    return int(serial)


async def call_exists(connection: AsyncConnection, call_id: UUID) -> bool:
    return (
        await connection.scalar(select(calls.c.call_id).where(calls.c.call_id == call_id))
    ) is not None


async def case_of_call(connection: AsyncConnection, call_id: UUID) -> Case | None:
    """The case that came of this call."""
    row = (
        await connection.execute(select(cases).where(cases.c.origin_call_id == call_id))
    ).one_or_none()
    return None if row is None else _case(row)


async def add_case(connection: AsyncConnection, case: Case, event: CaseEvent) -> bool:
    """Insert a case with its first event and its origin call.

    False where another case came of that call: if somebody is just writing that one, this waits
    for the end of their transaction.
    """
    added = await connection.scalar(
        upsert(cases)
        .values(
            case_number=case.number,
            title=case.title,
            citizen_words=case.citizen_words,
            category=case.category,
            state=case.state,
            origin_call_id=case.origin_call_id,
            opened_at=case.opened_at,
            opened_by=case.opened_by,
            version=case.version,
        )
        .on_conflict_do_nothing(index_elements=[cases.c.origin_call_id])
        .returning(cases.c.case_number)
    )
    if added is None:
        return False
    await add_event(connection, case.number, event)
    if case.origin_call_id is not None:
        await add_call(
            connection, case.number, case.origin_call_id, Relation.ORIGIN, case.opened_at
        )
    return True


async def find_case(
    connection: AsyncConnection, number: CaseNumber, *, lock: bool = False
) -> Case | None:
    """`lock` keeps others from acting on it until the end of the transaction."""
    query = select(cases).where(cases.c.case_number == number)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _case(row)


async def save_case(connection: AsyncConnection, case: Case, event: CaseEvent) -> None:
    """Write what an act changed, and its event."""
    await connection.execute(
        update(cases)
        .where(cases.c.case_number == case.number)
        .values(
            title=case.title,
            citizen_words=case.citizen_words,
            category=case.category,
            state=case.state,
            closed_at=case.closed_at,
            version=case.version,
            due_at=case.due_at,
        )
    )
    await add_event(connection, case.number, event)


async def add_event(connection: AsyncConnection, number: CaseNumber, event: CaseEvent) -> None:
    await connection.execute(
        insert(case_events).values(
            case_number=number,
            seq=event.seq,
            at=event.at,
            actor=event.actor,
            kind=event.kind,
            detail=dict(event.detail),
        )
    )


async def add_call(
    connection: AsyncConnection,
    number: CaseNumber,
    call_id: UUID,
    relation: Relation,
    linked_at: datetime,
) -> None:
    await connection.execute(
        insert(case_calls).values(
            case_number=number, call_id=call_id, relation=relation, linked_at=linked_at
        )
    )


async def history(connection: AsyncConnection, number: CaseNumber) -> tuple[CaseEvent, ...]:
    rows = await connection.execute(
        select(case_events).where(case_events.c.case_number == number).order_by(case_events.c.seq)
    )
    return tuple(
        CaseEvent(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            kind=EventKind(row.kind),
            detail=row.detail,
        )
        for row in rows
    )


async def linked_calls(connection: AsyncConnection, number: CaseNumber) -> tuple[LinkedCall, ...]:
    rows = await connection.execute(
        select(case_calls)
        .where(case_calls.c.case_number == number)
        .order_by(case_calls.c.linked_at, case_calls.c.call_id)
    )
    return tuple(
        LinkedCall(call_id=row.call_id, relation=Relation(row.relation), linked_at=row.linked_at)
        for row in rows
    )


async def list_cases(
    connection: AsyncConnection,
    wanted: CaseFilter,
    *,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Case]:
    """Newest first; `before` is the opening time and number of the last one already seen."""
    query: Select[Any] = select(cases).where(*_conditions(wanted))
    if before is not None:
        at, number = before
        query = query.where(
            or_(
                cases.c.opened_at < at,
                (cases.c.opened_at == at) & (cases.c.case_number > number),
            )
        )
    query = query.order_by(cases.c.opened_at.desc(), cases.c.case_number).limit(limit)
    return [_case(row) for row in await connection.execute(query)]


def _conditions(wanted: CaseFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(cases.c.state == wanted.state)
    if wanted.category is not None:
        conditions.append(cases.c.category == wanted.category)
    if wanted.opened_after is not None:
        conditions.append(cases.c.opened_at >= wanted.opened_after)
    if wanted.opened_before is not None:
        conditions.append(cases.c.opened_at < wanted.opened_before)
    if wanted.call_id is not None:
        conditions.append(
            cases.c.case_number.in_(
                select(case_calls.c.case_number).where(case_calls.c.call_id == wanted.call_id)
            )
        )
    if wanted.text:
        conditions.append(
            or_(
                cases.c.title.icontains(wanted.text, autoescape=True),
                cases.c.citizen_words.icontains(wanted.text, autoescape=True),
            )
        )
    return conditions


# -- Case progress by phone ------------------------------------------------------------


async def lock_tries(
    connection: AsyncConnection, number: CaseNumber, caller_number: str | None
) -> None:
    """Until the end of the transaction nobody else tries this case, nor this caller another one.

    Always in this order, so that two never wait for each other.
    """
    for space, key in (
        (_LOCK_TRIES_AT_CASE, number),
        (_LOCK_TRIES_OF_CALLER, caller_number or ""),
    ):
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:key))"),
            {"space": space, "key": key},
        )


async def progress_facts(
    connection: AsyncConnection, number: CaseNumber, *, most: int, shortest: int
) -> ProgressFacts:
    """How a case stands, and the numbers of citizens who called about it, the origin's first.

    Two queries, whether there is such a case or not.
    """
    reopened_at = (
        select(func.max(case_events.c.at))
        .where(case_events.c.case_number == number, case_events.c.kind == EventKind.REOPENED)
        .scalar_subquery()
    )
    row = (
        await connection.execute(
            select(
                cases.c.state,
                cases.c.opened_at,
                cases.c.closed_at,
                reopened_at.label("reopened_at"),
            ).where(cases.c.case_number == number)
        )
    ).one_or_none()
    # The origin is among case_calls. Calls of agents' phones have an extension as their number.
    numbers = await connection.scalars(
        select(calls.c.caller_number)
        .join(case_calls, case_calls.c.call_id == calls.c.call_id)
        .where(
            case_calls.c.case_number == number,
            calls.c.direction == "inbound",
            func.char_length(calls.c.caller_number) >= shortest,
        )
        .group_by(calls.c.caller_number)
        .order_by(
            func.bool_or(case_calls.c.relation == Relation.ORIGIN).desc(),
            func.min(case_calls.c.linked_at),
            calls.c.caller_number,
        )
        .limit(most)
    )
    told = tuple(told for told in numbers if told is not None)
    if row is None:
        return ProgressFacts(progress=None, numbers=told)
    since = row.closed_at or row.reopened_at or row.opened_at
    return ProgressFacts(progress=Progress(CaseState(row.state), since), numbers=told)


async def failed_tries(
    connection: AsyncConnection,
    number: CaseNumber,
    caller_number: str | None,
    *,
    since: datetime,
) -> FailedTries:
    """Failed tries after `since`; those of callers without a number are one count."""
    tries = case_progress_tries.c
    failed = select(func.count()).where(tries.outcome == TryOutcome.FAILED, tries.at > since)
    of_case = failed.where(tries.case_number == number).scalar_subquery()
    # SQLAlchemy writes IS NULL for None.
    of_caller = failed.where(tries.caller_number == caller_number)
    row = (await connection.execute(select(of_case, of_caller.scalar_subquery()))).one()
    return FailedTries(of_case=row[0], of_caller=row[1])


async def add_try(
    connection: AsyncConnection,
    *,
    case_number: CaseNumber | None,
    caller_number: str | None,
    call_id: UUID | None,
    at: datetime,
    outcome: TryOutcome,
) -> None:
    await connection.execute(
        insert(case_progress_tries).values(
            at=at,
            case_number=case_number,
            caller_number=caller_number,
            call_id=call_id,
            outcome=outcome,
        )
    )
