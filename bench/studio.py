"""How soon callers hear what was published, and what a call pays to find out.

On a PostgreSQL of its own, with a voice that is a tone: speaking is the publisher's time, not the
caller's.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from callcenter.ivr.exits import HangUp
from callcenter.ivr.flows import FlowCache
from callcenter.ivr.runner import Plan, run_flow
from callcenter.ivr.seed import NAME, seed_defaults
from callcenter.ivr.service import FlowService
from callcenter.lines.seed import seed_defaults as seed_line
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.shipped import deploy_shipped
from callcenter.queues.seed import seed_queues
from callcenter.testing.sample_flow import VOICE, document
from callcenter.testing.scripted_caller import ScriptedCaller
from callcenter.testing.tone_speech import ToneSpeech

ROUNDS = 15
LINE = "12345"


def studio() -> None:
    """Publish to next caller; a call's look-up; round trips of a menu step."""
    asyncio.run(_run())


async def _run() -> None:
    with tempfile.TemporaryDirectory(prefix="cc-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        server = EmbeddedPostgres(home / "data", home / "run", home / "log", durable=True)
        await server.start()
        try:
            await server.create_database("bench")
            await upgrade(server.url("bench"))
            database = Database(server.url("bench"), name="bench")
            try:
                await _measure(database, home)
            finally:
                await database.close()
        finally:
            await server.stop()


async def _measure(database: Database, home: Path) -> None:
    library = PromptLibrary(home / "prompts", ToneSpeech())
    deploy_shipped(library.directory)
    service = FlowService(database, library, system_clock)
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_defaults(connection, system_clock)
        await seed_line(connection)
    cache = FlowCache(database, home / "flows.json")
    await cache.plan_for(LINE)
    published, found, looked = [], [], []
    for number in range(ROUNDS):
        flow = document()
        flow["nodes"]["menu"]["timeout_seconds"] = 3 + number % 5
        await service.edit(NAME, flow, based_on=None, by="bench")
        began = time.perf_counter()
        done = await service.publish(NAME, comment="", by="bench")
        published.append(time.perf_counter() - began)
        began = time.perf_counter()
        plan = await cache.plan_for(LINE)
        found.append(time.perf_counter() - began)
        assert isinstance(plan, Plan)
        assert plan.version == done.version.version, "the next caller hears the old one"
        began = time.perf_counter()
        await cache.plan_for(LINE)
        looked.append(time.perf_counter() - began)
    caller = ScriptedCaller(["1", "7", "9"])
    assert isinstance(plan, Plan)
    assert await run_flow(plan, caller, VOICE) == HangUp()
    _tell("publishing (check, audio, commit)", published)
    _tell("from the reply to the next caller", found, "wanted: at most 1 s")
    _tell("a call's look-up, nothing changed", looked)
    print(f"round trips of a step, at most    {max(caller.trips_per_step):8d}      (wanted: 2)")


def _tell(what: str, seconds: list[float], wanted: str = "") -> None:
    middle, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
    print(f"{what:<34}{middle:8.1f} ms   at most {worst:.1f} {f'({wanted})' if wanted else ''}")
