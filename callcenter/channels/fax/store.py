"""SQL of faxes. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import call_legs, calls
from callcenter.cases.tables import cases
from callcenter.channels.fax.model import FaxState, FaxTryState
from callcenter.channels.fax.tables import fax_deliveries, fax_documents, faxes
from callcenter.ivr.tables import ivr_flows, ivr_references

Row = dict[str, Any]

_UNDER_WAY = (FaxTryState.DIALLING.value, FaxTryState.SENDING.value)
_OPEN = (FaxTryState.WAITING.value, *_UNDER_WAY)


# Documents.


async def document_of(
    connection: AsyncConnection, document: str, language: str, *, lock: bool = False
) -> Row | None:
    query = select(fax_documents).where(
        fax_documents.c.document == document, fax_documents.c.language == language
    )
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else dict(row)


async def best_document(connection: AsyncConnection, document: str, language: str) -> Row | None:
    """In this language, else in the first there is: a fax in another one is better than none."""
    row = (
        (
            await connection.execute(
                select(fax_documents)
                .where(fax_documents.c.document == document)
                .order_by(
                    case((fax_documents.c.language == language, 0), else_=1),
                    fax_documents.c.language,
                )
                .limit(1)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


async def list_documents(
    connection: AsyncConnection, after: tuple[str, str] | None, limit: int
) -> list[Row]:
    query = select(fax_documents).order_by(fax_documents.c.document, fax_documents.c.language)
    if after is not None:
        query = query.where(tuple_(fax_documents.c.document, fax_documents.c.language) > after)
    return [dict(row) for row in (await connection.execute(query.limit(limit))).mappings()]


async def put_document(connection: AsyncConnection, values: Mapping[str, Any]) -> Row:
    """A new document or the next version of it."""
    statement = upsert(fax_documents).values(**values)
    changed = {
        name: statement.excluded[name] for name in values if name not in ("document", "language")
    }
    row = await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["document", "language"],
            set_=changed | {"version": fax_documents.c.version + 1},
        ).returning(*fax_documents.c)
    )
    return dict(row.mappings().one())


async def delete_document(connection: AsyncConnection, document: str, language: str) -> None:
    await connection.execute(
        delete(fax_documents).where(
            fax_documents.c.document == document, fax_documents.c.language == language
        )
    )


async def flows_with(connection: AsyncConnection, document: str) -> list[str]:
    """Flows whose draft or active version offers this document."""
    used = ivr_references.c
    found = await connection.scalars(
        select(used.flow)
        .join(ivr_flows, ivr_flows.c.name == used.flow)
        .where(
            used.kind == "document",
            used.name == document,
            or_(used.version == 0, used.version == ivr_flows.c.active_version),
        )
        .distinct()
        .order_by(used.flow)
    )
    return list(found)


# Faxes.


async def add_fax(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Does nothing where it is known."""
    await connection.execute(upsert(faxes).values(**values).on_conflict_do_nothing())


async def fax_of(connection: AsyncConnection, fax_id: UUID, *, lock: bool = False) -> Row | None:
    query = select(faxes).where(faxes.c.fax_id == fax_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else dict(row)


async def change_fax(connection: AsyncConnection, fax_id: UUID, values: Mapping[str, Any]) -> None:
    await connection.execute(update(faxes).where(faxes.c.fax_id == fax_id).values(**values))


async def list_faxes(
    connection: AsyncConnection,
    equal: Mapping[str, object],
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Youngest first, with the case of the call."""
    query = (
        select(faxes, cases.c.case_number)
        .outerjoin(cases, cases.c.origin_call_id == faxes.c.call_id)
        .order_by(faxes.c.created_at.desc(), faxes.c.fax_id)
    )
    for name, value in equal.items():
        query = query.where(faxes.c[name] == value)
    if behind is not None:
        at, fax_id = behind
        older = faxes.c.created_at < at
        query = query.where(or_(older, and_(faxes.c.created_at == at, faxes.c.fax_id > fax_id)))
    return [dict(row) for row in (await connection.execute(query.limit(limit))).mappings()]


async def deliveries_of(
    connection: AsyncConnection, fax_ids: Collection[UUID]
) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = {}
    rows = await connection.execute(
        select(fax_deliveries)
        .where(fax_deliveries.c.fax_id.in_(list(fax_ids)))
        .order_by(fax_deliveries.c.fax_id, fax_deliveries.c.attempt)
    )
    for row in rows.mappings():
        found.setdefault(row["fax_id"], []).append(dict(row))
    return found


async def ordered_since(
    connection: AsyncConnection, call_id: UUID, number: str | None, since: datetime
) -> int:
    """Orders of this caller's number (or, withheld, of this call), or to this number."""
    caller = select(calls.c.caller_number).where(calls.c.call_id == call_id).scalar_subquery()
    of_caller = select(calls.c.call_id).where(calls.c.caller_number == caller)
    mine = or_(faxes.c.call_id == call_id, faxes.c.call_id.in_(of_caller))
    if number is not None:
        mine = or_(mine, faxes.c.number == number)
    count = await connection.scalar(
        select(func.count()).where(faxes.c.direction == "out", faxes.c.created_at > since, mine)
    )
    return int(count or 0)


async def same_order(
    connection: AsyncConnection,
    call_id: UUID,
    title: str,
    document: str | None,
    number: str | None,
    state: FaxState,
) -> UUID | None:
    """A fax that was ordered in this call already and has not begun."""
    found: UUID | None = await connection.scalar(
        select(faxes.c.fax_id).where(
            faxes.c.call_id == call_id,
            faxes.c.state == state.value,
            faxes.c.title == title,
            faxes.c.document.is_not_distinct_from(document),
            faxes.c.number.is_not_distinct_from(number),
        )
    )
    return found


async def one_at_a_time(connection: AsyncConnection, what: str) -> None:
    """Orders of one kind wait for each other, until the end of the transaction."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtext('fax order'), hashtext(:what))"), {"what": what}
    )


async def caller_of(connection: AsyncConnection, call_id: UUID) -> str | None:
    number: str | None = await connection.scalar(
        select(calls.c.caller_number).where(calls.c.call_id == call_id)
    )
    return number


async def hangup_cause(connection: AsyncConnection, call_id: UUID) -> int | None:
    """Q.850, of the first leg that tells one."""
    cause: int | None = await connection.scalar(
        select(call_legs.c.hangup_cause)
        .where(call_legs.c.call_id == call_id, call_legs.c.hangup_cause.is_not(None))
        .order_by(call_legs.c.started_at)
        .limit(1)
    )
    return cause


async def unconverted(connection: AsyncConnection, node: str, limit: int) -> list[Row]:
    """Faxes of the node's calls that came in and have no PDF yet, oldest first."""
    found = await connection.execute(
        select(faxes, calls.c.line)
        .join(calls, calls.c.call_id == faxes.c.call_id)
        .where(calls.c.node == node, faxes.c.state == FaxState.CONVERTING.value)
        .order_by(faxes.c.created_at)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


async def waiting_for_call(connection: AsyncConnection, call_ids: Collection[UUID]) -> list[Row]:
    """Faxes to be sent in one of these calls that were not begun."""
    found = await connection.execute(
        select(faxes)
        .where(faxes.c.call_id.in_(list(call_ids)), faxes.c.state == FaxState.READY.value)
        .with_for_update()
    )
    return [dict(row) for row in found.mappings()]


# Tries.


async def add_delivery(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(insert(fax_deliveries).values(**values))


async def deliveries_by_call(
    connection: AsyncConnection, call_ids: Collection[UUID], *, only_open: bool = False
) -> list[Row]:
    query = select(fax_deliveries).where(fax_deliveries.c.call_id.in_(list(call_ids)))
    if only_open:
        query = query.where(fax_deliveries.c.state.in_(_UNDER_WAY))
    return [dict(row) for row in (await connection.execute(query.with_for_update())).mappings()]


async def change_delivery(
    connection: AsyncConnection, fax_id: UUID, attempt: int, values: Mapping[str, Any]
) -> None:
    await connection.execute(
        update(fax_deliveries)
        .where(fax_deliveries.c.fax_id == fax_id, fax_deliveries.c.attempt == attempt)
        .values(**values)
    )


async def cancel_waiting(connection: AsyncConnection, fax_id: UUID, at: datetime) -> bool:
    """The next try will not be; False where there was none to cancel."""
    done = await connection.execute(
        update(fax_deliveries)
        .where(
            fax_deliveries.c.fax_id == fax_id,
            fax_deliveries.c.state == FaxTryState.WAITING.value,
        )
        .values(state=FaxTryState.CANCELLED.value, ended_at=at)
    )
    return bool(done.rowcount)


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[Row]:
    """Tries whose time has come, locked; those another node holds are left to it."""
    found = await connection.execute(
        select(fax_deliveries, calls.c.line)
        .join(faxes, faxes.c.fax_id == fax_deliveries.c.fax_id)
        .join(calls, calls.c.call_id == faxes.c.call_id)
        .where(
            fax_deliveries.c.state == FaxTryState.WAITING.value,
            fax_deliveries.c.due_at <= now,
        )
        .order_by(fax_deliveries.c.due_at)
        .limit(limit)
        .with_for_update(of=fax_deliveries, skip_locked=True)
    )
    return [dict(row) for row in found.mappings()]


async def under_way(connection: AsyncConnection, node: str) -> Sequence[Row]:
    """Tries this node has dialled, with whether the journal knows their call."""
    attempt_call = calls.alias("attempt_call")
    found = await connection.execute(
        select(fax_deliveries, attempt_call.c.call_id.is_not(None).label("has_call"))
        .outerjoin(attempt_call, attempt_call.c.call_id == fax_deliveries.c.call_id)
        .where(fax_deliveries.c.node == node, fax_deliveries.c.state.in_(_UNDER_WAY))
    )
    return [dict(row) for row in found.mappings()]


async def last_attempt(connection: AsyncConnection, fax_id: UUID) -> int:
    highest = await connection.scalar(
        select(func.max(fax_deliveries.c.attempt)).where(fax_deliveries.c.fax_id == fax_id)
    )
    return int(highest or 0)
