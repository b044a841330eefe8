"""An agent passes the citizen on to a colleague: unannounced, or after asking."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


#: Two messages at once are too many for SIPp, see the scenarios.
FLAGS = ("-default_behaviors", "all,-abortunexp")


async def belongs_to_one_call_and_one_case(scene: Scene, call: dict[str, Any]) -> None:
    """Every leg of the scene is one of this call's, wherever it was before; so is every call."""
    owners: dict[str, list[str]] = {}
    for one in await scene.calls():
        for leg in one["legs"]:
            if leg["moved_to"] is None:
                owners.setdefault(leg["uniqueid"], []).append(one["call_id"])
        cases = await scene.hotline.get("/cases", call_id=one["call_id"])
        assert [case["case_number"] for case in cases["items"]] == [call["case_number"]]
    assert all(len(calls) == 1 for calls in owners.values()), owners
    citizens = {leg["uniqueid"] for leg in call["legs"]}
    others = {uniqueid for uniqueid, (owner,) in owners.items() if owner != call["call_id"]}
    assert not citizens & others


@pytest.mark.parametrize(
    ("scenario", "attended"),
    [
        pytest.param("agent_transfers.xml", False, id="blindly"),
        pytest.param("agent_transfers_attended.xml", True, id="after_asking"),
    ],
)
async def test_the_citizen_ends_with_the_colleague(
    scene: Scene, scenario: str, attended: bool
) -> None:
    host, port = scene.hotline.sip
    keys = {"target": "1002", "switch": f"{host}:{port}"}
    second = timedelta(seconds=1.5)
    async with (
        scene.agent("1001", scenario, keys=keys, flags=FLAGS, pause=second),
        scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=7.5)) as citizen,
    ):
        # The colleague comes once the queue has chosen.
        await scene.rings("1001")
        async with scene.agent("1002"):
            result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001", hangup_by="caller")
    found = await scene.hotline.get(f"/calls/{call['call_id']}/timeline")
    passed_on = [item for item in found["items"] if item["kind"] == "call_transferred"]
    assert len(passed_on) == 1, found
    assert ("after asking" in passed_on[0]["detail"]) == attended
    answered = [item["detail"] for item in found["items"] if item["kind"] == "agent_answered"]
    assert "1001" in answered[0]
    assert "1002" in answered[-1]
    await belongs_to_one_call_and_one_case(scene, call)
    legs = {leg["agent"]: leg for leg in call["legs"] if leg["role"] == "agent"}
    assert set(legs) == {"1001", "1002"}
    assert legs["1002"]["answered_at"]
    ends = {agent: datetime.fromisoformat(leg["ended_at"]) for agent, leg in legs.items()}
    assert ends["1001"] < ends["1002"], "the colleague stayed"
    assert await scene.case_of(call)

    recording = await scene.recording_of(call)
    sound = await scene.sound_of(recording)
    talked = datetime.fromisoformat(call["ended_at"]) - datetime.fromisoformat(
        call["agent_answered_at"]
    )
    # One file from the first agent's word to the citizen's goodbye; ringing in between may lack.
    assert len(sound) / 8000 > talked.total_seconds() - 3
    thirds = [abs(part).mean(axis=0) for part in (sound[:8000], sound[-8000:])]
    assert min(part.min() for part in thirds) > 100, "both ends: agent and citizen are heard"


async def test_a_citizen_goes_from_queue_to_agent_to_another_queue(scene: Scene) -> None:
    """The phone transfers to a queue by its name, blindly (REFER)."""
    host, port = scene.hotline.sip
    keys = {"target": "enterprise", "switch": f"{host}:{port}"}
    async with (
        scene.agent(
            "1001", "agent_transfers.xml", keys=keys, flags=FLAGS, pause=timedelta(seconds=1)
        ),
        scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=7)) as citizen,
    ):
        await scene.rings("1001")
        async with scene.agent("1002"):
            result = await citizen.result()
    assert result.ok, str(result)
    call = await scene.call(disposition="answered", agent="1001", queue="enterprise")
    await belongs_to_one_call_and_one_case(scene, call)
    found = await scene.hotline.get(f"/calls/{call['call_id']}/timeline")
    queues = [item["detail"] for item in found["items"] if item["kind"] == "caller_queued"]
    assert ["general" in queues[0], "transferred by an agent" in queues[1]] == [True, True]
    recording = await scene.recording_of(call)
    assert (abs(await scene.sound_of(recording))[-8000:].mean(axis=0) > 100).all()


async def test_a_citizen_sent_to_an_engaged_agent_waits_in_the_queue_instead(scene: Scene) -> None:
    """The engaged agent's phone is never rung: one phone, one call (sub-one-call)."""
    host, port = scene.hotline.sip
    keys = {"target": "1001", "switch": f"{host}:{port}"}
    async with scene.agent("1001") as engaged:
        first = scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=14))
        async with first:
            await scene.rings("1001")
            scene.begin_anew()
            async with (
                scene.agent(
                    "1002",
                    "agent_transfers.xml",
                    keys=keys,
                    flags=FLAGS,
                    pause=timedelta(seconds=1),
                ),
                scene.citizen(
                    "citizen_presses_0.xml",
                    pause=timedelta(seconds=7),
                    keys={"caller_number": "13800138111"},
                ) as second,
            ):
                result = await second.result()
            assert result.ok, str(result)
            seen_meanwhile = engaged.calls.messages
            undisturbed = await first.result()
    assert undisturbed.ok, str(undisturbed)
    call = await scene.call(caller_number="+8613800138111", disposition="answered")
    found = await scene.hotline.get(f"/calls/{call['call_id']}/timeline")
    told = [(item["kind"], item["detail"]) for item in found["items"]]
    engaged_then = [detail for kind, detail in told if kind == "agent_was_engaged"]
    assert engaged_then
    assert "1001" in engaged_then[0]
    assert "agent_did_not_answer" not in [kind for kind, _ in told]
    queued = [detail for kind, detail in told if kind == "caller_queued"]
    assert len(queued) >= 2, "back in the queue, where nobody is lost"
    assert seen_meanwhile.count("\nINVITE sip:") == 1, "the first citizen's"
