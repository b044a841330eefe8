"""REST: `/reports`. Figures with numerator and denominator, each with the calls it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.errors import InvalidField
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Moment,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
)
from callcenter.reports import erlang
from callcenter.reports.agents.store import Worked
from callcenter.reports.model import (
    AgentFigure,
    Asked,
    Figure,
    Interval,
    Lowest,
    Part,
    Ratio,
    Span,
    Unit,
    unit_of,
)
from callcenter.reports.service import ReportService
from callcenter.reports.store import Counted

_PREFIX = "/api/v1/reports"

From = Annotated[Moment, Query(alias="from")]
To = Annotated[Moment, Query(alias="to", description="Left out of the report.")]
Queue = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Agent = Annotated[str | None, Query(pattern=r"^[1-9][0-9]{2,5}$")]
Threshold = Annotated[
    int | None,
    Query(ge=1, le=3600, description="Seconds within which an answer is in time; 15 by default."),
]


class FigureOut(Schema):
    """A figure: never the rate alone. `value` is null and `text` says `none due` where there is
    nothing to count. In `seconds`, the numerator is seconds and the value an average. `calls` and
    `calls_of_denominator` lead to exactly the calls that are counted."""

    value: float | None
    numerator: float
    denominator: float
    unit: Unit
    text: str
    calls: str
    calls_of_denominator: str


class QueuePartOut(Schema):
    """A queue in one span. `offered`: waits that are over; of these `other` were neither answered
    nor given up. `undecided`: still going on, in no figure yet. `abandoned_at_once` gave up before
    it was a wait."""

    begin: datetime
    end: datetime
    offered: int
    answered: int
    abandoned: int
    abandoned_at_once: int
    other: int
    undecided: int
    figures: dict[Figure, FigureOut]


class LowestOut(FigureOut):
    """The lowest connection rate of any 24 hours within the report, wherever they begin."""

    begin: datetime
    end: datetime


class QueueReportOut(Schema):
    """`queue` null: all calls together, each once whatever queues it waited in. `whole`: the whole
    time; `parts`: by interval, empty where none was asked for. `lowest_24_hours` is null for a
    report of less than 24 hours and where nobody came."""

    queue: str | None
    whole: QueuePartOut
    parts: list[QueuePartOut]
    lowest_24_hours: LowestOut | None


class QueuesOut(Schema):
    """Figures of queues."""

    zone: str
    interval: Interval | None
    threshold_seconds: int
    short_abandon_seconds: int
    items: list[QueueReportOut]


class CountedCallOut(Schema):
    """A wait (or, of all queues, a call) that a figure counts. `outcome` is null while it goes
    on; `handling_seconds` until talk and wrap-up are over. `position` and `estimate_seconds` are
    what was foretold as the (first) wait began, null: nothing was."""

    call_id: UUID
    visit: int
    queue: str
    started_at: datetime
    entered_at: datetime
    position: int | None
    estimate_seconds: int | None
    outcome: str | None
    wait_seconds: float | None
    wait_from_ring_seconds: float | None
    agent: str | None
    handling_seconds: float | None


class AgentPartOut(Schema):
    """An agent in one span. Seconds are disjoint and cut at its edges; `talks` began in it, and
    count whole in the averages."""

    begin: datetime
    end: datetime
    talks: int
    talking_seconds: float
    wrap_up_seconds: float
    free_seconds: float
    paused_seconds: float
    figures: dict[AgentFigure, FigureOut]


class AgentReportOut(Schema):
    """`agent` null: all of the report together."""

    agent: str | None
    whole: AgentPartOut
    parts: list[AgentPartOut]


class AgentsOut(Schema):
    """Figures of agents."""

    zone: str
    interval: Interval | None
    items: list[AgentReportOut]


class TalkOut(Schema):
    """A talk of an agent; `queue` null: no queue brought it about."""

    call_id: UUID
    uniqueid: str
    agent: str
    queue: str | None
    began_at: datetime
    ended_at: datetime | None
    talk_seconds: float | None
    wrap_up_seconds: float


class ServiceOut(Schema):
    """What callers would meet with so many agents."""

    model: Literal["erlang_c", "erlang_a"]
    agents: int
    answered_within_threshold: float
    waits: float
    mean_wait_seconds: float
    abandoned: float
    occupancy: float


class StaffingOut(Schema):
    """Seats for a load. `seats`: on the roster, with those away; `blocked` trunks by Erlang B."""

    load_erlangs: float
    service: ServiceOut
    seats: int
    trunks: int
    trunks_for: str = Field(description="What `trunks` are enough for.")


def router(service: ReportService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`. Supervisors read figures of agents."""
    routes = APIRouter(prefix="/reports", tags=["reports"], responses=PROBLEM_RESPONSES)
    zone = str(service.zone)

    @routes.get("/queues")
    async def report_queues(
        begin: From,
        end: To,
        interval: Interval | None = None,
        queue: Queue = None,
        threshold_seconds: Threshold = None,
        _who: Principal = Depends(guard.agent),
    ) -> QueuesOut:
        """Figures of each queue, and of all calls together where no queue is named."""
        asked = _asked(service, begin, end, threshold_seconds)
        spans, reports = await service.queues(asked, interval, queue)
        whole = Span(asked.begin, asked.end)
        return QueuesOut(
            zone=zone,
            interval=interval,
            threshold_seconds=round(asked.threshold.total_seconds()),
            short_abandon_seconds=round(asked.short.total_seconds()),
            items=[
                QueueReportOut(
                    queue=report.queue,
                    whole=_queue_part(report.whole, whole, asked),
                    parts=[]
                    if interval is None
                    else [
                        _queue_part(part, span, asked)
                        for part, span in zip(report.parts, spans, strict=True)
                    ],
                    lowest_24_hours=_lowest(report.lowest, report.queue, asked),
                )
                for report in reports
            ],
        )

    @routes.get("/queues/calls")
    async def list_counted_calls(
        figure: Figure,
        begin: From,
        end: To,
        part: Part = Part.NUMERATOR,
        queue: Queue = None,
        threshold_seconds: Threshold = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[CountedCallOut]:
        """Exactly what a figure counts: waits in the queue named, or calls of all."""
        rows = await service.calls_of(
            _asked(service, begin, end, threshold_seconds),
            figure,
            part,
            queue=queue,
            behind=_place(cursor, lambda at, call, visit: (at, call, _small(visit))),
            limit=limit + 1,
        )
        return Page(
            items=[_counted_call(row) for row in rows[:limit]],
            next_cursor=_cursor(rows, limit, "entered_at", "visit"),
        )

    @routes.get("/agents")
    async def report_agents(
        begin: From,
        end: To,
        interval: Interval | None = None,
        agent: Agent = None,
        queue: Queue = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> AgentsOut:
        """Figures of each agent of whom anything is known; of a queue's members where it is named.
        The item without an agent is all of them together: a queue's occupancy is that one."""
        asked = _asked(service, begin, end, None)
        spans, reports = await service.agents(asked, interval, agent=agent, queue=queue)
        whole = Span(asked.begin, asked.end)
        return AgentsOut(
            zone=zone,
            interval=interval,
            items=[
                AgentReportOut(
                    agent=report.agent_id,
                    whole=_agent_part(report.whole, whole, queue),
                    parts=[]
                    if interval is None
                    else [
                        _agent_part(part, span, queue)
                        for part, span in zip(report.parts, spans, strict=True)
                    ],
                )
                for report in reports
            ],
        )

    @routes.get("/agents/talks")
    async def list_talks(
        begin: From,
        end: To,
        agent: Agent = None,
        queue: Queue = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[TalkOut]:
        """The talks that began in the time, with their wrap-up."""
        rows = await service.talks_of(
            _asked(service, begin, end, None),
            agent=agent,
            queue=queue,
            behind=_place(cursor, lambda at, call, leg: (at, call, leg)),
            limit=limit + 1,
        )
        return Page(
            items=[_talk(row) for row in rows[:limit]],
            next_cursor=_cursor(rows, limit, "began_at", "uniqueid"),
        )

    @routes.get("/staffing")
    async def staffing(
        calls: Annotated[float, Query(ge=0.01, le=100_000, description="Calls in the interval.")],
        handling_seconds: Annotated[float, Query(ge=1, le=36_000)],
        interval_seconds: Annotated[int, Query(ge=60, le=86_400)] = 1800,
        target: Annotated[float, Query(ge=0.01, le=0.9999)] = 0.9,
        threshold_seconds: Annotated[int, Query(ge=0, le=3600)] = 15,
        patience_seconds: Annotated[float | None, Query(ge=1, le=86_400)] = None,
        most_busy: Annotated[float, Query(ge=0.01, le=1)] = 0.85,
        away: Annotated[float, Query(ge=0, le=0.9)] = 0.0,
        most_blocked: Annotated[float, Query(ge=0.0001, le=0.5)] = 0.01,
        _who: Principal = Depends(guard.supervisor),
    ) -> StaffingOut:
        """The agents needed so that `target` of the calls are answered within the threshold and
        nobody is busy for more than `most_busy` of the time: by Erlang C, or by Erlang A where
        callers' patience is given. `away`: the share of the time in which those on the roster take
        no calls."""
        return await asyncio.to_thread(
            _staffing,
            calls / interval_seconds * handling_seconds,
            timedelta(seconds=handling_seconds),
            target,
            timedelta(seconds=threshold_seconds),
            None if patience_seconds is None else timedelta(seconds=patience_seconds),
            most_busy,
            away,
            most_blocked,
        )

    return routes


def _staffing(
    load: float,
    handling: timedelta,
    target: float,
    threshold: timedelta,
    patience: timedelta | None,
    most_busy: float,
    away: float,
    most_blocked: float,
) -> StaffingOut:
    if load > erlang.MOST_AGENTS:
        raise InvalidField("calls", f"this would need more than {erlang.MOST_AGENTS} agents")

    def meets(agents: int) -> erlang.Service | None:
        if patience is None:
            return erlang.with_endless_patience(load, handling, agents, threshold)
        return erlang.with_patience(load, handling, agents, threshold, patience)

    found = erlang.agents_needed(meets, target, most_busy=most_busy)
    # Everybody who talks or waits holds a line: the load that waits is small beside the talks.
    return StaffingOut(
        load_erlangs=load,
        service=ServiceOut(
            model="erlang_c" if patience is None else "erlang_a",
            agents=found.agents,
            answered_within_threshold=found.answered_within,
            waits=found.waits,
            mean_wait_seconds=found.mean_wait.total_seconds(),
            abandoned=found.abandoned,
            occupancy=found.occupancy,
        ),
        seats=erlang.seats(found.agents, away),
        trunks=erlang.trunks_needed(load, most_blocked),
        trunks_for=f"talks alone, with at most {most_blocked:.3%} of the calls blocked",
    )


def _asked(service: ReportService, begin: datetime, end: datetime, threshold: int | None) -> Asked:
    return service.asked(
        begin, end, threshold=None if threshold is None else timedelta(seconds=threshold)
    )


def _link(path: str, **values: object) -> str:
    return f"{_PREFIX}{path}?" + urlencode(
        {name: value for name, value in values.items() if value is not None}
    )


def _figure(
    figure: Figure | AgentFigure, ratio: Ratio, links: Mapping[Part, str]
) -> dict[str, Any]:
    unit = unit_of(figure)
    return {
        "value": ratio.value,
        "numerator": ratio.numerator,
        "denominator": ratio.denominator,
        "unit": unit,
        "text": ratio.text(unit),
        "calls": links[Part.NUMERATOR],
        "calls_of_denominator": links[Part.DENOMINATOR],
    }


def _queue_links(figure: Figure, queue: str | None, span: Span, asked: Asked) -> dict[Part, str]:
    return {
        part: _link(
            "/queues/calls",
            **{"from": span.begin.isoformat()},
            to=span.end.isoformat(),
            figure=figure.value,
            part=part.value,
            queue=queue,
            threshold_seconds=round(asked.threshold.total_seconds()),
        )
        for part in Part
    }


def _queue_part(counted: Counted, span: Span, asked: Asked) -> QueuePartOut:
    return QueuePartOut(
        begin=span.begin,
        end=span.end,
        offered=counted.offered,
        answered=counted.answered,
        abandoned=counted.abandoned,
        abandoned_at_once=counted.abandoned_at_once,
        other=counted.other,
        undecided=counted.undecided,
        figures={
            figure: FigureOut(
                **_figure(figure, ratio, _queue_links(figure, counted.queue, span, asked))
            )
            for figure, ratio in counted.figures.items()
        },
    )


def _lowest(lowest: Lowest | None, queue: str | None, asked: Asked) -> LowestOut | None:
    if lowest is None:
        return None
    links = _queue_links(Figure.CONNECTION, queue, lowest.span, asked)
    return LowestOut(
        **_figure(Figure.CONNECTION, lowest.ratio, links),
        begin=lowest.span.begin,
        end=lowest.span.end,
    )


def _agent_part(worked: Worked, span: Span, queue: str | None) -> AgentPartOut:
    talks = _link(
        "/agents/talks",
        **{"from": span.begin.isoformat()},
        to=span.end.isoformat(),
        agent=worked.agent_id,
        queue=queue if worked.agent_id is None else None,
    )
    links = dict.fromkeys(Part, talks)
    return AgentPartOut(
        begin=span.begin,
        end=span.end,
        talks=worked.talks,
        talking_seconds=worked.talking,
        wrap_up_seconds=worked.wrap_up,
        free_seconds=worked.free,
        paused_seconds=worked.paused,
        figures={
            figure: FigureOut(**_figure(figure, ratio, links))
            for figure, ratio in worked.figures.items()
        },
    )


def _counted_call(row: Mapping[str, Any]) -> CountedCallOut:
    return CountedCallOut(
        call_id=row["call_id"],
        visit=row["visit"],
        queue=row["queue"],
        started_at=row["started_at"],
        entered_at=row["entered_at"],
        position=row["position"],
        estimate_seconds=row["estimate_seconds"],
        outcome=row["outcome"],
        wait_seconds=row["wait"],
        wait_from_ring_seconds=row["wait_from_ring"],
        agent=row["agent"],
        handling_seconds=row["handling"],
    )


def _talk(row: Mapping[str, Any]) -> TalkOut:
    return TalkOut(
        call_id=row["call_id"],
        uniqueid=row["uniqueid"],
        agent=row["agent"],
        queue=row["queue"],
        began_at=row["began_at"],
        ended_at=row["ended_at"],
        talk_seconds=row["talk_s"],
        wrap_up_seconds=row["wrap_up_s"],
    )


_T = TypeVar("_T")


def _place(cursor: str | None, made: Callable[[datetime, UUID, str], _T]) -> _T | None:
    if cursor is None:
        return None
    at, call_id, last = decode_cursor(cursor, 3)
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None and 1900 <= moment.year <= 9000:
            return made(moment, UUID(call_id), last)
    except ValueError:
        pass
    raise InvalidField("cursor", "must be the next_cursor of an earlier page")


def _small(number: str) -> int:
    if not (number.isascii() and number.isdecimal() and len(number) <= 9):
        raise ValueError("no number of ours")
    return int(number)


def _cursor(rows: Sequence[Mapping[str, Any]], limit: int, at: str, last: str) -> str | None:
    if len(rows) <= limit:
        return None
    row = rows[limit - 1]
    return encode_cursor(row[at].isoformat(), str(row["call_id"]), str(row[last]))
