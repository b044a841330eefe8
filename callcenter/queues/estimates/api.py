"""REST: `/queues/{name}/estimate`."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.web import PROBLEM_RESPONSES, Schema
from callcenter.queues.estimates.model import EstimateError
from callcenter.queues.estimates.service import EstimateService


class EstimateErrorOut(Schema):
    """|told - waited| of the last answered calls: the median, and what nine of ten stay under."""

    median_seconds: float
    p90_seconds: float
    calls: int


class PaceOut(Schema):
    """What the queue's last calls showed: for how long one takes an agent (ring, talk, wrap-up),
    for how long the phone rings of it, and how long was waited for each caller who gave up (null:
    nobody did)."""

    talks: int
    handling_seconds: float
    answering_seconds: float
    patience_seconds: float | None


class EstimateOut(Schema):
    """What a caller entering now would meet. `estimate_seconds` is null where it cannot be known.

    `spoken`: the caller would be told; else `why` says why not. `error_when_waiting` is of calls
    for whom 30 s or more were foretold: it decides whether estimates are spoken.
    """

    queue: str
    position: int | None
    estimate_seconds: int | None
    spoken: bool
    why: str | None
    error: EstimateErrorOut | None
    error_when_waiting: EstimateErrorOut | None
    pace: PaceOut | None
    drawn_at: datetime | None


def router(service: EstimateService, guard: Guard) -> APIRouter:
    """For everybody who is logged in."""
    api = APIRouter(prefix="/queues", tags=["queues"], responses=PROBLEM_RESPONSES)

    @api.get("/{name}/estimate")
    async def read_estimate(name: str, _principal: Principal = Depends(guard.agent)) -> EstimateOut:
        """The wait estimate of a queue, its own error, and whether callers hear it."""
        found = await service.of_queue(name)
        told, pace = found.foretold, found.drawn.pace
        return EstimateOut(
            queue=found.queue,
            position=told.position,
            estimate_seconds=None if told.wait is None else round(told.wait.total_seconds()),
            spoken=told.spoken,
            why=told.why_not,
            error=_error(found.drawn.error),
            error_when_waiting=_error(found.drawn.error_when_waiting),
            pace=None
            if pace is None
            else PaceOut(
                talks=pace.talks,
                handling_seconds=pace.handling.total_seconds(),
                answering_seconds=pace.answering.total_seconds(),
                patience_seconds=None if pace.patience is None else pace.patience.total_seconds(),
            ),
            drawn_at=found.drawn_at,
        )

    return api


def _error(error: EstimateError | None) -> EstimateErrorOut | None:
    if error is None:
        return None
    return EstimateErrorOut(
        median_seconds=error.median.total_seconds(),
        p90_seconds=error.p90.total_seconds(),
        calls=error.calls,
    )
