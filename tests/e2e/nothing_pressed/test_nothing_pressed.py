"""A citizen presses nothing at all, and is connected with a person."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_silence_in_the_menu_leads_to_a_person(scene: Scene) -> None:
    long = timedelta(seconds=15)
    async with scene.agent("1001"), scene.citizen("citizen_silent.xml", pause=long) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", queue="general")
    assert [(step["node"], step["key"], step["led_by"]) for step in call["ivr_path"]] == [
        ("welcome", None, "flow"),
        ("person", None, "silence"),
    ]
    assert call["hangup_by"] == "caller"
    case = await scene.case_of(call)
    assert case["state"] == "open"
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound).mean(axis=0).min() > 100, "both are heard"
