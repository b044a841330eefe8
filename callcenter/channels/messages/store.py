"""SQL of messages. Every function runs in the caller's transaction."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.cases.tables import cases
from callcenter.channels.messages.model import (
    OPEN,
    FinishedTake,
    Message,
    MessageFilter,
    MessageOutcome,
    MessageReason,
    MessageState,
)
from callcenter.channels.messages.tables import messages
from callcenter.lines.tables import lines
from callcenter.recordings.model import RecordingKind, RecordingState
from callcenter.recordings.tables import recordings


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message with whom to call back, and its recording's state (and why there is no sound)."""

    message: Message
    caller_number: str | None
    caller_withheld: bool
    recording_state: str
    recording_reason: str | None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a message takes from its call."""

    line: str | None
    queue: str | None
    language: str | None
    case_number: str


def _message(row: Row[Any]) -> Message:
    values = {column.name: getattr(row, column.name) for column in messages.c}
    return Message(
        **values
        | {
            "reason": MessageReason(row.reason),
            "state": MessageState(row.state),
            "outcome": MessageOutcome(row.outcome) if row.outcome else None,
        }
    )


async def origin_of(connection: AsyncConnection, call_id: UUID) -> Origin | None:
    """A citizen's call that has its case; None for a call between agents.

    Who was never in a queue (the line is closed, the flow offered the mailbox) is called back by
    the line's own.
    """
    row = (
        await connection.execute(
            select(
                calls.c.line,
                func.coalesce(calls.c.queue, lines.c.queue).label("queue"),
                calls.c.language,
                cases.c.case_number,
            )
            .join(cases, cases.c.origin_call_id == calls.c.call_id)
            .join(lines, lines.c.number == calls.c.line, isouter=True)
            .where(calls.c.call_id == call_id, calls.c.direction == "inbound")
        )
    ).one_or_none()
    return None if row is None else Origin(row.line, row.queue, row.language, row.case_number)


async def add(connection: AsyncConnection, message: Message) -> bool:
    """False where the call's message is known."""
    added = await connection.scalar(
        insert(messages)
        .values(**asdict(message))
        .on_conflict_do_nothing()
        .returning(messages.c.call_id)
    )
    return added is not None


async def locked(connection: AsyncConnection, call_id: UUID) -> Message | None:
    """The call's message, kept from others until the end of the transaction."""
    row = (
        await connection.execute(
            select(messages).where(messages.c.call_id == call_id).with_for_update()
        )
    ).one_or_none()
    return None if row is None else _message(row)


async def save(connection: AsyncConnection, message: Message) -> None:
    await connection.execute(
        update(messages).where(messages.c.call_id == message.call_id).values(**asdict(message))
    )


async def takes_of(connection: AsyncConnection, call_id: UUID) -> list[FinishedTake]:
    """The call's takes, in the order they were spoken."""
    rows = await connection.execute(
        select(recordings)
        .where(recordings.c.call_id == call_id, recordings.c.kind == RecordingKind.VOICEMAIL.value)
        .order_by(recordings.c.started_at, func.length(recordings.c.name), recordings.c.name)
    )
    return [
        FinishedTake(
            recording_id=row.recording_id,
            state=RecordingState(row.state),
            reason=row.reason,
            duration_ms=row.duration_ms,
            silence_ratio=row.silence_ratio,
        )
        for row in rows
    ]


def _views() -> Select[Any]:
    return (
        select(
            messages,
            calls.c.caller_number,
            calls.c.caller_withheld,
            recordings.c.state.label("recording_state"),
            recordings.c.reason.label("recording_reason"),
        )
        .join(calls, calls.c.call_id == messages.c.call_id)
        .join(recordings, recordings.c.recording_id == messages.c.recording_id)
    )


def _view(row: Row[Any]) -> MessageView:
    return MessageView(
        _message(row),
        row.caller_number,
        row.caller_withheld,
        row.recording_state,
        row.recording_reason,
    )


async def view(connection: AsyncConnection, call_id: UUID) -> MessageView | None:
    row = (await connection.execute(_views().where(messages.c.call_id == call_id))).one_or_none()
    return None if row is None else _view(row)


async def list_views(
    connection: AsyncConnection,
    wanted: MessageFilter,
    *,
    now: datetime,
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> list[MessageView]:
    """Those that are due first come first."""
    query = _views()
    if wanted.state is None:
        query = query.where(messages.c.done_at.is_(None))
    else:
        query = query.where(messages.c.state == wanted.state.value)
    if wanted.queue is not None:
        query = query.where(messages.c.queue == wanted.queue)
    if wanted.overdue is not None:
        open_now = messages.c.state.in_([state.value for state in OPEN])
        is_overdue = open_now & (messages.c.due_at < now)
        query = query.where(is_overdue if wanted.overdue else ~is_overdue)
    if behind is not None:
        query = query.where(tuple_(messages.c.due_at, messages.c.call_id) > tuple_(*behind))
    query = query.order_by(messages.c.due_at, messages.c.call_id).limit(limit)
    return [_view(row) for row in await connection.execute(query)]
