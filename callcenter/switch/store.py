"""Rows of `switch_changes`: what Asterisk was asked to load, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.switch.model import SwitchOutcome
from callcenter.switch.tables import switch_changes


@dataclass(frozen=True, slots=True)
class Change:
    """A wish for one node; `subject` says what to write and load anew (`lines`, `queues` …)."""

    change_id: int
    subject: str
    wanted_at: datetime


async def add_change(connection: AsyncConnection, node: str, subject: str, at: datetime) -> int:
    change_id = await connection.scalar(
        insert(switch_changes)
        .values(node=node, subject=subject, wanted_at=at)
        .returning(switch_changes.c.change_id)
    )
    assert change_id is not None
    return int(change_id)


async def open_changes(connection: AsyncConnection, node: str) -> Sequence[Change]:
    """Changes of a node that wait, oldest first."""
    wanted = (
        select(switch_changes.c.change_id, switch_changes.c.subject, switch_changes.c.wanted_at)
        .where(switch_changes.c.node == node, switch_changes.c.done_at.is_(None))
        .order_by(switch_changes.c.change_id)
    )
    return [Change(*row) for row in await connection.execute(wanted)]


async def settle(
    connection: AsyncConnection, change_id: int, *, in_force: bool, detail: str | None, at: datetime
) -> bool:
    """Write what came of a change, once; False when it was settled before."""
    done = await connection.execute(
        update(switch_changes)
        .where(switch_changes.c.change_id == change_id, switch_changes.c.done_at.is_(None))
        .values(done_at=at, in_force=in_force, detail=detail)
    )
    return done.rowcount == 1


async def outcome(connection: AsyncConnection, change_id: int) -> SwitchOutcome | None:
    """None while it waits (or was never wished for)."""
    wanted = select(switch_changes.c.in_force, switch_changes.c.detail).where(
        switch_changes.c.change_id == change_id, switch_changes.c.done_at.is_not(None)
    )
    row = (await connection.execute(wanted)).first()
    return None if row is None else SwitchOutcome(bool(row.in_force), row.detail)
