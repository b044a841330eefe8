"""Foretelling the wait as a caller comes, and keeping what it is foretold from."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.deadline import at_most
from callcenter.queues.estimates import store
from callcenter.queues.estimates.model import Drawn, Foretold, SpokenRule, draw, estimate
from callcenter.queues.model import NoSuchQueue, is_queue_name
from callcenter.queues.store import find_queue

#: A caller waits no longer than this to hear how long the wait will be.
LOOKUP_LIMIT: Final = timedelta(milliseconds=300)
#: How often the node looks at the last calls again.
DRAW_EVERY: Final = timedelta(seconds=15)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEstimate:
    """What the next caller of a queue would be told, and how good that has been."""

    queue: str
    foretold: Foretold
    drawn: Drawn
    drawn_at: datetime | None


class EstimateService:
    """Estimates of the wait: for a caller in a flow (`foretell`), for `/queues` (`of_queue`)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        rule: SpokenRule | None = None,
        limit: timedelta = LOOKUP_LIMIT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._rule = rule or SpokenRule()
        self._limit = limit
        #: How many callers went on without an estimate because the database did not answer.
        self.not_known = 0

    async def foretell(self, queue: str, priority: int) -> Foretold:
        """For a caller who is about to enter. Never raises, never takes longer than the limit."""
        try:
            return await at_most(self._limit, self._look(queue, priority), name="estimate-lookup")
        except Exception as exc:  # whatever it is, the caller goes on now
            self.not_known += 1
            log.warning("no wait estimate for queue %s: %s", queue, type(exc).__name__)
            return Foretold()

    async def _look(self, queue: str, priority: int) -> Foretold:
        async with self._database.transaction() as connection:
            known = await store.known_of(connection, queue, priority=priority, now=self._clock())
        return self._foretold(known)

    async def of_queue(self, queue: str) -> QueueEstimate:
        """For a caller without priority. Raises `NoSuchQueue`."""
        if not is_queue_name(queue):
            raise NoSuchQueue
        async with self._database.transaction() as connection:
            if await find_queue(connection, queue) is None:
                raise NoSuchQueue
            known = await store.known_of(connection, queue, priority=0, now=self._clock())
        return QueueEstimate(
            queue=queue,
            foretold=self._foretold(known),
            drawn=known.drawn,
            drawn_at=known.drawn_at,
        )

    def _foretold(self, known: store.Known) -> Foretold:
        wait = estimate(known.standing, known.drawn.pace)
        return Foretold(
            position=known.standing.position,
            wait=wait,
            why_not=self._rule.why_not(wait, known.drawn.error_when_waiting),
        )


class PaceKeeper:
    """Draws anew what estimates are made from. In each node: it does no harm to do it twice."""

    def __init__(self, database: Database, clock: Clock, *, every: timedelta = DRAW_EVERY) -> None:
        self._database = database
        self._clock = clock
        self._every = every

    async def run(self) -> None:
        """For ever. To be supervised."""
        while True:
            try:
                await self.draw()
            except DatabaseUnavailable as exc:
                log.warning("the pace of the queues is not known now: %s", exc.message)
            await asyncio.sleep(self._every.total_seconds())

    async def draw(self) -> int:
        """How many queues were looked at. Raises `DatabaseUnavailable`."""
        now = self._clock()
        async with self._database.transaction() as connection:
            waits = await store.past_waits(connection, now)
            drawn = {queue: draw(of_queue) for queue, of_queue in waits.items()}
            await store.keep(connection, drawn, now)
        return len(drawn)
