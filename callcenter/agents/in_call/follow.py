"""What the journal tells of parties and holds, kept in the transaction of the call's row, and noted
in the case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.directory import store as directory
from callcenter.agents.directory.model import UnitKind
from callcenter.agents.in_call import store
from callcenter.agents.in_call.model import Purpose
from callcenter.calls.facts import (
    CallEnded,
    CallerHeld,
    CallerRetrieved,
    CallJoined,
    Fact,
    PartyAnswered,
    PartyCalled,
    PartyLeft,
    PhoneHoldEnded,
    PhoneHolds,
    UnitLeft,
    UnitReached,
)
from callcenter.cases.service import CaseService

_BY: Final = "system:in_call"
#: Those whose conversation is a matter of the case.
_NOTED: Final = {
    Purpose.THREE_WAY: "三方通话 Three-way call",
    Purpose.CALL_OUT: "代拨 Called another unit (number hidden)",
    Purpose.EMERGENCY: "紧急转接 Emergency transfer (number shown)",
}


_ASKED: Final = "紧急转接 Emergency transfer (asked first by phone: our number shown)"


class InCallFollower:
    """`title` gives the title of a case that has to be opened, from the line's number; `zone` is
    the city's."""

    def __init__(
        self, cases: CaseService, zone: ZoneInfo, title: Callable[[str | None], str]
    ) -> None:
        self._cases = cases
        self._zone = zone
        self._title = title

    async def on_facts(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        """In the facts' transaction."""
        for fact in facts:
            match fact:
                case PartyCalled():
                    await store.tell_party(connection, fact.uniqueid, {"began_at": fact.at})
                case PartyAnswered():
                    told = {"answered_at": fact.at}
                    row = await store.tell_party(connection, fact.uniqueid, told)
                    if row is not None and row["purpose"] == Purpose.EMERGENCY:
                        await self._note(connection, row, "接通 answered", fact.at)
                case PartyLeft():
                    row = await store.tell_party(connection, fact.uniqueid, {"ended_at": fact.at})
                    if row is not None:
                        await self._note(connection, row, self._span(row), fact.at)
                case CallerHeld():
                    await store.begin_hold(connection, fact.call_id, fact.at)
                case PhoneHolds():
                    await store.begin_phone_hold(
                        connection, fact.call_id, fact.uniqueid, fact.agent, fact.at
                    )
                case PhoneHoldEnded():
                    await store.end_phone_hold(connection, fact.call_id, fact.uniqueid, fact.at)
                case CallerRetrieved() | CallEnded():
                    await store.end_consultation(connection, fact.call_id, fact.at)
                    await store.end_hold(connection, fact.call_id, fact.at)
                case UnitReached():
                    await self._note_unit(connection, fact, "接通 answered")
                case UnitLeft():
                    await self._note_unit(connection, fact, self._unit_span(fact))
                case CallJoined():
                    await self._note_asked(connection, fact)
                    await self._cases.link_into_case_of(
                        connection, fact.call_id, UUID(fact.into), by=_BY
                    )
                case _:
                    pass

    async def _note_unit(
        self, connection: AsyncConnection, fact: UnitReached | UnitLeft, what: str
    ) -> None:
        """Who passes a citizen on to an emergency service leaves the case what the act
        `emergency` does."""
        service = await directory.emergency_dialled(connection, fact.to)
        if service is not None:
            heading = _NOTED[Purpose.EMERGENCY]
            text = f"{heading}: {service.name} ({service.number}); {what}; {fact.by}"
            await self._note_citizen(connection, fact.call_id, text, fact.at)

    async def _note_asked(self, connection: AsyncConnection, fact: CallJoined) -> None:
        """An agent spoke with an emergency service first, on the own phone, and joined the two."""
        agent, dialled = await store.begun_by_agent(connection, fact.call_id)
        service = await directory.entry_of(connection, dialled) if dialled else None
        if service is not None and service.kind is UnitKind.EMERGENCY:
            text = f"{_ASKED}: {service.name} ({service.number}); 接通 answered; {agent}"
            await self._note_citizen(connection, UUID(fact.into), text, fact.at)

    async def _note(
        self, connection: AsyncConnection, row: RowMapping, what: str, at: datetime
    ) -> None:
        heading = _NOTED.get(Purpose(row["purpose"]))
        if heading is None:
            return
        with_whom = f"{row['name']} ({row['directory']}) {row['officer']}".strip()
        text = f"{heading}: {with_whom}; {what}; {row['wanted_by']}"
        await self._note_citizen(connection, row["call_id"], text, at)

    async def _note_citizen(
        self, connection: AsyncConnection, call_id: UUID, text: str, at: datetime
    ) -> None:
        """Nothing, where the call is no citizen's."""
        is_citizens, line = await store.line_of_call(connection, call_id)
        if is_citizens:
            await self._cases.note_for_call(
                connection, call_id, text, title=self._title(line), by=_BY, at=at
            )

    def _unit_span(self, fact: UnitLeft) -> str:
        talked = timedelta(milliseconds=fact.talked_ms or 0)
        answered = fact.at - talked
        began = answered - timedelta(milliseconds=fact.rang_ms)
        return self._spoken(began, None if fact.talked_ms is None else answered, fact.at)

    def _span(self, row: RowMapping | dict[str, Any]) -> str:
        return self._spoken(row["began_at"], row["answered_at"], row["ended_at"])

    def _spoken(self, began: datetime, answered: datetime | None, ended: datetime) -> str:
        said = f"{self._clock(began)}–{self._clock(ended)}"
        if answered is None:
            return f"{said}, 未接通 not reached"
        seconds = round((ended - answered) / timedelta(seconds=1))
        return f"{said}, 接通 answered {self._clock(answered)}, {seconds} s"

    def _clock(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
