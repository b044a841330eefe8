"""SQL of queues. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agents
from callcenter.calls.tables import queue_visits
from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.lines.tables import lines
from callcenter.prompts.tables import prompts
from callcenter.queues.callbacks.tables import callbacks
from callcenter.queues.membership import Place
from callcenter.queues.model import (
    Cause,
    Exit,
    ExitTo,
    Kind,
    Member,
    MissedCalls,
    Queue,
    QueueEdit,
    Relaxation,
    Requirement,
)
from callcenter.queues.tables import queue_exits, queue_members, queue_requirements, queues

#: Columns that are fields of the same name.
_PLAIN: Final = (
    "title",
    "strategy",
    "ring_seconds",
    "max_wait_seconds",
    "max_waiting",
    "weight",
    "wrapup_seconds",
    "music",
    "comfort_prompt",
    "comfort_seconds",
    "announce_position",
    "announce_seconds",
    "offers_callback",
    "missed_calls",
)


def _queue(
    row: Row[Any],
    requirements: Sequence[Requirement],
    exits: Mapping[Cause, Exit],
) -> Queue:
    return Queue(
        name=row.name,
        is_default=row.is_default,
        version=row.version,
        in_force_version=row.in_force_version,
        skills=tuple(one for one in requirements if one.kind is Kind.SKILL),
        languages=tuple(one for one in requirements if one.kind is Kind.LANGUAGE),
        exits=exits,
        **{name: row._mapping[name] for name in _PLAIN}
        | {"missed_calls": None if row.missed_calls is None else MissedCalls(row.missed_calls)},
    )


async def _whole(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Queue]:
    """With what stands in other tables: two more queries, however many queues."""
    names = [row.name for row in rows]
    asked = await requirements(connection, names)
    exits: dict[str, dict[Cause, Exit]] = {}
    for row in await connection.execute(select(queue_exits).where(queue_exits.c.queue.in_(names))):
        way = Exit(ExitTo(row.leads_to), row.to_queue, row.to_number)
        exits.setdefault(row.queue, {})[Cause(row.cause)] = way
    return [_queue(row, asked.get(row.name, ()), exits.get(row.name, {})) for row in rows]


async def requirements(
    connection: AsyncConnection, names: Collection[str] | None = None
) -> dict[str, tuple[Requirement, ...]]:
    """What queues (absent: all) ask of agents, by queue; those that ask for nothing are not
    there."""
    wanted = select(queue_requirements).order_by(
        queue_requirements.c.kind, queue_requirements.c.name
    )
    if names is not None:
        wanted = wanted.where(queue_requirements.c.queue.in_(names))
    asked: dict[str, tuple[Requirement, ...]] = {}
    for row in await connection.execute(wanted):
        steps = tuple(Relaxation(after, level) for after, level in row.relax)
        one = Requirement(Kind(row.kind), row.name, row.level, steps)
        asked[row.queue] = (*asked.get(row.queue, ()), one)
    return asked


async def list_queues(
    connection: AsyncConnection, after: str = "", limit: int | None = None
) -> Sequence[Queue]:
    rows = await connection.execute(
        select(queues).where(queues.c.name > after).order_by(queues.c.name).limit(limit)
    )
    return await _whole(connection, rows.all())


async def find_queue(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> Queue | None:
    wanted = select(queues).where(queues.c.name == name)
    rows = await connection.execute(wanted.with_for_update() if for_update else wanted)
    found = await _whole(connection, rows.all())
    return found[0] if found else None


async def default_queue(connection: AsyncConnection) -> str | None:
    name: str | None = await connection.scalar(select(queues.c.name).where(queues.c.is_default))
    return name


async def existing(connection: AsyncConnection, names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that are queues."""
    rows = await connection.execute(select(queues.c.name).where(queues.c.name.in_(names)))
    return frozenset(row.name for row in rows)


async def prompt_exists(connection: AsyncConnection, name: str) -> bool:
    """Held until the transaction ends, so that it is not removed meanwhile."""
    found = select(prompts.c.name).where(prompts.c.name == name).with_for_update(read=True)
    return (await connection.scalar(found)) is not None


async def members(connection: AsyncConnection, queue: str) -> Sequence[Member]:
    rows = await connection.execute(
        select(queue_members.c.agent_id, queue_members.c.penalty)
        .where(queue_members.c.queue == queue)
        .order_by(queue_members.c.penalty, queue_members.c.agent_id)
    )
    return [Member(agent_id=row.agent_id, penalty=row.penalty) for row in rows]


async def agents_there_are(connection: AsyncConnection, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that are agents; held until the transaction ends."""
    rows = await connection.execute(
        select(agents.c.agent_id)
        .where(agents.c.agent_id.in_(list(names)))
        .order_by(agents.c.agent_id)
        .with_for_update(read=True)
    )
    return frozenset(row.agent_id for row in rows)


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


async def set_members(connection: AsyncConnection, queue: str, wanted: Sequence[Member]) -> None:
    """These and no others."""
    await connection.execute(delete(queue_members).where(queue_members.c.queue == queue))
    if wanted:
        await connection.execute(
            insert(queue_members),
            [
                {"queue": queue, "agent_id": member.agent_id, "penalty": member.penalty}
                for member in wanted
            ],
        )


async def add_queue(connection: AsyncConnection, name: str, edit: QueueEdit) -> bool:
    """False where there is one of that name."""
    added = await connection.scalar(
        upsert(queues)
        .values(name=name, **_values(edit))
        .on_conflict_do_nothing(index_elements=[queues.c.name])
        .returning(queues.c.name)
    )
    if added is None:
        return False
    await _add_rules(connection, name, edit)
    return True


async def replace_queue(connection: AsyncConnection, name: str, edit: QueueEdit) -> None:
    """A new version, not in force until `node` says so."""
    await connection.execute(
        update(queues)
        .where(queues.c.name == name)
        .values(**_values(edit), version=queues.c.version + 1)
    )
    for table in (queue_requirements, queue_exits):
        await connection.execute(delete(table).where(table.c.queue == name))
    await _add_rules(connection, name, edit)


async def next_version(connection: AsyncConnection, name: str) -> None:
    """Something of the queue was changed that stands in another table."""
    await connection.execute(
        update(queues).where(queues.c.name == name).values(version=queues.c.version + 1)
    )


async def make_default(connection: AsyncConnection, name: str) -> None:
    """This one, and no other any more."""
    others = update(queues).where(queues.c.is_default, queues.c.name != name)
    await connection.execute(others.values(is_default=False, version=queues.c.version + 1))
    await connection.execute(
        update(queues)
        .where(queues.c.name == name)
        .values(is_default=True, version=queues.c.version + 1)
    )


async def remove_queue(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(queue_members).where(queue_members.c.queue == name))
    await connection.execute(delete(queues).where(queues.c.name == name))


def _values(edit: QueueEdit) -> dict[str, Any]:
    return {name: getattr(edit, name) for name in _PLAIN}


async def _add_rules(connection: AsyncConnection, name: str, edit: QueueEdit) -> None:
    asked = [
        {
            "queue": name,
            "kind": one.kind.value,
            "name": one.name,
            "level": one.level,
            "relax": [[step.after_seconds, step.level] for step in one.relax],
        }
        for one in edit.requirements
    ]
    if asked:
        await connection.execute(insert(queue_requirements), asked)
    exits = [
        {
            "queue": name,
            "cause": cause.value,
            "leads_to": way.to.value,
            "to_queue": way.queue,
            "to_number": way.number,
        }
        for cause, way in edit.exits.items()
    ]
    if exits:
        await connection.execute(insert(queue_exits), exits)


async def add_missing_queue(connection: AsyncConnection, queue: Queue) -> None:
    """Insert, unless there is a queue of that name or another default one."""
    await connection.execute(
        upsert(queues)
        .values(
            name=queue.name, is_default=queue.is_default, version=queue.version, **_values(queue)
        )
        .on_conflict_do_nothing()
    )


async def missed_calls(connection: AsyncConnection, name: str) -> MissedCalls | None:
    """What the queue says of its missed calls; None: nothing of its own."""
    said = await connection.scalar(select(queues.c.missed_calls).where(queues.c.name == name))
    return None if said is None else MissedCalls(said)


async def speaking_queues(connection: AsyncConnection, *, dials: bool) -> frozenset[str]:
    """Those that say something to who waits. `dials`: callbacks can be dialled, and are offered."""
    speaks = [queues.c.comfort_prompt.is_not(None), queues.c.announce_position]
    if dials:
        speaks.append(queues.c.offers_callback)
    wanted = select(queues.c.name).where(or_(*speaks))
    return frozenset(row.name for row in await connection.execute(wanted))


async def mark_in_force(connection: AsyncConnection, loaded: Mapping[str, int]) -> None:
    """Asterisk was seen to have loaded these versions, by name. For `node`.

    A queue edited again meanwhile keeps its newer version, and is not in force yet.
    """
    for name, version in sorted(loaded.items()):
        await connection.execute(
            update(queues)
            .where(
                queues.c.name == name,
                queues.c.version >= version,
                or_(queues.c.in_force_version.is_(None), queues.c.in_force_version < version),
            )
            .values(in_force_version=version)
        )


async def users_of(connection: AsyncConnection, name: str) -> list[str]:
    """Who uses it, in words: flows (draft or active version), lines, other queues' exits, callbacks
    that wait, callers who wait in it. In order, the first fifty of a kind.
    """
    flows = await connection.execute(
        select(ivr_references.c.flow, ivr_references.c.version)
        .join(ivr_flows, ivr_flows.c.name == ivr_references.c.flow)
        .where(
            ivr_references.c.kind == "queue",
            ivr_references.c.name == name,
            or_(
                ivr_references.c.version == 0,
                ivr_references.c.version == ivr_flows.c.active_version,
            ),
        )
        .order_by(ivr_references.c.flow, ivr_references.c.version)
        .limit(50)
    )
    users = [
        f"flow {row.flow} ({f'version {row.version}' if row.version else 'draft'})" for row in flows
    ]
    numbers = await connection.scalars(
        select(lines.c.number).where(lines.c.queue == name).order_by(lines.c.number).limit(50)
    )
    users += [f"line {number}" for number in numbers]
    others = await connection.scalars(
        select(queue_exits.c.queue)
        .where(queue_exits.c.to_queue == name, queue_exits.c.queue != name)
        .distinct()
        .order_by(queue_exits.c.queue)
        .limit(50)
    )
    users += [f"an exit of queue {other}" for other in others]
    wishes = await connection.scalars(
        select(callbacks.c.callback_id)
        .where(callbacks.c.queue == name, callbacks.c.state == "waiting")
        .order_by(callbacks.c.wanted_at, callbacks.c.callback_id)
        .limit(50)
    )
    users += [f"callback {callback_id} that waits" for callback_id in wishes]
    waiting = await connection.scalar(
        select(func.count())
        .select_from(queue_visits)
        .where(queue_visits.c.queue == name, queue_visits.c.outcome.is_(None))
    )
    if waiting:
        users.append(f"{waiting} callers who wait in it")
    return users
