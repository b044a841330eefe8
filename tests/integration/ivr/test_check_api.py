"""The check over REST: told of lines, other flows, hours and audio as they are now."""

from __future__ import annotations

from typing import Any

import pytest

from callcenter.testing.sample_flow import document, words

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
PERSON = {"type": "queue", "queue": "general"}


def runs(name: str) -> dict[str, Any]:
    node = {"type": "flow", "flow": name, "next": "person"}
    return {"entry": "sub", "nodes": {"sub": node, "person": PERSON}}


def back(**nodes: Any) -> dict[str, Any]:
    say = {"type": "say", "say": words("x"), "next": ".return"}
    return {"entry": "say", "nodes": {"say": say, **nodes}}


async def draft(admin: Any, name: str, flow: dict[str, Any]) -> None:
    if name != "main":
        await admin("POST", "", json={"name": name, "title": name})
    written = await admin("PUT", f"/{name}/draft", json=flow, headers=ANY)
    assert written.status_code == 200, written.text


async def publish(admin: Any, name: str, flow: dict[str, Any]) -> int:
    await draft(admin, name, flow)
    published = await admin("POST", f"/{name}/versions", json={})
    return int(published.status_code)


async def found(admin: Any, name: str) -> list[tuple[str, str | None]]:
    checked = (await admin("POST", f"/{name}/draft/check")).json()
    return [(f["code"], f["node"]) for f in checked["findings"] if f["severity"] == "error"]


async def test_the_reply_tells_findings_seconds_and_when(admin: Any, studio: Any) -> None:
    await studio.service.render_active()
    checked = (await admin("POST", "/main/draft/check")).json()
    assert checked["checked_at"] == "2026-03-02T09:00:00Z"
    seconds = checked["seconds"]
    assert 0 < seconds["shortest"] < seconds["by_silence"] < seconds["longest"]
    (figures,) = [f for f in checked["findings"] if f["code"] == "seconds_to_person"]
    assert (figures["severity"], figures["node"]) == ("info", None)
    assert {f["severity"] for f in checked["findings"]} == {"info"}, checked["findings"]


async def test_seconds_come_from_the_audio_once_it_is_there(admin: Any, studio: Any) -> None:
    await draft(admin, "main", document())
    before = (await admin("POST", "/main/draft/check")).json()["seconds"]
    await studio.library.ensure([("zh", "中welcome"), ("zh", "中menu")])
    after = (await admin("POST", "/main/draft/check")).json()["seconds"]
    assert before != after


async def test_errors_of_every_kind_block_publishing_and_are_all_named(admin: Any) -> None:
    broken = document()
    broken["nodes"] |= {
        "answer": {"type": "schedule", "schedule": "gone", "open": "legal", "closed": "bye"},
        "legal": {"type": "queue", "queue": "police", "say": {"prompt": "gone"}},
        "bye": {"type": "flow", "flow": "gone", "next": "nowhere"},
    }
    await draft(admin, "main", broken)
    refused = await admin("POST", "/main/versions", json={})
    assert refused.status_code == 422
    assert [(e["field"], e["rule"].split(":")[0]) for e in refused.json()["errors"]] == [
        ("nodes.answer", "unknown_schedule"),
        ("nodes.legal", "unknown_prompt"),
        ("nodes.legal", "unknown_queue"),
        ("nodes.bye", "dangling_reference"),
        ("nodes.bye", "unknown_flow"),
    ]


async def test_flows_deeper_than_the_limit_cannot_be_published_from_either_end(admin: Any) -> None:
    assert await publish(admin, "c5", back()) == 201
    for level in (4, 3, 2, 1):
        assert await publish(admin, f"c{level}", runs(f"c{level + 1}")) == 201
    assert await publish(admin, "main", runs("c1")) == 422
    assert await found(admin, "main") == [("subflow_too_deep", "sub")]
    # Five are in force; the lowest of them must not run a further one.
    assert await publish(admin, "extra", back()) == 201
    assert await publish(admin, "c5", runs("extra")) == 422
    assert await found(admin, "c5") == [("subflow_too_deep", "sub")]


async def test_a_flow_that_would_run_itself_through_others_is_refused(admin: Any) -> None:
    assert await publish(admin, "inner", back()) == 201
    assert await publish(admin, "main", runs("inner")) == 201
    assert await publish(admin, "inner", runs("main")) == 422
    assert await found(admin, "inner") == [("subflow_cycle", "sub")]


async def test_a_flow_speaks_the_languages_of_lines_that_run_it_within_another(admin: Any) -> None:
    only_en = back(say={"type": "say", "say": {"en": "Hello"}, "next": ".return"})
    await draft(admin, "inner", only_en)
    assert await found(admin, "inner") == []
    assert await publish(admin, "inner", back()) == 201
    assert await publish(admin, "main", runs("inner")) == 201
    await draft(admin, "inner", only_en)
    assert await found(admin, "inner") == [("language_incomplete", "say")]


async def test_too_many_nodes_together_are_refused_by_limit(admin: Any) -> None:
    big: dict[str, Any] = {f"s{i}": {"type": "hangup", "say": words("x")} for i in range(499)}
    for level in range(4):
        assert await publish(admin, f"big{level}", back(**big)) == 201
    nodes: dict[str, Any] = {
        f"f{i}": {"type": "flow", "flow": f"big{i}", "next": f"f{i + 1}"} for i in range(4)
    }
    await draft(admin, "main", {"entry": "f0", "nodes": nodes | {"f4": PERSON}})
    assert await found(admin, "main") == [("flow_too_large", None)]


async def test_a_damaged_prompt_is_found(admin: Any, studio: Any) -> None:
    flow = document()
    flow["nodes"]["bye"]["say"] = {"prompt": "goodbye"}
    await draft(admin, "main", flow)
    assert await found(admin, "main") == []
    studio.library.prompt("goodbye", "zh").write_bytes(b"RIFF")
    assert await found(admin, "main") == [("prompt_bad_audio", "bye")]
