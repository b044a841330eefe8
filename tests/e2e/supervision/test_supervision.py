"""A supervisor hears an agent, whispers, joins and takes the call over: proven by who heard whom.

Each of the three speaks a tone of their own; what each received is looked at for the others' tones.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.ears import TONES, HandsetEar, settled
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset, a_law_tone
from callcenter.testing.sipp_party import SippParty

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

AGENT, PHONE = "1001", "1003"


async def act(scene: Scene, path: str, *, status: int = 200, **body: Any) -> dict[str, Any]:
    reply = await scene.hotline.client.post(f"/api/v1{path}", json=body)
    assert reply.status_code == status, f"{path}: {reply.status_code} {reply.text}"
    answer: dict[str, Any] = reply.json()
    return answer


async def reachable(scene: Scene, phone: str) -> None:
    """Wait until Asterisk would call this phone."""

    async def there() -> bool:
        return "Not in use" in await scene.hotline.console(f"pjsip show endpoint {phone}")

    await eventually(there, f"phone {phone} is there", within=timedelta(seconds=10))


def invites(messages: str) -> list[str]:
    """The INVITE of each call to a SIPp party, as it came first."""
    found = re.findall(r"^INVITE sip:.*?\n\r?\n", messages.replace("\r", ""), re.S | re.M)
    first: dict[str, str] = {}
    for one in found:
        first.setdefault(re.findall(r"^Call-ID: (.*)$", one, re.M)[0], one)
    return list(first.values())


@asynccontextmanager
async def of_the_user(scene: Scene, agent_id: str, user: str) -> AsyncIterator[None]:
    """For the time of the block the agent is this user."""
    agent = await scene.hotline.get(f"/agents/{agent_id}")
    kept = ("name", "languages", "skills", "team", "departments", "phone")
    fields = {field: agent[field] for field in kept}

    async def link(who: str | None) -> None:
        reply = await scene.hotline.client.put(
            f"/api/v1/agents/{agent_id}", json=fields | {"user": who}, headers={"If-Match": "*"}
        )
        assert reply.status_code == 200, reply.text

    await link(user)
    try:
        yield
    finally:
        await link(None)


@asynccontextmanager
async def talking(scene: Scene) -> AsyncIterator[tuple[Handset, Handset, SippParty, str]]:
    """A citizen who talks with agent 1001: both handsets, the citizen, the call's id."""
    async with Handset("127.0.0.3") as agent:
        keys = {"handset": str(agent.port)}
        async with (
            scene.agent(AGENT, "agent_handset.xml", keys=keys),
            Handset() as citizen,
            scene.citizen("citizen_handset.xml", keys=citizen.keys) as party,
        ):
            await citizen.hears(await scene.flow_text("welcome", "zh"))
            await citizen.press("0")

            async def talks() -> str:
                [call] = [c for c in await scene.calls() if c["direction"] == "inbound"]
                assert call["state"] == "talking"
                return str(call["call_id"])

            call_id = await eventually(talks, "they talk", within=timedelta(seconds=20))
            voices = [
                asyncio.create_task(hand.talk(a_law_tone(TONES[who])), name=f"voice of {who}")
                for who, hand in (("citizen", citizen), ("agent", agent))
            ]
            try:
                yield citizen, agent, party, call_id
            finally:
                if party.is_running:
                    party.hang_up()
                for voice in voices:
                    voice.cancel()
                await asyncio.gather(*voices, return_exceptions=True)


async def test_a_supervisor_listens_whispers_joins_and_takes_the_call_over(scene: Scene) -> None:
    why = {"supervisor_phone": PHONE, "reason": "new agent, first week"}
    await act(scene, f"/agents/{AGENT}/listen", status=409, **why)

    async with talking(scene) as (citizen, agent, party, call_id), Handset("127.0.0.5") as third:
        # The phone is not there: nothing is done to the call.
        refused = await act(scene, f"/agents/{AGENT}/listen", status=409, **why)
        assert "cannot be called" in refused["detail"]

        keys = {"handset": str(third.port)}
        async with (
            of_the_user(scene, PHONE, "admin"),
            scene.agent(PHONE, "agent_handset.xml", keys=keys) as desk,
        ):
            await reachable(scene, PHONE)
            ears = {
                "citizen": HandsetEar(citizen),
                "agent": HandsetEar(agent),
                "supervisor": HandsetEar(third),
            }
            done = await act(scene, f"/agents/{AGENT}/listen", **why)
            assert (done["pickup"], done["call_id"]) == ("connected", call_id)
            voice = asyncio.create_task(third.talk(a_law_tone(TONES["supervisor"])))
            try:
                await settled(
                    ears,
                    {
                        "supervisor": {"citizen", "agent"},
                        "agent": {"citizen"},
                        "citizen": {"agent"},
                    },
                )
                [spying] = (await scene.hotline.get("/supervision/spying"))["items"]
                assert (spying["agent"], spying["mode"], spying["wanted_by"]) == (
                    AGENT,
                    "listen",
                    "admin",
                )
                again = await act(scene, f"/agents/{AGENT}/listen", status=409, **why)
                assert "whisper, join" in again["detail"]

                await act(scene, f"/agents/{AGENT}/whisper", **why)
                await settled(
                    ears,
                    {
                        "supervisor": {"citizen", "agent"},
                        "agent": {"citizen", "supervisor"},
                        "citizen": {"agent"},
                    },
                )
                await act(scene, f"/agents/{AGENT}/join", **why)
                await settled(
                    ears,
                    {
                        "supervisor": {"citizen", "agent"},
                        "agent": {"citizen", "supervisor"},
                        "citizen": {"agent", "supervisor"},
                    },
                )
                taken = await act(scene, f"/calls/{call_id}/take-over", **why)
                assert taken["pickup"] == "connected"
                await settled(ears, {"supervisor": {"citizen"}, "citizen": {"supervisor"}})
                # To listen and to take over the supervisor's own phone was asked to answer.
                listens, takes_over = invites(desk.calls.messages)
                for invite in (listens, takes_over):
                    assert "\nCall-Info: <sip:hotline>;answer-after=0" in invite
                    assert ";info=alert-autoanswer;delay=0" in invite
                    assert "\nAnswer-Mode: Auto" in invite
                assert f'From: "listen" <sip:{AGENT}@' in listens, "it shows whom it hears"
            finally:
                voice.cancel()
                await asyncio.gather(voice, return_exceptions=True)
            party.hang_up()
            await party.end()

    call = await scene.call(disposition="answered", agent=AGENT, hangup_by="caller")
    agents = [leg["agent"] for leg in call["legs"] if leg["role"] == "agent"]
    assert agents == [AGENT, PHONE], "the supervisor who listened is no leg of the citizen's call"

    own = await scene.hotline.get(f"/calls/{done['spying_call_id']}")
    assert (own["direction"], own["disposition"]) == ("internal", "answered")
    assert [leg["agent"] for leg in own["legs"]] == [PHONE]
    assert (await scene.hotline.get("/supervision/spying"))["items"] == []


async def test_a_call_that_nobody_takes_over_goes_back_to_an_agent(
    scene: Scene, folder: Path
) -> None:
    body = {"supervisor_phone": PHONE, "reason": "too hard for a beginner"}
    async with talking(scene) as (citizen, _agent, party, call_id):
        async with scene.agent(PHONE, str(folder / "phone_refuses.xml")) as desk:
            await reachable(scene, PHONE)
            refused = await act(scene, f"/calls/{call_id}/take-over", status=409, **body)
            assert "back in the queue" in refused["detail"]
            # (Later ones are the queue's: the phone is an agent's.)
            assert "answer-after" not in invites(desk.calls.messages)[0], "not the asker's own"
        await settled({"citizen": HandsetEar(citizen)}, {"citizen": {"agent"}})
        party.hang_up()
        await party.end()
    # The phone that refused is an agent's: whoever needs 1003 next finds the agent ready.
    await scene.hotline.client.post(f"/api/v1/agents/{PHONE}/force-ready", json={"reason": "over"})
    call = await scene.call(disposition="answered", agent=AGENT, queue="general", priority=20)
    talks = [leg for leg in call["legs"] if leg["agent"] == AGENT and leg["answered_at"]]
    assert len(talks) == 2, "the agent was released, and took the caller again"


async def test_a_waiting_caller_is_moved_and_comes_before_others(scene: Scene) -> None:
    async with (
        scene.agent(AGENT, "agent_rings.xml"),
        Handset() as citizen,
        scene.citizen("citizen_handset.xml", keys=citizen.keys) as party,
    ):
        await citizen.hears(await scene.flow_text("welcome", "zh"))
        await citizen.press("0")

        async def waits() -> dict[str, Any]:
            [call] = await scene.calls()
            assert call["state"] == "queued"
            return call

        call = await eventually(waits, "the caller waits", within=timedelta(seconds=20))
        path = f"/calls/{call['call_id']}"
        moved = await act(
            scene, f"{path}/queue", queue="enterprise", reason="a firm, not a citizen"
        )
        assert (moved["queue"], moved["position"], moved["priority"]) == ("enterprise", 1, 0)
        first = await act(scene, f"{path}/priority", priority=7, reason="called three times")
        assert (first["queue"], first["position"], first["priority"]) == ("enterprise", 1, 7)
        row = await scene.hotline.get(path)
        assert (row["state"], row["queue"], row["priority"]) == ("queued", "enterprise", 7)
        assert row["queued_at"] == call["queued_at"], "the clock of the wait goes on"
        party.hang_up()
        await party.end()
    ended = await scene.call(disposition="abandoned", queue="enterprise", priority=7)
    assert "caller_priority_changed" in await scene.timeline(ended)
    late = await act(scene, f"{path}/priority", status=409, priority=1, reason="too late")
    assert "ended" in late["detail"]
    audited = await scene.hotline.get("/audit", subject=f"call/{ended['call_id']}")
    assert [one["act"] for one in audited["items"]] == [
        "supervision.priority",
        "supervision.move",
    ]


async def test_after_the_agent_hangs_up_the_citizen_says_how_it_was(scene: Scene) -> None:
    client, survey = scene.hotline.client, "/api/v1/lines/12345/survey"
    reply = await client.put(survey, json={"enabled": True}, headers={"If-Match": "*"})
    assert reply.status_code == 200, reply.text
    try:
        async with (
            scene.agent(AGENT, "agent_hangs_up.xml", pause=timedelta(seconds=1)),
            Handset() as citizen,
            scene.citizen("citizen_handset.xml", keys=citizen.keys) as party,
        ):
            await citizen.hears(await scene.flow_text("welcome", "zh"))
            await citizen.press("0")
            await citizen.hears(scene.prompt("survey_solved", "zh"))
            await citizen.press("1")
            await citizen.hears(scene.prompt("survey_satisfied", "zh"))
            await citizen.press("2")
            await citizen.hears(scene.prompt("goodbye", "zh"))
            result = await party.result()
        assert result.ok, str(result)
    finally:
        await client.put(survey, json={"enabled": False}, headers={"If-Match": "*"})

    call = await scene.call(disposition="answered", agent=AGENT, hangup_by="agent")
    answers = (await scene.hotline.get("/surveys/answers"))["items"]
    [answer] = [one for one in answers if one["call_id"] == call["call_id"]]
    assert (answer["solved"], answer["satisfied"], answer["agent"]) == (True, False, AGENT)
    assert (answer["case_number"], answer["language"]) == (call["case_number"], "zh")
