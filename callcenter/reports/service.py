"""Reports: figures of queues and agents for a time, and the calls behind each figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.queues.model import is_queue_name
from callcenter.reports.agents import store as agents
from callcenter.reports.agents.store import Worked, together
from callcenter.reports.model import (
    MOST_INTERVALS,
    Asked,
    Figure,
    Interval,
    Lowest,
    Part,
    Span,
    spans,
    total,
)
from callcenter.reports.queues import store
from callcenter.reports.queues.store import Counted
from callcenter.reports.rollups import figures


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReport:
    """One queue; None: all calls, once each. `parts`: one for each span of the report."""

    queue: str | None
    whole: Counted
    parts: Sequence[Counted]
    lowest: Lowest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """One agent; None: all of the report together."""

    agent_id: str | None
    whole: Worked
    parts: Sequence[Worked]


class ReportService:
    """Use cases of `/reports`. `zone` is the city's; `threshold` and `short` as in `Asked`, where
    nobody asks for others."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        zone: tzinfo,
        threshold: timedelta = timedelta(seconds=15),
        short: timedelta = timedelta(seconds=5),
    ) -> None:
        self._database = database
        self._clock = clock
        self.zone = zone
        self._threshold = threshold
        self._short = short

    def asked(
        self,
        begin: datetime,
        end: datetime,
        *,
        threshold: timedelta | None = None,
        short: timedelta | None = None,
    ) -> Asked:
        """Raises `InvalidField`."""
        return Asked(
            begin=begin,
            end=end,
            now=self._clock(),
            threshold=self._threshold if threshold is None else threshold,
            short=self._short if short is None else short,
        )

    async def queues(
        self, asked: Asked, interval: Interval | None, queue: str | None
    ) -> tuple[list[Span], list[QueueReport]]:
        """Every queue (or the one named) by name, and all calls together where none is named.

        Raises `InvalidField` for more parts than anybody reads.
        """
        wanted = spans(asked.begin, asked.end, interval, self.zone)
        async with self._database.transaction() as connection:
            await figures.repeat_reads(connection)
            known = await store.queue_names(connection) if queue is None else [queue]
            sources = await figures.sources_of_queues(connection, asked, wanted)
            rows = await figures.counted(
                connection, asked, wanted, sources, by_queue=True, queue=queue
            )
            names: list[str | None] = []
            names += sorted({*known, *(row.queue for row in rows if row.queue is not None)})
            if interval is not None and len(wanted) * (len(names) + 1) > MOST_INTERVALS:
                raise InvalidField(
                    "interval",
                    f"more than {MOST_INTERVALS} rows: ask for one queue, a shorter time or"
                    " longer parts",
                )
            if queue is None:
                names.append(None)
                rows += await figures.counted(connection, asked, wanted, sources, by_queue=False)
            lowest = await figures.lowest(connection, asked, sources, names)
        by_name: dict[str | None, list[Counted]] = {name: [] for name in names}
        for row in rows:
            by_name[row.queue].append(row)
        return wanted, [
            _queue_report(name, found, wanted, lowest[name]) for name, found in by_name.items()
        ]

    async def calls_of(
        self,
        asked: Asked,
        figure: Figure,
        part: Part,
        *,
        queue: str | None,
        behind: tuple[datetime, UUID, int] | None,
        limit: int,
    ) -> Sequence[Mapping[str, Any]]:
        """What a figure counts, in order of coming."""
        async with self._database.transaction() as connection:
            await store.plan_for_values(connection)
            return await store.calls_of(
                connection, asked, figure, part, queue=queue, behind=behind, limit=limit
            )

    async def agents(
        self, asked: Asked, interval: Interval | None, *, agent: str | None, queue: str | None
    ) -> tuple[list[Span], list[AgentReport]]:
        """Agents of whom anything is known, by id, and all of them together. `queue`: those who
        were its members, while they were. Raises `InvalidField`, `StillRollingUp`."""
        wanted = spans(asked.begin, asked.end, interval, self.zone)
        async with self._database.transaction() as connection:
            await figures.repeat_reads(connection)
            chosen = await _chosen(connection, asked, agent, queue)
            if interval is not None:
                number = len(chosen) if chosen is not None else await agents.number(connection)
                _refuse_many(len(wanted) * (number + 1))
            rows = await figures.worked(
                connection, asked, wanted, chosen, None if agent is not None else queue
            )
        ids = sorted({row.agent_id for row in rows if row.agent_id is not None})
        if interval is not None:
            _refuse_many(len(wanted) * (len(ids) + 1))
        by_agent: dict[str | None, list[Worked]] = {agent_id: [] for agent_id in ids}
        for row in rows:
            by_agent[row.agent_id].append(row)
        reports = [_agent_report(one, found, wanted) for one, found in by_agent.items()]
        reports.append(_agent_report(None, rows, wanted))
        return wanted, reports

    async def talks_of(
        self,
        asked: Asked,
        *,
        agent: str | None,
        queue: str | None,
        behind: tuple[datetime, UUID, str] | None,
        limit: int,
    ) -> Sequence[Mapping[str, Any]]:
        """The talks behind agents' figures. Raises `InvalidField`."""
        async with self._database.transaction() as connection:
            await store.plan_for_values(connection)
            chosen = await _chosen(connection, asked, agent, queue)
            member_of = None if agent is not None else queue
            return await agents.talks_of(
                connection, asked, chosen, member_of, behind=behind, limit=limit
            )


def _refuse_many(rows: int) -> None:
    if rows > MOST_INTERVALS:
        raise InvalidField(
            "interval",
            f"more than {MOST_INTERVALS} rows: ask for one agent, a shorter time or longer parts",
        )


async def _chosen(
    connection: AsyncConnection, asked: Asked, agent: str | None, queue: str | None
) -> list[str] | None:
    if agent is not None:
        return [agent]
    if queue is None:
        return None
    return await agents.members_of(connection, queue, asked) if is_queue_name(queue) else []


def _queue_report(
    queue: str | None, rows: Iterable[Counted], wanted: Sequence[Span], lowest: Lowest | None
) -> QueueReport:
    by_part: list[list[Counted]] = [[] for _ in wanted]
    for row in rows:
        by_part[row.part].append(row)
    parts = [_sum(queue, number, found) for number, found in enumerate(by_part)]
    return QueueReport(queue=queue, whole=_sum(queue, 0, parts), parts=parts, lowest=lowest)


def _sum(queue: str | None, number: int, parts: Sequence[Counted]) -> Counted:
    return Counted(
        queue=queue,
        part=number,
        offered=sum(part.offered for part in parts),
        answered=sum(part.answered for part in parts),
        abandoned=sum(part.abandoned for part in parts),
        abandoned_at_once=sum(part.abandoned_at_once for part in parts),
        undecided=sum(part.undecided for part in parts),
        figures=total(part.figures for part in parts),
    )


def _agent_report(
    agent_id: str | None, rows: Sequence[Worked], wanted: Sequence[Span]
) -> AgentReport:
    parts: list[list[Worked]] = [[] for _ in wanted]
    for row in rows:
        parts[row.part].append(row)
    return AgentReport(
        agent_id=agent_id,
        whole=together(agent_id, 0, rows),
        parts=[together(agent_id, number, found) for number, found in enumerate(parts)],
    )
