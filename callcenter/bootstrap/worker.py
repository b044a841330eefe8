"""`callcenter worker`: background jobs on procrastinate."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

from procrastinate import App
from sqlalchemy import text

from callcenter.agents.on_call.service import AlertKeeper
from callcenter.asterisk.install import locate
from callcenter.bootstrap.prompts import prompt_library
from callcenter.bootstrap.retention import register_retention
from callcenter.knowledge.edition import CITY_ZONE
from callcenter.knowledge.keeper import ArticleKeeper
from callcenter.platform.alive import show_life
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.jobs import jobs_app
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import Settings
from callcenter.platform.tasks import run_until_stopped
from callcenter.prompts.jobs import PromptJobs, register_prompt_jobs
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.shipped import shipped_directory
from callcenter.recordings.service import RecordingService
from callcenter.reports.rollups.service import RollUps

#: A long job (slow versions of every prompt) does not keep the others waiting.
_JOBS_AT_ONCE = 4
_NEWS_KEPT = timedelta(days=7)


def register_jobs(
    jobs: App, database: Database, recordings: RecordingService, *, zone: ZoneInfo = CITY_ZONE
) -> None:
    """All periodic jobs of the hotline."""

    @jobs.periodic(cron="*/10 * * * *")
    @jobs.task(name="recordings.verify_oldest", queueing_lock="recordings.verify_oldest")
    async def verify_oldest(timestamp: int) -> None:
        """Hash the recordings again that were checked longest ago: what we say exists, does."""
        await recordings.verify_oldest(limit=50)

    @jobs.periodic(cron="1 * * * *")
    @jobs.task(name="articles.keep", queueing_lock="articles.keep")
    async def keep_articles(timestamp: int) -> None:
        """Open, expire and remind. Days are the city's: hourly, a new one begins at some hour."""
        await ArticleKeeper(database, system_clock, zone=zone).keep()

    @jobs.periodic(cron="*/5 * * * *")
    @jobs.task(name="figures.roll_up", queueing_lock="figures.roll_up", lock="figures.roll_up")
    async def roll_up_figures(timestamp: int) -> None:
        """Quarters and days that are over, and those of which something changed late."""
        await RollUps(database, system_clock, zone=zone).keep()

    @jobs.periodic(cron="17 * * * *")
    @jobs.task(name="news.forget", queueing_lock="news.forget")
    async def forget_news(timestamp: int) -> None:
        """News are hints to look; after a week nobody looks for them."""
        async with database.transaction() as connection:
            await connection.execute(
                text("DELETE FROM outbox WHERE at < :before"),
                {"before": system_clock() - _NEWS_KEPT},
            )


async def serve_worker(settings: Settings) -> None:
    """Run jobs until stopped."""
    url = database_url(settings)
    database = Database(url, name="callcenter-worker", pool_size=4)
    jobs = jobs_app(url)
    recordings = RecordingService(database, sealed=settings.sealed_recordings, clock=system_clock)
    register_jobs(jobs, database, recordings, zone=settings.zone)
    register_retention(jobs, database, settings)
    shelf = Shelf(prompt_library(settings, await asyncio.to_thread(locate)), shipped_directory())
    prompts = PromptJobs(database, shelf, system_clock)
    register_prompt_jobs(jobs, prompts)

    async def work() -> None:
        async with jobs.open_async():
            await jobs.run_worker_async(
                name="worker",
                concurrency=_JOBS_AT_ONCE,
                install_signal_handlers=False,
                shutdown_graceful_timeout=1,
            )

    try:
        await run_until_stopped(
            {
                # Without its database the worker ends; whoever supervises starts it again.
                "jobs": work(),
                "alerts": AlertKeeper(database, system_clock).run(),
                "alive": show_life(settings.run_directory / "worker.alive"),
            }
        )
    finally:
        await database.close()
