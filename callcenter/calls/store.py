"""SQL of the calls room: what the fold wrote, and what it is folded from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    RowMapping,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy import Column as SqlColumn
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.book import refold
from callcenter.calls.events import CallEvent, from_stored, to_detail
from callcenter.calls.journal import Reject
from callcenter.calls.model import Call
from callcenter.calls.tables import (
    agent_talks,
    call_events,
    call_legs,
    call_linkedids,
    calls,
    journal_positions,
    journal_rejects,
    queue_visits,
)
from callcenter.calls.tail import Position

#: Columns of `calls` that carry the attribute of the same name.
_PLAIN: Final = (
    "call_id",
    "node",
    "linkedid",
    "uniqueid",
    "direction",
    "line",
    "caller_number",
    "caller_name",
    "caller_withheld",
    "caller_number_source",
    "dialled_number",
    "language",
    "state",
    "disposition",
    "started_at",
    "answered_at",
    "queued_at",
    "agent_answered_at",
    "ended_at",
    "hangup_by",
    "queue",
    "agent",
    "ivr_flow",
    "ivr_version",
    "merged_into",
    "recording_notice",
    "recording_notice_version",
    "priority",
    "priority_entry",
)

_insert_call = insert(calls)
#: The journal does not say the language of every call; what the flow noted stays.
_upsert_call = _insert_call.on_conflict_do_update(
    index_elements=["call_id"],
    set_={
        name: _insert_call.excluded[name]
        for name in (*_PLAIN[1:], "ivr_path")
        if name != "language"
    }
    | {"language": func.coalesce(_insert_call.excluded.language, calls.c.language)},
)
_insert_leg = insert(call_legs)
_upsert_leg = _insert_leg.on_conflict_do_update(
    index_elements=["call_id", "uniqueid"],
    set_={
        name: _insert_leg.excluded[name]
        for name in ("channel", "role", "agent", "started_at", "answered_at", "ended_at")
    }
    | {name: _insert_leg.excluded[name] for name in ("hangup_cause", "moved_to")},
)
_insert_visit = insert(queue_visits)
_upsert_visit = _insert_visit.on_conflict_do_update(
    index_elements=["call_id", "visit"],
    set_={
        name: _insert_visit.excluded[name]
        for name in ("priority", "answered_at", "agent", "left_at", "outcome")
    },
)
_insert_talk = insert(agent_talks)
_upsert_talk = _insert_talk.on_conflict_do_update(
    index_elements=["call_id", "uniqueid"],
    set_={"ended_at": _insert_talk.excluded.ended_at},
)


def among(column: SqlColumn[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """`column = ANY(values)`: one statement for any number of values."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def call_row(call: Call) -> dict[str, Any]:
    """The row of `calls` that says what `call` says."""
    row = {name: getattr(call, name) for name in _PLAIN}
    row["state"] = call.state.value
    row["disposition"] = call.disposition.value if call.disposition else None
    row["ivr_path"] = [
        {
            "node": step.node,
            "key": step.key,
            "led_by": step.led_by.value,
            "at": step.at.isoformat(),
            **({"about": step.about} if step.about else {}),
            **({"flow": step.flow, "version": step.version} if step.flow else {}),
        }
        for step in call.ivr_path
    ]
    return row


def leg_rows(call: Call) -> list[dict[str, Any]]:
    """The rows of `call_legs` of a call."""
    return [
        {
            "node": call.node,
            "uniqueid": leg.uniqueid,
            "call_id": call.call_id,
            "channel": leg.channel,
            "role": call.role_of(leg),
            "agent": leg.agent,
            "started_at": leg.started_at,
            "answered_at": leg.answered_at,
            "ended_at": leg.ended_at,
            "hangup_cause": leg.hangup_cause,
            "moved_to": leg.moved_to,
        }
        for leg in call.legs
    ]


def visit_rows(call: Call) -> list[dict[str, Any]]:
    """The rows of `queue_visits` of a call."""
    return [
        {
            "call_id": call.call_id,
            "visit": visit.number,
            "queue": visit.queue,
            "why": visit.why,
            "language": visit.language,
            "priority": visit.priority,
            "entered_at": visit.entered_at,
            "position": visit.position,
            "estimate_seconds": None
            if visit.estimate is None
            else int(visit.estimate.total_seconds()),
            "answered_at": visit.answered_at,
            "agent": visit.agent,
            "left_at": visit.left_at,
            "outcome": visit.outcome.value if visit.outcome else None,
        }
        for visit in call.visits
    ]


def talk_rows(call: Call) -> list[dict[str, Any]]:
    """The rows of `agent_talks` of a call."""
    return [
        {
            "call_id": call.call_id,
            "uniqueid": talk.uniqueid,
            "agent": talk.agent,
            "visit": talk.visit,
            "began_at": talk.began_at,
            "ended_at": talk.ended_at,
        }
        for talk in call.talks
    ]


async def write_calls(connection: AsyncConnection, changed: Collection[Call]) -> None:
    """Bring the rows of these calls up to what the fold says."""
    if not changed:
        return
    # `merged_into` refers to a call of the same batch: that one first.
    ordered = sorted(changed, key=lambda call: call.merged_into is not None)
    await connection.execute(_upsert_call, [call_row(call) for call in ordered])
    legs = [row for call in ordered for row in leg_rows(call)]
    if legs:
        await connection.execute(_upsert_leg, legs)
    visits = [row for call in ordered for row in visit_rows(call)]
    if visits:
        await connection.execute(_upsert_visit, visits)
    talks = [row for call in ordered for row in talk_rows(call)]
    if talks:
        await connection.execute(_upsert_talk, talks)
    linkedids = [
        {"node": call.node, "linkedid": linkedid, "call_id": call.call_id}
        for call in ordered
        for linkedid in call.linkedids
    ]
    if linkedids:
        await connection.execute(insert(call_linkedids).on_conflict_do_nothing(), linkedids)


async def write_events(
    connection: AsyncConnection, node: str, applied: Iterable[tuple[UUID, CallEvent]]
) -> None:
    """Keep the records that were applied, in their order."""
    rows = [
        {
            "node": node,
            "event_key": event.key,
            "call_id": call_id,
            "at": event.at,
            "kind": event.kind,
            "uniqueid": event.uniqueid,
            "linkedid": event.linkedid,
            "detail": to_detail(event),
        }
        for call_id, event in applied
    ]
    if rows:
        await connection.execute(insert(call_events).on_conflict_do_nothing(), rows)


async def write_rejects(
    connection: AsyncConnection, node: str, rejects: Sequence[Reject], at: datetime
) -> None:
    rows = [
        {"node": node, "line_key": r.key, "at": at, "rule": r.rule, "line": r.text} for r in rejects
    ]
    if rows:
        await connection.execute(insert(journal_rejects).on_conflict_do_nothing(), rows)


async def known_keys(connection: AsyncConnection, node: str, keys: Collection[bytes]) -> set[bytes]:
    """Those of `keys` that were applied before."""
    if not keys:
        return set()
    found = await connection.scalars(
        select(call_events.c.event_key).where(
            call_events.c.node == node, among(call_events.c.event_key, keys)
        )
    )
    return {bytes(key) for key in found}


async def read_position(connection: AsyncConnection, node: str) -> Position | None:
    """The committed position; its row stays locked until the transaction ends."""
    row = (
        await connection.execute(
            select(journal_positions.c.segment, journal_positions.c.offset_bytes)
            .where(journal_positions.c.node == node)
            .with_for_update()
        )
    ).one_or_none()
    return Position(row.segment, row.offset_bytes) if row else None


async def write_position(
    connection: AsyncConnection, node: str, position: Position, at: datetime
) -> None:
    statement = insert(journal_positions).values(
        node=node, segment=position.segment, offset_bytes=position.offset, read_at=at
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["node"],
            set_={
                name: statement.excluded[name] for name in ("segment", "offset_bytes", "read_at")
            },
        )
    )


async def find_calls(
    connection: AsyncConnection,
    node: str,
    uniqueids: Collection[str],
    linkedids: Collection[str],
    call_ids: Collection[UUID],
) -> list[Call]:
    """Calls that own one of these, folded again from their records."""
    found = set(call_ids)
    if uniqueids:
        found.update(
            await connection.scalars(
                select(call_legs.c.call_id).where(
                    call_legs.c.node == node, among(call_legs.c.uniqueid, uniqueids)
                )
            )
        )
    if linkedids:
        found.update(
            await connection.scalars(
                select(call_linkedids.c.call_id).where(
                    call_linkedids.c.node == node,
                    among(call_linkedids.c.linkedid, linkedids),
                )
            )
        )
    return await folded(connection, node, found)


async def folded(connection: AsyncConnection, node: str, call_ids: Collection[UUID]) -> list[Call]:
    """These calls, as far as records of them are stored, oldest first."""
    events: dict[UUID, list[CallEvent]] = {}
    for call_id, event in await read_events(connection, call_ids):
        events.setdefault(call_id, []).append(event)
    found = [refold(call_id, node, records) for call_id, records in events.items()]
    return sorted(
        (call for call in found if call), key=lambda call: (call.started_at, call.call_id)
    )


async def read_events(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> list[tuple[UUID, CallEvent]]:
    """Stored records of these calls in the order they were applied."""
    if not call_ids:
        return []
    rows = await connection.execute(
        select(call_events)
        .where(among(call_events.c.call_id, call_ids))
        .order_by(call_events.c.event_id)
    )
    events = []
    for row in rows:
        event = from_stored(
            row.kind,
            key=bytes(row.event_key),
            at=row.at,
            uniqueid=row.uniqueid,
            linkedid=row.linkedid,
            detail=row.detail,
        )
        if event is not None:
            events.append((row.call_id, event))
    return events


async def open_call_ids(connection: AsyncConnection, node: str) -> list[UUID]:
    """Calls of the node that have not ended."""
    return list(
        await connection.scalars(
            select(calls.c.call_id).where(calls.c.node == node, calls.c.ended_at.is_(None))
        )
    )


async def rows_without_records(connection: AsyncConnection, node: str) -> Sequence[RowMapping]:
    """Open rows that the AGI side remembered and the journal has not told of."""
    has_record = select(call_events.c.event_id).where(call_events.c.call_id == calls.c.call_id)
    found = await connection.execute(
        select(calls).where(calls.c.node == node, calls.c.ended_at.is_(None), ~has_record.exists())
    )
    return found.mappings().all()
