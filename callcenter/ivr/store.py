"""Rows of flows, drafts and versions, and what a flow may refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.channels.fax.tables import fax_documents
from callcenter.ivr.tables import (
    ivr_activations,
    ivr_flows,
    ivr_references,
    ivr_stamp,
    ivr_versions,
)
from callcenter.lines.tables import lines
from callcenter.queues.tables import queues
from callcenter.schedules.tables import schedules


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A flow by name, without its definitions."""

    name: str
    title: str
    active_version: int | None
    draft_version: int
    draft_edited_at: datetime | None
    draft_edited_by: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One immutable version; `definition` is None in lists."""

    flow: str
    version: int
    comment: str
    published_at: datetime
    published_by: str
    definition: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being edited; `version` is its edit version (the ETag), not a flow version."""

    definition: Mapping[str, Any] | None
    version: int


@dataclass(frozen=True, slots=True)
class Activation:
    """From `at` on callers heard `version` instead of `replaced` (None: nothing)."""

    activation_id: int
    version: int
    replaced: int | None
    at: datetime
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class LineRule:
    """What a line does with its next caller; `version` is None for a flow never published."""

    number: str
    flow: str
    version: int | None
    queue: str
    language: str
    mode: str


_FLOW = (
    ivr_flows.c.name,
    ivr_flows.c.title,
    ivr_flows.c.active_version,
    ivr_flows.c.draft_version,
    ivr_flows.c.draft_edited_at,
    ivr_flows.c.draft_edited_by,
    ivr_flows.c.created_at,
)
_VERSION = (
    ivr_versions.c.flow,
    ivr_versions.c.version,
    ivr_versions.c.comment,
    ivr_versions.c.published_at,
    ivr_versions.c.published_by,
)


async def add_flow(connection: AsyncConnection, name: str, title: str, at: datetime) -> None:
    await connection.execute(insert(ivr_flows).values(name=name, title=title, created_at=at))


async def flow_named(connection: AsyncConnection, name: str) -> FlowRow | None:
    row = (await connection.execute(select(*_FLOW).where(ivr_flows.c.name == name))).first()
    return None if row is None else FlowRow(*row)


async def flows_after(
    connection: AsyncConnection, name: str | None, limit: int
) -> Sequence[FlowRow]:
    """Flows in order of name, after `name`."""
    wanted = select(*_FLOW).order_by(ivr_flows.c.name).limit(limit)
    if name is not None:
        wanted = wanted.where(ivr_flows.c.name > name)
    return [FlowRow(*row) for row in await connection.execute(wanted)]


async def draft_of(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> Draft | None:
    """The draft, None when there is no such flow. `for_update` holds the flow's row."""
    wanted = select(ivr_flows.c.draft, ivr_flows.c.draft_version).where(ivr_flows.c.name == name)
    row = (await connection.execute(wanted.with_for_update() if for_update else wanted)).first()
    return None if row is None else Draft(*row)


async def set_draft(
    connection: AsyncConnection, name: str, definition: Mapping[str, Any], by: str, at: datetime
) -> int:
    """Replace the draft; its new edit version."""
    version = await connection.scalar(
        update(ivr_flows)
        .where(ivr_flows.c.name == name)
        .values(
            draft=definition,
            draft_version=ivr_flows.c.draft_version + 1,
            draft_edited_at=at,
            draft_edited_by=by,
        )
        .returning(ivr_flows.c.draft_version)
    )
    assert version is not None
    return int(version)


async def add_version(
    connection: AsyncConnection,
    flow: str,
    definition: Mapping[str, Any],
    *,
    comment: str,
    by: str,
    at: datetime,
) -> int:
    """Write the next version. The caller holds the flow's row, so that numbers have no gaps."""
    last = await connection.scalar(
        select(func.max(ivr_versions.c.version)).where(ivr_versions.c.flow == flow)
    )
    version = int(last or 0) + 1
    await connection.execute(
        insert(ivr_versions).values(
            flow=flow,
            version=version,
            definition=definition,
            comment=comment,
            published_at=at,
            published_by=by,
        )
    )
    return version


async def activate(
    connection: AsyncConnection, flow: str, version: int, *, by: str, why: str, at: datetime
) -> None:
    """From the commit on callers hear this version; who decided it and why is kept."""
    mine = ivr_flows.c.name == flow
    before = await connection.scalar(
        select(ivr_flows.c.active_version).where(mine).with_for_update()
    )
    await connection.execute(update(ivr_flows).where(mine).values(active_version=version))
    await connection.execute(
        insert(ivr_activations).values(
            flow=flow, version=version, replaced=before, at=at, by=by, why=why
        )
    )


async def activations_before(
    connection: AsyncConnection, flow: str, before: int | None, limit: int
) -> Sequence[Activation]:
    """Youngest first, older than the activation `before`."""
    table = ivr_activations
    wanted = (
        select(
            table.c.activation_id,
            table.c.version,
            table.c.replaced,
            table.c.at,
            table.c.by,
            table.c.why,
        )
        .where(table.c.flow == flow)
        .order_by(table.c.activation_id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(table.c.activation_id < before)
    return [Activation(*row) for row in await connection.execute(wanted)]


async def version_of(connection: AsyncConnection, flow: str, version: int) -> VersionRow | None:
    wanted = select(*_VERSION, ivr_versions.c.definition).where(
        ivr_versions.c.flow == flow, ivr_versions.c.version == version
    )
    row = (await connection.execute(wanted)).first()
    return None if row is None else VersionRow(*row)


async def versions_before(
    connection: AsyncConnection, flow: str, before: int | None, limit: int
) -> Sequence[VersionRow]:
    """Versions of a flow, newest first, older than `before`."""
    wanted = (
        select(*_VERSION)
        .where(ivr_versions.c.flow == flow)
        .order_by(ivr_versions.c.version.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(ivr_versions.c.version < before)
    return [VersionRow(*row) for row in await connection.execute(wanted)]


async def active_definitions(connection: AsyncConnection) -> Sequence[Mapping[str, Any]]:
    """Definitions of the active version of every flow."""
    wanted = select(ivr_versions.c.definition).join(
        ivr_flows,
        and_(
            ivr_flows.c.name == ivr_versions.c.flow,
            ivr_flows.c.active_version == ivr_versions.c.version,
        ),
    )
    return [row.definition for row in await connection.execute(wanted)]


async def queue_names(connection: AsyncConnection) -> frozenset[str]:
    return frozenset((await connection.scalars(select(queues.c.name))).all())


async def line_languages(connection: AsyncConnection, flows: Sequence[str]) -> frozenset[str]:
    """Languages of the lines that lead their callers to one of these flows."""
    wanted = select(lines.c.language).where(lines.c.flow.in_(flows), lines.c.mode == "menu")
    return frozenset((await connection.scalars(wanted)).all())


async def document_names(connection: AsyncConnection) -> frozenset[str]:
    """Documents that can be faxed."""
    return frozenset((await connection.scalars(select(fax_documents.c.document).distinct())).all())


async def schedule_names(connection: AsyncConnection) -> frozenset[str]:
    return frozenset((await connection.scalars(select(schedules.c.name))).all())


async def line_numbers(connection: AsyncConnection) -> frozenset[str]:
    return frozenset((await connection.scalars(select(lines.c.number))).all())


def _running() -> Select[str, str]:
    """Which flow runs which, in the versions callers hear."""
    return (
        select(ivr_references.c.flow.label("flow"), ivr_references.c.name.label("runs"))
        .join(
            ivr_flows,
            and_(
                ivr_flows.c.name == ivr_references.c.flow,
                ivr_flows.c.active_version == ivr_references.c.version,
            ),
        )
        .where(ivr_references.c.kind == "flow")
    )


async def flows_that_run(connection: AsyncConnection, name: str, depth: int) -> Mapping[str, int]:
    """The flows above one, up to `depth` of them deep: each with how far it is at most."""
    running = _running().subquery()
    above = (select(running.c.flow, literal(1).label("depth")).where(running.c.runs == name)).cte(
        "above", recursive=True
    )
    above = above.union(
        select(running.c.flow, above.c.depth + 1)
        .join(above, running.c.runs == above.c.flow)
        .where(above.c.depth < depth)
    )
    wanted = select(above.c.flow, func.max(above.c.depth)).group_by(above.c.flow)
    return {flow: int(deep) for flow, deep in await connection.execute(wanted)}


async def flows_run_by(
    connection: AsyncConnection, names: Sequence[str], depth: int
) -> Mapping[str, tuple[int, int]]:
    """These flows and all they run, up to `depth` of them deep, as far as they were published:
    (version callers hear, number of nodes).
    """
    if not names:
        return {}
    running = _running().subquery()
    below = (
        select(ivr_flows.c.name.label("flow"), literal(1).label("depth")).where(
            ivr_flows.c.name.in_(names)
        )
    ).cte("below", recursive=True)
    below = below.union(
        select(running.c.runs, below.c.depth + 1)
        .join(below, running.c.flow == below.c.flow)
        .where(below.c.depth < depth)
    )
    nodes = func.json_object_keys(ivr_versions.c.definition["nodes"]).table_valued("key")
    wanted = (
        select(
            ivr_flows.c.name,
            ivr_flows.c.active_version,
            select(func.count()).select_from(nodes).scalar_subquery(),
        )
        .join(
            ivr_versions,
            and_(
                ivr_versions.c.flow == ivr_flows.c.name,
                ivr_versions.c.version == ivr_flows.c.active_version,
            ),
        )
        .where(ivr_flows.c.name.in_(select(below.c.flow)))
    )
    rows = await connection.execute(wanted)
    return {name: (int(version), int(count)) for name, version, count in rows}


def _line_rules() -> Select[str, str, int | None, str, str, str]:
    return select(
        lines.c.number,
        lines.c.flow,
        ivr_flows.c.active_version,
        lines.c.queue,
        lines.c.language,
        lines.c.mode,
    ).join(ivr_flows, ivr_flows.c.name == lines.c.flow)


async def stamp(connection: AsyncConnection) -> int:
    """The number that every change of what callers hear raises."""
    return int(await connection.scalar(select(ivr_stamp.c.stamp)) or 0)


async def active_versions(connection: AsyncConnection) -> Mapping[str, int]:
    """Every published flow with the version callers hear."""
    wanted = select(ivr_flows.c.name, ivr_flows.c.active_version).where(
        ivr_flows.c.active_version.is_not(None)
    )
    return {row.name: row.active_version for row in await connection.execute(wanted)}


async def schedules_of_lines(connection: AsyncConnection) -> frozenset[str]:
    """The schedules by which lines are open."""
    wanted = select(lines.c.schedule).where(lines.c.schedule.is_not(None)).distinct()
    return frozenset((await connection.scalars(wanted)).all())


async def remember_references(
    connection: AsyncConnection, flow: str, version: int, names: Iterable[tuple[str, str]]
) -> None:
    """What a version (0: the draft) of a flow names outside itself; replaces what was noted."""
    mine = and_(ivr_references.c.flow == flow, ivr_references.c.version == version)
    await connection.execute(delete(ivr_references).where(mine))
    rows = [
        {"flow": flow, "version": version, "kind": kind, "name": name}
        for kind, name in sorted(names)
    ]
    if rows:
        await connection.execute(insert(ivr_references), rows)


async def all_line_rules(connection: AsyncConnection) -> Sequence[LineRule]:
    return [LineRule(*row) for row in await connection.execute(_line_rules())]


async def definitions_of(
    connection: AsyncConnection, wanted: Sequence[tuple[str, int]]
) -> Mapping[tuple[str, int], Mapping[str, Any]]:
    """Definitions by (flow, version)."""
    if not wanted:
        return {}
    rows = await connection.execute(
        select(ivr_versions.c.flow, ivr_versions.c.version, ivr_versions.c.definition).where(
            tuple_(ivr_versions.c.flow, ivr_versions.c.version).in_(list(wanted))
        )
    )
    return {(row.flow, row.version): row.definition for row in rows}
