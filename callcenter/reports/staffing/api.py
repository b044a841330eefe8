"""REST: `/reports/staffing`."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.errors import InvalidField
from callcenter.platform.web import PROBLEM_RESPONSES, Schema
from callcenter.reports.staffing import erlang


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


def router(guard: Guard) -> APIRouter:
    """The route of seats for a load, below `/api/v1`."""
    routes = APIRouter(prefix="/reports", tags=["reports"], responses=PROBLEM_RESPONSES)

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
