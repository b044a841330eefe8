"""Who serves which queue now: members, their skills and the waits, read over several rooms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_queue_logouts, agent_skills, agent_states, agents
from callcenter.calls.tables import queue_visits
from callcenter.queues.membership import Place
from callcenter.queues.model import Kind, Requirement
from callcenter.queues.skills import Skilled, asked_of, own_languages, own_seconds, servers
from callcenter.queues.store import requirements
from callcenter.queues.tables import queue_members

#: Waits that are looked at for relaxations, of all queues that ask for something; oldest first.
_MOST_WAITS = 5000


async def serving(
    connection: AsyncConnection,
    agent_ids: Collection[str] | None = None,
    *,
    default_language: str,
    now: datetime,
) -> Sequence[Place]:
    """Where agents (absent: all) serve at this moment, whether or not they are there.

    A queue that asks for nothing has all its agents, in its one queue of Asterisk. Two queries
    then; three more where a queue asks for skills or languages.
    """
    asked = await requirements(connection)
    crews = await _crews(connection, asked.keys(), agent_ids)
    waits = await _longest_waits(connection, asked, default_language, now) if asked else {}
    found: list[Place] = []
    for queue, crew in crews.items():
        rules = asked.get(queue, ())
        for language in (None, *own_languages(rules, default_language)):
            name = queue if language is None else f"{queue}-{language}"
            found += [
                Place(queue=name, agent_id=agent_id, of=queue, penalty=penalty)
                for agent_id, penalty in servers(
                    crew,
                    asked_of(rules, language, default_language),
                    default_language=default_language,
                    waited_seconds=waits.get((queue, language), 0.0),
                ).items()
                if agent_ids is None or agent_id in agent_ids
            ]
    return found


async def _crews(
    connection: AsyncConnection, choosy: Collection[str], agent_ids: Collection[str] | None
) -> dict[str, list[Skilled]]:
    """The agents of each queue. Of those that ask for something all: whether one serves depends on
    whether others could.
    """
    logged_out = exists().where(
        agent_queue_logouts.c.agent_id == queue_members.c.agent_id,
        agent_queue_logouts.c.queue == queue_members.c.queue,
    )
    wanted = (
        select(
            queue_members,
            (
                func.coalesce(agent_states.c.logged_in, True)
                & (func.coalesce(agent_states.c.phone, "unknown") != "away")
                & ~logged_out
            ).label("is_there"),
        )
        .join(agents, agents.c.agent_id == queue_members.c.agent_id)
        .outerjoin(agent_states, agent_states.c.agent_id == queue_members.c.agent_id)
        .where(agents.c.active)
    )
    if agent_ids is not None:
        wanted = wanted.where(
            queue_members.c.agent_id.in_(agent_ids) | queue_members.c.queue.in_(choosy)
        )
    rows = (await connection.execute(wanted)).all()
    levels: dict[tuple[str, Kind], dict[str, int]] = {}
    able = {row.agent_id for row in rows if row.queue in choosy}
    if able:
        for row in await connection.execute(
            select(agent_skills).where(agent_skills.c.agent_id.in_(able))
        ):
            levels.setdefault((row.agent_id, Kind(row.kind)), {})[row.name] = row.level
    crews: dict[str, list[Skilled]] = {}
    for row in rows:
        crews.setdefault(row.queue, []).append(
            Skilled(
                agent_id=row.agent_id,
                penalty=row.penalty,
                skills=levels.get((row.agent_id, Kind.SKILL), {}),
                languages=levels.get((row.agent_id, Kind.LANGUAGE), {}),
                is_there=bool(row.is_there),
            )
        )
    return crews


async def _longest_waits(
    connection: AsyncConnection,
    asked: dict[str, tuple[Requirement, ...]],
    default_language: str,
    now: datetime,
) -> dict[tuple[str, str | None], float]:
    """Seconds, by queue and the language of its queue in Asterisk (None: the plain one)."""
    rows = await connection.execute(
        select(queue_visits.c.queue, queue_visits.c.language, queue_visits.c.entered_at)
        .where(queue_visits.c.outcome.is_(None), queue_visits.c.queue.in_(asked.keys()))
        .order_by(queue_visits.c.entered_at)
        .limit(_MOST_WAITS)
    )
    waits: dict[tuple[str, str | None], float] = {}
    for row in rows:
        rules, seconds = asked[row.queue], (now - row.entered_at).total_seconds()
        language = row.language if row.language in own_languages(rules, default_language) else None
        if language is not None:
            # cc-queue lets them go to the plain queue then.
            limit = own_seconds(asked_of(rules, language, default_language), longest=7200)
            language = language if seconds <= limit else None
        waits[row.queue, language] = max(waits.get((row.queue, language), 0.0), seconds)
    return waits
