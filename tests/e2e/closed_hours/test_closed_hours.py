"""A line outside its hours takes a message after words of its own; opened, it lets callers in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset, a_law_tone

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NUMBER, SCHEDULE = "12399", "scenario_hours"
CLOSED = "本线路现在休息，工作时间请再来电。"
LINE = {
    "title": "限时线路",
    "flow": "main",
    "queue": "general",
    "language": "zh",
    "schedule": SCHEDULE,
    "closed_to": "voicemail",
    "closed_say": {"zh": CLOSED, "en": "This line is closed now."},
}
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Hertz: what the citizen says is told by its pitch. (1100 is a fax machine's calling tone.)
VOICE = 700
#: The network's record tone (indications.conf).
TONE = 950


def hours(*intervals: str) -> dict[str, Any]:
    """A schedule with the same hours every day, holidays or not; without any it is closed."""
    return {
        "title": "限时",
        "time_zone": "Asia/Shanghai",
        "hours": {day: list(intervals) for day in WEEK} if intervals else {},
        "follow_work_calendar": False,
    }


@asynccontextmanager
async def a_closed_line(scene: Scene) -> AsyncIterator[None]:
    client, any_version = scene.hotline.client, {"If-Match": "*"}
    reply = await client.post("/api/v1/schedules", json={"name": SCHEDULE, **hours()})
    assert reply.status_code == 201, reply.text
    try:
        reply = await client.post("/api/v1/lines", json={"number": NUMBER, **LINE})
        assert (reply.status_code, reply.json()["in_force"]) == (201, True), reply.text
        try:
            yield
        finally:
            reply = await client.delete(f"/api/v1/lines/{NUMBER}", headers=any_version)
            assert reply.status_code == 204, reply.text
    finally:
        reply = await client.delete(f"/api/v1/schedules/{SCHEDULE}", headers=any_version)
    assert reply.status_code == 204, reply.text


async def is_open(scene: Scene) -> bool:
    return bool((await scene.hotline.get(f"/schedules/{SCHEDULE}/state"))["open"])


def pitch(sound: np.ndarray) -> float:
    """The loudest frequency in 8 kHz samples, Hz."""
    strength = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(strength)) * 8000 / len(sound)


async def hears_the_tone(ear: Handset) -> None:
    """Wait for 200 ms of nothing but the tone."""

    async def heard() -> bool:
        await asyncio.sleep(0.1)  # a look at all that was heard is dear
        sound, length = ear.sound(), 800
        pieces = [sound[at : at + length] for at in range(0, len(sound) - length, length)]
        like = [abs(pitch(one) - TONE) <= 10 and np.abs(one).mean() > 200 for one in pieces]
        return any(one and other for one, other in pairwise(like))

    await eventually(heard, "the caller hears the tone", within=timedelta(seconds=10))


async def speak(ear: Handset, length: timedelta) -> None:
    voice = asyncio.create_task(ear.talk(a_law_tone(VOICE)))
    await asyncio.sleep(length.total_seconds())
    voice.cancel()
    with suppress(asyncio.CancelledError):
        await voice


async def message_of(scene: Scene, call: dict[str, Any]) -> dict[str, Any]:
    """The message that the call left, once its recording is finished."""

    async def there() -> dict[str, Any]:
        reply = await scene.hotline.client.get(f"/api/v1/messages/{call['call_id']}")
        assert reply.status_code == 200, reply.text
        found = dict(reply.json())
        assert found["length_ms"] is not None
        return found

    found: dict[str, Any] = await eventually(there, "the message", within=timedelta(seconds=30))
    return found


async def test_closed_it_takes_a_message_and_opened_it_leads_into_the_flow(scene: Scene) -> None:
    async with a_closed_line(scene):
        assert not await is_open(scene)
        async with (
            Handset() as ear,
            scene.citizen("citizen_handset.xml", service=NUMBER, keys=ear.keys) as citizen,
        ):
            await ear.hears(scene.spoken(CLOSED, "zh"))
            await ear.hears(scene.prompt("leave_message", "zh"), whole=True)
            assert not ear.has_heard(await scene.flow_text("welcome", "zh"))
            await hears_the_tone(ear)
            await asyncio.sleep(0.3)  # its end
            await speak(ear, timedelta(seconds=5))
            citizen.hang_up()
            call = await scene.call(line=NUMBER, disposition="voicemail", hangup_by="caller")
        assert [step["node"] for step in call["ivr_path"]] == [".closed"]
        assert call["queued_at"] is None

        message = await message_of(scene, call)
        assert (message["reason"], message["line"]) == ("closed", NUMBER)
        assert message["queue"] == "general", "the line's own: nobody waited in one"
        assert message["caller_number"] == "+8613800138000"
        assert message["length_ms"] > 3500
        listed = await scene.hotline.get("/messages", queue="general")
        assert call["call_id"] in [one["call_id"] for one in listed["items"]]
        recordings = await scene.recordings_of(call)
        sound = (await scene.sound_of(recordings["voicemail"]))[:, 0]
        assert abs(pitch(sound[8000:16000]) - VOICE) < 20, "the citizen's own words"
        assert (await scene.case_of(call))["due_at"] == message["due_at"]
        due, left = (datetime.fromisoformat(message[name]) for name in ("due_at", "left_at"))
        assert due > left

        reply = await scene.hotline.client.put(
            f"/api/v1/schedules/{SCHEDULE}", json=hours("00:00-24:00"), headers={"If-Match": "*"}
        )
        assert reply.status_code == 200, reply.text
        assert await is_open(scene)
        scene.begin_anew()
        async with (
            scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=1)),
            Handset() as ear,
            scene.citizen("citizen_handset.xml", service=NUMBER, keys=ear.keys) as citizen,
        ):
            await ear.hears(await scene.flow_text("welcome", "zh"))
            assert not ear.has_heard(scene.spoken(CLOSED, "zh"))
            await ear.press("0")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(line=NUMBER, disposition="answered")
        assert [step["node"] for step in call["ivr_path"]] == ["welcome", "person"]
