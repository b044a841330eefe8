"""Rows of `listed_callers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import RowMapping, and_, func, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.lines.callers.model import Entry, ListName, NewEntry
from callcenter.lines.callers.tables import listed_callers as listed


def entry_of(row: RowMapping, prefix: str = "") -> Entry:
    """`prefix`: before the names of the columns where a query labels them."""
    values = {column.name: row[prefix + column.name] for column in listed.c}
    return Entry(**{**values, "list": ListName(values["list"])})


async def hold_number(connection: AsyncConnection, number: str) -> None:
    """Until the end of the transaction nobody else lists this number."""
    await connection.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"listed/{number}", 0)))
    )


async def add(connection: AsyncConnection, new: NewEntry, *, by: str, at: datetime) -> Entry:
    row = await connection.execute(
        insert(listed).values(**asdict(new), listed_by=by, listed_at=at).returning(listed)
    )
    return entry_of(row.mappings().one())


async def unlifted(connection: AsyncConnection, number: str) -> Sequence[Entry]:
    """Entries of a number on any list that nobody lifted, also those that are over."""
    wanted = select(listed).where(listed.c.number == number, listed.c.lifted_at.is_(None))
    return [entry_of(row) for row in (await connection.execute(wanted)).mappings()]


async def entry(
    connection: AsyncConnection, name: ListName, entry_id: int, *, for_update: bool = False
) -> Entry | None:
    wanted = select(listed).where(listed.c.list == name, listed.c.entry_id == entry_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else entry_of(row)


async def lift(
    connection: AsyncConnection, entry_id: int, *, reason: str, by: str, at: datetime
) -> Entry:
    row = await connection.execute(
        update(listed)
        .where(listed.c.entry_id == entry_id)
        .values(lifted_at=at, lifted_by=by, lifted_reason=reason)
        .returning(listed)
    )
    return entry_of(row.mappings().one())


async def entries_before(
    connection: AsyncConnection,
    name: ListName,
    *,
    before: int | None,
    number: str | None,
    active: bool | None,
    at: datetime,
    limit: int,
) -> Sequence[Entry]:
    """Entries of a list, newest first, older than `before`."""
    wanted = (
        select(listed).where(listed.c.list == name).order_by(listed.c.entry_id.desc()).limit(limit)
    )
    if before is not None:
        wanted = wanted.where(listed.c.entry_id < before)
    if number is not None:
        wanted = wanted.where(listed.c.number == number)
    if active is not None:
        # As `Entry.holds`.
        holds = and_(
            listed.c.lifted_at.is_(None),
            or_(listed.c.expires_at.is_(None), listed.c.expires_at > at),
        )
        wanted = wanted.where(holds if active else not_(holds))
    return [entry_of(row) for row in (await connection.execute(wanted)).mappings()]
