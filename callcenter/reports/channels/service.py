"""Figures of what is done without an agent on the line: self-service, fax, messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import UUID

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.reports.channels import store
from callcenter.reports.model import Asked, ChannelFigure, Interval, Part, Ratio, Span, spans
from callcenter.reports.queues.store import plan_for_values
from callcenter.reports.rollups.figures import repeat_reads

#: These are counted from the rows: no report is longer.
LONGEST: Final = timedelta(days=93)


class ChannelReportService:
    """Use cases of `/reports/channels`. `zone` is the city's."""

    def __init__(self, database: Database, clock: Clock, *, zone: tzinfo) -> None:
        self._database = database
        self._clock = clock
        self.zone = zone

    def _asked(self, begin: datetime, end: datetime) -> Asked:
        if end - begin > LONGEST:
            raise InvalidField("to", f"a report of channels is of {LONGEST.days} days at most")
        return Asked(begin=begin, end=end, now=self._clock())

    async def report(
        self, begin: datetime, end: datetime, interval: Interval | None
    ) -> tuple[list[Span], Mapping[ChannelFigure, Sequence[Ratio]]]:
        """Each figure by part. Raises `InvalidField`."""
        asked = self._asked(begin, end)
        parts = spans(begin, end, interval, self.zone)
        async with self._database.transaction() as connection:
            await repeat_reads(connection)
            return parts, {
                figure: await store.counted(connection, asked, figure, parts)
                for figure in ChannelFigure
            }

    async def calls_of(
        self,
        begin: datetime,
        end: datetime,
        figure: ChannelFigure,
        part: Part,
        *,
        behind: tuple[datetime, UUID, str] | None,
        limit: int,
    ) -> Sequence[Mapping[str, Any]]:
        """What a figure counts, in order of coming. Raises `InvalidField`."""
        asked = self._asked(begin, end)
        async with self._database.transaction() as connection:
            await plan_for_values(connection)
            return await store.calls_of(connection, asked, figure, part, behind=behind, limit=limit)
