"""REST: `/health/live`, `/health/ready`, `/metrics`. No token: they tell nothing of persons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Generic, Literal, TypeVar

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from callcenter.health.metrics import Metrics
from callcenter.platform.health import Check, NamedResult, run_checks
from callcenter.platform.web import Schema

Answer = TypeVar("Answer")


class AliveReply(Schema):
    status: Literal["ok"] = "ok"


class CheckReply(Schema):
    """`mend` says how, where something is to be mended.

    `alarm`: somebody must act, though callers are served (`ok`).
    """

    name: str
    ok: bool
    detail: str
    mend: str | None
    alarm: bool


class ReadyReply(Schema):
    status: Literal["ready", "not_ready"]
    checks: list[CheckReply]


class _Shared(Generic[Answer]):
    """Anybody may ask, so those who ask at once share one answer, at most `keep` old."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]], keep: timedelta) -> None:
        self._ask = ask
        self._keep = keep.total_seconds()
        self._turn = asyncio.Lock()
        self._last: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        asked = time.monotonic()
        async with self._turn:
            if self._last is not None and asked - self._last[0] <= self._keep:
                return self._last[1]
            answer = await self._ask()
            self._last = (time.monotonic(), answer)
            return answer


def router(
    checks: Mapping[str, Check], metrics: Metrics, *, keep: timedelta = timedelta(seconds=1)
) -> APIRouter:
    """Outside `/api/v1`. `keep`: how old a shared answer may be."""
    api = APIRouter(tags=["health"])

    async def ask_checks() -> Sequence[NamedResult]:
        return await run_checks(checks)

    ready_now = _Shared(ask_checks, keep)
    figures_now = _Shared(metrics.scrape, keep)

    @api.get("/health/live")
    async def live() -> AliveReply:
        """This process answers."""
        return AliveReply()

    @api.get("/health/ready", responses={503: {"model": ReadyReply}})
    async def ready(response: Response) -> ReadyReply:
        """Everything a call needs is there; 503 where something is not."""
        results = await ready_now.get()
        good = all(result.ok for result in results)
        if not good:
            response.status_code = 503
        response.headers["Cache-Control"] = "no-store"
        return ReadyReply(
            status="ready" if good else "not_ready",
            checks=[CheckReply.model_validate(result) for result in results],
        )

    @api.get("/metrics", response_class=PlainTextResponse)
    async def scrape() -> Response:
        """Prometheus text."""
        return Response(await figures_now.get(), media_type=CONTENT_TYPE_LATEST)

    return api
