"""Rows of `shifts` and `cover_rules`. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.rosters.model import Able, CoverRule, DayHours, Shift, ShiftsOverlap
from callcenter.agents.rosters.tables import cover_rules, shifts
from callcenter.agents.tables import agent_skills, agent_states, agents
from callcenter.queues.tables import queue_members


def _shift(row: RowMapping) -> Shift:
    return Shift(**{name: row[name] for name in Shift.__dataclass_fields__})


def _rule(row: RowMapping) -> CoverRule:
    hours = tuple(DayHours(**one) for one in row["hours"])
    return CoverRule(**{**row, "hours": hours})


async def add_shifts(connection: AsyncConnection, new: Sequence[Shift], *, by: str) -> None:
    """Raises `ShiftsOverlap`: then none of them is added."""
    if not new:
        return
    try:
        async with connection.begin_nested():
            await connection.execute(
                insert(shifts), [{**asdict(shift), "made_by": by} for shift in new]
            )
    except IntegrityError as exc:
        if getattr(exc.orig, "sqlstate", "") == "23P01":
            raise ShiftsOverlap from exc
        raise


async def change_shift(connection: AsyncConnection, shift: Shift) -> None:
    """Raises `ShiftsOverlap`."""
    values = asdict(shift)
    try:
        async with connection.begin_nested():
            await connection.execute(
                update(shifts).where(shifts.c.shift_id == shift.shift_id).values(**values)
            )
    except IntegrityError as exc:
        if getattr(exc.orig, "sqlstate", "") == "23P01":
            raise ShiftsOverlap from exc
        raise


async def shift_of(
    connection: AsyncConnection, shift_id: UUID, *, for_update: bool = False
) -> Shift | None:
    wanted = select(shifts).where(shifts.c.shift_id == shift_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _shift(row)


async def remove_shift(connection: AsyncConnection, shift_id: UUID) -> bool:
    gone = await connection.scalar(
        delete(shifts).where(shifts.c.shift_id == shift_id).returning(shifts.c.shift_id)
    )
    return gone is not None


async def shifts_between(
    connection: AsyncConnection,
    begin: datetime,
    end: datetime,
    *,
    agent_id: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int | None = None,
) -> Sequence[Shift]:
    """Those that touch the range, by their start."""
    wanted = (
        select(shifts)
        .where(shifts.c.starts_at < end, shifts.c.ends_at > begin)
        .order_by(shifts.c.starts_at, shifts.c.shift_id)
    )
    if agent_id is not None:
        wanted = wanted.where(shifts.c.agent_id == agent_id)
    if after is not None:
        wanted = wanted.where(tuple_(shifts.c.starts_at, shifts.c.shift_id) > after)
    if limit is not None:
        wanted = wanted.limit(limit)
    return [_shift(row) for row in (await connection.execute(wanted)).mappings()]


async def existing_agents(connection: AsyncConnection, ids: Collection[str]) -> set[str]:
    found = await connection.scalars(select(agents.c.agent_id).where(agents.c.agent_id.in_(ids)))
    return set(found)


async def able_agents(connection: AsyncConnection) -> list[Able]:
    """Every active agent, and what each can serve."""
    ids = await connection.scalars(
        select(agents.c.agent_id).where(agents.c.active).order_by(agents.c.agent_id)
    )
    queues: dict[str, set[str]] = {}
    rows = await connection.execute(select(queue_members.c.agent_id, queue_members.c.queue))
    for agent_id, queue in rows:
        queues.setdefault(agent_id, set()).add(queue)
    known: dict[tuple[str, str], set[str]] = {}
    skilled = await connection.execute(
        select(agent_skills.c.agent_id, agent_skills.c.kind, agent_skills.c.name)
    )
    for agent_id, kind, name in skilled:
        known.setdefault((agent_id, kind), set()).add(name)
    return [
        Able(
            agent_id=agent_id,
            queues=frozenset(queues.get(agent_id, ())),
            skills=frozenset(known.get((agent_id, "skill"), ())),
            languages=frozenset(known.get((agent_id, "language"), ())),
        )
        for agent_id in ids
    ]


async def states_of(connection: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    """How these agents are now, as far as anybody knows."""
    rows = await connection.execute(
        select(agent_states.c.agent_id, agent_states.c.state).where(
            agent_states.c.agent_id.in_(ids)
        )
    )
    return {agent_id: state for agent_id, state in rows}


async def list_rules(connection: AsyncConnection) -> Sequence[CoverRule]:
    """All, by name."""
    rows = await connection.execute(select(cover_rules).order_by(cover_rules.c.name))
    return [_rule(row) for row in rows.mappings()]


async def rule_of(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> CoverRule | None:
    wanted = select(cover_rules).where(cover_rules.c.name == name)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _rule(row)


async def count_rules(connection: AsyncConnection) -> int:
    return int(await connection.scalar(select(func.count()).select_from(cover_rules)) or 0)


async def write_rule(connection: AsyncConnection, rule: CoverRule, *, new: bool) -> None:
    values: dict[str, Any] = asdict(rule)
    values["hours"] = [asdict(one) for one in rule.hours]
    if new:
        await connection.execute(insert(cover_rules).values(**values))
    else:
        await connection.execute(
            update(cover_rules).where(cover_rules.c.name == rule.name).values(**values)
        )


async def remove_rule(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(cover_rules).where(cover_rules.c.name == name))
