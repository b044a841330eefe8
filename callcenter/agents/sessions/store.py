"""SQL of agents' sessions. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, ScalarSelect, Select, and_, delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.tables import users
from callcenter.agents.sessions.model import BUSY, Line, Phone, Record, Session, State
from callcenter.agents.tables import (
    agent_activity,
    agent_queue_logouts,
    agent_states,
    agents,
    pause_reasons,
)
from callcenter.calls.tables import agent_talks, queue_visits
from callcenter.cases.tables import case_calls, case_events
from callcenter.queues import store as queue_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some time in one state."""

    activity_id: int
    agent_id: str
    state: str
    reason: str | None
    call_id: UUID | None
    queue: str | None
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTalk:
    """The youngest talk of an agent; `queue` is None where the call came from none."""

    call_id: UUID
    queue: str | None
    began_at: datetime
    ended_at: datetime | None


def _query() -> Select[Any]:
    return select(
        agents.c.agent_id.label("id"), agents.c.active, agents.c.created_at, agent_states
    ).select_from(agents.outerjoin(agent_states, agent_states.c.agent_id == agents.c.agent_id))


def _record(row: Row[Any], out_of: frozenset[str]) -> Record:
    if row.state is None:
        return Record(
            session=Session(agent_id=row.id, active=row.active, out_of=out_of),
            since=row.created_at,
            is_kept=False,
        )
    state = State(row.state)
    session = Session(
        agent_id=row.id,
        active=row.active,
        logged_in=row.logged_in,
        paused_for=row.pause_reason,
        out_of=out_of,
        wished_at=row.wished_at,
        wished_by=row.wished_by,
        missed=row.missed,
        phone=Phone(row.phone),
        line=Line(row.state) if state in BUSY else Line.FREE,
        wrap_up_until=row.until_at if state is State.WRAP_UP else None,
        call_id=row.call_id,
        queue=row.queue,
    )
    return Record(
        session=session,
        state=state,
        reason=row.reason,
        since=row.since,
        until_at=row.until_at,
        over_limit=row.over_limit,
        version=row.version,
        in_force_version=row.in_force_version,
    )


async def _out_of(
    connection: AsyncConnection, agent_ids: Collection[str] | None
) -> dict[str, frozenset[str]]:
    wanted = select(agent_queue_logouts.c.agent_id, agent_queue_logouts.c.queue)
    if agent_ids is not None:
        wanted = wanted.where(agent_queue_logouts.c.agent_id.in_(agent_ids))
    found: dict[str, set[str]] = {}
    for row in await connection.execute(wanted):
        found.setdefault(row.agent_id, set()).add(row.queue)
    return {agent_id: frozenset(queues) for agent_id, queues in found.items()}


async def records(
    connection: AsyncConnection, agent_ids: Collection[str] | None = None
) -> dict[str, Record]:
    """How agents (absent: all) are."""
    wanted = _query()
    if agent_ids is not None:
        wanted = wanted.where(agents.c.agent_id.in_(agent_ids))
    rows = (await connection.execute(wanted)).all()
    out_of = await _out_of(connection, agent_ids)
    return {row.id: _record(row, out_of.get(row.id, frozenset())) for row in rows}


async def page(
    connection: AsyncConnection, after: str, limit: int, state: str | None
) -> Sequence[Record]:
    """By agent's id, those behind `after`, in this state."""
    wanted = _query().where(agents.c.agent_id > after).order_by(agents.c.agent_id).limit(limit)
    if state is not None:
        theirs = agent_states.c.state == state
        if state == State.OFFLINE:
            theirs = or_(theirs, agent_states.c.state.is_(None))
        wanted = wanted.where(theirs)
    rows = (await connection.execute(wanted)).all()
    out_of = await _out_of(connection, [row.id for row in rows])
    return [_record(row, out_of.get(row.id, frozenset())) for row in rows]


async def record_for_update(connection: AsyncConnection, agent_id: str) -> Record | None:
    """The agent's, kept by nobody else until the end of the transaction."""
    held = await connection.scalar(
        select(agents.c.agent_id)
        .where(agents.c.agent_id == agent_id)
        .with_for_update(key_share=True)
    )
    if held is None:
        return None
    return (await records(connection, [agent_id]))[agent_id]


async def save_wish(connection: AsyncConnection, record: Record) -> int:
    """Keep what is wished for; the new version, or the first one of an agent without a row."""
    session = record.session
    wish = {
        "logged_in": session.logged_in,
        "paused": session.paused_for is not None,
        "pause_reason": session.paused_for,
        "missed": session.missed,
        "wished_at": session.wished_at,
        "wished_by": session.wished_by,
    }
    if record.state is State.WRAP_UP:
        wish["until_at"] = session.wrap_up_until
    version = await connection.scalar(
        upsert(agent_states)
        .values(agent_id=session.agent_id, state=record.state, since=record.since, **wish)
        .on_conflict_do_update(
            index_elements=["agent_id"], set_={**wish, "version": agent_states.c.version + 1}
        )
        .returning(agent_states.c.version)
    )
    assert version is not None
    return int(version)


async def save_logouts(
    connection: AsyncConnection, agent_id: str, out_of: Collection[str], at: datetime
) -> None:
    """Replace the queues the agent is logged out of."""
    theirs = agent_queue_logouts.c.agent_id == agent_id
    await connection.execute(
        delete(agent_queue_logouts).where(theirs, agent_queue_logouts.c.queue.not_in(out_of))
    )
    if out_of:
        await connection.execute(
            upsert(agent_queue_logouts)
            .values([{"agent_id": agent_id, "queue": queue, "at": at} for queue in sorted(out_of)])
            .on_conflict_do_nothing()
        )


async def save(connection: AsyncConnection, record: Record) -> bool:
    """What the node made of a session; False where a newer wish came in between."""
    session = record.session
    values = {
        "state": record.state,
        "reason": record.reason,
        "since": record.since,
        "phone": session.phone,
        "call_id": session.call_id,
        "queue": session.queue,
        "until_at": record.until_at,
        "over_limit": record.over_limit,
        "in_force_version": record.in_force_version,
    }
    if record.is_kept:
        done = await connection.execute(
            update(agent_states)
            .where(
                agent_states.c.agent_id == session.agent_id,
                agent_states.c.version == record.version,
            )
            .values(**values)
        )
        return done.rowcount == 1
    there = await connection.scalar(
        select(agents.c.agent_id)
        .where(agents.c.agent_id == session.agent_id)
        .with_for_update(key_share=True)
    )
    if there is None:
        return False
    made = await connection.scalar(
        upsert(agent_states)
        .values(agent_id=session.agent_id, **values)
        .on_conflict_do_nothing()
        .returning(agent_states.c.agent_id)
    )
    return made is not None


async def begin_span(connection: AsyncConnection, record: Record) -> None:
    """The state before is over at `record.since`, this one begins."""
    open_one = and_(
        agent_activity.c.agent_id == record.session.agent_id, agent_activity.c.ended_at.is_(None)
    )
    await connection.execute(update(agent_activity).where(open_one).values(ended_at=record.since))
    await connection.execute(
        insert(agent_activity).values(
            agent_id=record.session.agent_id,
            state=record.state,
            reason=record.reason,
            call_id=record.session.call_id,
            queue=record.session.queue,
            began_at=record.since,
        )
    )


async def complete_span(connection: AsyncConnection, record: Record) -> None:
    """The journal told which call the present state belongs to."""
    await connection.execute(
        update(agent_activity)
        .where(
            agent_activity.c.agent_id == record.session.agent_id,
            agent_activity.c.ended_at.is_(None),
        )
        .values(call_id=record.session.call_id, queue=record.session.queue)
    )


async def end_spans_of_the_gone(connection: AsyncConnection, at: datetime) -> None:
    """Agents who were removed are in no state any more."""
    await connection.execute(
        update(agent_activity)
        .where(
            agent_activity.c.ended_at.is_(None),
            agent_activity.c.agent_id.not_in(select(agents.c.agent_id)),
        )
        .values(ended_at=at)
    )


async def spans(
    connection: AsyncConnection,
    agent_id: str,
    *,
    until: datetime,
    since: datetime,
    after: tuple[datetime, int] | None,
    limit: int,
) -> Sequence[Span]:
    """Oldest first: what overlaps the time from `since` to `until`."""
    wanted = (
        select(agent_activity)
        .where(
            agent_activity.c.agent_id == agent_id,
            agent_activity.c.began_at <= until,
            or_(agent_activity.c.ended_at.is_(None), agent_activity.c.ended_at > since),
        )
        .order_by(agent_activity.c.began_at, agent_activity.c.activity_id)
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(
            tuple_(agent_activity.c.began_at, agent_activity.c.activity_id) > tuple_(*after)
        )
    return [Span(**row) for row in (await connection.execute(wanted)).mappings()]


async def last_talks(
    connection: AsyncConnection, agent_ids: Collection[str], since: datetime
) -> dict[str, LastTalk]:
    """By agent's id; of those that began after `since`."""
    if not agent_ids:
        return {}
    wanted = (
        select(
            agent_talks.c.agent,
            agent_talks.c.call_id,
            agent_talks.c.began_at,
            agent_talks.c.ended_at,
            queue_visits.c.queue,
        )
        .select_from(
            agent_talks.outerjoin(
                queue_visits,
                and_(
                    queue_visits.c.call_id == agent_talks.c.call_id,
                    queue_visits.c.visit == agent_talks.c.visit,
                ),
            )
        )
        .where(agent_talks.c.agent.in_(agent_ids), agent_talks.c.began_at >= since)
        .ext(distinct_on(agent_talks.c.agent))
        .order_by(agent_talks.c.agent, agent_talks.c.began_at.desc())
    )
    return {
        row.agent: LastTalk(
            call_id=row.call_id, queue=row.queue, began_at=row.began_at, ended_at=row.ended_at
        )
        for row in await connection.execute(wanted)
    }


async def limits(connection: AsyncConnection) -> dict[str, timedelta]:
    """How long a pause may last, by reason, where there is a limit."""
    rows = await connection.execute(
        select(pause_reasons.c.name, pause_reasons.c.limit_seconds).where(
            pause_reasons.c.limit_seconds.is_not(None)
        )
    )
    return {row.name: timedelta(seconds=row.limit_seconds) for row in rows}


def _user_of(agent_id: str) -> ScalarSelect[Any]:
    """The name of the agent's own login."""
    return (
        select(users.c.name)
        .join(agents, agents.c.user_id == users.c.user_id)
        .where(agents.c.agent_id == agent_id)
        .scalar_subquery()
    )


async def is_user_of(connection: AsyncConnection, agent_id: str, user: str) -> bool:
    """Whether a login is the one linked with the agent."""
    name: str | None = await connection.scalar(select(_user_of(agent_id)))
    return name == user


async def saved_cases(
    connection: AsyncConnection, wrap_ups: Sequence[tuple[str, UUID, datetime]]
) -> frozenset[str]:
    """Of agents in a wrap-up (agent, call, since): whose own user saved the call's case since."""
    done = set()
    for agent_id, call_id, since in wrap_ups:
        found = await connection.scalar(
            select(case_events.c.seq)
            .join(case_calls, case_calls.c.case_number == case_events.c.case_number)
            .where(
                case_calls.c.call_id == call_id,
                case_events.c.actor == _user_of(agent_id),
                case_events.c.at >= since,
            )
            .limit(1)
        )
        if found is not None:
            done.add(agent_id)
    return frozenset(done)


async def places_of(connection: AsyncConnection, agent_id: str) -> frozenset[str]:
    """Our queues an agent belongs to."""
    return frozenset(place.of for place in await queue_store.places(connection, [agent_id]))
