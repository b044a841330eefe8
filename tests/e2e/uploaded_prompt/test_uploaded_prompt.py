"""The city uploads a recording as mp3; the next caller hears it, in a flow that another one runs.

Who is listening while it is replaced hears the old one to its end.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callcenter.testing.handset import Handset
from callcenter.testing.sound_files import encoded

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FLOWS = "/api/v1/ivr/flows"
ANY = {"If-Match": "*"}

SUB = {
    "entry": "read",
    "nodes": {
        "read": {
            "type": "menu",
            "say": {"prompt": "city_news"},
            "options": {"1": ".return", "0": ".person"},
            "timeout_seconds": 5,
            "retries": 0,
        },
    },
}
MAIN = {
    "entry": "news",
    "nodes": {
        "news": {"type": "flow", "flow": "news", "next": "end"},
        "end": {"type": "hangup"},
    },
}


async def upload(scene: Scene, folder: Path, pitch_hz: int) -> None:
    """Six seconds whose pitch rises: no moment sounds like another one."""
    rising = f"aevalsrc=0.4*sin(2*PI*({pitch_hz}+60*t)*t):d=6"
    sound = (await asyncio.to_thread(encoded, folder, "mp3", rising)).read_bytes()
    for language in ("zh", "en"):
        reply = await scene.hotline.client.put(
            f"/api/v1/prompts/city_news/audio/{language}", content=sound
        )
        assert reply.status_code in (200, 201), reply.text


async def test_a_replaced_recording_is_heard_by_the_next_caller_and_disturbs_nobody(
    scene: Scene, tmp_path: Path
) -> None:
    client = scene.hotline.client
    old = (await scene.hotline.get("/ivr/flows/main/active"))["version"]
    draft = await scene.hotline.get("/ivr/flows/main/draft")
    reply = await client.post(
        "/api/v1/prompts",
        json={"name": "city_news", "title": "News", "texts": {"zh": "新闻", "en": "News"}},
    )
    assert reply.status_code == 201, reply.text
    await upload(scene, tmp_path, 300)
    try:
        made = await client.post(FLOWS, json={"name": "news", "title": "News"})
        assert made.status_code in (201, 409), made.text
        for name, flow in (("news", SUB), ("main", MAIN)):
            written = await client.put(f"{FLOWS}/{name}/draft", json=flow, headers=ANY)
            assert written.status_code == 200, written.text
            published = await client.post(f"{FLOWS}/{name}/versions", json={"comment": "news"})
            assert published.status_code == 201, published.text

        first = tmp_path / "first.wav"
        first.write_bytes(scene.prompt("city_news", "zh").read_bytes())
        async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
            await ear.hears(first)
            await upload(scene, tmp_path, 1100)
            await ear.hears(first, whole=True)
            await ear.press("1")
            result = await citizen.result()
        assert result.ok, str(result)
        call = await scene.call(disposition="self_served")
        assert [(s["node"], s["flow"]) for s in call["ivr_path"]] == [
            ("news", None),
            ("read", "news"),
            ("end", None),
        ]

        scene.begin_anew()
        second = scene.prompt("city_news", "zh")
        assert second.read_bytes() != first.read_bytes()
        async with Handset() as ear, scene.citizen("citizen_handset.xml", keys=ear.keys) as citizen:
            await ear.hears(second)
            assert not ear.has_heard(first)
            await ear.press("1")
            result = await citizen.result()
        assert result.ok, str(result)
    finally:
        await client.put(f"{FLOWS}/main/active", json={"version": old})
        await client.put(f"{FLOWS}/main/draft", json=draft, headers=ANY)
