"""Calls people on call when an alert is with them. One for each node.

A call is written down, and committed, before Asterisk is asked for it; it is never asked twice.
What became of it the journal says (`follow`). One of which neither Asterisk nor the journal knows
anything a while later was not made, and the person is called again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from callcenter.agents.on_call import store
from callcenter.agents.on_call.model import Alert
from callcenter.agents.on_call.ringing import (
    RING,
    AlertCall,
    CallOutcome,
    alert_call_id,
    to_be_called,
)
from callcenter.agents.on_call.service import TOPIC
from callcenter.calls.numbers import NumberRule
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.platform.news import announce
from callcenter.switch import placing
from callcenter.switch.placing import Lines, OutcomeUnknown, UnderWay

log = logging.getLogger(__name__)

#: The journal has told of a call before this, or Asterisk has a channel that rings.
_PATIENCE: Final = RING + timedelta(seconds=10)
#: Alerts looked at in one round.
_AT_ONCE: Final = 500
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """One call to be placed. `dialled` is what the trunk is told, `number` the same in E.164; None:
    the agent's own phone rings. `line` is our number they see, `case` the digits they are told."""

    call_id: UUID
    alert_id: UUID
    agent_id: str
    number: str | None
    dialled: str | None
    line: str
    case: str
    ring: timedelta = RING


class AlertLines(Lines["PlacedCall"], Protocol):
    """The switch, as this needs it (`callcenter.asterisk.alert`)."""

    async def hang_up(self, call_id: UUID) -> None:
        """End it, where it still lives. Raises `OutcomeUnknown`."""
        ...


class AlertCaller:
    """`run` until cancelled; `step` is one round. `journal_is_read`: nothing of the journal is
    unread; only then a missing call means that there was none."""

    def __init__(
        self,
        database: Database,
        lines: AlertLines,
        *,
        node: str,
        rule: NumberRule,
        clock: Clock,
        journal_is_read: Callable[[], bool],
    ) -> None:
        self._database = database
        self._lines = lines
        self._node = node
        self._rule = rule
        self._clock = clock
        self._journal_is_read = journal_is_read

    async def run(self) -> None:
        """For ever."""
        await placing.rounds(self.step, "the caller of people on call")

    async def step(self) -> int:
        """Look after the calls there are, place those that are due; how many were asked for."""
        if not self._lines.is_ready():
            return 0
        try:
            await self._look_after()
        except OutcomeUnknown:
            return 0
        placed = await self._claim()
        for call in placed:
            await placing.place(
                self._lines,
                call,
                f"alert {call.alert_id}: agent {call.agent_id}",
                partial(self._settle, call.call_id, CallOutcome.NOT_THERE),
            )
        return len(placed)

    async def _claim(self) -> list[PlacedCall]:
        """Those whose time has come, written down: from here on each was asked for, once."""
        now = self._clock()
        claimed: list[PlacedCall] = []
        async with self._database.transaction() as connection:
            rings = {rota.name for rota in await store.list_rotas(connection) if rota.rings}
            line = await store.line_shown(connection)
            for alert in await store.waiting_alerts(connection, _AT_ONCE, of=rings):
                calls = list(await store.calls_of(connection, alert.alert_id))
                people = to_be_called(
                    alert, await store.steps_of(connection, alert.alert_id), calls, now
                )
                if not people:
                    continue
                turns = await store.turns_of(connection, alert.rota, now, now + _INSTANT)
                numbers = {
                    turn.agent_id: turn.phone_number for turn in turns if turn.level == alert.level
                }
                for agent_id in people:
                    call = AlertCall(
                        call_id=alert_call_id(alert.alert_id, len(calls) + 1),
                        alert_id=alert.alert_id,
                        attempt=len(calls) + 1,
                        agent_id=agent_id,
                        level=alert.level,
                        phone_number=self._called(numbers.get(agent_id)),
                        node=self._node,
                        placed_at=now,
                    )
                    calls.append(call)
                    await store.add_call(connection, call)
                    claimed.append(self._placed(call, alert, line))
                await announce(connection, TOPIC, str(alert.alert_id))
        return claimed

    def _called(self, number: str | None) -> str | None:
        """The number, where the trunk is told it now; else the agent's phone rings."""
        try:
            return None if number is None else self._rule.allowed(number)
        except InvalidField:
            return None

    def _placed(self, call: AlertCall, alert: Alert, line: str) -> PlacedCall:
        number = call.phone_number
        return PlacedCall(
            call_id=call.call_id,
            alert_id=call.alert_id,
            agent_id=call.agent_id,
            number=number,
            dialled=None if number is None else self._rule.dialled(number),
            line=line,
            case=alert.case_number or "",
        )

    async def _look_after(self) -> None:
        """Phones ring no longer for what somebody acknowledged; calls that Asterisk has no channel
        of and the journal no record of were not made. Raises `OutcomeUnknown`."""
        async with self._database.transaction() as connection:
            under_way = await store.under_way(connection, self._node)
        for call, _has_call, is_open in under_way:
            # Who has picked up hears to the end, and may press 1: it does no harm.
            if not is_open and call.heard_at is None:
                await self._lines.hang_up(call.call_id)
        for call_id in await placing.never_made(
            self._lines,
            (UnderWay(call.call_id, call.placed_at, has_call) for call, has_call, _ in under_way),
            before=self._clock() - _PATIENCE,
            journal_is_read=self._journal_is_read,
        ):
            await self._settle(call_id, CallOutcome.LOST)

    async def _settle(self, call_id: UUID, outcome: CallOutcome) -> None:
        async with self._database.transaction() as connection:
            call = await store.call_of(connection, call_id)
            if call is not None:
                await store.save_call(connection, call.over(outcome, self._clock()))
                await announce(connection, TOPIC, str(call.alert_id))
