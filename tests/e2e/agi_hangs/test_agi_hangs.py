"""Every AGI process hangs: the supervisor kills them within seconds, callers reach a person."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

MENU, NEW = "13800138001", "13800138002"
TALK = timedelta(seconds=2)


async def test_one_caller_in_the_menu_and_one_who_calls_meanwhile(scene: Scene) -> None:
    welcome = await scene.flow_text("welcome", "zh")
    pids = {name: scene.hotline.pid(name) for name in faults.AGI}
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=TALK),
        scene.agent("1002", "agent_hangs_up.xml", pause=TALK),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys={**ear.keys, "caller_number": MENU}) as first,
    ):
        await ear.hears(welcome)
        faults.freeze(*pids.values())
        began = time.monotonic()
        async with scene.citizen("citizen_waits.xml", keys={"caller_number": NEW}) as second:
            for name, pid in pids.items():
                await faults.replaced(scene.hotline, name, pid, timedelta(seconds=20))
            print(f"hung processes replaced after {time.monotonic() - began:.1f} s")
            results = [await first.result(), await second.result()]
    assert all(result.ok for result in results), "\n".join(map(str, results))

    for number in (MENU, NEW):
        call = await scene.call(caller_number=f"+86{number}", disposition="answered")
        assert call["agent"] in ("1001", "1002")
        assert "flow_failed" in await scene.timeline(call)
        assert len(await faults.cases_of(scene.hotline, call["call_id"])) == 1
    await faults.healthy(scene.hotline)
