"""`/metrics`: what durable rows say at the moment of the scrape, in Prometheus' text format.

Nothing is counted in memory, so that a restart forgets nothing and every process tells the same.
What grows for ever is told for the last 24 hours: that stays cheap after ten million calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from sqlalchemy import ColumnElement, bindparam, func, literal, not_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_states
from callcenter.calls.tables import calls
from callcenter.cases.tables import cases
from callcenter.channels.messages.tables import messages
from callcenter.health.checks import SILENCE
from callcenter.health.report import NodeReport
from callcenter.lines.tables import lines
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Unavailable
from callcenter.queues.callbacks.tables import callbacks
from callcenter.recordings.tables import recordings
from callcenter.schedules.store import missing_years
from callcenter.schedules.work_calendar import years_needed
from callcenter.switch.tables import node_status

DAY: Final = timedelta(hours=24)

#: States of a recording that is not finished.
UNFINISHED: Final = ("recording", "pending")

#: A scrape that takes longer goes without the database.
LIMIT: Final = timedelta(seconds=3)

#: Metric → part and name in a node's report, what it is, and whether it only ever rises.
_OF_NODES: Final = (
    ("ami_reconnects", "ami", "reconnects", "Times the AMI link was made anew", True),
    ("ami_gaps", "ami", "gaps", "Times AMI events were missed and repaired", True),
    ("journal_lag_seconds", "journal", "lag_seconds", "How far the journal is behind", False),
    ("journal_lag_bytes", "journal", "lag_bytes", "Bytes of journal not read yet", False),
    ("journal_rejects", "journal", "rejects", "Journal lines that could not be read", True),
    ("queues_stuck", "queues", "stuck", "Times somebody waited beside a free agent", True),
    (
        "agent_drift_repaired",
        "agents",
        "drift_repaired",
        "Fields of queue members in Asterisk that changed unasked and were mended",
        True,
    ),
    (
        "announcements_failed",
        "announcements",
        "failed",
        "Pauses of recordings that somebody in the call was not told of",
        True,
    ),
    ("agi_answering", "agi", "answering", "AGI processes that answer", False),
    ("agi_processes", "agi", "of", "AGI processes there should be", False),
)


#: What a room tells of itself at a moment: bounded, and nothing of a person.
RoomGauges = Callable[[AsyncConnection, datetime], Awaitable[Iterable[Metric]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one scrape read. No number, name or word of a person is among it."""

    now: datetime
    ended: list[tuple[str, str, int]] = field(default_factory=list)  # line, disposition, count
    open_calls: list[tuple[str, int]] = field(default_factory=list)
    cases: list[tuple[str, int]] = field(default_factory=list)
    cases_closed: int = 0
    recordings: list[tuple[str, int]] = field(default_factory=list)
    oldest_unfinished: datetime | None = None
    messages: list[tuple[str, int, int]] = field(default_factory=list)  # state, count, overdue
    agents: list[tuple[str, int, int]] = field(default_factory=list)  # state, count, over limit
    callbacks: list[tuple[str, int, int]] = field(default_factory=list)  # kind, count, overdue
    nodes: dict[str, NodeReport] = field(default_factory=dict)
    calendar_years_missing: int = 0


class Metrics:
    """Answers scrapes. `registry` is for what a process counts itself (requests, …)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        limit: timedelta = LIMIT,
        rooms: Sequence[RoomGauges] = (),
    ) -> None:
        """`rooms` tell of themselves, read in the same transaction."""
        self._rooms = rooms
        self._database = database
        self._clock = clock
        self._limit = limit
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    async def scrape(self) -> bytes:
        """The text; without the database, all that does not need it."""
        figures = None
        of_rooms: list[Metric] = []
        with suppress(Unavailable, TimeoutError):
            async with (
                asyncio.timeout(self._limit.total_seconds()),
                self._database.transaction() as connection,
            ):
                now = self._clock()
                figures = await _read(connection, now)
                for room in self._rooms:
                    of_rooms += await room(connection, now)
        registry = CollectorRegistry()
        registry.register(_Snapshot([*_families(figures), *of_rooms]))
        return generate_latest(self.registry) + generate_latest(registry)


class _Snapshot:
    """A collector of what was read beforehand: collecting itself cannot await."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def _read(connection: AsyncConnection, now: datetime) -> Figures:
    """Eight queries, each through an index or over a small table."""
    since = now - DAY
    # A line that is not configured is whatever somebody dialled: no label of its own.
    line = func.coalesce(lines.c.number, literal("other")).label("line")
    ended = await _rows(
        connection,
        select(line, calls.c.disposition, func.count())
        .select_from(calls.outerjoin(lines, lines.c.number == calls.c.line))
        .where(calls.c.started_at >= since, calls.c.ended_at.is_not(None))
        .group_by(line, calls.c.disposition),
    )
    open_calls = await _rows(
        connection,
        select(calls.c.state, func.count())
        .where(calls.c.ended_at.is_(None))
        .group_by(calls.c.state),
    )
    unclosed: ColumnElement[bool] = cases.c.state != literal("closed", literal_execute=True)
    of_cases = await _rows(
        connection,
        select(cases.c.state, func.count())
        .where(unclosed)
        .group_by(cases.c.state)
        .union_all(select(literal("closed"), func.count()).where(cases.c.closed_at >= since)),
    )
    unfinished = recordings.c.state.in_(
        bindparam("unfinished", UNFINISHED, expanding=True, literal_execute=True)
    )
    counted = (recordings.c.state, func.count(), func.min(recordings.c.started_at))
    of_recordings = await _rows(
        connection,
        select(*counted)
        .where(unfinished)
        .group_by(recordings.c.state)
        .union_all(
            select(*counted)
            .select_from(calls.join(recordings, recordings.c.call_id == calls.c.call_id))
            .where(calls.c.started_at >= since, not_(unfinished))
            .group_by(recordings.c.state)
        ),
    )
    late = (func.count(), func.count().filter(messages.c.due_at < now))
    late_callbacks = (func.count(), func.count().filter(callbacks.c.due_at < now))
    duties = await _rows(
        connection,
        select(literal("message"), messages.c.state, *late)
        .where(messages.c.done_at.is_(None))
        .group_by(messages.c.state)
        .union_all(
            select(literal("callback"), callbacks.c.kind, *late_callbacks)
            .where(callbacks.c.state == literal("waiting", literal_execute=True))
            .group_by(callbacks.c.kind)
        ),
    )
    of_agents = await _rows(
        connection,
        select(
            agent_states.c.state,
            func.count(),
            func.count().filter(agent_states.c.over_limit),
        ).group_by(agent_states.c.state),
    )
    nodes = await _rows(connection, select(node_status))
    missing = await missing_years(connection, years_needed(now))
    return Figures(
        now=now,
        ended=[(row[0], row[1], row[2]) for row in ended],
        open_calls=[(row[0], row[1]) for row in open_calls],
        cases=[(row[0], row[1]) for row in of_cases if row[0] != "closed"],
        cases_closed=sum(row[1] for row in of_cases if row[0] == "closed"),
        recordings=[(row[0], row[1]) for row in of_recordings],
        oldest_unfinished=min(
            (row[2] for row in of_recordings if row[0] in UNFINISHED), default=None
        ),
        agents=[(row[0], row[1], row[2]) for row in of_agents],
        messages=[(row[1], row[2], row[3]) for row in duties if row[0] == "message"],
        callbacks=[(row[1], row[2], row[3]) for row in duties if row[0] == "callback"],
        nodes={
            row.node: NodeReport(row.heartbeat_at, row.report)
            for row in nodes
            if isinstance(row.report, dict)
        },
        calendar_years_missing=len(missing),
    )


async def _rows(connection: AsyncConnection, query: Any) -> list[Any]:
    return list(await connection.execute(query))


def _families(figures: Figures | None) -> Iterator[Metric]:
    up = GaugeMetricFamily("callcenter_up", "1 while a part answers, else 0", labels=["part"])
    up.add_metric(["database"], 0 if figures is None else 1)
    if figures is None:
        yield up
        return
    for node, report in figures.nodes.items():
        alive = figures.now - report.heartbeat_at <= SILENCE
        up.add_metric([f"node:{node}"], int(alive))
        connected = alive and report.text("ami", "state") == "connected"
        up.add_metric([f"ami:{node}"], int(connected))
    yield up
    yield _gauge(
        "calls_last_day",
        "Calls that began in the last 24 hours and have ended",
        ["line", "disposition"],
        [((line, disposition), n) for line, disposition, n in figures.ended],
    )
    yield _gauge(
        "calls_open", "Calls going on", ["state"], [((s,), n) for s, n in figures.open_calls]
    )
    yield _gauge(
        "cases", "Cases that are not closed", ["state"], [((s,), n) for s, n in figures.cases]
    )
    yield GaugeMetricFamily(
        "callcenter_cases_closed_last_day",
        "Cases closed in the last 24 hours, and not reopened",
        value=figures.cases_closed,
    )
    yield _gauge(
        "recordings",
        "Recordings begun in the last 24 hours, and all unfinished ones",
        ["state"],
        [((s,), n) for s, n in figures.recordings],
    )
    oldest = figures.oldest_unfinished
    yield GaugeMetricFamily(
        "callcenter_recordings_oldest_unfinished_seconds",
        "Age of the oldest recording that is not finished; 0: none",
        value=max(0.0, (figures.now - oldest).total_seconds()) if oldest else 0.0,
    )
    yield GaugeMetricFamily(
        "callcenter_work_calendar_years_missing",
        "Years the work calendar needs now and has no data for; more than 0: an alarm",
        value=figures.calendar_years_missing,
    )
    yield _gauge(
        "messages",
        "Messages to be worked off",
        ["state"],
        [((state,), count) for state, count, _ in figures.messages],
    )
    yield GaugeMetricFamily(
        "callcenter_messages_overdue",
        "Messages to be worked off whose deadline is past",
        value=sum(overdue for _, _, overdue in figures.messages),
    )
    yield _gauge(
        "agents",
        "Agents by what they do",
        ["state"],
        [((state,), count) for state, count, _ in figures.agents],
    )
    yield GaugeMetricFamily(
        "callcenter_agents_over_limit",
        "Agents whose pause is longer than its reason allows; more than 0: a supervisor's matter",
        value=sum(over for _, _, over in figures.agents),
    )
    yield _gauge(
        "callbacks",
        "Citizens to be called back: who asked (wish), and whom nobody answered (missed)",
        ["kind"],
        [((kind,), count) for kind, count, _ in figures.callbacks],
    )
    yield _gauge(
        "callbacks_overdue",
        "Citizens who should have been called back by now",
        ["kind"],
        [((kind,), overdue) for kind, _, overdue in figures.callbacks],
    )
    for name, part, key, text, rises in _OF_NODES:
        kind = CounterMetricFamily if rises else GaugeMetricFamily
        family = kind(f"callcenter_{name}", text, labels=["node"])
        for node, report in figures.nodes.items():
            value = report.number(part, key)
            if value is not None:
                family.add_metric([node], value)
        yield family


def _gauge(
    name: str, text: str, labels: list[str], values: list[tuple[tuple[str, ...], int]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"callcenter_{name}", text, labels=labels)
    for key, value in values:
        family.add_metric(list(key), value)
    return family
