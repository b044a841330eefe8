"""Agents at real softphones: baresip over TCP and TLS, JsSIP in Chromium over secure WebSocket."""

from __future__ import annotations

import asyncio
import io
import re
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from callcenter.testing.ears import TONES, BrowserEar, Ear, HandsetEar, settled
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset, a_law_tone
from callcenter.testing.softphones.baresip import Baresip
from callcenter.testing.softphones.browser import BrowserPhone
from callcenter.testing.softphones.install import SoftphonePrograms

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

AGENT, SUPERVISOR = "2001", "1003"
AT_A_BROWSER = "2002"
DESK = "127.0.0.6"
#: What the agents say.
HERTZ = 620
TALK = timedelta(seconds=3)
SOON = timedelta(seconds=20)


@asynccontextmanager
async def agent(
    scene: Scene, phone: str, agent_id: str = AGENT, queue: str = "general"
) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """An agent for the time of the block: what the API tells of the phone, and its secret."""
    client = scene.hotline.client
    body = {"id": agent_id, "name": "新坐席", "phone": phone, "queues": [queue]}
    reply = await client.post("/api/v1/agents", json=body)
    assert reply.status_code == 201, reply.text
    assert reply.json()["in_force"] is True, reply.json()["detail"]
    try:
        yield await scene.hotline.get(f"/agents/{agent_id}/phone"), reply.json()["secret"]
    finally:
        await client.delete(f"/api/v1/agents/{agent_id}")


@asynccontextmanager
async def baresip(
    scene: Scene,
    programs: SoftphonePrograms,
    told: dict[str, Any],
    secret: str,
    transport: Literal["tcp", "tls"],
    certificate: Path,
    folder: Path,
) -> AsyncIterator[Baresip]:
    """The agent's phone, registered that way."""
    server = f"{told['host']}:{told['ports'][transport]}"
    says = tone(folder, 8000)
    phone = Baresip(programs, AGENT, secret, server, transport, says, DESK, certificate)

    async def registered() -> bool:
        said = await scene.hotline.console("database show registrar/contact")
        contacts = [line for line in said.splitlines() if f"/contact/{AGENT};@" in line]
        return [f";transport={transport}" in line.lower() for line in contacts] == [True]

    async with phone:
        await eventually(registered, f"baresip registers: {phone.log[-2000:]}", within=SOON)
        yield phone


def tone(folder: Path, rate: int, hertz: int = HERTZ) -> Path:
    """A WAV of some seconds with the agent's one note."""
    path = folder / "says.wav"
    samples = 8000 * np.sin(2 * np.pi * hertz * np.arange(rate * 20) / rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def pitch(sound: np.ndarray) -> float:
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * 8000 / len(sound))


async def both_were_heard(scene: Scene, call: dict[str, Any]) -> None:
    """The citizen, and the agent's one note."""
    sound = await scene.sound_of(await scene.recording_of(call))
    assert pitch(sound[:, 0]) == pytest.approx(HERTZ, abs=10)
    assert abs(sound[:, 1]).mean() > 100


def loudness(recorded: bytes) -> float:
    with wave.open(io.BytesIO(recorded)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return float(abs(samples.astype(int)).mean())


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_baresip_registers_and_both_hear_each_other(
    scene: Scene,
    programs: SoftphonePrograms,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    transport: Literal["tcp", "tls"],
) -> None:
    async with (
        agent(scene, "sip") as (told, secret),
        baresip(scene, programs, told, secret, transport, certificate[0], tmp_path) as phone,
    ):
        async with scene.citizen("citizen_presses_0.xml", pause=TALK) as citizen:
            result = await citizen.result()
        assert result.ok, f"{result}\n{phone.log[-3000:]}"
        await both_were_heard(scene, await scene.call(disposition="answered", agent=AGENT))
        assert loudness(phone.heard()) > 100
        # The phone's answer in SDP: over TLS it takes the key it was offered (SDES, RFC 4568).
        # (To OPTIONS it answers with SDP too, of port 9.)
        bodies = re.findall(r"a=tool:baresip.*?(?=\x1b|\r?\n\r?\n)", phone.log, re.S)
        [answer] = [sdp for sdp in bodies if "m=audio 9 " not in sdp]
        assert ("a=crypto:" in answer) is (transport == "tls"), answer


async def test_an_agent_deleted_while_talking_finishes_the_call(
    scene: Scene, programs: SoftphonePrograms, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    client = scene.hotline.client
    async with (
        agent(scene, "sip") as (told, secret),
        baresip(scene, programs, told, secret, "tcp", certificate[0], tmp_path) as phone,
        scene.citizen("citizen_waits.xml") as citizen,
    ):
        talk = "Call established"
        await eventually(lambda: talk in phone.log, "they talk", within=timedelta(seconds=40))
        reply = await client.delete(f"/api/v1/agents/{AGENT}")
        assert reply.json()["in_force"] is True, reply.json()["detail"]
        assert f"{AGENT}/" not in await scene.hotline.console("pjsip show endpoints")
        assert await scene.hotline.channels() == 2, "the conversation goes on"
        await phone.hang_up()
        result = await citizen.result()
        assert result.ok, f"{result}\n{phone.log[-3000:]}"
    call = await scene.call(disposition="answered", agent=AGENT, hangup_by="agent")
    await both_were_heard(scene, call)


async def test_a_browser_registers_and_both_hear_each_other(
    scene: Scene, programs: SoftphonePrograms, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    async with (
        agent(scene, "webrtc") as (told, secret),
        BrowserPhone(programs, told, secret, certificate[0], tone(tmp_path, 48000)) as browser,
    ):
        assert told["websocket_url"].startswith("wss://")
        await eventually(lambda: bool(browser.reports("registered")), "it registers", within=SOON)
        async with scene.citizen("citizen_presses_0.xml", pause=TALK) as citizen:
            result = await citizen.result()
        assert result.ok, f"{result}\n{browser.said}\n{browser.log[-3000:]}"
        await both_were_heard(scene, await scene.call(disposition="answered", agent=AGENT))
        last = browser.reports("speech")[-1]
        assert last["energy_received"] > 0.001, "the browser hears the citizen"
        assert last["dtls"] == "connected"


async def supervised(scene: Scene, path: str, phone: str) -> dict[str, Any]:
    """An act of a supervisor, done."""
    wish = {"supervisor_phone": phone, "reason": "first week at a browser"}
    reply = await scene.hotline.client.post(f"/api/v1{path}", json=wish)
    assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text}"
    done: dict[str, Any] = reply.json()
    assert done["pickup"] == "connected"
    return done


@asynccontextmanager
async def desk_phone(scene: Scene) -> AsyncIterator[Ear]:
    """The supervisor at a SIP phone, speaking."""
    async with (
        Handset("127.0.0.5") as handset,
        scene.agent(SUPERVISOR, "agent_handset.xml", keys={"handset": str(handset.port)}),
        speaking(handset, "supervisor"),
    ):
        yield HandsetEar(handset)


@asynccontextmanager
async def speaking(handset: Handset, who: str) -> AsyncIterator[None]:
    """Somebody speaks their tone into a handset, for the time of the block."""
    voice = asyncio.create_task(handset.talk(a_law_tone(TONES[who])), name=f"voice of {who}")
    try:
        yield
    finally:
        voice.cancel()
        await asyncio.gather(voice, return_exceptions=True)


@pytest.mark.parametrize("at", ["desk phone", "browser"])
async def test_a_supervisor_hears_and_relieves_an_agent_at_a_browser(
    scene: Scene,
    programs: SoftphonePrograms,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    at: str,
) -> None:
    @asynccontextmanager
    async def browser_of(agent_id: str, who: str, queue: str) -> AsyncIterator[BrowserPhone]:
        (tmp_path / who).mkdir()
        says = tone(tmp_path / who, 48000, TONES[who])
        async with (
            agent(scene, "webrtc", agent_id, queue) as (told, secret),
            BrowserPhone(programs, told, secret, certificate[0], says) as browser,
        ):
            await eventually(
                lambda: bool(browser.reports("registered")), "it is there", within=SOON
            )
            yield browser

    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(browser_of(AGENT, "agent", "general"))
        citizen = await stack.enter_async_context(Handset())
        party = await stack.enter_async_context(
            scene.citizen("citizen_handset.xml", keys=citizen.keys)
        )
        await citizen.hears(await scene.flow_text("welcome", "zh"))
        await citizen.press("0")
        await eventually(lambda: bool(browser.reports("answered")), "it answers", within=SOON)
        await stack.enter_async_context(speaking(citizen, "citizen"))
        if at == "browser":
            phone = AT_A_BROWSER
            theirs = browser_of(phone, "supervisor", "legal")
            supervisor: Ear = BrowserEar(await stack.enter_async_context(theirs))
        else:
            phone = SUPERVISOR
            supervisor = await stack.enter_async_context(desk_phone(scene))
        ears: dict[str, Ear] = {
            "citizen": HandsetEar(citizen),
            "agent": BrowserEar(browser),
            "supervisor": supervisor,
        }
        await settled(ears, {"citizen": {"agent"}, "agent": {"citizen"}})
        for mode, agent_hears, citizen_hears in (
            ("listen", {"citizen"}, {"agent"}),
            ("whisper", {"citizen", "supervisor"}, {"agent"}),
            ("join", {"citizen", "supervisor"}, {"agent", "supervisor"}),
        ):
            done = await supervised(scene, f"/agents/{AGENT}/{mode}", phone)
            hears = {"agent": agent_hears, "citizen": citizen_hears}
            await settled(ears, {"supervisor": {"citizen", "agent"}, **hears})
        await supervised(scene, f"/calls/{done['call_id']}/take-over", phone)
        await settled(ears, {"supervisor": {"citizen"}, "citizen": {"supervisor"}})
        assert browser.reports("ended"), "the browser's call is over"
        party.hang_up()
        await party.end()
    call = await scene.call(disposition="answered", agent=AGENT, hangup_by="caller")
    assert [leg["agent"] for leg in call["legs"] if leg["role"] == "agent"] == [AGENT, phone]


async def test_what_asterisk_does_not_load_is_undone_and_said(scene: Scene) -> None:
    hotline = scene.hotline
    body = {"id": AGENT, "name": "新坐席", "queues": []}
    await hotline.console("module unload pbx_config.so")
    try:
        reply = await hotline.client.post("/api/v1/agents", json=body)
        assert reply.status_code == 201, reply.text
        assert reply.json()["in_force"] is False
        assert "pbx_config.so was not reloaded" in reply.json()["detail"]
        # Asterisk had taken the phone already, and gave it back.
        assert f"{AGENT}/" not in await hotline.console("pjsip show endpoints")
        on_disk = hotline.home / "asterisk" / "etc" / "pjsip_agents.conf"
        assert f"[{AGENT}]" not in on_disk.read_text()
    finally:
        await hotline.console("module load pbx_config.so")
    reply = await hotline.client.post(f"/api/v1/agents/{AGENT}/phone/secret")
    assert reply.json()["in_force"] is True, reply.json()["detail"]
    assert f"{AGENT}/" in await hotline.console("pjsip show endpoints")
    reply = await hotline.client.delete(f"/api/v1/agents/{AGENT}")
    assert reply.json()["in_force"] is True
