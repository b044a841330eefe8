"""A line and an agent are opened over REST: they are there when the reply says so, and gone too."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from callcenter.testing.sipp_party import PhoneRefused

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


NUMBER = "12366"


async def test_a_line_is_answered_from_its_opening_to_its_closing(scene: Scene) -> None:
    client = scene.hotline.client
    async with scene.citizen("refused_404.xml", service=NUMBER) as citizen:
        assert (await citizen.result()).ok, "no such number yet"

    line = {"title": "税务", "flow": "main", "queue": "general", "language": "zh", "mode": "menu"}
    reply = await client.post("/api/v1/lines", json={"number": NUMBER, **line})
    assert reply.status_code == 201, reply.text
    assert reply.json()["in_force"] is True
    try:
        short = timedelta(milliseconds=700)
        async with scene.citizen("citizen_silent.xml", service=NUMBER, pause=short) as citizen:
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(line=NUMBER, dialled_number=NUMBER, disposition="abandoned")
        assert [step["node"] for step in call["ivr_path"]] == ["welcome"]
    finally:
        reply = await client.delete(f"/api/v1/lines/{NUMBER}", headers={"If-Match": "*"})
    assert reply.status_code == 204, reply.text

    async with scene.citizen("refused_404.xml", service=NUMBER) as citizen:
        result = await citizen.result()
    assert result.ok, str(result)
    assert len(await scene.calls()) == 1, "what was refused is no call of ours"


async def test_an_agents_phone_opens_with_its_latest_secret_only(scene: Scene) -> None:
    client = scene.hotline.client
    agent = {"id": "2001", "name": "新坐席", "queues": ["general"]}
    reply = await client.post("/api/v1/agents", json=agent)
    assert reply.status_code == 201, reply.text
    try:
        made = reply.json()
        assert made["in_force"] is True
        first = made["secret"]
        assert first not in str(await scene.hotline.get("/agents/2001"))
        assert first not in str(await scene.hotline.get("/agents/2001/phone"))
        async with (
            scene.agent("2001", secret=first),
            scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=2)) as citizen,
        ):
            result = await citizen.result()
        assert result.ok, str(result)
        await scene.call(disposition="answered", agent="2001", queue="general")

        reply = await client.post("/api/v1/agents/2001/phone/secret")
        assert reply.status_code == 200, reply.text
        assert reply.json()["in_force"] is True
        second = reply.json()["secret"]
        assert second != first
        with pytest.raises(PhoneRefused):
            async with scene.agent("2001", secret=first):
                pass
        async with scene.agent("2001", secret=second):
            pass
    finally:
        reply = await client.delete("/api/v1/agents/2001")
    assert reply.status_code == 200, reply.text
    assert reply.json()["in_force"] is True
    with pytest.raises(PhoneRefused):
        async with scene.agent("2001", secret=second):
            pass
