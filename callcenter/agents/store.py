"""SQL of agents. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, exists, func, insert, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.tables import users
from callcenter.agents.model import Agent, AgentFilter, LevelKind
from callcenter.agents.phone import PhoneKind
from callcenter.agents.tables import agent_skills, agents, teams
from callcenter.queues.tables import queue_members, queues


def _query() -> Select[Any]:
    theirs = (
        select(func.array_agg(aggregate_order_by(queue_members.c.queue, queue_members.c.queue)))
        .where(queue_members.c.agent_id == agents.c.agent_id)
        .scalar_subquery()
    )
    # The digest is not among the columns: nobody who reads agents needs it.
    return select(
        agents.c.agent_id,
        agents.c.name,
        agents.c.active,
        agents.c.created_at,
        agents.c.version,
        agents.c.team,
        agents.c.departments,
        agents.c.phone_kind,
        agents.c.user_id,
        users.c.name.label("user"),
        theirs.label("queues"),
        _levels(LevelKind.SKILL).label("skills"),
        _levels(LevelKind.LANGUAGE).label("languages"),
    ).select_from(agents.outerjoin(users, users.c.user_id == agents.c.user_id))


def _levels(kind: LevelKind) -> ColumnElement[Any]:
    return (
        select(func.jsonb_object_agg(agent_skills.c.name, agent_skills.c.level))
        .where(agent_skills.c.agent_id == agents.c.agent_id, agent_skills.c.kind == kind)
        .scalar_subquery()
    )


def _agent(row: Row[Any]) -> Agent:
    return Agent(
        agent_id=row.agent_id,
        name=row.name,
        active=row.active,
        created_at=row.created_at,
        version=row.version,
        queues=tuple(row.queues or ()),
        # jsonb orders keys by length first.
        languages=dict(sorted((row.languages or {}).items())),
        skills=dict(sorted((row.skills or {}).items())),
        team=row.team,
        departments=tuple(row.departments),
        phone=PhoneKind(row.phone_kind),
        user=row.user,
        user_id=row.user_id,
    )


def _wanted(which: AgentFilter) -> list[ColumnElement[bool]]:
    rules: list[ColumnElement[bool]] = []
    if which.team is not None:
        rules.append(agents.c.team == which.team)
    if which.department is not None:
        rules.append(agents.c.departments.contains([which.department]))
    if which.queue is not None:
        rules.append(
            exists().where(
                queue_members.c.agent_id == agents.c.agent_id,
                queue_members.c.queue == which.queue,
            )
        )
    for kind, name in ((LevelKind.SKILL, which.skill), (LevelKind.LANGUAGE, which.language)):
        if name is not None:
            rules.append(
                exists().where(
                    agent_skills.c.agent_id == agents.c.agent_id,
                    agent_skills.c.kind == kind,
                    agent_skills.c.name == name,
                    agent_skills.c.level >= which.least_level,
                )
            )
    return rules


async def list_agents(
    connection: AsyncConnection, after: str, limit: int, which: AgentFilter | None = None
) -> Sequence[Agent]:
    rows = await connection.execute(
        _query()
        .where(agents.c.agent_id > after, *_wanted(which or AgentFilter()))
        .order_by(agents.c.agent_id)
        .limit(limit)
    )
    return [_agent(row) for row in rows]


async def find_agent(
    connection: AsyncConnection, agent_id: str, *, lock: bool = False
) -> Agent | None:
    """`lock` keeps others from editing until the end."""
    query = _query().where(agents.c.agent_id == agent_id)
    if lock:
        query = query.with_for_update(of=agents)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _agent(row)


async def any_agent(connection: AsyncConnection) -> bool:
    return (await connection.scalar(select(agents.c.agent_id).limit(1))) is not None


async def user_for_agent(connection: AsyncConnection, name: str) -> UUID | None:
    """The active user of this name; locked, so that two agents who want it come one by one."""
    user_id: UUID | None = await connection.scalar(
        select(users.c.user_id).where(users.c.name == name, users.c.active).with_for_update()
    )
    return user_id


async def agent_of_user(connection: AsyncConnection, user_id: UUID) -> str | None:
    """The agent this user is; None where the user is none."""
    agent_id: str | None = await connection.scalar(
        select(agents.c.agent_id).where(agents.c.user_id == user_id)
    )
    return agent_id


async def team_stays(connection: AsyncConnection, name: str) -> bool:
    """Whether there is such a team; it cannot go before the end of the transaction."""
    found = await connection.scalar(
        select(teams.c.name).where(teams.c.name == name).with_for_update(read=True, key_share=True)
    )
    return found is not None


async def queues_stay(connection: AsyncConnection, names: Collection[str]) -> frozenset[str]:
    """Those of `names` that are queues; they cannot go before the end of the transaction."""
    rows = await connection.execute(
        select(queues.c.name)
        .where(queues.c.name.in_(names))
        .with_for_update(read=True, key_share=True)
    )
    return frozenset(row.name for row in rows)


async def add_agent(connection: AsyncConnection, agent: Agent, digest: str) -> bool:
    """Insert without the queues; False where the id is taken."""
    added = await connection.scalar(
        upsert(agents)
        .values(
            agent_id=agent.agent_id,
            sip_digest=digest,
            created_at=agent.created_at,
            version=agent.version,
            **_columns(agent),
        )
        .on_conflict_do_nothing(index_elements=[agents.c.agent_id])
        .returning(agents.c.agent_id)
    )
    if added is None:
        return False
    await _add_levels(connection, agent)
    return True


async def change_agent(connection: AsyncConnection, agent: Agent) -> None:
    """Write everything but queues and digest; the row is locked by the caller."""
    await connection.execute(
        update(agents)
        .where(agents.c.agent_id == agent.agent_id)
        .values(version=agent.version, **_columns(agent))
    )
    await connection.execute(delete(agent_skills).where(agent_skills.c.agent_id == agent.agent_id))
    await _add_levels(connection, agent)


async def change_queues(connection: AsyncConnection, agent: Agent, wanted: Collection[str]) -> None:
    """Who stays in a queue keeps the place there; the agent's row is locked by the caller."""
    await connection.execute(
        delete(queue_members).where(
            queue_members.c.agent_id == agent.agent_id, queue_members.c.queue.not_in(wanted)
        )
    )
    fresh = [queue for queue in wanted if queue not in agent.queues]
    if fresh:
        await connection.execute(
            insert(queue_members),
            [{"queue": queue, "agent_id": agent.agent_id} for queue in fresh],
        )
    await connection.execute(
        update(agents)
        .where(agents.c.agent_id == agent.agent_id)
        .values(version=agents.c.version + 1)
    )


async def set_digest(connection: AsyncConnection, agent_id: str, digest: str) -> bool:
    """False where there is no such agent."""
    done = await connection.scalar(
        update(agents)
        .where(agents.c.agent_id == agent_id)
        .values(sip_digest=digest, version=agents.c.version + 1)
        .returning(agents.c.agent_id)
    )
    return done is not None


async def remove_agent(connection: AsyncConnection, agent_id: str) -> bool:
    """False where there is no such agent."""
    await connection.execute(delete(queue_members).where(queue_members.c.agent_id == agent_id))
    gone = await connection.scalar(
        delete(agents).where(agents.c.agent_id == agent_id).returning(agents.c.agent_id)
    )
    return gone is not None


def _columns(agent: Agent) -> Mapping[str, Any]:
    return {
        "name": agent.name,
        "active": agent.active,
        "team": agent.team,
        "departments": list(agent.departments),
        "phone_kind": agent.phone,
        "user_id": agent.user_id,
    }


async def _add_levels(connection: AsyncConnection, agent: Agent) -> None:
    rows = [
        {"agent_id": agent.agent_id, "kind": kind, "name": name, "level": level}
        for kind, levels in (
            (LevelKind.SKILL, agent.skills),
            (LevelKind.LANGUAGE, agent.languages),
        )
        for name, level in levels.items()
    ]
    if rows:
        await connection.execute(insert(agent_skills), rows)
