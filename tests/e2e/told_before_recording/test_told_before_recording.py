"""Nothing of our Python is there, and the caller is told all the same before being recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_who_calls_while_no_agi_process_is_there(scene: Scene) -> None:
    pids = {name: scene.hotline.pid(name) for name in faults.AGI}
    async with scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=2)):
        # Nobody starts them anew before the call is through.
        with faults.frozen(scene.hotline.supervisor):
            faults.kill(*pids.values())
            async with (
                Handset() as ear,
                scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
            ):
                await ear.hears(scene.prompt("recording_notice", "zh"))
                await ear.hears(scene.prompt("apology", "zh"))
                result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", queue="general")
    steps = [(step["node"], step["about"]) for step in call["ivr_path"]]
    assert steps == [(".notice", "prompt/recording_notice")]
    assert call["recording_notice"] is None, "the shipped words are no version of ours"
    await scene.recording_of(call)
    for name, pid in pids.items():
        await faults.replaced(scene.hotline, name, pid)
    await faults.healthy(scene.hotline)
