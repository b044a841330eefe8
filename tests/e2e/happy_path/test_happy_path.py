"""A citizen presses 1, hears an answer, presses 0, waits, talks to an agent, and hangs up."""

from __future__ import annotations

import hashlib
import io
import wave
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_citizen_reaches_a_person_and_leaves_call_case_and_recording(scene: Scene) -> None:
    async with scene.agent("1001"), scene.citizen() as citizen:
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", queue="general")
    assert call["line"] == call["dialled_number"] == "12345"
    assert call["caller_number"] == "+8613800138000"
    assert call["hangup_by"] == "caller"
    assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]
    times = [call[f"{name}_at"] for name in ("started", "answered", "queued", "agent_answered")]
    assert times == sorted(times, key=datetime.fromisoformat)

    case = await scene.case_of(call)
    assert case["state"] == "open"
    rang = min(leg["started_at"] for leg in call["legs"] if leg["role"] == "agent")
    assert datetime.fromisoformat(case["opened_at"]) < datetime.fromisoformat(rang)

    recording = await scene.recording_of(call)
    assert recording["state"] == "ready"
    audio = await scene.audio_of(recording)
    assert hashlib.sha256(audio).hexdigest() == recording["sha256"]
    with wave.open(io.BytesIO(audio)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert len(sound) * 1000 // 8000 == recording["duration_ms"]
    # Left the agent, right the citizen: both are heard, and they are not the same voice.
    assert np.abs(sound[:, 0].astype(int)).mean() > 100
    assert np.abs(sound[:, 1].astype(int)).mean() > 100
    assert not np.array_equal(sound[:, 0], sound[:, 1])
