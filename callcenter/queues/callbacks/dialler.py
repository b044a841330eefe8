"""Places callbacks in the queues, each at the citizen's place. One for each node.

An attempt is written down, and committed, before Asterisk is asked; it is never asked twice. What
became of it the journal says (`duty`). An attempt of which neither Asterisk nor the journal knows
anything a minute later was not made, and the place is taken again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.numbers import NumberRule
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.platform.news import announce
from callcenter.queues.callbacks import store
from callcenter.queues.callbacks.duty import CallbackDuty
from callcenter.queues.callbacks.model import (
    Policy,
    Try,
    TryOutcome,
    TryState,
    try_call_id,
)
from callcenter.queues.callbacks.service import TOPIC
from callcenter.switch import placing
from callcenter.switch.placing import Lines, OutcomeUnknown, UnderWay

log = logging.getLogger(__name__)

#: The journal has told of a call long before this, if there was one.
_PATIENCE: Final = timedelta(seconds=60)
#: So many wait in the queues of a node at a time.
_AT_ONCE: Final = 200
#: No placeholder waits longer; its place is taken again then.
_LONGEST_WAIT: Final = timedelta(hours=6)
#: How long a callback is left alone whose queue has nobody at a phone.
_NOBODY_THERE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackCall:
    """One call to be placed. `number` is E.164, `dialled` what the trunk is told, `line` our number
    that the citizen is shown, `joined_at` the citizen's place; not dialled after `until`. `survey`:
    the line asks how it was after the conversation."""

    callback_id: UUID
    call_id: UUID
    number: str
    dialled: str
    line: str
    queue: str
    language: str
    priority: int | None
    joined_at: datetime
    wait: timedelta
    ring: timedelta
    until: datetime
    asked_at: datetime
    survey: bool = False


@dataclass(frozen=True, slots=True)
class QueueNow:
    """A queue in Asterisk: whether anybody can be rung, and whether one more may wait."""

    somebody: bool
    room: bool


class CallbackLines(Lines["CallbackCall"], Protocol):
    """The switch, as the dialler needs it (`callcenter.asterisk.callback`)."""

    async def queues(self) -> Mapping[str, QueueNow]:
        """The queues there are, by name. Raises `OutcomeUnknown`."""
        ...

    async def withdraw(self, call_id: UUID) -> None:
        """Take it out of the queue, if it still waits there. Raises `OutcomeUnknown`."""
        ...


class LineHours(Protocol):
    """The opening hours of lines."""

    async def opens_at(self, connection: AsyncConnection, line: str, at: datetime) -> datetime:
        """`at` where the line is open, else when it opens next (a guess where nobody knows)."""
        ...


class CallbackDialler:
    """`run` until cancelled; `step` is one round. `journal_is_read`: nothing of the journal is
    unread; only then a missing call means that there was none."""

    def __init__(
        self,
        database: Database,
        lines: CallbackLines,
        duty: CallbackDuty,
        line_hours: LineHours,
        *,
        node: str,
        policy: Policy,
        rule: NumberRule,
        clock: Clock,
        journal_is_read: Callable[[], bool],
    ) -> None:
        self._database = database
        self._lines = lines
        self._duty = duty
        self._line_hours = line_hours
        self._node = node
        self._policy = policy
        self._rule = rule
        self._clock = clock
        self._journal_is_read = journal_is_read

    async def run(self) -> None:
        """For ever."""
        await placing.rounds(self.step, "the callback dialler")

    async def step(self) -> int:
        """Settle what was lost, take back what is not wanted, place what is due; how many calls
        were asked for."""
        if not self._lines.is_ready():
            return 0
        try:
            async with self._database.transaction() as connection:
                await self._move(connection)
                under_way = await store.under_way(connection, self._node)
                due = await store.due(connection, self._clock(), 1) if self._rule.dials else []
            await self._look_after(under_way)
            if not due:
                return 0
            queues = await self._lines.queues()
        except OutcomeUnknown:
            return 0
        calls = await self._claim(queues, max(0, _AT_ONCE - len(under_way)))
        for call in calls:
            await placing.place(
                self._lines,
                call,
                f"callback {call.callback_id}",
                partial(self._settle, call.call_id, TryOutcome.REFUSED),
            )
        return len(calls)

    async def _move(self, connection: AsyncConnection) -> None:
        for callback_id in await store.move_from_gone_queues(connection):
            log.warning("callback %s: its queue is gone, it waits in another one", callback_id)
            await announce(connection, TOPIC, str(callback_id))

    async def _claim(self, queues: Mapping[str, QueueNow], most: int) -> list[CallbackCall]:
        """Those whose turn to wait has come, written down as placed: from here on each was asked
        for, once."""
        now = self._clock()
        claimed: list[CallbackCall] = []
        async with self._database.transaction() as connection:
            for row in await store.due(connection, now, most, lock=True):
                call = await self._call(connection, row, queues, now)
                if call is not None:
                    await announce(connection, TOPIC, str(row["callback_id"]))
                    claimed.append(call)
        return claimed

    async def _call(
        self,
        connection: AsyncConnection,
        row: RowMapping,
        queues: Mapping[str, QueueNow],
        now: datetime,
    ) -> CallbackCall | None:
        """The call to be placed for this callback; None where it has to wait, or is not ours."""
        key = row["callback_id"]
        line = row["line"] or row["call_line"] or row["default_line"] or ""
        allowed_at = self._policy.hours.next_allowed(now)
        if allowed_at <= now and line:
            allowed_at = await self._line_hours.opens_at(connection, line, now)
        queue = queues.get(row["queue"])
        if allowed_at <= now and (queue is None or not queue.somebody or not queue.room):
            allowed_at = now + _NOBODY_THERE
        if allowed_at > now:
            await store.put_off(connection, key, allowed_at)
            return None
        try:
            number = self._rule.allowed(row["number"])
        except InvalidField:
            # A number of the city's own network, or the list was made stricter: people dial it.
            await store.put_off(connection, key, None)
            return None
        tries = (await store.tries_of(connection, [key])).get(key, [])
        attempt = max((one.number for one in tries), default=0) + 1
        call_id = try_call_id(key, attempt)
        await store.add_try(
            connection,
            Try(
                callback_id=key,
                number=attempt,
                call_id=call_id,
                node=self._node,
                state=TryState.PLACED,
                placed_at=now,
            ),
        )
        until = min(self._policy.hours.ends(now) or now + _LONGEST_WAIT, now + _LONGEST_WAIT)
        return CallbackCall(
            callback_id=key,
            call_id=call_id,
            number=number,
            dialled=self._rule.dialled(number),
            line=line,
            queue=row["queue"],
            language=row["language"],
            priority=row["priority"],
            joined_at=row["place_at"],
            wait=max(until - now, timedelta(seconds=1)),
            ring=self._policy.ring,
            until=until,
            asked_at=now,
            survey=row["survey"],
        )

    async def _settle(self, call_id: UUID, outcome: TryOutcome) -> None:
        async with self._database.transaction() as connection:
            one = (await store.tries_by_call(connection, [call_id])).get(call_id)
            if one is not None and one.state is not TryState.ENDED:
                await self._duty.settle(connection, one, outcome, at=self._clock())

    async def _look_after(self, under_way: Collection[RowMapping]) -> None:
        """Attempts nobody wants any more leave the queue; those that Asterisk has no channel of and
        the journal no call of were not made. Raises `OutcomeUnknown`."""
        for row in under_way:
            if row["state"] == TryState.PLACED and not row["wanted"] and row["has_call"]:
                await self._lines.withdraw(row["call_id"])
        for call_id in await placing.never_made(
            self._lines,
            (UnderWay(row["call_id"], row["placed_at"], row["has_call"]) for row in under_way),
            before=self._clock() - _PATIENCE,
            journal_is_read=self._journal_is_read,
        ):
            await self._settle(call_id, TryOutcome.LOST)
