"""Rows of `directory_numbers`. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.directory.model import Entry, EntryEdit, UnitKind
from callcenter.agents.directory.tables import directory_numbers as numbers
from callcenter.agents.tables import agents


def _entry(row: RowMapping) -> Entry:
    return Entry(**{**row, "kind": UnitKind(row["kind"])})


async def entry_of(
    connection: AsyncConnection, number: str, *, for_update: bool = False
) -> Entry | None:
    wanted = select(numbers).where(numbers.c.number == number)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _entry(row)


async def emergency_dialled(connection: AsyncConnection, number_dialled: str) -> Entry | None:
    """The emergency service for which the trunk is asked for this number."""
    wanted = (
        select(numbers)
        .where(
            numbers.c.number_dialled == number_dialled, numbers.c.kind == UnitKind.EMERGENCY.value
        )
        .order_by(numbers.c.number)
        .limit(1)
    )
    row = (await connection.execute(wanted)).mappings().first()
    return None if row is None else _entry(row)


async def entries_after(
    connection: AsyncConnection,
    after: str,
    limit: int,
    *,
    kind: UnitKind | None,
    active: bool | None,
) -> Sequence[Entry]:
    """In order of number, behind `after`."""
    wanted = select(numbers).where(numbers.c.number > after).order_by(numbers.c.number).limit(limit)
    if kind is not None:
        wanted = wanted.where(numbers.c.kind == kind)
    if active is not None:
        wanted = wanted.where(numbers.c.active == active)
    return [_entry(row) for row in (await connection.execute(wanted)).mappings()]


async def is_agent(connection: AsyncConnection, number: str) -> bool:
    found = await connection.scalar(select(agents.c.agent_id).where(agents.c.agent_id == number))
    return found is not None


async def add(connection: AsyncConnection, number: str, edit: EntryEdit, at: datetime) -> bool:
    """False where the number is there already."""
    added = await connection.scalar(
        insert(numbers)
        .values(number=number, created_at=at, **asdict(edit))
        .on_conflict_do_nothing(index_elements=[numbers.c.number])
        .returning(numbers.c.number)
    )
    return added is not None


async def replace(connection: AsyncConnection, number: str, edit: EntryEdit) -> None:
    await connection.execute(
        update(numbers)
        .where(numbers.c.number == number)
        .values(**asdict(edit), version=numbers.c.version + 1)
    )


async def remove(connection: AsyncConnection, number: str) -> None:
    await connection.execute(delete(numbers).where(numbers.c.number == number))
