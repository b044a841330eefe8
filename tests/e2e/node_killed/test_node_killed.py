"""The node dies, or hangs, in the middle of a call; its record is complete and not doubled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: Facts a call of one conversation has exactly once.
ONCE = (
    "call_started",
    "call_answered",
    "recording_started",
    "caller_queued",
    "agent_rang",
    "agent_answered",
    "call_ended",
)


@pytest.mark.parametrize(
    ("fault", "talk"),
    [
        pytest.param(faults.kill, timedelta(seconds=6), id="killed"),
        # A hung node is let be for five seconds, then killed.
        pytest.param(faults.freeze, timedelta(seconds=12), id="frozen"),
    ],
)
async def test_in_mid_call(scene: Scene, fault: Callable[[int], None], talk: timedelta) -> None:
    hotline = scene.hotline
    pid = hotline.pid("node")
    async with scene.agent("1001"), scene.citizen(pause=talk) as citizen:

        async def talking() -> bool:
            return any(call["state"] == "talking" for call in await scene.calls())

        await eventually(talking, "the conversation has begun", within=timedelta(seconds=20))
        fault(pid)
        await faults.replaced(hotline, "node", pid, timedelta(seconds=25))
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
    told = await scene.timeline(call)
    assert {kind: told.count(kind) for kind in ONCE} == dict.fromkeys(ONCE, 1)
    assert [step["node"] for step in call["ivr_path"]] == [
        "welcome",
        "id_card",
        "answers",
        "person",
    ]
    assert len(await faults.cases_of(hotline, call["call_id"])) == 1
    case = await scene.case_of(call)
    assert [event["kind"] for event in case["history"]].count("opened") == 1
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
    await faults.healthy(hotline)
