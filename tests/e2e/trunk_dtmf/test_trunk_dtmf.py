"""Keys reach the menu by SIP INFO and as tones; calls in µ-law and G.722 are answered in these."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing.handset import G722, ULAW, Handset

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


SHORT = timedelta(seconds=1)


async def test_keys_by_info(scene: Scene, folder: Path) -> None:
    async with (
        scene.agent("1001"),
        scene.citizen(
            folder / "citizen_presses_by_info.xml", pause=timedelta(seconds=3)
        ) as citizen,
    ):
        result = await citizen.result()
    assert result.ok, str(result)
    call = await scene.call(disposition="answered", agent="1001")
    assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]


async def test_keys_as_tones(scene: Scene, folder: Path) -> None:
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=SHORT),
        Handset(codec=ULAW) as ear,
        scene.citizen(folder / "citizen_without_telephone_event.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press_in_band("0")
        result = await citizen.result()
    assert result.ok, str(result)
    call = await scene.call(disposition="answered", agent="1001")
    assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
        ("welcome", None),
        ("person", "0"),
    ]


@pytest.mark.parametrize("codec", [pytest.param(ULAW, id="ulaw"), pytest.param(G722, id="g722")])
async def test_a_codec_offered_alone(scene: Scene, codec: int) -> None:
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=SHORT),
        Handset(codec=codec) as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        if codec == ULAW:
            await ear.hears(await scene.flow_text("welcome", "zh"))
        else:
            await ear.listens(timedelta(seconds=1))
        await ear.press("0")
        result = await citizen.result()
        assert ear.payload_types - {96} == {codec}
    assert result.ok, str(result)
    answers = re.findall(r"SIP/2\.0 200 OK.*?m=audio \d+ RTP/AVP ([\d ]+)", result.messages, re.S)
    assert answers
    assert all(formats.split() == [str(codec), "96"] for formats in answers)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="agent")
    sound = await scene.sound_of(await scene.recording_of(call))
    assert abs(sound[:, 0]).mean() > 100, "the agent is heard"
