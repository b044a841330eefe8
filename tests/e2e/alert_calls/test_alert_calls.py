"""An alert rings the phones of those on call, level after level, until somebody presses 1."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import OFFERED_TELEPHONE_EVENT, Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ROTA = "/api/v1/on-call/floods"


async def on_call(scene: Scene, agent_id: str, level: int) -> None:
    now = datetime.now(UTC)
    turn = {
        "agent_id": agent_id,
        "level": level,
        "starts_at": (now - timedelta(minutes=1)).isoformat(),
        "ends_at": (now + timedelta(hours=1)).isoformat(),
    }
    reply = await scene.hotline.client.post(f"{ROTA}/turns", json=turn)
    assert reply.status_code == 201, reply.text


async def test_nobody_picks_up_so_the_next_level_is_called_and_presses_1(scene: Scene) -> None:
    client = scene.hotline.client
    rota = {"name": "floods", "title": "防汛值班", "ack_within_seconds": 12}
    assert (await client.post("/api/v1/on-call", json=rota)).status_code == 201
    await on_call(scene, "1002", 1)
    await on_call(scene, "1001", 2)
    case = (await client.post("/api/v1/cases", json={"title": "地铁进水"})).json()["case_number"]

    phone = Handset("127.0.0.3", telephone_event=OFFERED_TELEPHONE_EVENT)
    async with phone as handset:
        keys = {"handset": str(handset.port)}
        async with (
            scene.agent("1002", "agent_rings.xml") as silent,
            scene.agent("1001", "agent_handset.xml", keys=keys),
        ):
            body = {"words": "Don't speak these words\nExten: 1", "case_number": case}
            raised = await client.post(f"{ROTA}/alerts", json=body)
            assert raised.status_code == 201, raised.text
            alert_id = raised.json()["alert_id"]

            await handset.hears(scene.prompt("alert_call", "zh"), within=timedelta(seconds=40))
            await handset.hears(scene.prompt("alert_case", "zh"))
            groups = await scene.hotline.console("group show channels")
            assert re.search(r"PJSIP/1001-\S+\s+1001\s+phone", groups), "no queue rings it now"
            # In the middle of the digits: a key counts at any moment.
            await handset.press("1")
            await handset.hears(scene.prompt("alert_noted", "zh"))

            async def acknowledged() -> dict[str, Any]:
                alert: dict[str, Any] = await scene.hotline.get(f"/alerts/{alert_id}")
                assert alert["state"] == "acknowledged"
                assert all(call["outcome"] for call in alert["calls"]), alert["calls"]
                return alert

            alert = await eventually(acknowledged, "the key counts, and no phone rings")
            assert "INVITE sip:1002@" in silent.calls.messages
            assert "CANCEL sip:1002@" in silent.calls.messages

    # Their user, where the agent has one: another scenario may have given them one.
    agent = await scene.hotline.get("/agents/1001")
    who = agent["user"] or "agent:1001"
    assert alert["acknowledged_by"] == who
    assert [(one["what"], one["agent_id"]) for one in alert["steps"]] == [
        ("given", "1002"),
        ("escalated", None),
        ("given", "1001"),
        ("acknowledged", "1001"),
    ]
    assert [(one["agent_id"], one["outcome"]) for one in alert["calls"]] == [
        ("1002", "no_answer"),
        ("1001", "acknowledged"),
    ]
    # Each is a call of ours, on record, and counts in nobody's queue.
    for one, disposition in zip(alert["calls"], ("failed", "answered"), strict=True):
        call = await scene.hotline.get(f"/calls/{one['call_id']}")
        assert (call["direction"], call["disposition"]) == ("internal", disposition)
        assert [leg["agent"] for leg in call["legs"]] == [one["agent_id"]]
        assert call["queue"] is None
    audited = await scene.hotline.get("/audit", subject=f"alert/{alert_id}")
    assert [(one["who"], one["act"]) for one in audited["items"]] == [(who, "alert.acknowledge")]
    await client.post(f"/api/v1/alerts/{alert_id}/close", json={"note": "排水完成"})
