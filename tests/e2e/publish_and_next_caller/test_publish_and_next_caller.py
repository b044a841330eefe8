"""The caller after a publication hears the new menu, the caller after its withdrawal the old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


FLOW = {
    "entry": "notice",
    "nodes": {
        "notice": {
            "type": "menu",
            "say": {"zh": "今天系统维护，请按7结束。", "en": "Maintenance today. Press 7 to end."},
            "options": {"7": "end", "0": "person"},
            "timeout_seconds": 3,
            "retries": 0,
            "on_timeout": "person",
            "on_invalid": "person",
        },
        "end": {"type": "hangup"},
        "person": {"type": "queue", "queue": "general"},
    },
}


async def test_what_the_api_says_is_what_the_next_caller_hears(scene: Scene) -> None:
    client, flow = scene.hotline.client, "/api/v1/ivr/flows/main"
    old = (await scene.hotline.get("/ivr/flows/main/active"))["version"]
    old_draft = await scene.hotline.get("/ivr/flows/main/draft")
    old_welcome = await scene.flow_text("welcome", "zh")
    any_version = {"If-Match": "*"}
    try:
        reply = await client.put(f"{flow}/draft", json=FLOW, headers=any_version)
        assert reply.status_code == 200, reply.text
        reply = await client.post(f"{flow}/versions", json={"comment": "maintenance"})
        assert reply.status_code == 201, reply.text
        published = reply.json()
        assert published["in_force"] is True
        assert published["version"] > old

        notice = await scene.flow_text("notice", "zh")
        async with (
            Handset() as ear,
            scene.citizen(
                "citizen_handset.xml", keys={**ear.keys, "caller_number": "13800138001"}
            ) as citizen,
        ):
            await ear.hears(notice)
            assert not ear.has_heard(old_welcome)
            await ear.press("7")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(disposition="self_served", hangup_by="system")
        assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
            ("notice", None),
            ("end", "7"),
        ]
        assert call["ivr_version"] == published["version"]

        reply = await client.put(f"{flow}/active", json={"version": old})
        assert reply.status_code == 200, reply.text
        assert reply.json() == {"version": old, "in_force": True}
        scene.begin_anew()
        async with (
            scene.agent("1001", "agent_hangs_up.xml"),
            Handset() as ear,
            scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
        ):
            await ear.hears(old_welcome)
            assert not ear.has_heard(notice)
            await ear.press("0")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(disposition="answered")
        assert [(step["node"], step["key"]) for step in call["ivr_path"]] == [
            ("welcome", None),
            ("person", "0"),
        ]
        assert call["ivr_version"] == old
    finally:
        await client.put(f"{flow}/active", json={"version": old})
        await client.put(f"{flow}/draft", json=old_draft, headers=any_version)
