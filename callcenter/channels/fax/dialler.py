"""Places the calls that deliver faxes. One for each node.

A try is written down as `dialling`, and committed, before Asterisk is asked; it is never asked
twice. What became of it the journal says (`follow`). A try of which neither Asterisk nor the
journal knows anything a minute later was not made, and the next one is due after its pause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from callcenter.calls.numbers import NumberRule
from callcenter.channels.fax import store
from callcenter.channels.fax.follow import TOPIC, FaxFollower
from callcenter.channels.fax.model import UNKNOWN, FaxTryState, Policy
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.platform.news import announce
from callcenter.switch import placing
from callcenter.switch.placing import Lines, OutcomeUnknown, UnderWay

log = logging.getLogger(__name__)

#: The journal has told of a call long before this, if there was one.
_PATIENCE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class FaxCall:
    """One call to be placed. `dialled` is what the trunk is told, `line` our number."""

    fax_id: UUID
    attempt: int
    call_id: UUID
    dialled: str
    line: str


class FaxDialler:
    """`run` until cancelled; `step` is one round. `journal_is_read`: nothing of the journal is
    unread; only then a missing call means that there was none."""

    def __init__(
        self,
        database: Database,
        lines: Lines[FaxCall],
        follower: FaxFollower,
        *,
        node: str,
        policy: Policy,
        rule: NumberRule,
        at_once: int,
        clock: Clock,
        journal_is_read: Callable[[], bool],
    ) -> None:
        self._database = database
        self._lines = lines
        self._follower = follower
        self._node = node
        self._policy = policy
        self._rule = rule
        self._at_once = at_once
        self._clock = clock
        self._journal_is_read = journal_is_read

    async def run(self) -> None:
        """For ever."""
        await placing.rounds(self.step, "the fax dialler")

    async def step(self) -> int:
        """Place what is due and settle what was lost; how many calls were asked for."""
        if not self._lines.is_ready():
            return 0
        await self._settle_lost()
        calls = await self._claim()
        for call in calls:
            await placing.place(
                self._lines,
                call,
                f"fax {call.fax_id}",
                partial(
                    self._settle, call.call_id, "the telephone system refused to place the call"
                ),
            )
        return len(calls)

    async def _claim(self) -> list[FaxCall]:
        """Tries that are due, written down as dialled: from here on each was asked for, once."""
        now = self._clock()
        claimed: list[FaxCall] = []
        async with self._database.transaction() as connection:
            busy = len(await store.under_way(connection, self._node))
            free = max(0, self._at_once - busy)
            for row in await store.due(connection, now, free) if free else []:
                allowed_at = self._policy.hours.next_allowed(now)
                if allowed_at > now:  # it became night while it waited
                    await store.change_delivery(
                        connection, row["fax_id"], row["attempt"], {"due_at": allowed_at}
                    )
                    continue
                try:
                    self._rule.allowed(row["number"])
                except InvalidField as exc:  # the list was made stricter meanwhile
                    await self._follower.settle(
                        connection, row, good=False, pages=0, error=exc.rule[:200], at=now
                    )
                    continue
                await store.change_delivery(
                    connection,
                    row["fax_id"],
                    row["attempt"],
                    {"state": FaxTryState.DIALLING.value, "dialled_at": now, "node": self._node},
                )
                await announce(connection, TOPIC, str(row["fax_id"]))
                claimed.append(
                    FaxCall(
                        fax_id=row["fax_id"],
                        attempt=row["attempt"],
                        call_id=row["call_id"],
                        dialled=self._rule.dialled(row["number"]),
                        line=row["line"] or "",
                    )
                )
        return claimed

    async def _settle(self, call_id: UUID, error: str) -> None:
        async with self._database.transaction() as connection:
            for tried in await store.deliveries_by_call(connection, [call_id], only_open=True):
                await self._follower.settle(
                    connection, tried, good=False, pages=0, error=error, at=self._clock()
                )

    async def _settle_lost(self) -> None:
        """Tries that Asterisk has no channel of and the journal no call of."""
        before = self._clock() - _PATIENCE
        async with self._database.transaction() as connection:
            rows = await store.under_way(connection, self._node)
        try:
            lost = await placing.never_made(
                self._lines,
                (UnderWay(row["call_id"], row["dialled_at"], row["has_call"]) for row in rows),
                before=before,
                journal_is_read=self._journal_is_read,
            )
        except OutcomeUnknown:
            return
        for call_id in lost:
            await self._settle(call_id, UNKNOWN)
