"""The prompt room's background work: texts spoken, slow versions made, files and rows compared."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from procrastinate import App

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import HotlineError
from callcenter.platform.jobs import enqueue
from callcenter.prompts import store
from callcenter.prompts.audio import BadAudio, finish
from callcenter.prompts.ffmpeg import ConversionFailed
from callcenter.prompts.library import NoSuchPrompt, NotRendered
from callcenter.prompts.model import Origin, RenderJob
from callcenter.prompts.placing import place, reconcile
from callcenter.prompts.service import RENDER
from callcenter.prompts.shelf import Shelf

KEEP: Final = "prompts.keep"
#: One text takes at most 20 s to speak and 60 s to convert; after this its worker is dead.
STEP_LIMIT: Final = timedelta(minutes=2)
QUEUED_LIMIT: Final = timedelta(minutes=10)
MOST_TRIES: Final = 3
_JOBS_KEPT: Final = timedelta(days=7)

log = logging.getLogger(__name__)


class PromptJobs:
    """What `callcenter worker` does for prompts."""

    def __init__(self, database: Database, shelf: Shelf, clock: Clock) -> None:
        self._database = database
        self._shelf = shelf
        self._clock = clock

    async def render(self, job_id: int) -> None:
        """Speak the texts of a job, one after the other; its row says how far it is.

        Safe to be run twice. Raises `DatabaseUnavailable`: `rescue` then has it run again.
        """
        async with self._database.transaction() as connection:
            job = await store.take_job(connection, job_id, self._clock())
        if job is None:
            return
        try:
            for done, language in enumerate(job.languages, start=1):
                await self._speak(job, language)
                await self._change(job_id, done=done)
        except DatabaseUnavailable:
            raise
        except HotlineError as exc:
            await self._change(job_id, state="failed", error=exc.message)
        except Exception as exc:
            log.error("prompt job %s failed", job_id, exc_info=exc)
            await self._change(
                job_id, state="failed", error="A fault of the server; its log has the details."
            )
        else:
            await self._change(job_id, state="done")

    async def _speak(self, job: RenderJob, language: str) -> None:
        async with self._database.transaction() as connection:
            prompt = await store.prompt_of(connection, job.prompt)
        if prompt is None:
            raise NoSuchPrompt("The prompt was deleted meanwhile.")
        text = prompt.texts.get(language)
        if text is None:
            raise NotRendered(f"Its text in “{language}” was removed meanwhile.")
        try:
            spoken = await self._shelf.library.speak(text, language)
            finished = await asyncio.to_thread(finish, spoken)
        except BadAudio as exc:
            raise NotRendered(f"The text in “{language}” gave no audio: {exc}") from exc
        await place(
            self._database,
            self._shelf,
            job.prompt,
            language,
            finished,
            origin=Origin.SYNTHESISED,
            by=job.created_by,
            at=self._clock(),
            text=text,
        )

    async def _change(self, job_id: int, **values: object) -> None:
        async with self._database.transaction() as connection:
            await store.change_job(connection, job_id, values, self._clock())

    async def rescue(self) -> int:
        """Enqueue jobs again whose worker died, at most three times; how many were left behind."""
        now = self._clock()
        async with self._database.transaction() as connection:
            left = await store.jobs_left_behind(
                connection, running_since=now - STEP_LIMIT, queued_since=now - QUEUED_LIMIT
            )
            for job in left:
                if job.tries >= MOST_TRIES:
                    error = f"Its worker died {job.tries} times: see the worker's log."
                    values: dict[str, object] = {"state": "failed", "error": error}
                else:
                    values = {"state": "queued"}
                    await enqueue(connection, RENDER, {"job_id": job.job_id})
                await store.change_job(connection, job.job_id, values, now)
            await store.forget_jobs(connection, now - _JOBS_KEPT)
        return len(left)

    async def keep(self) -> None:
        """Files and rows agree, jobs go on, everything has its slow version."""
        await self.rescue()
        await reconcile(self._database, self._shelf, self._clock)
        try:
            made = await self._shelf.library.ensure_slow(await self._shelf.library.every_file())
        except ConversionFailed as exc:
            log.error("no slow versions of prompts: %s", exc)
            return
        if made:
            log.info("made slow versions of %d prompts and texts", made)


def register_prompt_jobs(jobs: App, prompts: PromptJobs) -> None:
    """The jobs of this room."""

    @jobs.task(name=RENDER)
    async def render(job_id: int) -> None:
        await prompts.render(job_id)

    @jobs.periodic(cron="*/10 * * * *")
    @jobs.task(name=KEEP, lock=KEEP, queueing_lock=KEEP)
    async def keep(timestamp: int) -> None:
        await prompts.keep()
