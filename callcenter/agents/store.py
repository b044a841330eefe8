"""SQL of agents. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.model import Agent
from callcenter.agents.tables import agents
from callcenter.queues.tables import queue_members


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
        theirs.label("queues"),
    )


def _agent(row: Row[Any]) -> Agent:
    return Agent(
        agent_id=row.agent_id,
        name=row.name,
        active=row.active,
        created_at=row.created_at,
        version=row.version,
        queues=tuple(row.queues or ()),
    )


async def list_agents(connection: AsyncConnection, after: str, limit: int) -> Sequence[Agent]:
    rows = await connection.execute(
        _query().where(agents.c.agent_id > after).order_by(agents.c.agent_id).limit(limit)
    )
    return [_agent(row) for row in rows]


async def find_agent(connection: AsyncConnection, agent_id: str) -> Agent | None:
    row = (await connection.execute(_query().where(agents.c.agent_id == agent_id))).one_or_none()
    return None if row is None else _agent(row)


async def any_agent(connection: AsyncConnection) -> bool:
    return (await connection.scalar(select(agents.c.agent_id).limit(1))) is not None


async def add_agent(connection: AsyncConnection, agent: Agent, digest: str) -> bool:
    """Insert without the queues; False where the id is taken."""
    added = await connection.scalar(
        upsert(agents)
        .values(
            agent_id=agent.agent_id,
            name=agent.name,
            sip_digest=digest,
            active=agent.active,
            created_at=agent.created_at,
            version=agent.version,
        )
        .on_conflict_do_nothing(index_elements=[agents.c.agent_id])
        .returning(agents.c.agent_id)
    )
    return added is not None


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
