"""SQL of the screen pop: six queries for any number of calls, each list bounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.queries import case_numbers, priority_reasons
from callcenter.calls.store import among
from callcenter.calls.tables import call_legs, calls, queue_visits
from callcenter.cases.tables import case_calls, cases
from callcenter.live.screen.model import (
    MOST_EARLIER,
    MOST_SEARCHED,
    MOST_STEPS,
    CallBrief,
    CaseBrief,
    ScreenPop,
)

_CASE: Final[tuple[ColumnElement[Any], ...]] = (
    cases.c.case_number,
    cases.c.title,
    cases.c.category,
    cases.c.state,
    cases.c.opened_at,
    cases.c.closed_at,
    cases.c.due_at,
)
#: What is looked up by a caller's number; nothing is where there is none to show.
_this = calls.alias("this")
_known = (
    _this.c.direction == "inbound",
    _this.c.caller_number.is_not(None),
    _this.c.caller_withheld.is_(False),
)
_earlier = calls.alias("earlier")
_same_number = (
    _earlier.c.caller_number == _this.c.caller_number,
    _earlier.c.direction == "inbound",
    _earlier.c.call_id != _this.c.call_id,
    _earlier.c.started_at <= _this.c.started_at,
    _earlier.c.merged_into.is_(None),
)


async def call_at_phone(connection: AsyncConnection, agent_id: str) -> UUID | None:
    """The call at the agent's phone: one that is answered before one that rings."""
    call_id: UUID | None = await connection.scalar(
        select(call_legs.c.call_id)
        .join(calls, calls.c.call_id == call_legs.c.call_id)
        .where(
            calls.c.ended_at.is_(None),
            call_legs.c.agent == agent_id,
            call_legs.c.role == "agent",
            call_legs.c.ended_at.is_(None),
        )
        .order_by(call_legs.c.answered_at.asc().nulls_last(), call_legs.c.started_at)
        .limit(1)
    )
    return call_id


async def read_screens(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> dict[UUID, ScreenPop]:
    """The screen pops of these calls."""
    if not call_ids:
        return {}
    found = (await connection.execute(select(calls).where(among(calls.c.call_id, call_ids)))).all()
    visits = await connection.execute(
        select(queue_visits.c.call_id, queue_visits.c.position, queue_visits.c.estimate_seconds)
        .where(among(queue_visits.c.call_id, call_ids))
        .order_by(queue_visits.c.visit)
    )
    visit = {row.call_id: row for row in visits}
    earlier = await _earlier_calls(connection, call_ids)
    numbers = await case_numbers(
        connection, {*call_ids, *(row.call_id for rows in earlier.values() for row in rows)}
    )
    own = await connection.execute(
        select(*_CASE).where(
            among(cases.c.case_number, {numbers[c] for c in call_ids if c in numbers})
        )
    )
    of_number = {row.case_number: _case(row) for row in own}
    old_cases = await _earlier_cases(connection, call_ids)
    reasons = await priority_reasons(
        connection, {row.priority_entry for row in found if row.priority_entry is not None}
    )
    screens = {}
    for row in found:
        case_number = numbers.get(row.call_id)
        calls_before = earlier.get(row.call_id, [])
        cases_before = [c for c in old_cases.get(row.call_id, []) if c.case_number != case_number]
        wait = visit.get(row.call_id)
        screens[row.call_id] = ScreenPop(
            call_id=row.call_id,
            line=row.line,
            dialled_number=row.dialled_number,
            direction=row.direction,
            state=row.state,
            queue=row.queue,
            caller_number=row.caller_number,
            caller_name=row.caller_name,
            caller_withheld=row.caller_withheld,
            language=row.language,
            priority=row.priority,
            priority_reason=reasons.get(row.priority_entry),
            started_at=row.started_at,
            queued_at=row.queued_at,
            position=wait.position if wait else None,
            estimate_seconds=wait.estimate_seconds if wait else None,
            path=tuple(row.ivr_path[-MOST_STEPS:]),
            case=of_number.get(case_number) if case_number else None,
            earlier_calls=tuple(
                CallBrief(
                    call_id=old.call_id,
                    started_at=old.started_at,
                    line=old.line,
                    disposition=old.disposition,
                    queue=old.queue,
                    agent=old.agent,
                    case_number=numbers.get(old.call_id),
                )
                for old in calls_before[:MOST_EARLIER]
            ),
            more_calls=len(calls_before) > MOST_EARLIER,
            earlier_cases=tuple(cases_before[:MOST_EARLIER]),
            more_cases=len(cases_before) > MOST_EARLIER,
        )
    return screens


async def _earlier_calls(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> dict[UUID, list[Row[Any]]]:
    before = (
        select(
            _earlier.c.call_id,
            _earlier.c.started_at,
            _earlier.c.line,
            _earlier.c.disposition,
            _earlier.c.queue,
            _earlier.c.agent,
        )
        .where(*_same_number)
        .order_by(_earlier.c.started_at.desc(), _earlier.c.call_id)
        .limit(MOST_EARLIER + 1)
        .lateral()
    )
    found = await connection.execute(
        select(_this.c.call_id.label("of_call"), before)
        .join(before, true())
        .where(among(_this.c.call_id, call_ids), *_known)
        .order_by(before.c.started_at.desc(), before.c.call_id)
    )
    grouped: dict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in found:
        grouped[row.of_call].append(row)
    return grouped


async def _earlier_cases(
    connection: AsyncConnection, call_ids: Collection[UUID]
) -> dict[UUID, list[CaseBrief]]:
    latest = (
        select(_earlier.c.call_id)
        .where(*_same_number)
        .order_by(_earlier.c.started_at.desc(), _earlier.c.call_id)
        .limit(MOST_SEARCHED)
        .correlate(_this)
        .scalar_subquery()
    )
    theirs = (
        select(*_CASE)
        .where(
            cases.c.case_number.in_(
                select(case_calls.c.case_number).where(case_calls.c.call_id.in_(latest))
            )
        )
        .order_by(cases.c.opened_at.desc(), cases.c.case_number.desc())
        # One more for `more_cases`, one more for the call's own case.
        .limit(MOST_EARLIER + 2)
        .lateral()
    )
    found = await connection.execute(
        select(_this.c.call_id.label("of_call"), theirs)
        .join(theirs, true())
        .where(among(_this.c.call_id, call_ids), *_known)
        .order_by(theirs.c.opened_at.desc(), theirs.c.case_number.desc())
    )
    grouped: dict[UUID, list[CaseBrief]] = defaultdict(list)
    for row in found:
        grouped[row.of_call].append(_case(row))
    return grouped


def _case(row: Row[Any]) -> CaseBrief:
    return CaseBrief(
        case_number=row.case_number,
        title=row.title,
        category=row.category,
        state=row.state,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        due_at=row.due_at,
    )
