"""A real provider's trunk is a setting away: registration, transports, codecs, keys, numbers."""

from __future__ import annotations

import io
import re
import wave
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from callcenter.testing.eventually import eventually
from tests.e2e.provider_trunk.conftest import Route

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene
    from tests.e2e.provider_trunk.conftest import Trunk

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

BY_ADDRESS = Route(
    "udp-by-address",
    {"TRUNK_ADDRESSES": "127.0.0.8"},
    way="alaw-rfc4733",
    caller="02161234567",
    normalised="+862161234567",
    codec="alaw",
    registers=False,
)
UDP = Route(
    "udp-registered",
    {},
    way="ulaw-info",
    caller="13800138000",
    normalised="+8613800138000",
    codec="ulaw",
)
TCP = Route(
    "tcp-registered",
    {"TRUNK_TRANSPORT": "tcp", "TRUNK_CONTACT_USER": "02112345"},
    way="g722-inband",
    caller="008613900139000",
    normalised="+8613900139000",
    codec="g722",
)
TLS = Route(
    "tls-srtp-registered",
    {"TRUNK_TRANSPORT": "tls", "TRUNK_SRTP": "true"},
    way="opus-rfc4733-srtp",
    caller="+8613700137000",
    normalised="+8613700137000",
    codec="opus",
    tls=True,
)

on_each = pytest.mark.parametrize("trunk", [BY_ADDRESS, UDP, TCP, TLS], indirect=True, ids=str)


@on_each
async def test_a_citizen_behind_a_real_provider_reaches_a_person(
    trunk: Trunk, scene: Scene
) -> None:
    route, provider = trunk.route, trunk.provider
    if route.registers:
        ours = await trunk.hotline.console("pjsip show registrations")
        assert re.search(r"trunk/sip:\S+\s+trunk\s+Registered", ours), ours
        # The provider has asked for the digest, and lists where we are.
        assert "401 Unauthorized" in provider.log
        assert "sip:" in await provider.contacts()

    async with scene.agent("1001"):
        await provider.call(trunk.way, "1-0", caller=route.caller)
        call = await scene.call(disposition="answered", agent="1001")

    assert call["line"] == "12345"
    assert [step["key"] for step in call["ivr_path"]] == [None, "1", None, "0"]
    assert call["caller_number"] == route.normalised
    assert not call["caller_withheld"]
    assert call["caller_number_source"] == "pai"
    assert call["hangup_by"] == "caller"

    agreed = re.findall(r"AGREED (.*)", provider.log)[-1]
    secure = "1" if route.tls else "0"
    assert f"codec=({route.codec})" in agreed
    assert f"media_secure={secure} signalling_secure={secure}" in agreed

    recording = await scene.recording_of(call)
    assert recording["state"] == "ready"
    with wave.open(io.BytesIO(await scene.audio_of(recording))) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert np.abs(sound[:, 0].astype(int)).mean() > 100
    assert np.abs(sound[:, 1].astype(int)).mean() > 100
