"""REST: `/reports/queues`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.web import PROBLEM_RESPONSES, Cursor, Limit, Page, Schema
from callcenter.reports.api import (
    FigureOut,
    From,
    Queue,
    Threshold,
    To,
    asked_for,
    figure_of,
    link,
    next_cursor,
    place,
)
from callcenter.reports.model import Asked, Figure, Interval, Lowest, Part, Span
from callcenter.reports.queues.store import Counted
from callcenter.reports.service import ReportService


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


def router(service: ReportService, guard: Guard) -> APIRouter:
    """The routes of queues' figures, below `/api/v1`."""
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
        asked = asked_for(service, begin, end, threshold_seconds)
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
            asked_for(service, begin, end, threshold_seconds),
            figure,
            part,
            queue=queue,
            behind=place(cursor, lambda at, call, visit: (at, call, _small(visit))),
            limit=limit + 1,
        )
        return Page(
            items=[_counted_call(row) for row in rows[:limit]],
            next_cursor=next_cursor(rows, limit, "entered_at", "visit"),
        )

    return routes


def _queue_links(figure: Figure, queue: str | None, span: Span, asked: Asked) -> dict[Part, str]:
    return {
        part: link(
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
                **figure_of(figure, ratio, _queue_links(figure, counted.queue, span, asked))
            )
            for figure, ratio in counted.figures.items()
        },
    )


def _lowest(lowest: Lowest | None, queue: str | None, asked: Asked) -> LowestOut | None:
    if lowest is None:
        return None
    links = _queue_links(Figure.CONNECTION, queue, lowest.span, asked)
    return LowestOut(
        **figure_of(Figure.CONNECTION, lowest.ratio, links),
        begin=lowest.span.begin,
        end=lowest.span.end,
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


def _small(number: str) -> int:
    if not (number.isascii() and number.isdecimal() and len(number) <= 9):
        raise ValueError("no number of ours")
    return int(number)
