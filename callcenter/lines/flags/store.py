"""Rows of `call_flags`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.lines.flags.model import CallFlag, FlagKind
from callcenter.lines.flags.tables import call_flags


def _flag(row: RowMapping) -> CallFlag:
    return CallFlag(**{**row, "kind": FlagKind(row["kind"])})


async def call_state(connection: AsyncConnection, call_id: UUID) -> tuple[str, bool] | None:
    """The call's state and whether an agent has answered it; None: no such call."""
    row = (
        await connection.execute(
            select(calls.c.state, calls.c.agent_answered_at).where(calls.c.call_id == call_id)
        )
    ).first()
    return None if row is None else (row.state, row.agent_answered_at is not None)


async def add(connection: AsyncConnection, flag: CallFlag) -> bool:
    """False where the call has such a flag."""
    added = await connection.execute(
        insert(call_flags)
        .values(
            call_id=flag.call_id,
            kind=flag.kind.value,
            flagged_by=flag.flagged_by,
            flagged_at=flag.flagged_at,
            reason=flag.reason,
        )
        .on_conflict_do_nothing()
        .returning(call_flags.c.call_id)
    )
    return added.first() is not None


async def flags_of(connection: AsyncConnection, call_id: UUID) -> Sequence[CallFlag]:
    wanted = select(call_flags).where(call_flags.c.call_id == call_id).order_by(call_flags.c.kind)
    return [_flag(row) for row in (await connection.execute(wanted)).mappings()]


async def newest(
    connection: AsyncConnection, *, behind: tuple[datetime, UUID] | None, limit: int
) -> Sequence[CallFlag]:
    """Newest first, those behind that place."""
    order = tuple_(call_flags.c.flagged_at, call_flags.c.call_id)
    wanted = (
        select(call_flags)
        .order_by(call_flags.c.flagged_at.desc(), call_flags.c.call_id.desc())
        .limit(limit)
    )
    if behind is not None:
        wanted = wanted.where(order < behind)
    return [_flag(row) for row in (await connection.execute(wanted)).mappings()]


async def forget(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete flags that were set before; how many went."""
    c = call_flags.c
    old = select(c.call_id, c.kind).where(c.flagged_at < before).order_by(c.flagged_at).limit(limit)
    gone = await connection.execute(
        delete(call_flags).where(tuple_(c.call_id, c.kind).in_(old)).returning(c.call_id)
    )
    return len(gone.all())
