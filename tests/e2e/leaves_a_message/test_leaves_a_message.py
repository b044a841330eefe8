"""A citizen leaves a message, hears it, records it again, and hangs up: the right take is kept.

What was said is told by its pitch: each take is another tone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from callcenter.asterisk.config.wanted import AMI_SECRET
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
)
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset, a_law_tone

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

LONG = timedelta(seconds=30)
#: The network's record tone (indications.conf).
BEEP = 950
#: A second of it, as a trunk sends when nobody speaks.
A_LAW_SILENCE = b"\xd5" * 8000


def pitch(sound: np.ndarray) -> int:
    """The loudest frequency in 8 kHz samples, Hz."""
    strength = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return round(float(np.argmax(strength)) * 8000 / len(sound))


def heard_tone(ear: Handset, hertz: int, seconds: float) -> bool:
    """Whether a tone of that pitch and length is among what was heard."""
    sound, frame = ear.sound(), 800
    loud = [
        abs(pitch(piece) - hertz) <= 10 and float(np.abs(piece).mean()) > 200
        for piece in (sound[at : at + frame] for at in range(0, len(sound) - frame, frame))
    ]
    run = longest = 0
    for one in loud:
        run = run + 1 if one else 0
        longest = max(longest, run)
    return longest >= seconds * 10


async def hears_tone(ear: Handset, hertz: int, seconds: float) -> None:
    async def heard() -> bool:
        await asyncio.sleep(0.1)  # a look at all that was heard is dear
        return heard_tone(ear, hertz, seconds)

    await eventually(heard, f"the caller hears {hertz} Hz for {seconds} s", within=LONG)


@asynccontextmanager
async def speaking(ear: Handset, hertz: int) -> AsyncIterator[None]:
    voice = asyncio.create_task(ear.talk(a_law_tone(hertz)))
    try:
        yield
    finally:
        voice.cancel()
        with suppress(asyncio.CancelledError):
            await voice


async def say(ear: Handset, hertz: int, seconds: float) -> None:
    """Wait for the tone, speak for so long."""
    await hears_tone(ear, BEEP, 0.2)
    await asyncio.sleep(0.3)  # the tone's end
    async with speaking(ear, hertz):
        await asyncio.sleep(seconds)


async def to_the_tone(scene: Scene, ear: Handset) -> None:
    """0, and nobody is there."""
    await ear.hears(await scene.flow_text("welcome", "zh"))
    await ear.press("0")
    await ear.hears(scene.prompt("no_agents", "zh"), within=LONG)
    await ear.hears(scene.prompt("leave_message", "zh"), whole=True, within=LONG)


async def to_voicemail(scene: Scene, *, greeting: str) -> None:
    """Move the scene's citizen to cc-voicemail, over AMI."""
    channels = await scene.hotline.console("core show channels concise")
    [channel] = re.findall(r"^(PJSIP/trunk-[0-9a-f]+)!", channels, re.M)
    secret = (scene.hotline.home / "secrets" / AMI_SECRET).read_text().strip()
    actions = (
        f"Action: Login\r\nUsername: callcenter\r\nSecret: {secret}\r\nEvents: off\r\n\r\n",
        f"Action: Setvar\r\nChannel: {channel}\r\n"
        f"Variable: {Variable.GREETING}\r\nValue: {greeting}\r\n\r\n",
        f"Action: Redirect\r\nChannel: {channel}\r\nContext: {Context.VOICEMAIL}\r\n"
        "Exten: s\r\nPriority: 1\r\n\r\n",
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.hotline.ami_port)
    async with asyncio.timeout(10):
        for action in actions:
            writer.write(action.encode())
            while not (line := await reader.readline()).startswith(b"Response:"):
                pass
            assert b"Success" in line, await reader.readline()
    writer.close()
    await writer.wait_closed()


async def message_of(scene: Scene, call: dict[str, Any]) -> dict[str, Any]:
    """The call's message, once every take is finished and it is known which one counts."""

    async def finished() -> dict[str, Any]:
        message: dict[str, Any] = await scene.hotline.get(f"/messages/{call['call_id']}")
        assert message["length_ms"] is not None
        return message

    message: dict[str, Any] = await eventually(finished, "the message", within=LONG)
    return message


async def post(scene: Scene, path: str, **body: str) -> dict[str, Any]:
    reply = await scene.hotline.client.post(f"/api/v1{path}", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def test_the_last_complete_take_is_kept_worked_off_and_told_in_the_case(scene: Scene) -> None:
    menu = scene.prompt("message_menu", "zh")
    async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
        await to_the_tone(scene, ear)
        await say(ear, 700, 4)
        ear.forget()
        await ear.press("#")
        await ear.hears(menu, whole=True, within=LONG)
        assert not ear.has_heard(scene.prompt("message_person", "zh")), "there is nobody"

        ear.forget()
        await ear.press("1")
        await hears_tone(ear, 700, 2)
        await ear.press("2")  # obeyed while it still plays
        await say(ear, 1300, 4)  # 1100 Hz is a fax machine's calling tone
        ear.forget()
        await ear.press("#")
        await ear.hears(menu, within=LONG)

        ear.forget()
        await ear.press("2")
        await say(ear, 1500, 1)
        citizen.hang_up()
        call = await scene.call(disposition="voicemail", queue="general", hangup_by="caller")

    message = await message_of(scene, call)
    assert (message["state"], message["reason"]) == ("new", "no_agents")
    assert message["caller_number"] == "+8613800138000"
    assert 3500 < message["length_ms"] < 7000
    sound = await scene.sound_of(await scene.hotline.get(_recording(message)))
    assert abs(pitch(sound[8000:24000, 0]) - 1300) < 10, "the second take"
    assert sound[:, 0].std() > 1000

    recordings = (await scene.hotline.get("/recordings", call_id=call["call_id"]))["items"]
    takes = sorted(
        (r for r in recordings if r["kind"] == "voicemail"), key=lambda r: r["started_at"]
    )
    assert [take["state"] for take in takes] == ["ready"] * 3, "no take is lost"
    assert message["recording"]["recording_id"] == takes[1]["recording_id"]

    case = await scene.case_of(call)
    assert case["case_number"] == message["case_number"]
    assert case["due_at"] == message["due_at"]
    due, left = (datetime.fromisoformat(message[name]) for name in ("due_at", "left_at"))
    assert due - left == timedelta(hours=24)

    listed = await scene.hotline.get("/messages", queue="general")
    assert message["call_id"] in [item["call_id"] for item in listed["items"]]
    path = f"/messages/{message['call_id']}"
    assert (await post(scene, f"{path}/take"))["taken_by"] == "admin"
    audio = await scene.hotline.client.get(f"/api/v1{path}/audio", headers={"Range": "bytes=0-43"})
    assert (audio.status_code, audio.content[:4]) == (206, b"RIFF")
    done = await post(scene, f"{path}/done", outcome="reached", note="lamp post 12")
    assert (done["state"], done["outcome"]) == ("done", "reached")
    listed = await scene.hotline.get("/messages", queue="general")
    assert message["call_id"] not in [item["call_id"] for item in listed["items"]]
    notes = (await scene.case_of(call))["notes"]
    assert [note["actor"] for note in notes] == ["admin", "admin"]
    assert "lamp post 12" in notes[1]["text"]


async def test_who_says_nothing_leaves_no_message(scene: Scene) -> None:
    async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
        await to_the_tone(scene, ear)
        for answer in ("message_too_short", "message_none"):
            await say(ear, 700, 0.5)
            ear.forget()
            await ear.press("#")
            await ear.hears(scene.prompt(answer, "zh"), within=LONG)
        await ear.hears(scene.prompt("goodbye", "zh"), within=LONG)
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="overflowed", queue="general")
    reply = await scene.hotline.client.get(f"/api/v1/messages/{call['call_id']}")
    assert reply.status_code == 404
    assert (await scene.case_of(call))["due_at"] is None, "the case is of the wait in the queue"


async def test_silence_ends_the_take_and_keeps_it(scene: Scene) -> None:
    async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
        await to_the_tone(scene, ear)
        await say(ear, 700, 4)
        ear.forget()
        silence = asyncio.create_task(ear.talk(A_LAW_SILENCE))
        await ear.hears(scene.prompt("message_menu", "zh"), whole=True, within=LONG)
        await ear.hears(scene.prompt("message_saved", "zh"), within=LONG)
        result = await citizen.result()
        silence.cancel()
    assert result.ok, str(result)

    call = await scene.call(disposition="voicemail", hangup_by="system")
    message = await message_of(scene, call)
    assert message["state"] == "new"
    assert 3500 < message["length_ms"] < 6500, "the silence that ended it is cut off"


async def test_by_choice_0_leads_to_a_person_and_the_message_stays(scene: Scene) -> None:
    async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
        await ear.hears(await scene.flow_text("welcome", "zh"))
        # As a flow's `voicemail` node does: no reason, and a greeting of its own.
        greeting = await scene.flow_text("english_menu", "zh")
        await to_voicemail(scene, greeting=greeting.stem)
        await ear.hears(greeting, within=LONG)
        await ear.hears(scene.prompt("leave_message", "zh"), whole=True, within=LONG)
        await say(ear, 700, 4)
        ear.forget()
        await ear.press("#")
        await ear.hears(scene.prompt("message_person", "zh"), whole=True, within=LONG)
        ear.forget()
        await ear.press("0")
        # Nobody is there: the second visit says so, and asks for a message of its own.
        await ear.hears(scene.prompt("no_agents", "zh"), within=LONG)
        ear.forget()
        await say(ear, 1300, 1)
        citizen.hang_up()
        call = await scene.call(disposition="voicemail", queue="general", hangup_by="caller")

    message = await message_of(scene, call)
    assert (message["state"], message["reason"]) == ("new", "choice")
    sound = await scene.sound_of(await scene.hotline.get(_recording(message)))
    assert abs(pitch(sound[8000:24000, 0]) - 700) < 10
    assert (await scene.case_of(call))["due_at"] == message["due_at"]


def _recording(message: dict[str, Any]) -> str:
    return f"/recordings/{message['recording']['recording_id']}"
