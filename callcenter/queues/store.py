"""SQL of queues. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues.membership import Place
from callcenter.queues.model import Member, Queue
from callcenter.queues.tables import queue_members, queues


def _queue(row: Row[Any]) -> Queue:
    return Queue(
        name=row.name,
        title=row.title,
        strategy=row.strategy,
        ring_seconds=row.ring_seconds,
        is_default=row.is_default,
        version=row.version,
    )


async def list_queues(connection: AsyncConnection, after: str, limit: int) -> Sequence[Queue]:
    rows = await connection.execute(
        select(queues).where(queues.c.name > after).order_by(queues.c.name).limit(limit)
    )
    return [_queue(row) for row in rows]


async def find_queue(connection: AsyncConnection, name: str) -> Queue | None:
    row = (await connection.execute(select(queues).where(queues.c.name == name))).one_or_none()
    return None if row is None else _queue(row)


async def default_queue(connection: AsyncConnection) -> str | None:
    name: str | None = await connection.scalar(select(queues.c.name).where(queues.c.is_default))
    return name


async def existing(connection: AsyncConnection, names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that are queues."""
    rows = await connection.execute(select(queues.c.name).where(queues.c.name.in_(names)))
    return frozenset(row.name for row in rows)


async def members(connection: AsyncConnection, queue: str) -> Sequence[Member]:
    rows = await connection.execute(
        select(queue_members.c.agent_id, queue_members.c.penalty)
        .where(queue_members.c.queue == queue)
        .order_by(queue_members.c.penalty, queue_members.c.agent_id)
    )
    return [Member(agent_id=row.agent_id, penalty=row.penalty) for row in rows]


async def places(
    connection: AsyncConnection, agent_ids: Collection[str] | None = None
) -> Sequence[Place]:
    """Where agents (absent: all) belong, whether or not they are there now."""
    wanted = select(queue_members.c.queue, queue_members.c.agent_id, queue_members.c.penalty)
    if agent_ids is not None:
        wanted = wanted.where(queue_members.c.agent_id.in_(agent_ids))
    return [
        Place(queue=row.queue, agent_id=row.agent_id, of=row.queue, penalty=row.penalty)
        for row in await connection.execute(wanted)
    ]


async def wrap_ups(connection: AsyncConnection) -> dict[str, timedelta]:
    """How long the wrap-up of each queue is that has one."""
    rows = await connection.execute(
        select(queues.c.name, queues.c.wrapup_seconds).where(queues.c.wrapup_seconds > 0)
    )
    return {row.name: timedelta(seconds=row.wrapup_seconds) for row in rows}


async def add_members(connection: AsyncConnection, pairs: Sequence[tuple[str, str]]) -> None:
    """`pairs` of queue and agent id."""
    if pairs:
        await connection.execute(
            insert(queue_members),
            [{"queue": queue, "agent_id": agent_id} for queue, agent_id in pairs],
        )


async def add_missing_queue(connection: AsyncConnection, queue: Queue) -> None:
    """Insert, unless there is a queue of that name or another default one."""
    await connection.execute(
        upsert(queues)
        .values(
            name=queue.name,
            title=queue.title,
            strategy=queue.strategy,
            ring_seconds=queue.ring_seconds,
            is_default=queue.is_default,
            version=queue.version,
        )
        .on_conflict_do_nothing()
    )
