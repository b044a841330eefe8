"""The agent pauses the recording while the citizen tells a number that nobody shall keep."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
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
