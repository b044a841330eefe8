"""The first agent lets the phone ring, the next one answers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_the_next_agent_answers(scene: Scene) -> None:
    async with scene.agent("1002"):
        # Whoever answered last comes last: after this call it is 1001's turn.
        short = timedelta(seconds=1.5)
        async with scene.citizen("citizen_presses_0.xml", pause=short) as citizen:
            assert (await citizen.result()).ok
        await scene.call(disposition="answered", agent="1002")
        scene.begin_anew()

        # The queue rings one phone for 15 s, as it comes out of the box.
        long = timedelta(seconds=19)
        async with (
            scene.agent("1001", "agent_rings.xml"),
            scene.citizen("citizen_presses_0.xml", pause=long) as citizen,
        ):
            result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1002", hangup_by="caller")
    found = await scene.hotline.get(f"/calls/{call['call_id']}/timeline")
    said = [
        (entry["kind"], next((a for a in ("1001", "1002") if a in entry["detail"]), None))
        for entry in found["items"]
        if entry["kind"].startswith("agent_")
    ]
    assert said == [
        ("agent_rang", "1001"),
        ("agent_did_not_answer", "1001"),
        ("agent_rang", "1002"),
        ("agent_answered", "1002"),
        ("agent_talk_ended", "1002"),
    ]
    legs = {leg["agent"]: leg for leg in call["legs"] if leg["role"] == "agent"}
    assert legs["1001"]["answered_at"] is None
    assert legs["1002"]["answered_at"]
    assert (await scene.case_of(call))["state"] == "open"
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
