"""The callbacks of this instance, from its settings; and what they ask of other rooms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.bootstrap.cases import case_title
from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.cases.model import Relation
from callcenter.cases.number import CaseNumber
from callcenter.cases.service import CaseService
from callcenter.lines.tables import lines
from callcenter.platform.settings import Settings, parse_hours
from callcenter.queues.callbacks.duty import BY
from callcenter.queues.callbacks.model import Callback, Policy
from callcenter.schedules.hours import state_at
from callcenter.schedules.store import schedule_named, work_calendar

#: How long a callback is left alone whose line is closed for nobody knows how long.
_LOOK_AGAIN: Final = timedelta(minutes=15)


def callback_policy(settings: Settings) -> Policy:
    begin, until = parse_hours(settings.callback_hours)
    return Policy(
        tries=settings.callback_tries,
        pause=settings.callback_pause,
        ring=settings.callback_ring,
        hours=Hours(begin, until, ZoneInfo(settings.time_zone)),
        deadline=settings.callback_deadline,
        shortest_wait=settings.missed_call_wait,
        dials_missed=settings.missed_calls == "dial",
    )


def callback_rule(settings: Settings) -> NumberRule:
    return NumberRule(
        settings.phone_region,
        settings.callback_prefixes,
        settings.fax_dial,
        dials=settings.trunk_host is not None,
    )


class CallbackCases:
    """A `CaseFiles` over the room of cases."""

    def __init__(self, cases: CaseService) -> None:
        self._cases = cases

    async def belongs(
        self, connection: AsyncConnection, callback: Callback, call_id: UUID, at: datetime
    ) -> None:
        number = await self._case_of(connection, callback, at)
        if number is not None:
            await self._cases.link_within(connection, number, call_id, Relation.CALLBACK, by=BY)

    async def note(
        self, connection: AsyncConnection, callback: Callback, text: str, at: datetime
    ) -> None:
        number = await self._case_of(connection, callback, at)
        if number is not None:
            await self._cases.note(connection, number, text, by=BY)

    async def _case_of(
        self, connection: AsyncConnection, callback: Callback, at: datetime
    ) -> CaseNumber | None:
        if callback.case_number is not None:
            return CaseNumber(callback.case_number)
        if callback.call_id is None:
            return None
        case = await self._cases.open_for_call(
            connection, callback.call_id, title=case_title(callback.line), opened_by=BY, at=at
        )
        return case.number


class ScheduledLines:
    """A `LineHours` over the lines' schedules."""

    async def opens_at(self, connection: AsyncConnection, line: str, at: datetime) -> datetime:
        name = await connection.scalar(select(lines.c.schedule).where(lines.c.number == line))
        row = None if name is None else await schedule_named(connection, name)
        if row is None:
            return at
        state = state_at(row.schedule, await work_calendar(connection), at)
        if state.open:
            return at
        return state.next_change_at or at + _LOOK_AGAIN
