"""REST: `/reports/channels`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Depends

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.web import PROBLEM_RESPONSES, Cursor, Limit, Page, Schema
from callcenter.reports.api import FigureOut, From, To, figure_of, link, next_cursor, place
from callcenter.reports.channels.service import ChannelReportService
from callcenter.reports.model import ChannelFigure, Interval, Part, Ratio, Span


class ChannelPartOut(Schema):
    """One span."""

    begin: datetime
    end: datetime
    figures: dict[ChannelFigure, FigureOut]


class ChannelsOut(Schema):
    """Figures of self-service, fax and messages. `parts` is empty where no interval was asked
    for."""

    zone: str
    interval: Interval | None
    whole: ChannelPartOut
    parts: list[ChannelPartOut]


class ChannelCallOut(Schema):
    """What a figure counts: of a fax, `counted` pages of `due`; else 1 or 0 of 1. `ref` is the fax,
    or `call`, or `message`."""

    call_id: UUID
    at: datetime
    ref: str
    counted: int
    due: int


def router(service: ChannelReportService, guard: Guard) -> APIRouter:
    """The routes of what is done without an agent, below `/api/v1`."""
    routes = APIRouter(prefix="/reports", tags=["reports"], responses=PROBLEM_RESPONSES)
    zone = str(service.zone)

    @routes.get("/channels")
    async def report_channels(
        begin: From,
        end: To,
        interval: Interval | None = None,
        _who: Principal = Depends(guard.agent),
    ) -> ChannelsOut:
        """How many served themselves, how many pages of fax arrived, how soon messages were
        taken."""
        spans, found = await service.report(begin, end, interval)
        parts = [
            _part(span, {figure: ratios[number] for figure, ratios in found.items()})
            for number, span in enumerate(spans)
        ]
        whole = {figure: sum(ratios, Ratio()) for figure, ratios in found.items()}
        return ChannelsOut(
            zone=zone,
            interval=interval,
            whole=_part(Span(begin, end), whole),
            parts=[] if interval is None else parts,
        )

    @routes.get("/channels/calls")
    async def list_channel_calls(
        figure: ChannelFigure,
        begin: From,
        end: To,
        part: Part = Part.NUMERATOR,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ChannelCallOut]:
        """Exactly what a figure counts."""
        rows = await service.calls_of(
            begin,
            end,
            figure,
            part,
            behind=place(cursor, lambda at, call, ref: (at, call, ref)),
            limit=limit + 1,
        )
        return Page(
            items=[ChannelCallOut(**row) for row in rows[:limit]],
            next_cursor=next_cursor(rows, limit, "at", "ref"),
        )

    return routes


def _part(span: Span, found: Mapping[ChannelFigure, Ratio]) -> ChannelPartOut:
    return ChannelPartOut(
        begin=span.begin,
        end=span.end,
        figures={
            figure: FigureOut(
                **figure_of(
                    figure,
                    ratio,
                    {
                        part: link(
                            "/channels/calls",
                            **{"from": span.begin.isoformat()},
                            to=span.end.isoformat(),
                            figure=figure.value,
                            part=part.value,
                        )
                        for part in Part
                    },
                )
            )
            for figure, ratio in found.items()
        },
    )
