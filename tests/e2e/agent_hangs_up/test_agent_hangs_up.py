"""The agent ends the conversation, not the citizen."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_the_agent_hangs_up(scene: Scene) -> None:
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=2)),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press("0")
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="agent")
    assert await scene.case_of(call)
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound[:, 0]).mean() > 100, "the agent is heard"
    assert 1.5 < len(sound) / 8000 < 15
