"""An administrator edits the menu: three mistakes are found, a simulation says what a call will do,
calls hear it, are not disturbed by the roll-back, and are replayed over the next idea."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FLOW = "/api/v1/ivr/flows/main"
ANY = {"If-Match": "*"}


def session(**nodes: dict[str, Any]) -> dict[str, Any]:
    """What the administrator writes; `nodes` in place of some of it."""
    return {
        "entry": "notice",
        "nodes": {
            "notice": {
                "type": "menu",
                "say": {
                    "zh": "停水通知，结束请按7，慢速播放请按8，人工请按0或稍候。",
                    "en": "Press 7.",
                },
                "options": {"7": "end", "8": "slowly", "0": "person"},
                "timeout_seconds": 3,
                "retries": 0,
                "on_timeout": "person",
            },
            "slowly": {"type": "set", "pace": "slow", "next": "notice"},
            "end": {"type": "hangup"},
            "person": {"type": "queue", "queue": "general"},
            **nodes,
        },
    }


@asynccontextmanager
async def as_it_was(scene: Scene) -> AsyncIterator[int]:
    """The version callers hear, which they hear again afterwards; the draft too."""
    old: int = (await scene.hotline.get("/ivr/flows/main/active"))["version"]
    draft = await scene.hotline.get("/ivr/flows/main/draft")
    try:
        yield old
    finally:
        client = scene.hotline.client
        await client.put(f"{FLOW}/active", json={"version": old})
        await client.put(f"{FLOW}/draft", json=draft, headers=ANY)


async def ask(scene: Scene, method: str, path: str, **more: Any) -> Any:
    reply = await scene.hotline.client.request(method, f"{FLOW}{path}", **more)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()


def nodes_of(call: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(step["node"], step["key"]) for step in call["ivr_path"]]


async def test_edit_check_simulate_publish_call_roll_back_call_and_replay(scene: Scene) -> None:
    async with as_it_was(scene) as old:
        old_welcome = await scene.flow_text("welcome", "zh")
        mistakes = session(
            end={"type": "hangup", "say": {"zh": "再见"}},  # English is missing
            person={"type": "queue", "queue": "police"},
            slowly={"type": "set", "pace": "slow", "next": "nowhere"},
        )
        await ask(scene, "PUT", "/draft", json=mistakes, headers=ANY)
        found = (await ask(scene, "POST", "/draft/check"))["findings"]
        assert {(f["code"], f["node"]) for f in found if f["severity"] == "error"} == {
            ("language_incomplete", "end"),
            ("unknown_queue", "person"),
            ("dangling_reference", "slowly"),
        }
        refused = await scene.hotline.client.post(f"{FLOW}/versions", json={})
        assert refused.status_code == 422

        await ask(scene, "PUT", "/draft", json=session(), headers=ANY)
        checked = await ask(scene, "POST", "/draft/check")
        assert not [f for f in checked["findings"] if f["severity"] == "error"]
        wish = {"version": "draft", "keys": ["8", "7"]}
        simulated = await ask(scene, "POST", "/simulations", json=wish)
        assert simulated["exit"] == {"type": "hangup"}
        assert "停水通知" in simulated["path"][0]["heard"]

        published = await ask(scene, "POST", "/versions", json={"comment": "water is off"})
        began = time.monotonic()
        notice = await scene.flow_text("notice", "zh")
        slow_notice = notice.parent / "slow" / notice.name
        async with (
            Handset() as ear,
            scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
        ):
            await ear.hears(notice)
            print(f"from the reply to the caller's 1.5 s of it: {time.monotonic() - began:.2f} s")
            await ear.press("8")
            await ear.hears(slow_notice)
            await ear.press("7")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(disposition="self_served", hangup_by="system")
        assert nodes_of(call) == [(step["node"], step["key"]) for step in simulated["path"]]
        assert call["ivr_version"] == published["version"]
        heard = [call["call_id"]]

        # A call in progress stays with what it began with.
        scene.begin_anew()
        async with (
            Handset() as ear,
            scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
        ):
            await ear.hears(notice)
            back = {"version": old, "comment": "water is back"}
            assert (await ask(scene, "PUT", "/active", json=back))["in_force"] is True
            await ear.press("7")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(disposition="self_served")
        assert call["ivr_version"] == published["version"]
        heard.append(call["call_id"])

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
        assert call["ivr_version"] == old

        acts = (await ask(scene, "GET", "/activations"))["items"][:2]
        assert [(act["version"], act["why"]) for act in acts] == [
            (old, "water is back"),
            (published["version"], "water is off"),
        ]
        assert {act["by"] for act in acts} == {"admin"}
        figures = await ask(scene, "GET", f"/versions/{published['version']}/figures")
        (menu,) = [one for one in figures["nodes"] if one["node"] == "notice"]
        assert (menu["entered"], menu["left_by"]) == (3, {"7": 2, "8": 1})

        # What would those callers have met in the next idea?
        options = {"7": "person", "8": "slowly", "0": "person"}
        idea = session(notice=session()["nodes"]["notice"] | {"options": options})
        await ask(scene, "PUT", "/draft", json=idea, headers=ANY)
        differs = await ask(scene, "GET", "/diff", params={"from": published["version"]})
        assert [(one["node"], list(one["fields"])) for one in differs["changed"]] == [
            ("notice", ["options"])
        ]
        replayed = await ask(scene, "POST", "/replays", json={"version": "draft"})
        (move,) = [one for one in replayed["moves"] if set(one["calls"]) & set(heard)]
        assert move["before"] == {"type": "hangup"}
        assert move["after"] == {"type": "queue", "queue": "general"}
        assert sorted(move["calls"]) == sorted(heard)


async def test_a_wish_to_be_called_back_is_a_row_a_case_and_a_disposition(scene: Scene) -> None:
    flow = session(end={"type": "callback", "queue": "general"})
    async with as_it_was(scene):
        await ask(scene, "PUT", "/draft", json=flow, headers=ANY)
        await ask(scene, "POST", "/versions", json={"comment": "callback"})
        offer = scene.prompt("callback_offer", "zh")
        async with (
            Handset() as ear,
            scene.citizen(
                "citizen_handset.xml", keys={**ear.keys, "caller_number": "13800138009"}
            ) as citizen,
        ):
            await ear.hears(await scene.flow_text("notice", "zh"))
            await ear.press("7")
            await ear.hears(offer)
            await ear.press("2")
            await ear.hears(scene.prompt("ask_phone", "zh"))
            await ear.press("053188880001#")
            await ear.hears(scene.prompt("you_entered", "zh"))
            await ear.hears(scene.prompt("confirm_keys", "zh"))
            await ear.press("1")
            await ear.hears(scene.prompt("callback_taken", "zh"))
            result = await citizen.result()
        assert result.ok, str(result)
    call = await scene.call(disposition="callback_requested")
    case = await scene.case_of(call)
    assert case["state"] == "open"
    waiting = (await scene.hotline.get("/callbacks", state="waiting"))["items"]
    (wish,) = [one for one in waiting if one["call_id"] == call["call_id"]]
    assert (wish["number"], wish["queue"]) == ("+8653188880001", "general")
    # What was keyed stands in that row and nowhere else.
    assert "53188880001" not in str(call)

    async def written() -> bool:
        return any(scene.hotline.home.glob("log/*"))

    await eventually(written, "there are logs", within=timedelta(seconds=5))
    for file in scene.hotline.home.glob("log/*"):
        if file.is_file():
            assert b"53188880001" not in file.read_bytes(), file
