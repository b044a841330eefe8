"""An agent hands the citizen on to the lawyers: one of them answers, or they owe a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from callcenter.testing.instance import Instance
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

#: Two messages at once are too many for SIPp, see the scenarios.
FLAGS = ("-default_behaviors", "all,-abortunexp")
LAWYERS = {
    "name": "lawyers",
    "title": "律师",
    "extension": "*71",
    "ring_seconds": 10,
    "members": [{"agent_id": "1002"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def lawyers(hotline: Instance) -> AsyncIterator[None]:
    """The group, which agents reach as soon as the reply says so."""
    reply = await hotline.client.post("/api/v1/expert-groups", json=LAWYERS)
    assert reply.status_code == 201, reply.text
    assert reply.json()["in_force"], reply.json()["detail"]
    yield


async def handed_on(scene: Scene, *, pause: float) -> dict[str, Any]:
    """A citizen whom 1001 transfers to the group; the call, ended."""
    host, port = scene.hotline.sip
    keys = {"target": "*71", "switch": f"{host}:{port}"}
    soon = timedelta(seconds=1)
    async with (
        scene.agent("1001", "agent_transfers.xml", keys=keys, flags=FLAGS, pause=soon),
        scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=pause)) as citizen,
    ):
        await citizen.result()
    return await scene.call(disposition="answered", agent="1001")


async def test_with_nobody_on_duty_the_citizen_is_told_and_the_group_owes_a_call(
    scene: Scene,
) -> None:
    call = await handed_on(scene, pause=14)
    assert call["hangup_by"] == "system", "the citizen heard the prompt to its end"

    async def owed() -> Any:
        tasks = await scene.hotline.get("/expert-tasks", group="lawyers")
        found = [task for task in tasks["items"] if task["call_id"] == call["call_id"]]
        assert len(found) == 1, found
        return found[0]

    task = await eventually(owed, "the group owes a call")
    assert task["case_number"] == call["case_number"]
    assert task["made_by"] == "system:node"
    wait = datetime.fromisoformat(task["due_at"]) - datetime.fromisoformat(task["made_at"])
    assert wait == timedelta(days=1)


async def test_who_is_on_duty_takes_the_citizen(scene: Scene) -> None:
    now = datetime.fromisoformat(scene.began.isoformat())
    shift = {
        "agent_id": "1002",
        "starts_at": (now - timedelta(minutes=1)).isoformat(),
        "ends_at": (now + timedelta(hours=1)).isoformat(),
    }
    made = await scene.hotline.client.post("/api/v1/shifts", json=shift)
    assert made.status_code == 201, made.text
    # In no queue, so that only the group's call reaches the lawyer: 1002 comes once 1001 rings.
    host, port = scene.hotline.sip
    keys = {"target": "*71", "switch": f"{host}:{port}"}
    soon = timedelta(seconds=1.5)
    try:
        async with (
            scene.agent("1001", "agent_transfers.xml", keys=keys, flags=FLAGS, pause=soon),
            scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=7)),
        ):
            await scene.rings("1001")
            async with scene.agent("1002"):
                call = await scene.call(disposition="answered", agent="1001")
    finally:
        await scene.hotline.client.delete(f"/api/v1/shifts/{made.json()['shift_id']}")
    legs = {leg["agent"]: leg for leg in call["legs"] if leg["role"] == "agent"}
    assert legs["1002"]["answered_at"], legs
    tasks = await scene.hotline.get("/expert-tasks", group="lawyers")
    assert call["call_id"] not in [task["call_id"] for task in tasks["items"]]
