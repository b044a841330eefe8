"""The AGI process is killed while its caller is in the menu; the caller still reaches a person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

TALK = timedelta(seconds=2)


async def test_the_one_that_serves_the_call(scene: Scene) -> None:
    """The second process goes on at the menu where the first one died."""
    welcome = await scene.flow_text("welcome", "zh")
    answer = await scene.flow_text("id_card", "zh", part="text")
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=TALK),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(welcome)
        (serving,) = faults.agi_serving(scene.hotline)
        pid = scene.hotline.pid(serving)
        faults.kill(pid)
        ear.forget()
        await ear.hears(welcome)
        await ear.press("1")
        await ear.hears(answer)
        await ear.press("0")
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="agent")
    path = [(step["node"], step["key"], step["led_by"]) for step in call["ivr_path"]]
    assert path[0] == ("welcome", None, "flow")
    assert path[1] == ("welcome", None, "resumed")
    assert path[2] == ("id_card", "1", "key")
    assert path[-1] == ("person", "0", "key")
    assert (await scene.timeline(call)).count("flow_failed") == 1
    assert len(await faults.cases_of(scene.hotline, call["call_id"])) == 1
    await scene.recording_of(call)

    await faults.replaced(scene.hotline, serving, pid)
    await faults.healthy(scene.hotline)


async def test_all_of_them_at_once(scene: Scene) -> None:
    """Nobody of ours is there: the caller goes the static way, or hears the menu anew."""
    welcome = await scene.flow_text("welcome", "zh")
    apology = scene.prompt("apology", "zh")
    pids = {name: scene.hotline.pid(name) for name in faults.AGI}
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=TALK),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(welcome)
        faults.kill(*pids.values())
        ear.forget()
        await eventually(
            lambda: ear.has_heard(apology) or ear.has_heard(welcome),
            "the caller is spoken to again",
            within=timedelta(seconds=15),
        )
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", queue="general")
    told = await scene.timeline(call)
    assert "flow_failed" in told
    assert told[-1] == "call_ended"
    assert len(await faults.cases_of(scene.hotline, call["call_id"])) == 1
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound[:, 0]).mean() > 100, "the agent is heard"

    for name, pid in pids.items():
        await faults.replaced(scene.hotline, name, pid)
    await faults.healthy(scene.hotline)
