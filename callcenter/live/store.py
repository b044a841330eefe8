"""SQL of the live picture. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Table, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_queue_logouts, agent_states, agents
from callcenter.calls.queries import case_numbers
from callcenter.calls.store import among
from callcenter.calls.tables import agent_talks, call_legs, calls, queue_visits
from callcenter.cases.tables import case_calls
from callcenter.live.model import AgentRow, CallNow, Rows
from callcenter.queues.tables import queue_members, queues

#: More calls than any node carries at once: so much is read at most.
MOST_CALLS: Final = 5_000


async def one_moment(connection: AsyncConnection) -> None:
    """All queries of the transaction see one moment. To be said before anything is read."""
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


async def read_rows(connection: AsyncConnection, *, midnight: datetime | None) -> Rows:
    """All that is shown, by eleven queries at most; `today` is read if `midnight` is given."""
    found = await connection.execute(select(queues.c.name, queues.c.title).order_by(queues.c.name))
    titles = {row.name: row.title for row in found}
    rows = Rows(
        queues=titles,
        agents=await read_agents(connection),
        calls=await read_calls(connection),
    )
    if midnight is not None:
        rows.today = await read_today(connection, midnight)
    return rows


async def read_agents(
    connection: AsyncConnection, agent_ids: Collection[str] | None = None
) -> dict[str, AgentRow]:
    """Agents and how they are, by three queries; None: all of them."""
    query = (
        select(
            agents.c.agent_id,
            agents.c.name,
            agents.c.team,
            agents.c.user_id,
            agents.c.created_at,
            agent_states.c.state,
            agent_states.c.since,
            agent_states.c.reason,
            agent_states.c.logged_in,
            agent_states.c.phone,
            agent_states.c.call_id,
            agent_states.c.queue,
            agent_states.c.until_at,
        )
        .outerjoin(agent_states, agent_states.c.agent_id == agents.c.agent_id)
        .where(agents.c.active)
        .order_by(agents.c.agent_id)
    )
    if agent_ids is not None:
        query = query.where(among(agents.c.agent_id, agent_ids))
    queues_of = await _queues_of(connection, queue_members, agent_ids)
    out_of = await _queues_of(connection, agent_queue_logouts, agent_ids)
    read = {}
    for row in await connection.execute(query):
        known = AgentRow(
            agent_id=row.agent_id,
            name=row.name,
            team=row.team,
            user_id=row.user_id,
            queues=queues_of.get(row.agent_id, ()),
            out_of=out_of.get(row.agent_id, ()),
            since=row.created_at,
        )
        if row.state is not None:
            known = replace(
                known,
                state=row.state,
                since=row.since,
                reason=row.reason,
                logged_in=row.logged_in,
                phone=row.phone,
                call_id=row.call_id,
                queue=row.queue,
                until_at=row.until_at,
            )
        read[row.agent_id] = known
    return read


async def _queues_of(
    connection: AsyncConnection, table: Table, agent_ids: Collection[str] | None
) -> dict[str, tuple[str, ...]]:
    """Agent → the queues `table` names, in order."""
    query = select(table.c.agent_id, table.c.queue).order_by(table.c.agent_id, table.c.queue)
    if agent_ids is not None:
        query = query.where(among(table.c.agent_id, agent_ids))
    found: dict[str, list[str]] = defaultdict(list)
    for row in await connection.execute(query):
        found[row.agent_id].append(row.queue)
    return {agent_id: tuple(places) for agent_id, places in found.items()}


async def read_calls(
    connection: AsyncConnection, call_ids: Collection[UUID] | None = None
) -> dict[UUID, CallNow]:
    """The calls that are going on (among `call_ids`, or all), by five queries."""

    def live(query: Select[Any]) -> Select[Any]:
        query = query.where(calls.c.ended_at.is_(None), calls.c.merged_into.is_(None))
        return query if call_ids is None else query.where(among(calls.c.call_id, call_ids))

    waits = await connection.execute(
        live(
            select(queue_visits.c.call_id, queue_visits.c.queue, queue_visits.c.entered_at)
            .join(calls, calls.c.call_id == queue_visits.c.call_id)
            .where(queue_visits.c.outcome.is_(None))
        )
    )
    waiting = {row.call_id: row for row in waits}
    talks = await connection.execute(
        live(
            select(agent_talks.c.call_id, agent_talks.c.agent)
            .join(calls, calls.c.call_id == agent_talks.c.call_id)
            .where(agent_talks.c.ended_at.is_(None))
            .order_by(agent_talks.c.began_at, agent_talks.c.uniqueid)
        )
    )
    talking: dict[UUID, list[str]] = defaultdict(list)
    for row in talks:
        talking[row.call_id].append(row.agent)
    legs = await connection.execute(
        live(
            select(
                call_legs.c.call_id,
                call_legs.c.agent,
                # The leg of an agent who dials rings nobody.
                (
                    call_legs.c.answered_at.is_(None) & (call_legs.c.uniqueid != calls.c.uniqueid)
                ).label("rings"),
            )
            .join(calls, calls.c.call_id == call_legs.c.call_id)
            .where(call_legs.c.role == "agent", call_legs.c.ended_at.is_(None))
            .order_by(call_legs.c.started_at, call_legs.c.uniqueid)
        )
    )
    ringing: dict[UUID, list[str]] = defaultdict(list)
    phones: dict[UUID, list[str]] = defaultdict(list)
    for row in legs:
        phones[row.call_id].append(row.agent)
        if row.rings:
            ringing[row.call_id].append(row.agent)
    found = (await connection.execute(live(_CALLS).limit(MOST_CALLS))).all()
    numbers = await case_numbers(connection, [row.call_id for row in found])
    read = {}
    for row in found:
        wait = waiting.get(row.call_id)
        read[row.call_id] = CallNow(
            call_id=row.call_id,
            direction=row.direction,
            line=row.line,
            state=row.state,
            queue=wait.queue if wait else row.queue,
            waiting_since=wait.entered_at if wait else None,
            agent=row.agent,
            ringing=tuple(ringing.get(row.call_id, ())),
            talking=tuple(talking.get(row.call_id, ())),
            started_at=row.started_at,
            queued_at=row.queued_at,
            agent_answered_at=row.agent_answered_at,
            priority=row.priority,
            language=row.language,
            case_number=numbers.get(row.call_id),
            caller_number=row.caller_number,
            caller_withheld=row.caller_withheld,
            phones=tuple(phones.get(row.call_id, ())),
        )
    return read


_CALLS: Final = select(
    calls.c.call_id,
    calls.c.direction,
    calls.c.line,
    calls.c.state,
    calls.c.queue,
    calls.c.agent,
    calls.c.started_at,
    calls.c.queued_at,
    calls.c.agent_answered_at,
    calls.c.priority,
    calls.c.language,
    calls.c.caller_number,
    calls.c.caller_withheld,
).order_by(calls.c.started_at.desc())


async def read_today(
    connection: AsyncConnection, midnight: datetime
) -> Mapping[str, tuple[int, int]]:
    """Queue → how many waits begun since `midnight` were answered, and how many abandoned."""
    found = await connection.execute(
        select(
            queue_visits.c.queue,
            func.count().filter(queue_visits.c.outcome == "answered").label("answered"),
            func.count().filter(queue_visits.c.outcome == "abandoned").label("abandoned"),
        )
        .where(queue_visits.c.entered_at >= midnight)
        .group_by(queue_visits.c.queue)
    )
    return {row.queue: (row.answered, row.abandoned) for row in found}


async def calls_of_cases(connection: AsyncConnection, numbers: Collection[str]) -> set[UUID]:
    """The calls that are going on and belong to these cases."""
    found = await connection.scalars(
        select(case_calls.c.call_id)
        .join(calls, calls.c.call_id == case_calls.c.call_id)
        .where(among(case_calls.c.case_number, numbers), calls.c.ended_at.is_(None))
    )
    return set(found)
