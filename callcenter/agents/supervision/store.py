"""SQL of supervision. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.supervision.model import LiveCall, Spying, SpyMode, Talk
from callcenter.agents.supervision.tables import spy_spans, spyings
from callcenter.agents.tables import agent_states, agents
from callcenter.calls.tables import agent_talks, call_legs, calls
from callcenter.queues.tables import queues

_LIVE_CALL: Final = """
  SELECT c.call_id, c.direction, c.state, c.uniqueid, c.linkedid,
    (SELECT t.agent FROM agent_talks t WHERE t.call_id = c.call_id AND t.ended_at IS NULL
      ORDER BY t.began_at DESC LIMIT 1) AS agent,
    coalesce(v.queue, c.queue) AS queue,
    coalesce(v.outcome IS NULL AND v.visit IS NOT NULL, false) AS is_waiting,
    coalesce(v.priority, 0) AS priority
  FROM calls c LEFT JOIN LATERAL (SELECT * FROM queue_visits q
    WHERE q.call_id = c.call_id ORDER BY q.visit DESC LIMIT 1) v ON true
  WHERE c.call_id = :call_id
"""


async def agent_exists(connection: AsyncConnection, agent_id: str) -> bool:
    wanted = select(agents.c.agent_id).where(agents.c.agent_id == agent_id, agents.c.active)
    return await connection.scalar(wanted) is not None


async def queue_exists(connection: AsyncConnection, name: str) -> bool:
    return await connection.scalar(select(queues.c.name).where(queues.c.name == name)) is not None


async def state_of(connection: AsyncConnection, agent_id: str) -> str | None:
    """What everybody sees of the agent; None where nothing is known."""
    state: str | None = await connection.scalar(
        select(agent_states.c.state).where(agent_states.c.agent_id == agent_id)
    )
    return state


async def talk_of(connection: AsyncConnection, agent_id: str, node: str) -> Talk | None:
    """The agent's conversation that goes on, the newest where there are several."""
    row = (
        (
            await connection.execute(
                select(agent_talks.c.call_id, agent_talks.c.uniqueid, call_legs.c.channel)
                .join(calls, calls.c.call_id == agent_talks.c.call_id)
                .join(
                    call_legs,
                    (call_legs.c.call_id == agent_talks.c.call_id)
                    & (call_legs.c.uniqueid == agent_talks.c.uniqueid),
                )
                .where(
                    agent_talks.c.agent == agent_id,
                    agent_talks.c.ended_at.is_(None),
                    calls.c.ended_at.is_(None),
                    calls.c.node == node,
                )
                .order_by(agent_talks.c.began_at.desc())
                .limit(1)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Talk(**row)


def _spying(row: RowMapping) -> Spying:
    return Spying(**{**row, "mode": SpyMode(row["mode"])})


_OPEN: Final = (
    select(
        spy_spans.c.spying_call,
        spy_spans.c.phone,
        spy_spans.c.agent,
        spy_spans.c.spied_call,
        spy_spans.c.mode,
        spy_spans.c.began_at.label("since"),
        spyings.c.wanted_by,
        spyings.c.reason,
    )
    .outerjoin(spyings, spyings.c.spying_call == spy_spans.c.spying_call)
    .where(spy_spans.c.ended_at.is_(None))
    .order_by(spy_spans.c.began_at, spy_spans.c.spying_call)
)


async def spying_of(connection: AsyncConnection, phone: str) -> Spying | None:
    """Whom this phone hears now."""
    found = await connection.execute(_OPEN.where(spy_spans.c.phone == phone).limit(1))
    row = found.mappings().first()
    return None if row is None else _spying(row)


async def all_spying(connection: AsyncConnection) -> Sequence[Spying]:
    """Who hears whom now, longest first."""
    return [_spying(row) for row in (await connection.execute(_OPEN)).mappings()]


async def add_spying(connection: AsyncConnection, values: dict[str, Any]) -> None:
    await connection.execute(insert(spyings).values(**values))


async def begin_span(
    connection: AsyncConnection,
    *,
    spying_call: UUID,
    phone: str,
    agent: str,
    spied_call: UUID,
    mode: str,
    at: datetime,
) -> None:
    """A span of another mode ends by it."""
    await end_spans(connection, spying_call, at)
    last = await connection.scalar(
        select(func.max(spy_spans.c.span)).where(spy_spans.c.spying_call == spying_call)
    )
    await connection.execute(
        insert(spy_spans).values(
            spying_call=spying_call,
            span=(last or 0) + 1,
            phone=phone,
            agent=agent,
            spied_call=spied_call,
            mode=mode,
            began_at=at,
        )
    )


async def end_spans(connection: AsyncConnection, spying_call: UUID, at: datetime) -> None:
    await connection.execute(
        update(spy_spans)
        .where(spy_spans.c.spying_call == spying_call, spy_spans.c.ended_at.is_(None))
        .values(ended_at=func.greatest(at, spy_spans.c.began_at))
    )


async def live_call(connection: AsyncConnection, call_id: UUID) -> LiveCall | None:
    """The call, its talk and its wait as they are now; None: there is no such call."""
    found = await connection.execute(text(_LIVE_CALL), {"call_id": call_id})
    row = found.mappings().first()
    if row is None:
        return None
    ended = row["state"] == "ended"
    return LiveCall(**{**row, "is_waiting": row["is_waiting"] and not ended})
