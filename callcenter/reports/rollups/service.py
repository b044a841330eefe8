"""Making roll-ups: by the worker, every few minutes, from the rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from time import monotonic
from typing import Final

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.reports.agents import store as agents
from callcenter.reports.model import QUARTER, Asked, Interval, Span, spans
from callcenter.reports.queues.store import plan_for_values
from callcenter.reports.rollups import days, quarters, store
from callcenter.reports.rollups.model import quarter_of

log = logging.getLogger(__name__)

#: Quarters that are counted in one transaction.
_BATCH: Final = timedelta(days=1)


class RollUps:
    """Brings roll-ups up to the rows. `zone` is the city's: its days are rolled up for agents."""

    def __init__(self, database: Database, clock: Clock, *, zone: tzinfo) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone

    async def keep(
        self, *, most: timedelta = timedelta(minutes=4), until: datetime | None = None
    ) -> int:
        """Roll up what is new and what became stale, for about `most`; how many steps were taken.

        `until`: nothing new that ends later. What is left is done at the next run; until then
        reports count it from the rows.
        """
        ends = monotonic() + most.total_seconds()
        async with self._database.transaction() as connection:
            await store.one_at_a_time(connection)
            await store.take_marks(connection)
            latest = await store.rolled_up_until(connection)
            waits_begin, work_begins = await store.rows_begin(connection)
            known = await quarters.quarters_known(connection)
            known_days = await days.days_known(connection)
        until = latest if until is None else min(until, latest)
        steps = 0
        for span in _quarters_to_do(waits_begin, until, *known):
            if monotonic() > ends:
                break
            async with self._database.transaction() as connection:
                await store.one_at_a_time(connection)
                await plan_for_values(connection)
                await quarters.roll_up_quarters(connection, span)
            steps += 1
        for day in self._days_to_do(work_begins, until, *known_days):
            if monotonic() > ends:
                log.info("figures are being rolled up: the rest follows at the next run")
                break
            async with self._database.transaction() as connection:
                await store.one_at_a_time(connection)
                await plan_for_values(connection)
                asked = Asked(begin=day.begin, end=day.end, now=max(self._clock(), day.end))
                rows = await agents.worked(connection, asked, [day], None)
                await days.write_day(connection, day, rows)
            steps += 1
        return steps

    def _days_to_do(
        self,
        rows_begin: datetime | None,
        until: datetime,
        first: datetime | None,
        last: datetime | None,
        stale: list[Span],
    ) -> Iterator[Span]:
        """Stale ones, new ones, and those before the first one that became known later."""
        yield from stale
        if rows_begin is None:
            return
        if last is None or first is None:
            first = last = _midnight(rows_begin, self._zone)
        yield from self._days(last, until)
        if rows_begin < first:
            yield from reversed(self._days(_midnight(rows_begin, self._zone), first))

    def _days(self, begin: datetime, until: datetime) -> list[Span]:
        """Whole days of the city."""
        found: list[Span] = []
        while begin < until:
            (day, *_) = spans(begin, begin + timedelta(days=2), Interval.DAY, self._zone)
            if day.end > until:
                break
            found.append(day)
            begin = day.end
        return found


def _midnight(at: datetime, zone: tzinfo) -> datetime:
    """An edge of the city's days before `at`."""
    (day, *_) = spans(at - timedelta(days=2), at, Interval.DAY, zone)
    return day.end


def _quarters_to_do(
    rows_begin: datetime | None,
    until: datetime,
    first: datetime | None,
    last: datetime | None,
    stale: list[datetime],
) -> Iterator[Span]:
    """Stale ones, new ones, and those before the first one that became known later."""
    for begin in stale:
        yield Span(begin, begin + QUARTER)
    if rows_begin is None:
        return
    if first is None or last is None:
        first = quarter_of(rows_begin)
        last = first - QUARTER
    begin, end = last + QUARTER, quarter_of(until)
    while begin < end:
        yield Span(begin, min(begin + _BATCH, end))
        begin += _BATCH
    end, begin = first, quarter_of(rows_begin)
    while begin < end:
        yield Span(max(begin, end - _BATCH), end)
        end -= _BATCH
