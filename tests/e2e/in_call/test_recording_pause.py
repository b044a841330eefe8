"""The agent pauses the recording while the citizen tells a number that nobody shall keep."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene
    from tests.e2e.in_call.conftest import Talking

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_paused_recording_is_silent_in_that_span_and_keeps_its_length(
    talking: Talking,
) -> None:
    call = await talking()
    await asyncio.sleep(1)
    paused = await call.act("recording/pause", reason="身份证号 identity number")
    assert paused["recording_paused"]["began_by"] == "admin"
    assert (await call.act("recording/pause", 409, reason="again"))["type"] == "/problems/not-now"
    await asyncio.sleep(1)
    # A Redirect of both into a conference lifts nothing.
    await call.act("hold")
    await call.act("unhold")
    await asyncio.sleep(1)
    assert (await call.act("recording/resume"))["recording_paused"] is None
    await asyncio.sleep(2)
    row = await call.over()

    recording = await call.scene.recording_of(row)
    [span] = recording["pauses"]
    assert (span["reason"], span["ended_by"]) == ("身份证号 identity number", "admin")
    sound = await call.scene.sound_of(recording)
    # The file begins with the bridge; what Asterisk does not record is the hold's music.
    zero = datetime.fromisoformat(row["agent_answered_at"])
    began = (datetime.fromisoformat(span["began_at"]) - zero).total_seconds()
    whole = (datetime.fromisoformat(row["ended_at"]) - zero).total_seconds()
    loud = np.abs(sound).reshape(-1, 2)
    part = loud[int((began + 0.3) * 8000) : int((began + 0.9) * 8000)]
    assert part.max() == 0, "silence in place"
    before = loud[: int((began - 0.2) * 8000)]
    assert (before.mean(axis=0) > 100).all(), "both voices before"
    assert (loud[-8000:].mean(axis=0) > 100).all(), "both voices after"
    assert whole - len(sound) / 8000 < 2, "the length stays true"


def loudest(sound: np.ndarray, hertz: int) -> float:
    """The most of a pitch that is heard in any quarter of a second."""
    count = len(sound) // 2000
    parts = sound[: count * 2000].reshape(count, 2000)
    wave = np.exp(-2j * np.pi * hertz * np.arange(2000) / 8000)
    return float(np.abs(parts @ wave).max() / 2000) if count else 0.0


async def test_the_citizen_hears_a_tone_when_the_recording_is_paused(scene: Scene) -> None:
    async with (
        scene.agent("1001"),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press("0")

        async def they_talk() -> str:
            (call,) = await scene.calls()
            view = await scene.hotline.get(f"/calls/{call['call_id']}/in-call")
            assert view["agents"] == ["1001"]
            return str(call["call_id"])

        call_id = await eventually(they_talk, "they talk", within=timedelta(seconds=25))
        await asyncio.sleep(1)
        before = len(ear.sound())
        reply = await scene.hotline.client.post(
            f"/api/v1/calls/{call_id}/recording/pause", json={"reason": "card number"}
        )
        assert reply.status_code == 200, reply.text

        def tone() -> bool:
            sound = ear.sound()
            return loudest(sound[before:], 1400) > 4 * loudest(sound[:before], 1400)

        await eventually(tone, "a tone", within=timedelta(seconds=5))
        citizen.hang_up()
        call = await scene.call(disposition="answered")
    recording = await scene.recording_of(call)
    assert recording["pauses"][0]["ended_by"] == "system:call_ended"
