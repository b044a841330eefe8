"""Rows of `callbacks`, `callback_calls` and `callback_tries`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls, queue_visits
from callcenter.cases.tables import cases
from callcenter.lines.surveys.tables import line_surveys
from callcenter.lines.tables import lines
from callcenter.queues.callbacks.model import (
    Callback,
    CallbackState,
    Kind,
    Outcome,
    Try,
    TryOutcome,
    TryState,
)
from callcenter.queues.callbacks.tables import callback_calls, callback_tries, callbacks
from callcenter.queues.tables import queues

#: Namespace of our advisory locks (first key of two): one at a time decides about a number.
_LOCK_NUMBER: Final = 7411030


def _callback(row: RowMapping) -> Callback:
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    values = {column.name: row[column.name] for column in callbacks.columns}
    values |= {"state": CallbackState(row["state"]), "kind": Kind(row["kind"]), "outcome": outcome}
    return Callback(**values)


def _try(row: RowMapping) -> Try:
    outcome = TryOutcome(row["outcome"]) if row["outcome"] else None
    return Try(**{**row, "state": TryState(row["state"]), "outcome": outcome})


async def lock_number(connection: AsyncConnection, number: str) -> None:
    """Nobody else begins or joins a callback to that number until the transaction ends."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:space, hashtext(:number))"),
        {"space": _LOCK_NUMBER, "number": number},
    )


async def add_callback(connection: AsyncConnection, wish: Callback) -> None:
    await connection.execute(insert(callbacks).values(**asdict(wish)))


async def callback_of(
    connection: AsyncConnection, callback_id: UUID, *, for_update: bool = False
) -> Callback | None:
    wanted = select(callbacks).where(callbacks.c.callback_id == callback_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _callback(row)


async def callback_of_call(connection: AsyncConnection, call_id: UUID) -> Callback | None:
    """The one that came of this call. Locked."""
    wanted = select(callbacks).where(callbacks.c.call_id == call_id).with_for_update()
    row = (await connection.execute(wanted)).mappings().first()
    return None if row is None else _callback(row)


async def open_to(connection: AsyncConnection, number: str) -> Sequence[Callback]:
    """Those that wait for this number, oldest first. Locked."""
    rows = await connection.execute(
        select(callbacks)
        .where(callbacks.c.number == number, callbacks.c.state == "waiting")
        .order_by(callbacks.c.wanted_at, callbacks.c.callback_id)
        .with_for_update()
    )
    return [_callback(row) for row in rows.mappings()]


async def save_callback(connection: AsyncConnection, wish: Callback) -> None:
    await connection.execute(
        update(callbacks).where(callbacks.c.callback_id == wish.callback_id).values(**asdict(wish))
    )


async def join_call(
    connection: AsyncConnection, callback_id: UUID, call_id: UUID, at: datetime
) -> None:
    await connection.execute(
        insert(callback_calls)
        .values(callback_id=callback_id, call_id=call_id, joined_at=at)
        .on_conflict_do_nothing()
    )


async def joined_calls(
    connection: AsyncConnection, callback_ids: Collection[UUID]
) -> dict[UUID, list[UUID]]:
    rows = await connection.execute(
        select(callback_calls.c.callback_id, callback_calls.c.call_id)
        .where(callback_calls.c.callback_id.in_(callback_ids))
        .order_by(callback_calls.c.joined_at, callback_calls.c.call_id)
    )
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.callback_id, []).append(row.call_id)
    return found


async def callbacks_after(
    connection: AsyncConnection,
    *,
    where: Mapping[str, str],
    overdue_at: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Callback]:
    """Who has waited longest comes first. `where`: column → value; `overdue_at`: those only whose
    time was over by then."""
    wanted = select(callbacks).order_by(callbacks.c.wanted_at, callbacks.c.callback_id).limit(limit)
    for name, value in where.items():
        wanted = wanted.where(callbacks.c[name] == value)
    if overdue_at is not None:
        over = func.least(func.coalesce(callbacks.c.done_at, overdue_at), overdue_at)
        wanted = wanted.where(callbacks.c.due_at < over)
    if after is not None:
        wanted = wanted.where(tuple_(callbacks.c.wanted_at, callbacks.c.callback_id) > after)
    return [_callback(row) for row in (await connection.execute(wanted)).mappings()]


# Attempts --------------------------------------------------------------------------------------


async def tries_of(
    connection: AsyncConnection, callback_ids: Collection[UUID]
) -> dict[UUID, list[Try]]:
    """By callback, in their order."""
    rows = await connection.execute(
        select(callback_tries)
        .where(callback_tries.c.callback_id.in_(callback_ids))
        .order_by(callback_tries.c.callback_id, callback_tries.c.number)
    )
    found: dict[UUID, list[Try]] = {}
    for row in rows.mappings():
        found.setdefault(row["callback_id"], []).append(_try(row))
    return found


async def add_try(connection: AsyncConnection, one: Try) -> None:
    await connection.execute(insert(callback_tries).values(**asdict(one)))


async def save_try(connection: AsyncConnection, one: Try) -> None:
    await connection.execute(
        update(callback_tries)
        .where(
            callback_tries.c.callback_id == one.callback_id, callback_tries.c.number == one.number
        )
        .values(**asdict(one))
    )


async def tries_by_call(connection: AsyncConnection, call_ids: Collection[UUID]) -> dict[UUID, Try]:
    """The attempts that these calls are, by call."""
    rows = await connection.execute(
        select(callback_tries).where(callback_tries.c.call_id.in_(call_ids))
    )
    return {row["call_id"]: _try(row) for row in rows.mappings()}


async def under_way(connection: AsyncConnection, node: str) -> Sequence[RowMapping]:
    """Attempts of this node that are not over: `call_id`, `state`, `placed_at`, whether the
    journal has the call (`has_call`), whether it is still `wanted`."""
    has_call = exists(select(calls.c.call_id).where(calls.c.call_id == callback_tries.c.call_id))
    rows = await connection.execute(
        select(
            callback_tries.c.call_id,
            callback_tries.c.state,
            callback_tries.c.placed_at,
            (callbacks.c.state == "waiting").label("wanted"),
            has_call.label("has_call"),
        )
        .join(callbacks, callbacks.c.callback_id == callback_tries.c.callback_id)
        .where(callback_tries.c.node == node, callback_tries.c.ended_at.is_(None))
    )
    return list(rows.mappings())


async def due(
    connection: AsyncConnection, now: datetime, limit: int, *, lock: bool = False
) -> Sequence[RowMapping]:
    """Callbacks whose next try may be now, by their place: their columns, `call_line`, `priority`,
    `default_line` and whether that line asks afterwards (`survey`) besides. Whoever is calling us
    at this moment is left alone."""
    origin, live = calls.alias("origin"), calls.alias("live")
    open_try = exists(
        select(callback_tries.c.number).where(
            callback_tries.c.callback_id == callbacks.c.callback_id,
            callback_tries.c.ended_at.is_(None),
        )
    )
    calling = exists(
        select(live.c.call_id).where(
            live.c.caller_number == callbacks.c.number, live.c.ended_at.is_(None)
        )
    )
    default_line = select(func.min(lines.c.number)).where(lines.c.mode != "fax").scalar_subquery()
    line = func.coalesce(callbacks.c.line, origin.c.line, default_line)
    asks = exists(
        select(line_surveys.c.line).where(line_surveys.c.line == line, line_surveys.c.enabled)
    )
    wanted = (
        select(
            callbacks,
            origin.c.line.label("call_line"),
            origin.c.priority,
            default_line.label("default_line"),
            asks.label("survey"),
        )
        .select_from(callbacks.outerjoin(origin, origin.c.call_id == callbacks.c.call_id))
        .where(
            callbacks.c.next_try_at <= now,
            or_(callbacks.c.call_id.is_(None), origin.c.ended_at.is_not(None)),
            ~open_try,
            ~calling,
        )
        .order_by(callbacks.c.place_at, callbacks.c.callback_id)
        .limit(limit)
    )
    if lock:
        wanted = wanted.with_for_update(of=callbacks, skip_locked=True)
    return list((await connection.execute(wanted)).mappings())


async def put_off(connection: AsyncConnection, callback_id: UUID, until: datetime | None) -> None:
    """The next try is not before `until`; None: never by ourselves."""
    await connection.execute(
        update(callbacks)
        .where(callbacks.c.callback_id == callback_id, callbacks.c.state == "waiting")
        .values(next_try_at=until)
    )


async def move_from_gone_queues(connection: AsyncConnection) -> Sequence[UUID]:
    """Callbacks whose queue is gone wait in their line's or the default one; which were moved.

    Who removes a queue is stopped by callbacks that wait: these came meanwhile.
    """
    origin = calls.alias("origin")
    line = func.coalesce(
        callbacks.c.line,
        select(origin.c.line).where(origin.c.call_id == callbacks.c.call_id).scalar_subquery(),
    )
    of_line = (
        select(queues.c.name)
        .select_from(queues.join(lines, lines.c.queue == queues.c.name))
        .where(lines.c.number == line)
        .scalar_subquery()
    )
    default = select(queues.c.name).where(queues.c.is_default).scalar_subquery()
    moved = await connection.scalars(
        update(callbacks)
        .where(
            text("callbacks.state = 'waiting'"),  # literal, for the partial index
            ~exists(select(queues.c.name).where(queues.c.name == callbacks.c.queue)),
            exists(select(queues.c.name).where(queues.c.is_default)),
        )
        .values(
            queue=func.coalesce(of_line, default),
            moved_from=func.coalesce(callbacks.c.moved_from, callbacks.c.queue),
        )
        .returning(callbacks.c.callback_id)
    )
    return list(moved)


# Calls, as the duty looks at them ----------------------------------------------------------------


async def ended_calls(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> Sequence[RowMapping]:
    """Inbound calls: what they were, and their last wait (`entered_at`, `left_at`, `outcome`), with
    `first_entered_at` of the first one."""
    visit, first = queue_visits.alias("visit"), queue_visits.alias("first")
    last = (
        select(func.max(queue_visits.c.visit))
        .where(queue_visits.c.call_id == calls.c.call_id)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(
            calls.c.call_id,
            calls.c.caller_number,
            calls.c.line,
            calls.c.language,
            calls.c.disposition,
            calls.c.started_at,
            calls.c.ended_at,
            visit.c.queue,
            visit.c.entered_at,
            visit.c.left_at,
            visit.c.outcome,
            first.c.entered_at.label("first_entered_at"),
        )
        .select_from(
            calls.outerjoin(
                visit, and_(visit.c.call_id == calls.c.call_id, visit.c.visit == last)
            ).outerjoin(first, and_(first.c.call_id == calls.c.call_id, first.c.visit == 1))
        )
        .where(calls.c.call_id.in_(call_ids), calls.c.direction == "inbound")
    )
    return list(rows.mappings())


async def keep_place(connection: AsyncConnection, call_id: UUID, at: datetime) -> None:
    """Whoever asked while waiting has waited since `at`."""
    await connection.execute(
        update(callbacks)
        .where(callbacks.c.call_id == call_id, callbacks.c.state == "waiting")
        .values(place_at=func.least(callbacks.c.place_at, at))
    )


async def answered_since(connection: AsyncConnection, number: str, since: datetime) -> bool:
    """Whether a person of ours has answered a call from that number that began after `since`."""
    found = await connection.scalar(
        select(calls.c.call_id)
        .where(
            calls.c.caller_number == number,
            calls.c.started_at > since,
            calls.c.agent_answered_at.is_not(None),
            calls.c.direction == "inbound",
        )
        .limit(1)
    )
    return found is not None


async def inbound_numbers(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> Sequence[RowMapping]:
    """`call_id` and `caller_number` of those that are citizens' calls with a number."""
    rows = await connection.execute(
        select(calls.c.call_id, calls.c.caller_number).where(
            calls.c.call_id.in_(call_ids),
            calls.c.direction == "inbound",
            calls.c.caller_number.is_not(None),
        )
    )
    return list(rows.mappings())


async def case_exists(connection: AsyncConnection, number: str) -> bool:
    found = await connection.scalar(
        select(cases.c.case_number).where(cases.c.case_number == number)
    )
    return found is not None


async def waits_before(
    connection: AsyncConnection, queue: str, place_at: datetime, callback_id: UUID
) -> int:
    """How many wait in that queue who came before: callers, and callbacks not placed yet."""
    callers = await connection.scalar(
        select(func.count())
        .select_from(queue_visits)
        .where(
            queue_visits.c.queue == queue,
            queue_visits.c.outcome.is_(None),
            queue_visits.c.why != "callback",
            queue_visits.c.entered_at < place_at,
        )
    )
    others = await connection.scalar(
        select(func.count())
        .select_from(callbacks)
        .where(
            callbacks.c.queue == queue,
            callbacks.c.next_try_at.is_not(None),
            tuple_(callbacks.c.place_at, callbacks.c.callback_id) < (place_at, callback_id),
        )
    )
    return int(callers or 0) + int(others or 0)
