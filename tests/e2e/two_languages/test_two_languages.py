"""A citizen asks for English and is spoken to in English from then on: menu, queue, message."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


LONG = timedelta(seconds=30)


async def test_english_leads_to_a_person(scene: Scene) -> None:
    chinese = await scene.flow_text("welcome", "zh")
    english = await scene.flow_text("english_menu", "en")
    async with (
        scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=1.5)),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        await ear.hears(chinese)
        assert not ear.has_heard(english)
        await ear.press("2")
        await ear.hears(english)
        await ear.press("0")
        result = await citizen.result()
        assert not ear.has_heard(await scene.flow_text("english_menu", "zh"))
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", language="en")
    assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
        ("welcome", None),
        ("english", "2"),
        ("english_menu", None),
        ("person", "0"),
    ]
    assert await scene.case_of(call)


async def test_english_leads_to_an_english_invitation_to_leave_a_message(scene: Scene) -> None:
    async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
        await ear.hears(await scene.flow_text("welcome", "zh"))
        await ear.press("2")
        await ear.hears(await scene.flow_text("english_menu", "en"))
        await ear.press("0")
        await ear.hears(scene.prompt("no_agents", "en"), within=LONG)
        await ear.hears(scene.prompt("leave_message", "en"), whole=True, within=LONG)
        for name in ("no_agents", "leave_message"):
            assert not ear.has_heard(scene.prompt(name, "zh"))

        speaking = asyncio.create_task(ear.talk())
        await asyncio.sleep(4)  # a message has at least 3 s

        async def said_goodbye() -> bool:
            await ear.press("#")  # ends the message, then keeps it
            return ear.has_heard(scene.prompt("goodbye", "en"))

        await eventually(said_goodbye, "# ends the message", within=LONG)
        speaking.cancel()
        assert ear.has_heard(scene.prompt("message_saved", "en"))
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="voicemail", language="en")
    assert call["queue"] == "general"
    assert await scene.case_of(call)
