"""A caller hears an answer of the knowledge base, again, and then wants a person; it counts.

An answer that was withdrawn is not offered to the next caller; published again it is.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ARTICLE, CATEGORY = "id_card_fees", "fees"
FLOW = {
    "entry": "fees",
    "nodes": {
        "fees": {
            "type": "article_menu",
            "category": CATEGORY,
            "say": {"zh": "收费标准查询。", "en": "Fees."},
            "next": "end",
        },
        "end": {"type": "hangup"},
        "person": {"type": "queue", "queue": "general"},
    },
}
APPROVER = {"name": "second-reader", "password": "reads-what-others-wrote", "role": "supervisor"}


async def article(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = await scene.hotline.get(f"/articles/{ARTICLE}")
    return found


async def act(client: httpx.AsyncClient, name: str) -> httpx.Response:
    reply = await client.post(
        f"/api/v1/articles/{ARTICLE}/{name}", json={"reason": "scenario"}, headers={"If-Match": "*"}
    )
    assert reply.is_success, reply.text
    return reply


@asynccontextmanager
async def second_reader(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    """Another supervisor's client: nobody approves what they wrote themselves."""
    admin = scene.hotline.client
    reply = await admin.post("/api/v1/users", json=APPROVER)
    assert reply.status_code in (201, 409), reply.text
    async with httpx.AsyncClient(base_url=admin.base_url, timeout=15) as client:
        form = {"username": APPROVER["name"], "password": APPROVER["password"]}
        reply = await client.post("/api/v1/auth/token", data=form)
        assert reply.status_code == 200, reply.text
        client.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        yield client


async def publish_again(scene: Scene) -> int:
    """The withdrawn article, as it was, by two people; the new version's number."""
    admin, now = scene.hotline.client, await article(scene)
    assert now["state"] == "withdrawn"
    edition = {
        name: now[name]
        for name in ("kind", "department", "keywords", "content", "valid_from", "valid_until")
    }
    path = f"/api/v1/articles/{ARTICLE}"
    reply = await admin.put(path, json=edition, headers={"If-Match": "*"})
    assert reply.json()["state"] == "draft", reply.text
    async with second_reader(scene) as approver:
        reply = await approver.post(
            f"{path}/approve",
            json={"reason": "scenario"},
            headers={"If-Match": reply.headers["ETag"]},
        )
        assert reply.status_code == 200, reply.text
    published = (await act(admin, "publish")).json()
    assert published["in_force"] is True
    return int(published["version"])


async def figures(scene: Scene, version: int) -> dict[str, Any]:
    """What callers of this scene did with a version, in Chinese."""
    found = await scene.hotline.get(f"/articles/{ARTICLE}/figures", **{"from": began(scene)})
    [row] = [one for one in found["items"] if (one["version"], one["language"]) == (version, "zh")]
    return dict(row)


def began(scene: Scene) -> str:
    return scene.began.isoformat()


async def test_an_article_is_heard_twice_and_the_calls_behind_its_figures_are_named(
    scene: Scene,
) -> None:
    shown = await article(scene)
    version, words = shown["in_force_version"], shown["content"]["zh"]
    title, answer = scene.spoken(words["title"], "zh"), scene.spoken(words["spoken"], "zh")
    async with (
        scene.published(FLOW),
        scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=1)),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
    ):
        assert (await article(scene))["used_by"] == ["main"]
        await ear.hears(title)
        await ear.press("1")
        for key in "10":
            await ear.hears(answer)
            ear.forget()
            await ear.press(key)
        result = await citizen.result()
    assert result.ok, str(result)

    call = await scene.call(disposition="answered", agent="1001")
    about = f"article/{ARTICLE}/{version}"
    assert [(step["node"], step["key"], step["about"]) for step in call["ivr_path"]] == [
        ("fees", None, ""),
        ("fees", "1", about),
        ("fees", "1", about),
        (".person", "0", ""),
    ]

    async def counted() -> dict[str, Any]:
        return await figures(scene, version)

    row = await eventually(counted, "the plays are counted", within=timedelta(seconds=10))
    assert row["plays"] == row["then_queued"] == 2
    assert {name: count for name, count in row["outcomes"].items() if count} == {
        "repeated": 1,
        "asked_person": 1,
    }
    plays = await scene.hotline.get(f"/articles/{ARTICLE}/plays", **{"from": began(scene)})
    assert [(play["call_id"], play["outcome"]) for play in plays["items"]] == [
        (call["call_id"], "asked_person"),
        (call["call_id"], "repeated"),
    ]


async def test_who_calls_after_its_withdrawal_is_not_offered_it(scene: Scene) -> None:
    title = scene.spoken((await article(scene))["content"]["zh"]["title"], "zh")
    async with scene.published(FLOW):
        await act(scene.hotline.client, "withdraw")
        try:
            async with (
                Handset() as ear,
                scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen,
            ):
                await ear.hears(scene.prompt("no_articles", "zh"))
                result = await citizen.result()
            assert result.ok, str(result)
            assert not ear.has_heard(title)
            await scene.call(disposition="self_served")
        finally:
            version = await publish_again(scene)

        scene.begin_anew()
        async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
            await ear.hears(title)
            assert not ear.has_heard(scene.prompt("no_articles", "zh"))
            await ear.press("*")
            result = await citizen.result()
        assert result.ok, str(result)
        await scene.call(disposition="self_served", hangup_by="system")
    assert (await article(scene))["in_force_version"] == version
