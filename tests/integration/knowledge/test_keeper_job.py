"""The keeper's rounds are a job of the worker."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from procrastinate import App
from procrastinate.testing import InMemoryConnector

from callcenter.bootstrap.worker import register_jobs
from callcenter.platform.clock import system_clock
from callcenter.recordings.service import RecordingService
from tests.integration.knowledge.conftest import Room

pytestmark = pytest.mark.integration


async def test_the_worker_expires_what_is_past_its_last_day(room: Room, tmp_path: Path) -> None:
    room.clock.now = datetime(2020, 1, 2, 9, tzinfo=UTC)
    await room.published(valid_until="2020-01-03")
    jobs = App(connector=InMemoryConnector())
    recordings = RecordingService(room.database, sealed=tmp_path, clock=system_clock)
    register_jobs(jobs, room.database, recordings)
    async with jobs.open_async():
        await jobs.configure_task("articles.keep").defer_async(timestamp=0)
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)
    assert (await room("GET", "/permit")).json()["state"] == "expired"
