"""PostgreSQL is away for ten seconds during a call; nothing of the call is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from callcenter.platform.postgres import EmbeddedPostgres
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

OUTAGE = timedelta(seconds=10)
FIRST, MEANWHILE = "13800138001", "13800138002"


@asynccontextmanager
async def _away(scene: Scene, server: EmbeddedPostgres) -> AsyncIterator[None]:
    """Without PostgreSQL for the time of the block, ten seconds at least."""
    await server.stop()
    assert server.pid() is None
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
        await asyncio.sleep(max(0.0, began + OUTAGE.total_seconds() - loop.time()))
        assert server.pid() is None
    finally:
        await server.start()
    await faults.healthy(scene.hotline)


async def _is_complete(scene: Scene, number: str) -> dict[str, Any]:
    """Call row, case, recording and timeline of an answered call are there, once."""
    call = await scene.call(
        caller_number=f"+86{number}", disposition="answered", within=timedelta(seconds=30)
    )
    times = [call[f"{name}_at"] for name in ("started", "answered", "queued", "agent_answered")]
    assert None not in times
    told = await scene.timeline(call)
    for kind in ("call_started", "caller_queued", "agent_answered", "call_ended"):
        assert told.count(kind) == 1, f"{kind} in {told}"
    cases = await faults.cases_of(scene.hotline, call["call_id"])
    assert [case["case_number"] for case in cases] == [call["case_number"]]
    assert (await scene.case_of(call))["state"] == "open"
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
    return call


async def test_in_the_menu(scene: Scene, database_server: EmbeddedPostgres) -> None:
    welcome = await scene.flow_text("welcome", "zh")
    answer = await scene.flow_text("id_card", "zh", part="text")
    talk = timedelta(seconds=3)
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=talk),
        scene.agent("1002", "agent_hangs_up.xml", pause=talk),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys={**ear.keys, "caller_number": FIRST}) as first,
    ):
        await ear.hears(welcome)
        async with _away(scene, database_server):
            await ear.press("1")
            await ear.hears(answer)
            await ear.press("0")
            voice = asyncio.create_task(ear.talk())
            waiting = scene.citizen("citizen_waits.xml", keys={"caller_number": MEANWHILE})
            async with waiting as second:
                said = await faults.fails(scene.hotline, "database")
                assert said["mend"] or said["detail"]
                results = [await first.result(), await second.result()]
                voice.cancel()
            # Both were through with their conversations before the database came back.
            assert database_server.pid() is None
    assert all(result.ok for result in results), "\n".join(map(str, results))

    call = await _is_complete(scene, FIRST)
    assert [step["node"] for step in call["ivr_path"]] == [
        "welcome",
        "id_card",
        "answers",
        "person",
    ]
    await _is_complete(scene, MEANWHILE)


async def test_in_the_conversation(scene: Scene, database_server: EmbeddedPostgres) -> None:
    talk = timedelta(seconds=6)
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=talk),
        scene.agent("1002", "agent_hangs_up.xml", pause=timedelta(seconds=2)),
        scene.citizen("citizen_waits.xml", keys={"caller_number": FIRST}) as first,
    ):

        async def talking() -> bool:
            return any(call["state"] == "talking" for call in await scene.calls())

        await eventually(talking, "the conversation has begun", within=timedelta(seconds=20))
        async with _away(scene, database_server):
            waiting = scene.citizen("citizen_waits.xml", keys={"caller_number": MEANWHILE})
            async with waiting as second:
                await faults.fails(scene.hotline, "database")
                results = [await first.result(), await second.result()]
    assert all(result.ok for result in results), "\n".join(map(str, results))

    call = await _is_complete(scene, FIRST)
    assert call["hangup_by"] == "agent"
    await _is_complete(scene, MEANWHILE)
