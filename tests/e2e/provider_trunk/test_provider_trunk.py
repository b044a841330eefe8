"""A real provider's trunk is a setting away: registration, transports, codecs, keys, numbers."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import timedelta
from pathlib import Path
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
    way="alaw-inband",
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
    way="g722-rfc4733",
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


on_one = pytest.mark.parametrize("trunk", [BY_ADDRESS], indirect=True, ids=str)


def sdp_of_last_call(log: str) -> tuple[str, str]:
    """The last INVITE with SDP that the provider sent, and the 200 with SDP to it."""
    # One entry of the log each; over TCP a message may come after the line breaks of a keep-alive.
    entries = re.split(r"(?m)^\[\d{4}-", log)
    messages = [re.sub(r"\A[^\n]*--->\s*", "", entry) for entry in entries if "m=audio" in entry]
    invites = [message for message in messages if message.startswith("INVITE ")]
    answers = [message for message in messages if message.startswith("SIP/2.0 200")]
    seen = [message.split("\n", 1)[0][:80] for message in messages]
    assert invites, f"no INVITE with SDP among {seen}"
    assert answers, f"no 200 with SDP among {seen}"
    return invites[-1], answers[-1]


@on_each
async def test_a_citizen_behind_a_real_provider_reaches_a_person(
    trunk: Trunk, scene: Scene
) -> None:
    route, provider = trunk.route, trunk.provider
    if route.registers:

        async def registered() -> bool:
            # Where the provider was not there yet at our start, we are just registering anew.
            ours = await trunk.hotline.console("pjsip show registrations")
            assert re.search(r"trunk/sip:\S+\s+trunk\s+Registered", ours), ours
            return True

        await eventually(registered, "registered", within=timedelta(seconds=10))
        # The provider has asked for the digest, and knows where we are.
        assert 'Authorization: Digest username="hotline"' in provider.log
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

    invite, answer = sdp_of_last_call(provider.log)
    profile = "RTP/SAVP" if route.tls else "RTP/AVP"
    for sdp in (invite, answer):
        assert re.search(rf"m=audio \d+ {profile} ", sdp), sdp
        assert ("a=crypto:" in sdp) == route.tls
    if route.registers:
        dialled = route.settings.get("TRUNK_CONTACT_USER", "12345")
        assert re.match(rf"INVITE sip:{dialled}@127\.0\.0\.1:\d+\S*;line=", invite)
    assert f'P-Asserted-Identity: "Citizen" <sip:{route.caller}@' in invite
    assert "<sip:02110000000@" in re.findall(r"From: .*", invite)[0]

    recording = await scene.recording_of(call)
    sound = await scene.sound_of(recording)
    assert (np.abs(sound).mean(axis=0) > 100).all()  # left the agent, right the citizen


@on_one
async def test_a_withheld_number_stays_withheld(trunk: Trunk, scene: Scene) -> None:
    await trunk.provider.call(trunk.way, "silent", pres="prohib", talk=1)
    call = await scene.call()
    assert call["caller_withheld"]
    assert call["caller_number"] is None
    assert call["caller_name"] is None
    assert call["caller_number_source"] == "withheld"
    invite, _ = sdp_of_last_call(trunk.provider.log)
    # The provider did tell it, and asked us to keep it.
    assert "<sip:13800138000@" in re.findall(r"P-Asserted-Identity: .*", invite)[0]
    assert "Privacy: id" in invite


@on_one
async def test_tones_are_not_looked_for_where_rfc4733_was_agreed(
    trunk: Trunk, scene: Scene
) -> None:
    """`auto` is one or the other: a provider that agrees to RFC 4733 and then sends tones wants
    TRUNK_DTMF=inband (docs/trunk.md)."""
    await trunk.provider.call("alaw-rfc4733@static", "tones-1-0", talk=1)
    call = await scene.call()
    assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [("welcome", None)]


@on_one
async def test_an_asserted_number_counts_from_the_trunk_alone(
    trunk: Trunk, scene: Scene, folder: Path
) -> None:
    hotline = trunk.hotline
    for name in ("stranger", "trunk"):
        stranger = hotline.party(
            folder / "stranger_asserts.xml", "127.0.0.9", keys={"claimed": name}
        )
        async with stranger:
            result = await stranger.result()
        assert result.ok, str(result)
    assert await scene.calls() == []

    phone = scene.agent("1001")
    async with phone:
        caller = hotline.party(
            folder / "agent_asserts.xml",
            "127.0.0.3",
            service="1002",
            credentials=phone.credentials,
        )
        async with caller:
            result = await caller.result()
        assert result.ok, str(result)

    async def is_recorded() -> dict[str, object]:
        calls = await scene.calls()
        assert len(calls) == 1
        call: dict[str, object] = calls[0]
        assert call["state"] == "ended"
        return call

    call = await eventually(is_recorded, "the agent's call", within=timedelta(seconds=30))
    assert call["direction"] == "internal"
    assert call["caller_number"] in (None, "1001")
    assert call["caller_number_source"] != "pai"


@pytest.mark.parametrize("trunk", [TLS], indirect=True, ids=str)
async def test_media_in_the_clear_is_refused_where_srtp_is_wanted(
    trunk: Trunk, scene: Scene
) -> None:
    await trunk.provider.call("alaw-rfc4733@registered", "silent", talk=1)

    def was_refused() -> bool:
        return "SIP/2.0 488" in trunk.provider.log

    await eventually(was_refused, "488", within=timedelta(seconds=20))
    assert await scene.calls() == []


@pytest.mark.parametrize("trunk", [UDP], indirect=True, ids=str)
async def test_a_provider_that_goes_is_reported_and_one_that_forgot_us_is_told_again(
    trunk: Trunk, scene: Scene
) -> None:
    hotline, provider = trunk.hotline, trunk.provider

    async def check() -> dict[str, object]:
        reply = await hotline.client.get("/health/ready")
        found: dict[str, object] = next(c for c in reply.json()["checks"] if c["name"] == "trunk")
        assert reply.status_code == (200 if found["ok"] else 503)
        return found

    async def asked_says(word: str) -> bool:
        # By itself Asterisk asks once a minute.
        await hotline.console("pjsip qualify trunk")
        await asyncio.sleep(0.5)  # the provider's answer; asked again where it is not there yet
        return f" {word} " in await hotline.console("pjsip show contacts")

    assert (await check())["detail"] == "registration: Registered, OPTIONS: Reachable"
    await provider.stop()
    within = timedelta(seconds=45)
    await eventually(lambda: asked_says("Unavail"), "the trunk is Unavail", within=within)

    async def is_reported() -> bool:
        found = await check()
        return found["ok"] is False and "OPTIONS: Unreachable" in str(found["detail"])

    await eventually(is_reported, "/health/ready names the trunk", within=within)
    doctor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callcenter", "doctor"),
        env=hotline.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await doctor.communicate()
    assert doctor.returncode == 1
    assert "WRONG trunk: registration: Registered, OPTIONS: Unreachable" in output.decode()

    await provider.start()
    await eventually(lambda: asked_says("Avail"), "the trunk is Avail", within=within)

    async def is_known_again() -> bool:
        return (await check())["ok"] is True and "sip:12345@" in await provider.contacts()

    await eventually(is_known_again, "the provider knows us again", within=within)
