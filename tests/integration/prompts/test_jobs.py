"""The way of a job: enqueued by the API in its own transaction, done by a real worker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.engine import URL

from callcenter.access.guard import Guard
from callcenter.asterisk.install import locate
from callcenter.platform.db import Database
from callcenter.platform.jobs import jobs_app
from callcenter.platform.problems import install_problem_handlers
from callcenter.prompts import api
from callcenter.prompts.jobs import KEEP, PromptJobs, register_prompt_jobs
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.service import PromptService
from callcenter.prompts.shelf import Shelf
from callcenter.prompts.speech import EspeakSpeech
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.sound_files import speech_like
from callcenter.testing.tone_speech import ToneSpeech

if TYPE_CHECKING:
    from tests.integration.prompts.conftest import Studio

pytestmark = pytest.mark.integration


async def work(studio: Studio) -> None:
    """A worker until there is nothing left to do."""
    jobs = jobs_app(studio.database.url)
    register_prompt_jobs(jobs, PromptJobs(studio.database, studio.shelf, studio.clock))
    async with jobs.open_async():
        await jobs.run_worker_async(wait=False, install_signal_handlers=False)


async def test_a_worker_does_what_the_api_enqueued(studio: Studio) -> None:
    await studio.create(zh="您好", en="Hello")
    job = (await studio("POST", "/welcome/render")).json()["job_id"]
    await work(studio)
    done = (await studio("GET", f"/jobs/{job}")).json()
    assert (done["state"], done["done"], done["total"]) == ("done", 2, 2)
    assert set((await studio("GET", "/welcome")).json()["audio"]) == {"zh", "en"}


async def test_a_refused_wish_enqueues_nothing(studio: Studio) -> None:
    await studio.create(zh="您好")
    await studio("POST", "/welcome/render", json={"languages": ["en"]})
    await studio("POST", "/nobody/render")
    assert await studio.rows("SELECT * FROM procrastinate_jobs") == []
    assert await studio.rows("SELECT * FROM prompt_jobs") == []


async def test_a_prompt_that_goes_or_loses_its_text_fails_its_job(studio: Studio) -> None:
    await studio.create(zh="您好")
    first = (await studio("POST", "/welcome/render")).json()["job_id"]
    await studio("PUT", "/welcome", json={"title": "x", "texts": {}}, headers={"If-Match": "*"})
    await work(studio)
    assert "removed" in (await studio("GET", f"/jobs/{first}")).json()["error"]
    await studio(
        "PUT", "/welcome", json={"title": "x", "texts": {"zh": "x"}}, headers={"If-Match": "*"}
    )
    second = (await studio("POST", "/welcome/render")).json()["job_id"]
    await studio("DELETE", "/welcome", headers={"If-Match": "*"})
    await work(studio)
    assert "deleted" in (await studio("GET", f"/jobs/{second}")).json()["error"]


async def test_the_keeping_makes_slow_versions_and_mends_files(studio: Studio) -> None:
    await studio.create()
    for language in ("zh", "en"):
        await studio("PUT", f"/welcome/audio/{language}", content=speech_like())
    await studio.shelf.library.ensure([("zh", "您好")])
    studio.shelf.narrow("welcome", "en").write_bytes(b"not what was made")
    jobs = jobs_app(studio.database.url)
    register_prompt_jobs(jobs, studio.jobs)
    async with jobs.open_async():
        await jobs.configure_task(KEEP).defer_async(timestamp=0)
    await work(studio)
    library = studio.shelf.library
    assert (await studio("GET", "/welcome")).json()["audio"]["en"]["state"] == "ready"
    files = await library.every_file()
    assert len(files) == 3
    assert [file for file in files if not library.slow(file).is_file()] == []
    assert await library.ensure_slow(files) == 0


async def test_espeak_speaks_a_prompt_in_both_rates(studio: Studio) -> None:
    found = locate()
    if found is None or not found.has_tools:
        pytest.skip("no espeak-ng: run `callcenter asterisk install`")
    library = PromptLibrary(studio.shelf.library.directory, EspeakSpeech(found.espeak_command()))
    studio.shelf = Shelf(library)
    await studio.create(zh="祝您新年快乐，热线二十四小时为您服务。")
    await studio("POST", "/welcome/render")
    await work(studio)
    audio = (await studio("GET", "/welcome")).json()["audio"]["zh"]
    assert audio["state"] == "ready"
    assert audio["rates"] == [8000, 16000]
    assert 2500 < audio["duration_ms"] < 5500
    assert -23 < audio["loudness_dbfs"] < -19


@pytest.fixture
async def without_database(tmp_path: Path, temporary: Path) -> AsyncIterator[httpx.AsyncClient]:
    from tests.integration.prompts.conftest import authenticate

    database = Database(URL.create("postgresql", username="x", query={"host": str(tmp_path)}))
    shelf = Shelf(PromptLibrary(tmp_path / "prompts", ToneSpeech()))
    app = FastAPI()
    install_problem_handlers(app)
    service = PromptService(database, shelf, FixedClock())
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer admin"},
    ) as client:
        yield client
    await database.close()
    assert not (tmp_path / "prompts").exists()


async def test_without_a_database_every_wish_is_answered_by_a_503(
    without_database: httpx.AsyncClient,
) -> None:
    for method, path, content in (
        ("GET", "/prompts", None),
        ("GET", "/prompts/x", None),
        ("POST", "/prompts/x/render", None),
        ("GET", "/prompts/jobs/1", None),
        ("PUT", "/prompts/x/audio/zh", speech_like()),
        ("POST", "/prompts", json.dumps({"name": "x", "title": "x"}).encode()),
    ):
        kind = {"Content-Type": "application/json" if path == "/prompts" else "audio/wav"}
        reply = await without_database.request(method, path, content=content, headers=kind)
        assert reply.status_code == 503, (method, path)
        assert reply.json()["type"] == "/problems/database-unavailable"
        assert reply.headers["retry-after"]
