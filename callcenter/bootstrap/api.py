"""`callcenter api`: every room's router in one application. Never talks to Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import APIRouter, FastAPI

from callcenter.access.api import router as access_router
from callcenter.access.guard import Guard
from callcenter.access.service import AccessService
from callcenter.agents.api import router as agents_router
from callcenter.agents.service import AgentService
from callcenter.calls.api import router as calls_router
from callcenter.calls.service import CallService
from callcenter.cases.api import router as cases_router
from callcenter.cases.service import CaseService
from callcenter.ivr.api import router as flows_router
from callcenter.lines.api import router as lines_router
from callcenter.platform.alive import show_life
from callcenter.platform.db import Database
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.platform.tasks import run_until_stopped
from callcenter.platform.web import PROBLEM_RESPONSES, install_problem_handlers
from callcenter.queues.api import router as queues_router
from callcenter.recordings.api import router as recordings_router


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: stopping is `run_until_stopped`'s."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_http(server: uvicorn.Server) -> None:
    serving = asyncio.create_task(server.serve(), name="uvicorn")
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
