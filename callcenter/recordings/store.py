"""SQL of the recordings room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.recordings.model import Reason, RecordingState
from callcenter.recordings.tables import recording_pauses, recordings

Row = dict[str, Any]


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Does nothing where the recording is known."""
    await connection.execute(insert(recordings).values(**row).on_conflict_do_nothing())


async def call_has_ended(connection: AsyncConnection, call_id: UUID) -> bool:
    ended = await connection.scalar(
        select(calls.c.ended_at.is_not(None)).where(calls.c.call_id == call_id)
    )
    return bool(ended)


async def release(connection: AsyncConnection, call_id: UUID) -> None:
    """The call is over: its recordings can be finished."""
    await connection.execute(
        update(recordings)
        .where(
            recordings.c.call_id == call_id,
            recordings.c.state == RecordingState.RECORDING.value,
        )
        .values(state=RecordingState.PENDING.value)
    )


async def unfinished(connection: AsyncConnection, node: str, limit: int) -> list[Row]:
    """Recordings of the node's calls to finish, oldest first, with `talked`: there was a
    conversation. Those that failed for want of room are tried again, after the others."""
    full = recordings.c.reason == Reason.DISK_FULL.value
    found = await connection.execute(
        select(recordings, calls.c.agent_answered_at.is_not(None).label("talked"))
        .join(calls, calls.c.call_id == recordings.c.call_id)
        .where(
            calls.c.node == node,
            or_(recordings.c.state == RecordingState.PENDING.value, full),
        )
        .order_by(func.coalesce(recordings.c.reason, ""), recordings.c.started_at)
        .limit(limit)
    )
    return [dict(row) for row in found.mappings()]


async def finish(
    connection: AsyncConnection, recording_id: UUID, values: Mapping[str, Any]
) -> bool:
    """Write the outcome; False when another one had been written before."""
    done = await connection.execute(
        update(recordings)
        .where(
            recordings.c.recording_id == recording_id,
            or_(
                recordings.c.state == RecordingState.PENDING.value,
                recordings.c.reason == Reason.DISK_FULL.value,
            ),
        )
        .values(**values)
    )
    return done.rowcount == 1


async def change(
    connection: AsyncConnection, recording_id: UUID, values: Mapping[str, Any]
) -> None:
    await connection.execute(
        update(recordings).where(recordings.c.recording_id == recording_id).values(**values)
    )


async def by_id(connection: AsyncConnection, recording_id: UUID) -> Row | None:
    found = await connection.execute(
        select(recordings).where(recordings.c.recording_id == recording_id)
    )
    row = found.mappings().one_or_none()
    return dict(row) if row else None


async def list_rows(
    connection: AsyncConnection,
    *,
    call_id: UUID | None,
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Youngest first."""
    query = select(recordings)
    if call_id is not None:
        query = query.where(recordings.c.call_id == call_id)
    if behind is not None:
        at, recording_id = behind
        query = query.where(
            or_(
                recordings.c.started_at < at,
                and_(
                    recordings.c.started_at == at,
                    recordings.c.recording_id > recording_id,
                ),
            )
        )
    query = query.order_by(recordings.c.started_at.desc(), recordings.c.recording_id)
    found = await connection.execute(query.limit(limit))
    return [dict(row) for row in found.mappings()]


async def longest_unverified(connection: AsyncConnection, limit: int) -> Sequence[UUID]:
    """Sealed recordings, the one that was checked longest ago first."""
    query = (
        select(recordings.c.recording_id)
        .where(recordings.c.state == "ready")
        .order_by(func.coalesce(recordings.c.verified_at, recordings.c.sealed_at))
        .limit(limit)
    )
    return (await connection.scalars(query)).all()


async def begin_pause(
    connection: AsyncConnection,
    call_id: UUID,
    *,
    by: str,
    reason: str,
    at: datetime,
    until_at: datetime,
) -> int | None:
    """The pause's id; None where one is going on."""
    pause_id: int | None = await connection.scalar(
        insert(recording_pauses)
        .values(call_id=call_id, began_at=at, began_by=by, reason=reason, until_at=until_at)
        .on_conflict_do_nothing(
            index_elements=[recording_pauses.c.call_id],
            index_where=recording_pauses.c.ended_at.is_(None),
        )
        .returning(recording_pauses.c.pause_id)
    )
    return pause_id


async def drop_pause(connection: AsyncConnection, pause_id: int) -> None:
    await connection.execute(
        delete(recording_pauses).where(recording_pauses.c.pause_id == pause_id)
    )


async def want_pause_over(connection: AsyncConnection, call_id: UUID, by: str) -> int | None:
    """The id of the pause that is going on, now wanted over; None: there is none."""
    pause_id: int | None = await connection.scalar(
        update(recording_pauses)
        .where(recording_pauses.c.call_id == call_id, recording_pauses.c.ended_at.is_(None))
        .values(resumed_by=by)
        .returning(recording_pauses.c.pause_id)
    )
    return pause_id


async def end_pause(connection: AsyncConnection, pause_id: int, *, by: str, at: datetime) -> bool:
    """False where it had ended."""
    pauses = recording_pauses
    done = await connection.execute(
        update(pauses)
        .where(pauses.c.pause_id == pause_id, pauses.c.ended_at.is_(None))
        .values(ended_at=func.greatest(pauses.c.began_at, at), ended_by=by)
    )
    return done.rowcount == 1


async def open_pauses(
    connection: AsyncConnection, node: str | None = None, call_id: UUID | None = None
) -> list[Row]:
    """Pauses that are going on, each with the `uniqueid` of its call's first channel."""
    wanted = (
        select(recording_pauses, calls.c.uniqueid)
        .join(calls, calls.c.call_id == recording_pauses.c.call_id)
        .where(recording_pauses.c.ended_at.is_(None))
        .order_by(recording_pauses.c.pause_id)
    )
    if node is not None:
        wanted = wanted.where(calls.c.node == node)
    if call_id is not None:
        wanted = wanted.where(recording_pauses.c.call_id == call_id)
    return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def pauses_of(connection: AsyncConnection, call_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Every pause of these calls, oldest first."""
    found: dict[UUID, list[Row]] = {}
    if call_ids:
        rows = await connection.execute(
            select(recording_pauses)
            .where(recording_pauses.c.call_id.in_(call_ids))
            .order_by(recording_pauses.c.began_at)
        )
        for row in rows.mappings():
            found.setdefault(row["call_id"], []).append(dict(row))
    return found
