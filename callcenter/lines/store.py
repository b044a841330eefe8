"""Rows of `lines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.tables import ivr_flows, ivr_versions
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.lines.tables import lines
from callcenter.queues.tables import queues


def _line(row: RowMapping) -> Line:
    return Line(**{**row, "mode": Mode(row["mode"])})


async def line_of(
    connection: AsyncConnection, number: str, *, for_update: bool = False
) -> Line | None:
    wanted = select(lines).where(lines.c.number == number)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _line(row)


async def lines_after(
    connection: AsyncConnection, number: str | None = None, limit: int | None = None
) -> Sequence[Line]:
    """Lines in order of number, after `number`."""
    wanted = select(lines).order_by(lines.c.number).limit(limit)
    if number is not None:
        wanted = wanted.where(lines.c.number > number)
    return [_line(row) for row in (await connection.execute(wanted)).mappings()]


async def add_line(connection: AsyncConnection, number: str, edit: LineEdit) -> None:
    await connection.execute(insert(lines).values(number=number, **asdict(edit)))


async def replace_line(connection: AsyncConnection, number: str, edit: LineEdit) -> None:
    """A new version of the line, not in force until `node` says so."""
    await connection.execute(
        update(lines)
        .where(lines.c.number == number)
        .values(**asdict(edit), version=lines.c.version + 1)
    )


async def remove_line(connection: AsyncConnection, number: str) -> None:
    await connection.execute(delete(lines).where(lines.c.number == number))


async def mark_in_force(connection: AsyncConnection, loaded: Mapping[str, int]) -> None:
    """Asterisk was seen to have loaded these versions, by number. For `node`.

    A line edited again meanwhile keeps its newer version: it is not in force yet.
    """
    for number, version in sorted(loaded.items()):
        await connection.execute(
            update(lines)
            .where(lines.c.number == number, lines.c.version >= version)
            .values(in_force_version=version)
        )


async def queue_exists(connection: AsyncConnection, name: str) -> bool:
    return await connection.scalar(select(queues.c.name).where(queues.c.name == name)) is not None


async def flow_exists(connection: AsyncConnection, name: str) -> bool:
    found = await connection.scalar(select(ivr_flows.c.name).where(ivr_flows.c.name == name))
    return found is not None


async def active_definition(connection: AsyncConnection, flow: str) -> Mapping[str, Any] | None:
    """The definition callers of this flow hear; None: never published."""
    found: Mapping[str, Any] | None = await connection.scalar(
        select(ivr_versions.c.definition)
        .join(ivr_flows, ivr_flows.c.name == ivr_versions.c.flow)
        .where(ivr_flows.c.name == flow, ivr_flows.c.active_version == ivr_versions.c.version)
    )
    return found
