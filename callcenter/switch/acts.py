"""Acts in calls that are going on: the API writes one in its transaction, `node` does it, once.

api:  act_id = await acts.order(connection, "transfer", {...}, by=who) … commit …
      outcome = await acts.wait(act_id)
node: ActRunner(…, {"transfer": do_transfer}).run()

An act is written down as begun, and committed, before Asterisk is asked; one that was begun is
never done again, also where the link was lost or the node died: then its outcome is `unknown`. One
that nobody began within `TOO_LATE` is refused: a whisper minutes later helps nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import Conflict, HotlineError, Unavailable
from callcenter.platform.news import announce, listen
from callcenter.switch.tables import switch_acts

log = logging.getLogger(__name__)

TOPIC: Final = "act"
#: How long a reply of the API waits for the act.
CONFIRMATION_LIMIT: Final = timedelta(seconds=5)
#: An act that was not begun after this is not begun any more.
TOO_LATE: Final = timedelta(seconds=10)
#: How long the node works on one act.
_LONGEST: Final = timedelta(seconds=10)
_LOOK_EVERY: Final = timedelta(milliseconds=200)
_MOST_AT_ONCE: Final = 50
_LONGEST_DETAIL: Final = 500


class ActOutcome(StrEnum):
    """What became of an act."""

    DONE = "done"  #: Asterisk was seen to do it
    REFUSED = "refused"  #: it was certainly not done
    UNKNOWN = "unknown"  #: it may have been done: nobody here knows


class ActRefused(Conflict):
    """The telephone system could not do that now."""

    slug = "act-refused"


class ActUnknown(Unavailable):
    """Nobody knows whether the telephone system did that: look at the call before trying again."""

    slug = "act-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act. `arguments` is JSON that the API validated; `kind` says who does it."""

    act_id: int
    kind: str
    arguments: dict[str, Any]
    wanted_by: str
    wanted_at: datetime


#: Does one act and returns what to tell whoever wanted it (JSON). Raises `HotlineError`s: one that
#: is no `Unavailable` means that it was certainly not done.
Executor = Callable[[Act], Awaitable[dict[str, Any]]]


class ActOrders:
    """The API's side. `node` is the Asterisk that is to act."""

    def __init__(self, database: Database, clock: Clock, node: str) -> None:
        self._database = database
        self._clock = clock
        self._node = node

    async def order(
        self, connection: AsyncConnection, kind: str, arguments: dict[str, Any], *, by: str
    ) -> int:
        """Wish for an act, in the caller's transaction; its id."""
        act_id = await connection.scalar(
            insert(switch_acts)
            .values(
                node=self._node,
                kind=kind,
                arguments=arguments,
                wanted_by=by,
                wanted_at=self._clock(),
            )
            .returning(switch_acts.c.act_id)
        )
        assert act_id is not None
        await announce(connection, TOPIC, self._node)
        return int(act_id)

    async def wait(self, act_id: int, limit: timedelta = CONFIRMATION_LIMIT) -> dict[str, Any]:
        """The act's result, waited for outside any transaction.

        Raises `ActRefused` with the reason, `ActUnknown` where nobody can tell (in time).
        """
        wanted = select(switch_acts.c.outcome, switch_acts.c.detail, switch_acts.c.result).where(
            switch_acts.c.act_id == act_id
        )
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while True:
                    async with self._database.transaction() as connection:
                        row = (await connection.execute(wanted)).one()
                    if row.outcome is not None:
                        break
                    await asyncio.sleep(_LOOK_EVERY.total_seconds() / 4)
        except TimeoutError:
            seconds = f"{limit.total_seconds():g}"
            raise ActUnknown(f"Node {self._node} said nothing within {seconds} s.") from None
        match ActOutcome(row.outcome):
            case ActOutcome.DONE:
                return dict(row.result or {})
            case ActOutcome.REFUSED:
                raise ActRefused(row.detail)
            case ActOutcome.UNKNOWN:
                raise ActUnknown(row.detail)


class ActRunner:
    """The node's side: does what is wanted, as it comes, several at once. `run` and `follow` are to
    be supervised."""

    def __init__(
        self, database: Database, clock: Clock, node: str, executors: Mapping[str, Executor]
    ) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._executors = dict(executors)
        self._wake = asyncio.Event()
        self._begun: set[int] = set()

    async def follow(self) -> None:
        """Wake at news of acts, for ever."""
        async for news in listen(self._database):
            if news is None or (news.topic == TOPIC and news.key == self._node):
                self._wake.set()

    async def run(self) -> None:
        """Do what is wanted, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                try:
                    for act in await self._claim():
                        self._begun.add(act.act_id)
                        group.create_task(self._do(act), name=f"act {act.act_id} {act.kind}")
                except DatabaseUnavailable as exc:
                    log.warning("no acts are taken now: %s", exc.message)
                try:
                    async with asyncio.timeout(1.0):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _claim(self) -> list[Act]:
        now = self._clock()
        claimed: list[Act] = []
        async with self._database.transaction() as connection:
            rows = await connection.execute(
                select(switch_acts)
                .where(switch_acts.c.node == self._node, switch_acts.c.done_at.is_(None))
                .order_by(switch_acts.c.act_id)
                .limit(_MOST_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            for row in rows:
                if row.act_id in self._begun:
                    continue
                if row.begun_at is not None:
                    # Another life of this node began it.
                    await self._settle(
                        connection,
                        row.act_id,
                        ActOutcome.UNKNOWN,
                        detail="The node was restarted while it did this.",
                    )
                elif now - row.wanted_at > TOO_LATE:
                    await self._settle(
                        connection, row.act_id, ActOutcome.REFUSED, detail="The node was away."
                    )
                else:
                    await connection.execute(
                        update(switch_acts)
                        .where(switch_acts.c.act_id == row.act_id)
                        .values(begun_at=now)
                    )
                    claimed.append(
                        Act(
                            act_id=row.act_id,
                            kind=row.kind,
                            arguments=dict(row.arguments),
                            wanted_by=row.wanted_by,
                            wanted_at=row.wanted_at,
                        )
                    )
        return claimed

    async def _do(self, act: Act) -> None:
        outcome, detail = ActOutcome.DONE, None
        result: dict[str, Any] | None = None
        try:
            executor = self._executors.get(act.kind)
            if executor is None:
                raise ActRefused(f"This node does not know the act {act.kind}.")
            async with asyncio.timeout(_LONGEST.total_seconds()):
                result = await executor(act)
        except (Unavailable, TimeoutError) as exc:
            outcome = ActOutcome.UNKNOWN
            detail = exc.message if isinstance(exc, HotlineError) else "It took too long."
        except HotlineError as exc:
            outcome, detail = ActOutcome.REFUSED, exc.message
        except Exception:
            log.exception("act %d (%s) failed by a fault of ours", act.act_id, act.kind)
            outcome, detail = ActOutcome.UNKNOWN, "A fault of the node; its log tells more."
        await self._settle_surely(act.act_id, outcome, detail, result)

    async def _settle_surely(
        self, act_id: int, outcome: ActOutcome, detail: str | None, result: dict[str, Any] | None
    ) -> None:
        """A database that is away is tried again: else a later life would not know that it was
        done."""
        while True:
            try:
                async with self._database.transaction() as connection:
                    await self._settle(connection, act_id, outcome, detail=detail, result=result)
            except DatabaseUnavailable:
                await asyncio.sleep(0.5)
            else:
                self._begun.discard(act_id)
                return

    async def _settle(
        self,
        connection: AsyncConnection,
        act_id: int,
        outcome: ActOutcome,
        *,
        detail: str | None,
        result: dict[str, Any] | None = None,
    ) -> None:
        await connection.execute(
            update(switch_acts)
            .where(switch_acts.c.act_id == act_id, switch_acts.c.done_at.is_(None))
            .values(
                done_at=self._clock(),
                outcome=outcome.value,
                detail=None if detail is None else detail[:_LONGEST_DETAIL],
                result=result,
            )
        )
