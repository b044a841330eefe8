"""Rows of `callbacks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues.callbacks.model import Callback, CallbackState, Outcome
from callcenter.queues.callbacks.tables import callbacks


def _callback(row: RowMapping) -> Callback:
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    return Callback(**{**row, "state": CallbackState(row["state"]), "outcome": outcome})


async def add_callback(connection: AsyncConnection, wish: Callback) -> None:
    """One wish a call: the same said again (another process went on) changes number and queue."""
    row = insert(callbacks).values(**asdict(wish))
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["call_id"],
            set_={"number": row.excluded.number, "queue": row.excluded.queue},
            where=callbacks.c.state == "waiting",
        )
    )


async def callback_of(
    connection: AsyncConnection, callback_id: UUID, *, for_update: bool = False
) -> Callback | None:
    wanted = select(callbacks).where(callbacks.c.callback_id == callback_id)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    return None if row is None else _callback(row)


async def save_callback(connection: AsyncConnection, wish: Callback) -> None:
    values = asdict(wish)
    await connection.execute(
        update(callbacks).where(callbacks.c.callback_id == wish.callback_id).values(**values)
    )


async def callbacks_after(
    connection: AsyncConnection,
    *,
    state: CallbackState | None,
    queue: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Callback]:
    """Who has waited longest comes first."""
    wanted = select(callbacks).order_by(callbacks.c.wanted_at, callbacks.c.callback_id).limit(limit)
    if state is not None:
        wanted = wanted.where(callbacks.c.state == state)
    if queue is not None:
        wanted = wanted.where(callbacks.c.queue == queue)
    if after is not None:
        wanted = wanted.where(tuple_(callbacks.c.wanted_at, callbacks.c.callback_id) > after)
    return [_callback(row) for row in (await connection.execute(wanted)).mappings()]
