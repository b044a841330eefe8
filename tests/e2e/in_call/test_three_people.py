"""Three people in a call: an officer of a department joins, and an emergency service."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.testing.sipp_party import SippParty
    from tests.e2e.in_call.conftest import Talking

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

WATER = "88880001"


async def test_an_officer_of_a_department_answers_the_citizen_in_the_same_call(
    talking: Talking, units: SippParty
) -> None:
    call = await talking()
    client = call.scene.hotline.client
    entry = {"number": WATER, "name": {"zh": "水务值班"}, "department": "水务局"}
    reply = await client.post("/api/v1/directory", json=entry | {"number_dialled": "053188880001"})
    assert reply.status_code == 201, reply.text
    assert reply.json()["in_force"] is True

    began = await call.act("three-way", number=WATER, officer_name="王科长")
    assert began["parties"][0]["began_at"]
    there = await call.until(lambda v: bool(v["parties"][0]["answered_at"]), "the officer answers")
    assert (there["agents"], there["held_since"]) == (["1001"], None)
    assert "INVITE sip:053188880001@" in units.messages
    [shown] = set(re.findall(r"^From: .*?<sip:(\w+)@", units.messages, re.M))
    assert shown == "12345"

    # Somebody is put aside and comes back, with the officer there.
    assert (await call.act("hold"))["held_since"]
    assert (await call.act("hold", 409))["type"] == "/problems/not-now"
    assert (await call.act("unhold"))["held_since"] is None

    left = await call.act("parties/1/release")
    assert left["parties"][0]["ended_at"]
    assert left["agents"] == ["1001"], "agent and citizen are still there"
    await call.act("parties/1/result", result="direct_answered")

    row = await call.over()
    roles = sorted((leg["role"], leg["agent"]) for leg in row["legs"])
    assert roles == [("agent", "1001"), ("citizen", None), ("other", None)]
    case = await call.scene.case_of(row)
    notes = [e["detail"]["text"] for e in case["history"] if e["kind"] == "note_added"]
    assert any("三方通话" in note and "水务局 水务值班" in note for note in notes), notes
    assert any("王科长" in note for note in notes)
    assert any("answered directly" in note for note in notes)

    # One recording, both voices in step, through all of it.
    recording = await call.scene.recording_of(row)
    sound = await call.scene.sound_of(recording)
    talked = datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(
        row["agent_answered_at"]
    )
    assert len(sound) / 8000 > talked.total_seconds() - 4
    assert (np.abs(sound[-8000:]).mean(axis=0) > 100).all()


async def test_an_emergency_service_sees_the_citizens_number_and_the_agent_leaves(
    talking: Talking, units: SippParty
) -> None:
    call = await talking()
    assert (await call.act("emergency", 422, service="911"))["type"] == "/problems/invalid-field"
    await call.act("emergency", service="119")
    await call.until(
        lambda v: bool(v["parties"][0]["answered_at"]) and not v["agents"],
        "119 answers and the agent leaves",
    )
    assert "INVITE sip:119@" in units.messages
    assert re.search(r"^From: .*<sip:13800138000@", units.messages, re.M)
    assert re.search(r"^P-Asserted-Identity: <sip:13800138000@", units.messages, re.M)
    # (A conference has channels of its own for announcements.)
    channels = re.findall(
        r"^PJSIP/(\w+)-", await call.scene.hotline.console("core show channels"), re.M
    )
    assert channels == ["trunk", "trunk"], "the citizen talks with 119"

    async def is_noted() -> bool:
        case = await call.scene.case_of(await call.row())
        return any("Emergency transfer" in e["detail"].get("text", "") for e in case["history"])

    await eventually(is_noted, "the case tells", within=timedelta(seconds=5))
    await call.over()
