"""The agent pauses the recording while the citizen tells a number that nobody shall keep."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset, likeness

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene
    from tests.e2e.in_call.conftest import Talking, TalkingIn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: A second of silence in A-law.
_QUIET = b"\xd5" * 8000


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


async def counted(scene: Scene) -> dict[str, float]:
    """What `/metrics` counts."""
    text = (await scene.hotline.client.get("/metrics")).text
    found = re.findall(r"^callcenter_(\w+_total)\{.*\} ([0-9.]+)$", text, re.M)
    return {name: float(value) for name, value in found}


async def test_both_hear_that_the_recording_is_paused_and_that_it_goes_on(
    scene: Scene, talking_in: TalkingIn
) -> None:
    """In Queue()'s bridge and in a conference; it is no call, and no part of the recording."""
    async with AsyncExitStack() as stack:
        agent = await stack.enter_async_context(Handset("127.0.0.3"))
        keys = {"handset": str(agent.port)}
        await stack.enter_async_context(scene.agent("1001", "agent_handset.xml", keys=keys))
        citizen = await stack.enter_async_context(Handset())
        party = await stack.enter_async_context(
            scene.citizen("citizen_handset.xml", keys=citizen.keys)
        )
        await citizen.hears(await scene.flow_text("welcome", "zh"))
        await citizen.press("0")
        call = await talking_in(party)
        # Asterisk whispers into the stream that the other side sends: also one that is quiet.
        for ear in (agent, citizen):
            voice = asyncio.create_task(ear.talk(_QUIET), name="a quiet line")
            stack.callback(voice.cancel)

        async def told(path: str, prompt: str, **body: str) -> None:
            for ear in (agent, citizen):
                ear.forget()
            await call.act(path, **body)
            for ear in (citizen, agent):
                await ear.hears(scene.prompt(prompt, "zh"), whole=True, within=timedelta(seconds=8))

        await told("recording/pause", "recording_paused", reason="card number")
        await told("recording/resume", "recording_resumed")
        await call.act("hold")
        await call.act("unhold")
        await told("recording/pause", "recording_paused", reason="once more")
        await told("recording/resume", "recording_resumed")
        assert (await counted(scene))["announcements_failed_total"] == 0

        # What cannot be announced is done all the same, and counted: here for two ears.
        await call.act("recording/pause", reason="a third time")
        hidden = scene.prompt("recording_resumed", "zh")
        away = hidden.rename(hidden.with_suffix(".away"))
        try:
            assert (await call.act("recording/resume"))["recording_paused"] is None

            async def is_counted() -> bool:
                return (await counted(scene))["announcements_failed_total"] == 2

            await eventually(is_counted, "counted", within=timedelta(seconds=8))
        finally:
            away.rename(hidden)
        row = await call.over()

    assert len(await scene.calls()) == 1, "an announcement is no call"
    assert sorted(leg["role"] for leg in row["legs"]) == ["agent", "citizen"]
    assert (await counted(scene))["journal_rejects_total"] == 0
    sound = await scene.sound_of(await scene.recording_of(row))
    for prompt in ("recording_paused", "recording_resumed"):
        for side in (0, 1):
            assert likeness(sound[:, side], scene.prompt(prompt, "zh")) < 0.5
