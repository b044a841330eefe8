"""A citizen waits while a phone rings and nobody picks up, and gives up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_who_gives_up_waiting_has_a_case_and_no_recording(scene: Scene) -> None:
    async with (
        scene.agent("1001", "agent_rings.xml"),
        scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=4)) as citizen,
    ):
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="abandoned", queue="general", hangup_by="caller")
    assert call["queued_at"]
    assert call["agent"] is None
    assert call["agent_answered_at"] is None
    case = await scene.case_of(call)
    assert case["state"] == "open"

    timeline = await scene.timeline(call)
    assert "agent_rang" in timeline
    # The phone fell silent because the caller left: the agent is not blamed.
    assert "agent_did_not_answer" not in timeline
    recording = await scene.recording_of(call)
    assert recording["state"] == "missing"
    assert "never connected" in recording["reason"]
    assert recording["duration_ms"] is None
    reply = await scene.hotline.client.get(f"/api/v1/recordings/{recording['recording_id']}/audio")
    assert reply.status_code == 409
    assert "never connected" in reply.json()["detail"]
