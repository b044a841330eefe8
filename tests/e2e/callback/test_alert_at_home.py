"""Somebody on call is called at home, over the trunk; the node dies while they are told."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import OFFERED_TELEPHONE_EVENT, Handset
from callcenter.testing.sipp_party import SCENARIOS
from tests.e2e.callback.conftest import CITIZENS, PHONES_PORT

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NUMBER = "13800138009"


async def test_the_key_counts_that_was_pressed_while_the_node_was_dead(scene: Scene) -> None:
    client, now = scene.hotline.client, datetime.now(UTC)
    rota = {"name": "nights", "title": "夜间值班", "ack_within_seconds": 120}
    assert (await client.post("/api/v1/on-call", json=rota)).status_code == 201
    turn = {
        "agent_id": "1003",
        "starts_at": (now - timedelta(minutes=1)).isoformat(),
        "ends_at": (now + timedelta(hours=1)).isoformat(),
        "phone_number": NUMBER,
    }
    reply = await client.post("/api/v1/on-call/nights/turns", json=turn)
    assert (reply.status_code, reply.json().get("phone_number")) == (201, f"+86{NUMBER}")

    async with Handset(CITIZENS, telephone_event=OFFERED_TELEPHONE_EVENT) as handset:
        keys = {"handset": str(handset.port)}
        at_home = scene.hotline.party(
            SCENARIOS / "agent_handset.xml", CITIZENS, port=PHONES_PORT, keys=keys, calls=None
        )
        async with at_home as party:
            body = {"words": "电梯困人"}
            raised = await client.post("/api/v1/on-call/nights/alerts", json=body)
            path = f"/alerts/{raised.json()['alert_id']}"
            await handset.hears(scene.prompt("alert_call", "zh"))
            faults.kill(scene.hotline.pid("node"))
            await handset.press("1")
            await handset.hears(scene.prompt("alert_noted", "zh"))

            async def acknowledged() -> dict[str, Any]:
                alert: dict[str, Any] = await scene.hotline.get(path)
                assert alert["state"] == "acknowledged"
                return alert

            alert = await eventually(acknowledged, "it counts", within=timedelta(seconds=30))
            dialled = re.findall(
                r"^INVITE sip:(\S+)@.*?^Call-ID: (\S+)", party.messages, re.S | re.M
            )
            assert len(set(dialled)) == 1, "called once, before and after the node's death"
            assert dialled[0][0] == NUMBER
    [one] = alert["calls"]
    assert (one["agent_id"], one["over"], one["outcome"]) == ("1003", "trunk", "acknowledged")
    call = await scene.hotline.get(f"/calls/{one['call_id']}")
    assert (call["direction"], call["dialled_number"]) == ("outbound", f"+86{NUMBER}")
    await client.post(f"/api/v1{path}/close", json={"note": "已救出"})
