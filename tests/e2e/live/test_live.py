"""A call is seen over the WebSocket from the queue to its end, and its agent knows who rings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.live_client import LiveClient, follow

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

DORA = {"name": "dora", "password": "live-state-dora", "role": "agent"}
NUMBER = "13800138000"


async def log_in_as_agent(scene: Scene, agent_id: str) -> str:
    """A token of Dora, who is this agent from now on."""
    client = scene.hotline.client
    await client.post("/api/v1/users", json=DORA)
    await name_the_agent(scene, agent_id, DORA["name"])
    reply = await client.post(
        "/api/v1/auth/token", data={"username": DORA["name"], "password": DORA["password"]}
    )
    assert reply.status_code == 200, reply.text
    token: str = reply.json()["access_token"]
    return token


async def name_the_agent(scene: Scene, agent_id: str, user: str | None) -> None:
    agent = await scene.hotline.get(f"/agents/{agent_id}")
    fields = ("name", "languages", "skills", "team", "departments", "phone", "active")
    reply = await scene.hotline.client.put(
        f"/api/v1/agents/{agent_id}",
        json={name: agent[name] for name in fields} | {"user": user},
        headers={"If-Match": "*"},
    )
    assert reply.is_success, reply.text


async def test_a_call_is_seen_live_and_announces_itself_to_the_agent(
    scene: Scene, folder: Path
) -> None:
    hotline = scene.hotline
    url = f"ws://127.0.0.1:{hotline.api_port}/api/v1/events"
    admin = hotline.client.headers["Authorization"].removeprefix("Bearer ")
    async with scene.agent("1001", str(folder / "rings_a_while.xml")):
        # An earlier call of the same citizen, who hangs up while it rings.
        async with scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=1)) as before:
            assert (await before.result()).ok
        first = await scene.call(disposition="abandoned")
        scene.begin_anew()
        token = await log_in_as_agent(scene, "1001")
        try:
            async with (
                follow(url, admin, query="?topic=calls&topic=queues") as desk,
                follow(url, token) as dora,
                scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=8)) as citizen,
            ):
                seen, rang_at, screen = await watch(desk, dora)
                assert (await citizen.result()).ok
        finally:
            await name_the_agent(scene, "1001", None)

    call = await scene.call(disposition="answered", agent="1001")
    assert [state for state, _ in seen] == ["queued", "talking"]
    (_, waiting), (_, talking) = seen
    assert waiting["call_id"] == call["call_id"]
    for name in ("line", "queue", "started_at", "queued_at", "caller_number", "case_number"):
        assert waiting[name] == call[name], name
    assert talking["agent_answered_at"] == call["agent_answered_at"]
    assert (waiting["ringing"], talking["talking"]) == (["1001"], ["1001"])

    [leg] = [leg for leg in call["legs"] if leg["agent"] == "1001"]
    assert rang_at < datetime.fromisoformat(leg["answered_at"]), "known while the phone rang"
    assert rang_at - datetime.fromisoformat(leg["started_at"]) < timedelta(seconds=2)
    assert screen["call_id"] == call["call_id"]
    assert screen["caller_number"] == call["caller_number"] == f"+86{NUMBER}"
    assert screen["case"]["case_number"] == call["case_number"]
    assert [step["node"] for step in screen["path"]] == [s["node"] for s in call["ivr_path"]]
    earlier = {one["call_id"]: one["case_number"] for one in screen["earlier_calls"]}
    assert earlier[first["call_id"]] == first["case_number"]
    assert first["case_number"] in {case["case_number"] for case in screen["earlier_cases"]}


async def watch(
    desk: LiveClient, dora: LiveClient
) -> tuple[list[tuple[str, dict[str, Any]]], datetime, dict[str, Any]]:
    """The call ringing and talking as the desk saw it; when Dora knew that it rings, and what."""
    long = timedelta(seconds=30)

    def ours(state: str) -> dict[str, Any] | None:
        found = [one for one in desk.calls.values() if one["state"] == state]
        return found[0] if found and (found[0]["ringing"] or state == "talking") else None

    await dora.until(lambda: dora.mirror.own and dora.mirror.own["call"], "it rings", within=long)
    rang_at, own = datetime.now(UTC), dora.mirror.own
    assert own["call"]["ringing"] == ["1001"]
    waiting = await desk.until(lambda: ours("queued"), "the desk sees it ring", within=long)
    assert desk.queues["general"]["waiting"] == 1
    talking = await desk.until(lambda: ours("talking"), "they talk", within=long)
    assert desk.queues["general"]["waiting"] == 0
    await dora.until(lambda: dora.mirror.own["call"] is None, "Dora's phone is free", within=long)
    await desk.until(lambda: not desk.calls, "the call is over", within=long)
    return [("queued", waiting), ("talking", talking)], rang_at, own["screen"]
