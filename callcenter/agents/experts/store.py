"""Rows of `expert_groups`, `expert_members` and `expert_tasks`; all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.experts.model import Group, Task, TaskOutcome, TaskState
from callcenter.agents.experts.tables import expert_groups, expert_members, expert_tasks
from callcenter.agents.rosters.tables import shifts
from callcenter.agents.tables import agent_states
from callcenter.cases.tables import case_calls, cases


def _task(row: RowMapping) -> Task:
    outcome = TaskOutcome(row["outcome"]) if row["outcome"] else None
    return Task(**{**row, "state": TaskState(row["state"]), "outcome": outcome})


async def groups(connection: AsyncConnection) -> Sequence[Group]:
    """All, by name, with their members."""
    rows = (
        await connection.execute(select(expert_groups).order_by(expert_groups.c.name))
    ).mappings()
    theirs = await _members(connection)
    return [Group(**row, members=tuple(theirs.get(row["name"], ()))) for row in rows]


async def group_of(
    connection: AsyncConnection,
    *,
    name: str | None = None,
    extension: str | None = None,
    for_update: bool = False,
) -> Group | None:
    """By its name or by its extension."""
    wanted = select(expert_groups).where(
        expert_groups.c.name == name if name is not None else expert_groups.c.extension == extension
    )
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    if row is None:
        return None
    theirs = await _members(connection, row["name"])
    return Group(**row, members=tuple(theirs.get(row["name"], ())))


async def _members(
    connection: AsyncConnection, name: str | None = None
) -> dict[str, list[tuple[str, int]]]:
    wanted = select(expert_members).order_by(expert_members.c.rank, expert_members.c.agent_id)
    if name is not None:
        wanted = wanted.where(expert_members.c.group_name == name)
    found: dict[str, list[tuple[str, int]]] = {}
    for row in await connection.execute(wanted):
        found.setdefault(row.group_name, []).append((row.agent_id, row.rank))
    return found


async def is_taken(connection: AsyncConnection, name: str, extension: str) -> bool:
    """Whether a group has this name or this extension."""
    wanted = select(
        exists().where(or_(expert_groups.c.name == name, expert_groups.c.extension == extension))
    )
    return bool(await connection.scalar(wanted))


async def extension_is_taken(connection: AsyncConnection, name: str, extension: str) -> bool:
    """Whether another group has this extension."""
    wanted = select(
        exists().where(expert_groups.c.name != name, expert_groups.c.extension == extension)
    )
    return bool(await connection.scalar(wanted))


async def write_group(connection: AsyncConnection, group: Group, *, new: bool) -> None:
    values: dict[str, Any] = asdict(group)
    members = values.pop("members")
    if new:
        await connection.execute(insert(expert_groups).values(**values))
    else:
        await connection.execute(
            update(expert_groups).where(expert_groups.c.name == group.name).values(**values)
        )
        await connection.execute(
            delete(expert_members).where(expert_members.c.group_name == group.name)
        )
    if members:
        await connection.execute(
            insert(expert_members),
            [
                {"group_name": group.name, "agent_id": agent_id, "rank": rank}
                for agent_id, rank in members
            ],
        )


async def has_tasks(connection: AsyncConnection, name: str) -> bool:
    """Whether anything refers to the group: also done tasks keep it."""
    return bool(await connection.scalar(select(exists().where(expert_tasks.c.group_name == name))))


async def remove_group(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(expert_groups).where(expert_groups.c.name == name))


async def on_duty(connection: AsyncConnection, agents: Sequence[str], at: datetime) -> set[str]:
    found = await connection.scalars(
        select(shifts.c.agent_id).where(
            shifts.c.agent_id.in_(agents), shifts.c.starts_at <= at, shifts.c.ends_at > at
        )
    )
    return set(found)


async def states(connection: AsyncConnection, agents: Sequence[str]) -> dict[str, str]:
    rows = await connection.execute(
        select(agent_states.c.agent_id, agent_states.c.state).where(
            agent_states.c.agent_id.in_(agents)
        )
    )
    return {agent_id: state for agent_id, state in rows}


async def is_case(connection: AsyncConnection, case_number: str) -> bool:
    return bool(await connection.scalar(select(exists().where(cases.c.case_number == case_number))))


async def case_of_call(connection: AsyncConnection, call_id: UUID) -> str | None:
    found: str | None = await connection.scalar(
        select(case_calls.c.case_number).where(case_calls.c.call_id == call_id).limit(1)
    )
    return found


async def add_task(connection: AsyncConnection, task: Task) -> bool:
    """False where the group owes this call an answer already."""
    added = await connection.scalar(
        upsert(expert_tasks)
        .values(**asdict(task))
        .on_conflict_do_nothing(index_elements=["call_id", "group_name"])
        .returning(expert_tasks.c.task_id)
    )
    return added is not None


async def task_of(
    connection: AsyncConnection, task_id: UUID, *, for_update: bool = False
) -> Task | None:
    wanted = select(expert_tasks).where(expert_tasks.c.task_id == task_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _task(row)


async def save_task(connection: AsyncConnection, task: Task) -> None:
    await connection.execute(
        update(expert_tasks).where(expert_tasks.c.task_id == task.task_id).values(**asdict(task))
    )


async def tasks_after(
    connection: AsyncConnection,
    *,
    group: str | None,
    state: TaskState | None,
    overdue_at: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Task]:
    """What is due first comes first."""
    wanted = (
        select(expert_tasks).order_by(expert_tasks.c.due_at, expert_tasks.c.task_id).limit(limit)
    )
    if group is not None:
        wanted = wanted.where(expert_tasks.c.group_name == group)
    if state is not None:
        wanted = wanted.where(expert_tasks.c.state == state.value)
    if overdue_at is not None:
        wanted = wanted.where(expert_tasks.c.state != "done", expert_tasks.c.due_at < overdue_at)
    if after is not None:
        wanted = wanted.where(tuple_(expert_tasks.c.due_at, expert_tasks.c.task_id) > after)
    return [_task(row) for row in (await connection.execute(wanted)).mappings()]
