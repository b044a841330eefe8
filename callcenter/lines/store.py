"""Rows of `lines`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping, and_, delete, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.door import ClosedTo
from callcenter.ivr.spoken import PromptRef
from callcenter.ivr.tables import ivr_flows, ivr_versions
from callcenter.lines.callers.model import Entry
from callcenter.lines.callers.store import entry_of
from callcenter.lines.callers.tables import listed_callers
from callcenter.lines.model import Line, LineEdit, Mode, Said
from callcenter.lines.notices.tables import recording_notice_versions as notice_versions
from callcenter.lines.surveys.tables import line_surveys
from callcenter.lines.tables import lines
from callcenter.queues.tables import queues
from callcenter.schedules.tables import schedules


def said_of(value: Mapping[str, str] | None) -> Said | None:
    """What a column holds, as it was written."""
    if value is None:
        return None
    return PromptRef(prompt=value["prompt"]) if "prompt" in value else dict(value)


def _kept(said: Said | None) -> dict[str, str] | None:
    return said.model_dump() if isinstance(said, PromptRef) else said


def _line(row: RowMapping) -> Line:
    return Line(
        **{
            **row,
            "mode": Mode(row["mode"]),
            "closed_to": ClosedTo(row["closed_to"]),
            "closed_say": said_of(row["closed_say"]),
            "welcome": said_of(row["welcome"]),
        }
    )


def _values(edit: LineEdit) -> dict[str, Any]:
    values = {one.name: getattr(edit, one.name) for one in fields(edit)}
    return values | {"closed_say": _kept(edit.closed_say), "welcome": _kept(edit.welcome)}


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
    await connection.execute(insert(lines).values(number=number, **_values(edit)))


async def replace_line(
    connection: AsyncConnection, number: str, edit: LineEdit, *, in_force: bool = False
) -> None:
    """A new version of the line, not in force until `node` says so, or `in_force` at once."""
    version = lines.c.version + 1
    await connection.execute(
        update(lines)
        .where(lines.c.number == number)
        .values(
            **_values(edit), version=version, **({"in_force_version": version} if in_force else {})
        )
    )


async def remove_line(connection: AsyncConnection, number: str) -> None:
    await connection.execute(delete(lines).where(lines.c.number == number))


async def mark_in_force(connection: AsyncConnection, loaded: Mapping[str, int]) -> None:
    """Asterisk was seen to have loaded these versions, by number. For `node`.

    A line edited again meanwhile keeps its newer version: it is not in force yet, or it is since
    its edit because Asterisk need not know of it.
    """
    for number, version in sorted(loaded.items()):
        await connection.execute(
            update(lines)
            .where(
                lines.c.number == number,
                lines.c.version >= version,
                or_(lines.c.in_force_version.is_(None), lines.c.in_force_version < version),
            )
            .values(in_force_version=version)
        )


async def queue_exists(connection: AsyncConnection, name: str) -> bool:
    return await connection.scalar(select(queues.c.name).where(queues.c.name == name)) is not None


async def flow_exists(connection: AsyncConnection, name: str) -> bool:
    found = await connection.scalar(select(ivr_flows.c.name).where(ivr_flows.c.name == name))
    return found is not None


async def schedule_exists(connection: AsyncConnection, name: str) -> bool:
    found = await connection.scalar(select(schedules.c.name).where(schedules.c.name == name))
    return found is not None


async def active_definition(connection: AsyncConnection, flow: str) -> Mapping[str, Any] | None:
    """The definition callers of this flow hear; None: never published."""
    found: Mapping[str, Any] | None = await connection.scalar(
        select(ivr_versions.c.definition)
        .join(ivr_flows, ivr_flows.c.name == ivr_versions.c.flow)
        .where(ivr_flows.c.name == flow, ivr_flows.c.active_version == ivr_versions.c.version)
    )
    return found


async def door_rows(
    connection: AsyncConnection, line: str | None, caller_number: str | None
) -> Sequence[tuple[RowMapping, Entry | None]]:
    """One query: the line (None: every line) with the newest version of its notice, and a row for
    each entry of a list that the number has and nobody lifted, or one without.
    """
    newest = (
        select(notice_versions.c.version, notice_versions.c.words)
        .where(notice_versions.c.notice == lines.c.recording_notice)
        .order_by(notice_versions.c.version.desc())
        .limit(1)
        .lateral("newest")
    )
    listed = listed_callers
    wanted = select(
        lines,
        newest.c.version.label("notice_version"),
        newest.c.words.label("notice_words"),
        line_surveys.c.enabled.label("survey"),
        *(column.label(f"on_{column.name}") for column in listed.c),
    ).select_from(
        lines.outerjoin(newest, true())
        .outerjoin(line_surveys, line_surveys.c.line == lines.c.number)
        .outerjoin(listed, and_(listed.c.number == caller_number, listed.c.lifted_at.is_(None)))
    )
    if line is not None:
        wanted = wanted.where(lines.c.number == line)
    rows = (await connection.execute(wanted.order_by(lines.c.number))).mappings().all()
    return [
        (row, None if row["on_entry_id"] is None else entry_of(row, prefix="on_")) for row in rows
    ]
