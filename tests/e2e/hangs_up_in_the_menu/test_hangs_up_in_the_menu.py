"""A citizen hangs up, at each point of the menu there is; every time the call has its record."""

from __future__ import annotations

import wave
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


PATHS = {
    "citizen_presses_1.xml": [("welcome", None), ("id_card", "1")],
    "citizen_presses_2.xml": [("welcome", None), ("english", "2"), ("english_menu", None)],
    "citizen_presses_1_and_5.xml": [
        ("welcome", None),
        ("id_card", "1"),
        ("answers", None),
        ("answers", "5"),
    ],
    "citizen_presses_0.xml": [("welcome", None), ("person", "0")],
}


def path_of(call: dict) -> list[tuple[str, str | None]]:
    return [(step["node"], step["key"]) for step in call["ivr_path"]]


@pytest.mark.parametrize("moment", ["at_once", "during_the_welcome", "after_the_welcome"])
async def test_before_any_key(scene: Scene, moment: str) -> None:
    with wave.open(str(await scene.flow_text("welcome", "zh"))) as welcome:
        spoken = timedelta(seconds=welcome.getnframes() / welcome.getframerate())
    pause = {
        "at_once": timedelta(milliseconds=20),
        "during_the_welcome": timedelta(seconds=1),
        # The menu waits 3 s for a key.
        "after_the_welcome": spoken + timedelta(seconds=1.2),
    }[moment]
    async with scene.citizen("citizen_silent.xml", pause=pause) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="abandoned", hangup_by="caller")
    if moment != "at_once":
        assert path_of(call) == [("welcome", None)]
    assert call["answered_at"]
    assert call["queued_at"] is None
    assert call["case_number"] is None
    assert call["recordings"] == []


@pytest.mark.parametrize(
    ("scenario", "disposition"),
    [
        pytest.param("citizen_presses_1.xml", "self_served", id="during_the_article"),
        pytest.param("citizen_presses_1_and_5.xml", "self_served", id="in_the_menu_behind_it"),
        pytest.param("citizen_presses_2.xml", "abandoned", id="in_the_second_menu"),
    ],
)
async def test_after_a_key(scene: Scene, folder: Path, scenario: str, disposition: str) -> None:
    pause = timedelta(seconds=2.5)
    async with scene.citizen(folder / scenario, pause=pause) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition=disposition, hangup_by="caller")
    assert path_of(call) == PATHS[scenario]
    assert call["queued_at"] is None
    assert call["case_number"] is None
    assert call["recordings"] == []


@pytest.mark.parametrize("after", [timedelta(milliseconds=ms) for ms in (5, 60)], ids=str)
async def test_right_after_asking_for_a_person(scene: Scene, after: timedelta) -> None:
    async with (
        scene.agent("1001", "agent_rings.xml"),
        scene.citizen("citizen_presses_0.xml", pause=after) as citizen,
    ):
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="abandoned", hangup_by="caller")
    steps = PATHS["citizen_presses_0.xml"]
    # In the very moment of the key the flow may not have come to the next node.
    assert path_of(call) in ([steps, steps[:1]])
    assert call["agent_answered_at"] is None
    assert (call["case_number"] is not None) == (call["queued_at"] is not None)
