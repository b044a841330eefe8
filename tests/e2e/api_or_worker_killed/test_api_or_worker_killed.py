"""The API or the worker is killed during a call; the call does not notice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_the_call_goes_on(scene: Scene) -> None:
    hotline = scene.hotline
    pids = {name: hotline.pid(name) for name in ("api", "worker")}
    async with scene.agent("1001"), scene.citizen(pause=timedelta(seconds=4)) as citizen:
        faults.kill(*pids.values())
        result = await citizen.result()
        for name, pid in pids.items():
            await faults.replaced(hotline, name, pid)
    assert result.ok, str(result)
    await faults.healthy(hotline)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
    assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]
    assert await scene.case_of(call)
    assert (await scene.recording_of(call))["state"] == "ready"
