"""Agents at real softphones: baresip over UDP, TCP and TLS, JsSIP in Chromium over WebSocket."""

from __future__ import annotations

import io
import wave
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.softphones.baresip import Baresip
from callcenter.testing.softphones.browser import BrowserPhone
from callcenter.testing.softphones.install import SoftphonePrograms

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

AGENT = "2001"
HERTZ = 620
TALK = timedelta(seconds=4)


async def new_agent(scene: Scene, phone: str) -> tuple[dict[str, Any], str]:
    """What the API tells of an agent's phone, and its secret."""
    await scene.hotline.client.delete(f"/api/v1/agents/{AGENT}")
    body = {"id": AGENT, "name": "新坐席", "phone": phone, "queues": ["general"]}
    reply = await scene.hotline.client.post("/api/v1/agents", json=body)
    assert reply.status_code == 201, reply.text
    assert reply.json()["in_force"] is True
    told: dict[str, Any] = await scene.hotline.get(f"/agents/{AGENT}/phone")
    return told, reply.json()["secret"]


def tone(folder: Path, rate: int) -> Path:
    path = folder / "says.wav"
    samples = 8000 * np.sin(2 * np.pi * HERTZ * np.arange(rate * 20) / rate)
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


async def registered(scene: Scene, transport: str) -> None:
    async def there() -> bool:
        said = await scene.hotline.console("database show registrar/contact")
        contacts = [line.lower() for line in said.splitlines() if f'"endpoint":"{AGENT}"' in line]
        way = "" if transport == "udp" else f";transport={transport}"
        return [f':{way}"' in contact or way in contact for contact in contacts] == [True]

    await eventually(there, "the phone is registered", within=timedelta(seconds=15))


@pytest.mark.parametrize("transport", ["udp", "tls"])
async def test_baresip_registers_and_both_hear_each_other(
    scene: Scene,
    programs: SoftphonePrograms,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    transport: str,
) -> None:
    told, secret = await new_agent(scene, "sip")
    assert told["srtp"] == "optional"
    baresip = Baresip(
        programs,
        AGENT,
        secret,
        server=f"{told['host']}:{told['ports'][transport]}",
        transport=transport,
        says=tone(tmp_path, 8000),
        address="127.0.0.6",
        certificate=certificate[0],
    )
    async with baresip:
        try:
            await registered(scene, transport)
            async with scene.citizen("citizen_presses_0.xml", pause=TALK) as citizen:
                result = await citizen.result()
        except BaseException:
            print(baresip.log)
            raise
        print(baresip.log)
        assert result.ok, str(result)
        call = await scene.call(disposition="answered", agent=AGENT)
        sound = await scene.sound_of(await scene.recording_of(call))
        assert pitch(sound[:, 0]) == pytest.approx(HERTZ, abs=10)
        with wave.open(io.BytesIO(baresip.heard())) as file:
            heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(int)
        assert abs(heard).mean() > 100


async def test_a_browser_registers_and_both_hear_each_other(
    scene: Scene, programs: SoftphonePrograms, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    told, secret = await new_agent(scene, "webrtc")
    async with BrowserPhone(
        programs, told, secret, certificate[0], tone(tmp_path, 48000)
    ) as browser:
        try:
            await eventually(
                lambda: bool(browser.reports("registered")),
                "the browser is registered",
                within=timedelta(seconds=20),
            )
            async with scene.citizen("citizen_presses_0.xml", pause=TALK) as citizen:
                result = await citizen.result()
        finally:
            print(browser.said, browser.log)
        assert result.ok, str(result)
        call = await scene.call(disposition="answered", agent=AGENT)
        sound = await scene.sound_of(await scene.recording_of(call))
        assert pitch(sound[:, 0]) == pytest.approx(HERTZ, abs=10)
        last = browser.reports("speech")[-1]
        assert last["energy_received"] > 0
        assert last["dtls"] == "connected"
