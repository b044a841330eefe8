"""Another unit, called for the citizen or passed the citizen: what it sees, and hears of keys."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset
from callcenter.testing.sipp_party import SCENARIOS, SippParty

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene
    from tests.e2e.in_call.conftest import Talking, TalkingIn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

HOSPITAL = "88880002"
CITIZEN = "13800138000"


async def test_a_unit_called_for_the_citizen_sees_our_line_alone_and_gets_the_keys(
    talking: Talking, units_address: tuple[str, int]
) -> None:
    host, port = units_address
    async with AsyncExitStack() as stack:
        ear = await stack.enter_async_context(Handset(host))
        call = await talking()
        scene = call.scene
        unit = SippParty(
            scene.hotline.installation,
            SCENARIOS / "agent_handset.xml",
            host,
            scene.hotline.sip,
            port=port,
            keys={"handset": str(ear.port)},
        )
        await stack.enter_async_context(unit)
        entry = {"number": HOSPITAL, "name": {"zh": "医院总机"}, "kind": "unit"}
        reply = await scene.hotline.client.post("/api/v1/directory", json=entry)
        assert reply.status_code == 201, reply.text

        await call.act("call-out", number=HOSPITAL)
        await call.until(lambda v: bool(v["parties"][0]["answered_at"]), "the unit answers")
        await ear.listens(timedelta(milliseconds=200))
        await call.act("dtmf", digits="29#")
        await eventually(lambda: ear.pressed() == "29#", "keys", within=timedelta(seconds=5))

        row = await call.over()
        assert (await unit.result()).ok
        seen = unit.messages

    assert re.search(r"^Privacy: id\b", seen, re.M)
    assert set(re.findall(r"^(?:From|P-Asserted-Identity): .*?<sip:(\w+)@", seen, re.M)) == {
        "12345"
    }
    for trace in (CITIZEN, "citizen", "坐席"):
        assert trace not in seen
    assert not re.search(r"\b1001\b", seen)
    assert sorted(leg["role"] for leg in row["legs"]) == ["agent", "citizen", "other"]


async def test_a_phone_that_transfers_to_the_fire_brigade_leaves_the_case_what_the_act_does(
    scene: Scene, talking_in: TalkingIn, units: SippParty
) -> None:
    switch = "{}:{}".format(*scene.hotline.sip)
    phone = scene.agent(
        "1001",
        "agent_transfers.xml",
        keys={"target": "119", "switch": switch},
        flags=("-default_behaviors", "all,-abortunexp"),
        pause=timedelta(seconds=2),
    )
    citizen = scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=50))
    async with phone, citizen:
        call = await talking_in(citizen)

        async def notes() -> list[str]:
            case = await scene.case_of(await call.row())
            said = [event["detail"].get("text", "") for event in case["history"]]
            return [text for text in said if "Emergency transfer (number shown)" in text]

        async def is_noted() -> bool:
            assert ["接通 answered; 1001" in note for note in await notes()] == [True]
            return True

        await eventually(is_noted, "the case tells", within=timedelta(seconds=15))
        assert re.search(rf"^From: .*<sip:{CITIZEN}@", units.messages, re.M)
        row = await call.over()

    answered, over = await notes()
    assert "(119)" in answered
    assert re.search(r"\(119\); 20..-.*, 接通 answered .* s; 1001$", over)
    assert (await scene.timeline(row)).count("unit_reached") == 1


async def test_who_asks_the_fire_brigade_first_by_phone_leaves_the_case_a_note_of_it(
    scene: Scene, talking_in: TalkingIn, units: SippParty
) -> None:
    phone = scene.agent(
        "1001",
        "agent_transfers_attended.xml",
        keys={"target": "119", "switch": "{}:{}".format(*scene.hotline.sip)},
        flags=("-default_behaviors", "all,-abortunexp"),
        pause=timedelta(seconds=2),
    )
    citizen = scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=50))
    async with phone, citizen:
        await scene.rings("1001")

        async def noted() -> dict[str, Any]:
            call = next(one for one in await scene.calls() if one["direction"] == "inbound")
            case = await scene.case_of(await scene.hotline.get(f"/calls/{call['call_id']}"))
            said = [event["detail"].get("text", "") for event in case["history"]]
            notes = [text for text in said if "Emergency transfer" in text]
            assert len(notes) == 1, notes
            assert "asked first" in notes[0]
            assert re.search(r"\(119\); 接通 answered; 1001$", notes[0])
            return call

        await eventually(noted, "the case tells", within=timedelta(seconds=20))
        assert CITIZEN not in units.messages, "asked from the agent's phone: our number"
        citizen.hang_up()
        await scene.call(disposition="answered", agent="1001")
