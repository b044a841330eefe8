"""SQL of the calls room, the reading side: rows for lists and pages, with what other rooms know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.store import among
from callcenter.calls.tables import call_legs, calls
from callcenter.cases.tables import case_calls
from callcenter.lines.callers.tables import listed_callers
from callcenter.recordings.tables import recordings


async def call_by_id(connection: AsyncConnection, call_id: UUID) -> dict[str, Any] | None:
    found = await connection.execute(select(calls).where(calls.c.call_id == call_id))
    row = found.mappings().one_or_none()
    return dict(row) if row else None


async def case_numbers(connection: AsyncConnection, call_ids: Collection[UUID]) -> dict[UUID, str]:
    """The case of each call: the one it began, else the first it was linked to."""
    if not call_ids:
        return {}
    found = await connection.execute(
        select(case_calls.c.call_id, case_calls.c.case_number)
        .where(among(case_calls.c.call_id, call_ids))
        .order_by(case_calls.c.relation != "origin", case_calls.c.linked_at)
    )
    numbers: dict[UUID, str] = {}
    for row in found:
        numbers.setdefault(row.call_id, row.case_number)
    return numbers


async def recordings_of(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> dict[UUID, list[Mapping[str, Any]]]:
    if not call_ids:
        return {}
    found = await connection.execute(
        select(recordings)
        .where(among(recordings.c.call_id, call_ids))
        .order_by(recordings.c.started_at, recordings.c.recording_id)
    )
    return _grouped(found.mappings().all())


async def legs_of(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> dict[UUID, list[Mapping[str, Any]]]:
    if not call_ids:
        return {}
    found = await connection.execute(
        select(call_legs)
        .where(among(call_legs.c.call_id, call_ids))
        .order_by(call_legs.c.started_at, call_legs.c.uniqueid)
    )
    return _grouped(found.mappings().all())


async def priority_reasons(connection: AsyncConnection, entries: Collection[int]) -> dict[int, str]:
    """Why callers came first, by entry of the priority list."""
    if not entries:
        return {}
    found = await connection.execute(
        select(listed_callers.c.entry_id, listed_callers.c.reason).where(
            among(listed_callers.c.entry_id, entries)
        )
    )
    return {row.entry_id: row.reason for row in found}


def _grouped(rows: Sequence[RowMapping]) -> dict[UUID, list[Mapping[str, Any]]]:
    groups: dict[UUID, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["call_id"], []).append(dict(row))
    return groups


async def list_rows(
    connection: AsyncConnection,
    *,
    equal: dict[str, object],
    started_after: datetime | None,
    started_before: datetime | None,
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """Rows of `calls`, youngest first; `behind` is the last of the page before."""
    conditions = [calls.c[name] == value for name, value in equal.items()]
    if started_after is not None:
        conditions.append(calls.c.started_at >= started_after)
    if started_before is not None:
        conditions.append(calls.c.started_at < started_before)
    if behind is not None:
        at, call_id = behind
        conditions.append(
            or_(
                calls.c.started_at < at,
                and_(calls.c.started_at == at, calls.c.call_id > call_id),
            )
        )
    found = await connection.execute(
        select(calls)
        .where(*conditions)
        .order_by(calls.c.started_at.desc(), calls.c.call_id)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]
