"""Asterisk is killed during a recorded conversation; the record ends, the recording is mended."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

CUT, NEXT = "13800138001", "13800138002"


async def test_kill_9_in_a_conversation(scene: Scene) -> None:
    hotline = scene.hotline
    pid = hotline.pid("asterisk-supervised")
    links = await faults.reconnects(hotline)
    long = timedelta(seconds=60)
    async with (
        scene.agent("1001"),
        scene.citizen("citizen_waits.xml", keys={"caller_number": CUT}, limit=long),
    ):

        async def talking() -> bool:
            return any(call["state"] == "talking" for call in await scene.calls())

        await eventually(talking, "the conversation has begun", within=timedelta(seconds=20))
        # Asterisk writes every 2 s; what was said before must be there.
        await asyncio.sleep(5)
        faults.kill(pid)
        began = time.monotonic()
        await faults.replaced(hotline, "asterisk-supervised", pid)
        await faults.relinked(hotline, links)
        await faults.healthy(hotline)
        print(f"healthy again {time.monotonic() - began:.1f} s after kill -9 of Asterisk")

    # New callers are served.
    async with (
        scene.agent("1002"),
        scene.citizen(keys={"caller_number": NEXT}, pause=timedelta(seconds=4)) as citizen,
    ):
        result = await citizen.result()
    assert result.ok, str(result)
    await scene.call(caller_number=f"+86{NEXT}", disposition="answered", agent="1002")

    call = await scene.call(caller_number=f"+86{CUT}", within=timedelta(seconds=20))
    assert call["hangup_by"] == "system"
    assert call["disposition"] == "answered"
    assert call["ended_at"] >= call["agent_answered_at"]
    assert all(leg["ended_at"] for leg in call["legs"])
    assert (await scene.timeline(call)).count("call_ended") == 1
    assert len(await faults.cases_of(hotline, call["call_id"])) == 1
    assert await faults.open_calls(hotline) == []

    recording = await scene.recording_of(call)
    assert recording["state"] == "ready", recording["reason"]
    assert recording["repaired"]
    assert recording["note"], "it says what may be missing"
    assert recording["duration_ms"] > 2000
    audio = await scene.audio_of(recording)
    assert hashlib.sha256(audio).hexdigest() == recording["sha256"]
    sound = await scene.sound_of(recording)
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
