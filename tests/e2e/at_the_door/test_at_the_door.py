"""A blocked number is refused but for an emergency; who is on the priority list is served first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.testing.sipp_party import SippParty
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NUISANCE, PATIENT, ANYBODY = "13800138111", "13800138222", "13800138333"


@asynccontextmanager
async def listed(scene: Scene, name: str, number: str, **fields: Any) -> AsyncIterator[None]:
    """A number on one of the lists, for as long as the scenario needs it there."""
    client = scene.hotline.client
    body = {"number": number, "reason": "scenario", **fields}
    reply = await client.post(f"/api/v1/callers/{name}", json=body)
    assert reply.status_code == 201, reply.text
    try:
        yield
    finally:
        url = f"/api/v1/callers/{name}/{reply.json()['id']}/lift"
        assert (await client.post(url, json={"reason": "over"})).status_code == 200


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def test_a_blocked_number_that_presses_nothing_is_refused(scene: Scene) -> None:
    long = timedelta(seconds=40)
    keys = {"caller_number": NUISANCE}
    async with (
        listed(scene, "blocked", NUISANCE, expires_at=in_an_hour()),
        scene.citizen("citizen_waits.xml", pause=long, keys=keys) as citizen,
    ):
        await citizen.result()
        call = await scene.call(disposition="blocked", hangup_by="system")
    assert [step["node"] for step in call["ivr_path"]] == [".blocked"]
    assert call["queued_at"] is None
    assert call["legs"][0]["hangup_cause"] == 21


async def test_the_emergency_key_leads_a_blocked_number_to_a_person(scene: Scene) -> None:
    keys = {"caller_number": NUISANCE}
    async with (
        listed(scene, "blocked", NUISANCE, expires_at=in_an_hour()),
        scene.agent("1001"),
        scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=12), keys=keys) as citizen,
    ):
        result = await citizen.result()
    assert result.ok, str(result)
    call = await scene.call(disposition="answered", agent="1001")
    nodes = [(step["node"], step["key"]) for step in call["ivr_path"]]
    assert nodes[:2] == [(".blocked", None), (".emergency", "0")]
    assert nodes[-1][0] == "person"


async def test_of_two_who_wait_the_one_on_the_priority_list_is_served_first(scene: Scene) -> None:
    async def waiting(number: str) -> bool:
        calls = await scene.calls()
        return any(c["caller_number"] == f"+86{number}" and c["queued_at"] for c in calls)

    def caller(number: str, seconds: int) -> SippParty:
        """Presses 0 at once, and hangs up so much later."""
        pause = timedelta(seconds=seconds)
        return scene.citizen("citizen_presses_0.xml", pause=pause, keys={"caller_number": number})

    async with (
        listed(scene, "priority", PATIENT, priority=10),
        scene.agent("1001"),
        caller("13800138000", 12) as busy,
    ):
        await scene.rings("1001")
        async with caller(ANYBODY, 32) as anybody:
            await eventually(lambda: waiting(ANYBODY), "one waits", within=timedelta(seconds=10))
            async with caller(PATIENT, 18) as patient:
                for citizen in (busy, patient, anybody):
                    result = await citizen.result()
                    assert result.ok, str(result)
    first = await scene.call(caller_number=f"+86{PATIENT}", disposition="answered")
    second = await scene.call(caller_number=f"+86{ANYBODY}", disposition="answered")
    assert second["queued_at"] < first["queued_at"], "he waited longer"
    assert first["agent_answered_at"] < second["agent_answered_at"], "and she came first"
    assert (first["priority"], first["priority_reason"]) == (10, "scenario")
    assert [step["about"] for step in first["ivr_path"] if step["node"] == ".priority"]
    assert second["priority"] is None


async def test_a_line_without_a_menu_tells_that_it_records_and_the_call_says_which_words(
    scene: Scene,
) -> None:
    client, number = scene.hotline.client, "12367"
    line = {"title": "直通", "flow": "main", "queue": "general", "language": "zh", "mode": "direct"}
    line |= {"recording_notice": "recording", "welcome": {"zh": "您好。", "en": "Hello."}}
    reply = await client.post("/api/v1/lines", json={"number": number, **line})
    assert reply.status_code == 201, reply.text
    try:
        async with (
            scene.agent("1001"),
            scene.citizen(
                "citizen_silent.xml", service=number, pause=timedelta(seconds=12)
            ) as citizen,
        ):
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(line=number, disposition="answered")
        assert (call["recording_notice"], call["recording_notice_version"]) == ("recording", 1)
        heard = [(step["node"], step["about"]) for step in call["ivr_path"]]
        assert heard == [(".notice", "notice/recording/1")]
        begun = datetime.fromisoformat(call["queued_at"]) - datetime.fromisoformat(
            call["answered_at"]
        )
        assert begun > timedelta(seconds=2), "the words were heard before the queue"
    finally:
        reply = await client.delete(f"/api/v1/lines/{number}", headers={"If-Match": "*"})
    assert reply.status_code == 204, reply.text
