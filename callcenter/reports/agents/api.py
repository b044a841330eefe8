"""REST: `/reports/agents`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.web import PROBLEM_RESPONSES, Cursor, Limit, Page, Schema
from callcenter.reports.agents.store import Worked
from callcenter.reports.api import (
    Agent,
    FigureOut,
    From,
    Queue,
    To,
    asked_for,
    figure_of,
    link,
    next_cursor,
    place,
)
from callcenter.reports.model import AgentFigure, Interval, Part, Span
from callcenter.reports.service import ReportService


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


def router(service: ReportService, guard: Guard) -> APIRouter:
    """The routes of agents' figures, below `/api/v1`. Supervisors read them."""
    routes = APIRouter(prefix="/reports", tags=["reports"], responses=PROBLEM_RESPONSES)
    zone = str(service.zone)

    @routes.get("/agents")
    async def report_agents(
        begin: From,
        end: To,
        interval: Interval | None = None,
        agent: Agent = None,
        queue: Queue = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> AgentsOut:
        """Figures of each agent of whom anything is known; where a queue is named, of its members
        and of the time in which they were. The item without an agent is all of them together: a
        queue's occupancy is that one."""
        asked = asked_for(service, begin, end, None)
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
            asked_for(service, begin, end, None),
            agent=agent,
            queue=queue,
            behind=place(cursor, lambda at, call, leg: (at, call, leg)),
            limit=limit + 1,
        )
        return Page(
            items=[_talk(row) for row in rows[:limit]],
            next_cursor=next_cursor(rows, limit, "began_at", "uniqueid"),
        )

    return routes


def _agent_part(worked: Worked, span: Span, queue: str | None) -> AgentPartOut:
    talks = link(
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
            figure: FigureOut(**figure_of(figure, ratio, links))
            for figure, ratio in worked.figures.items()
        },
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
