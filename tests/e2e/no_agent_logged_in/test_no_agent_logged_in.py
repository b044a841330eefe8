"""No phone is registered: the citizen hears so, leaves a message, and hangs up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_the_citizen_leaves_a_message(scene: Scene) -> None:
    async with scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=16)) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="voicemail", queue="general", hangup_by="caller")
    assert call["agent"] is None
    assert "caller_left_queue" in await scene.timeline(call)
    case = await scene.case_of(call)
    assert case["state"] == "open"
    assert [linked["call_id"] for linked in case["calls"]] == [call["call_id"]]

    kinds = await scene.recordings_of(call)
    assert kinds["conversation"]["state"] == "missing"
    message = kinds["voicemail"]
    sound = await scene.sound_of(message)
    assert sound.shape[1] == 1, "one voice, one channel"
    assert abs(sound).mean() > 100, "the citizen is heard"
    assert message["duration_ms"] > 1000
