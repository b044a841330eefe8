"""The administrator's way: edit, check, publish, roll back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.ivr.model import texts_of
from callcenter.ivr.seed import default_flow
from callcenter.platform.db import Database
from callcenter.prompts.library import measure_file
from callcenter.testing.sample_flow import document

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


async def test_the_shipped_flow_is_there_and_active(admin: Any) -> None:
    listed = (await admin("GET", "")).json()
    assert [(item["name"], item["active_version"]) for item in listed["items"]] == [("main", 1)]
    assert listed["next_cursor"] is None
    assert (await admin("GET", "/main/active")).json() == {"version": 1}
    version = (await admin("GET", "/main/versions/1")).json()
    assert version["definition"] == default_flow().as_json()
    assert (await admin("GET", "/main")).json()["title"].startswith("12345")


async def test_a_draft_is_edited_checked_published_and_rolled_back(admin: Any, studio: Any) -> None:
    draft = await admin("GET", "/main/draft")
    assert draft.json() == default_flow().as_json()
    written = await admin(
        "PUT", "/main/draft", json=document(), headers={"If-Match": draft.headers["etag"]}
    )
    assert (written.status_code, written.json()) == (200, document())
    assert written.headers["etag"] != draft.headers["etag"]
    assert (await admin("POST", "/main/draft/check")).json() == {"findings": []}

    published = await admin("POST", "/main/versions", json={"comment": "new menu"})
    assert published.status_code == 201
    assert published.json() == {
        "version": 2,
        "in_force": True,
        "comment": "new menu",
        "published_at": "2026-03-02T09:00:00Z",
        "published_by": "admin-ling",
    }
    assert (await admin("GET", "/main/active")).json() == {"version": 2}

    back = await admin("PUT", "/main/active", json={"version": 1})
    assert (back.status_code, back.json()) == (200, {"version": 1, "in_force": True})
    assert (await admin("GET", "/main/active")).json() == {"version": 1}
    listed = (await admin("GET", "/main/versions")).json()["items"]
    assert [item["version"] for item in listed] == [2, 1]
    # What was published is never changed by editing on.
    assert (await admin("GET", "/main/versions/2")).json()["definition"] == document()


async def test_every_text_of_an_active_version_has_its_audio(admin: Any, studio: Any) -> None:
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    await admin("POST", "/main/versions", json={"comment": ""})
    for language, words in texts_of(default_flow().model_validate(document())):
        assert measure_file(studio.library.text(words, language)).duration_ms > 0


async def test_a_version_without_audio_is_never_active(admin: Any, studio: Any) -> None:
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    studio.speech.broken = True
    refused = await admin("POST", "/main/versions", json={"comment": ""})
    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/speech-failed"
    assert (await admin("GET", "/main/active")).json() == {"version": 1}
    assert len((await admin("GET", "/main/versions")).json()["items"]) == 1


async def test_rolling_back_renders_audio_that_was_lost(admin: Any, studio: Any) -> None:
    assert await studio.service.render_active() > 0
    assert await studio.service.render_active() == 0
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    await admin("POST", "/main/versions", json={"comment": ""})
    (language, words), *_ = texts_of(default_flow())
    path = studio.library.text(words, language)
    path.unlink()
    await admin("PUT", "/main/active", json={"version": 1})
    assert measure_file(path).duration_ms > 0


async def test_errors_of_the_check_block_publishing_and_are_all_told(admin: Any) -> None:
    broken = document()
    broken["nodes"]["legal"]["queue"] = "police"
    broken["nodes"]["answer"]["next"] = "nowhere"
    del broken["nodes"]["bye"]["say"]["en"]
    assert (await admin("PUT", "/main/draft", json=broken, headers=ANY)).status_code == 200
    found = (await admin("POST", "/main/draft/check")).json()["findings"]
    assert [(f["code"], f["node"], f["severity"]) for f in found] == [
        ("dangling_reference", "answer", "error"),
        ("unknown_queue", "legal", "error"),
        ("language_incomplete", "bye", "error"),
    ]
    refused = await admin("POST", "/main/versions", json={"comment": ""})
    assert refused.status_code == 422
    problem = refused.json()
    assert problem["type"] == "/problems/flow-has-errors"
    assert [e["field"] for e in problem["errors"]] == ["nodes.answer", "nodes.legal", "nodes.bye"]
    assert (await admin("GET", "/main/active")).json() == {"version": 1}


async def test_a_version_whose_queue_is_gone_cannot_be_activated_again(
    admin: Any, database: Database
) -> None:
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    await admin("POST", "/main/versions", json={"comment": ""})
    await admin("PUT", "/main/active", json={"version": 1})
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM queues WHERE name = 'legal'"))
    refused = await admin("PUT", "/main/active", json={"version": 2})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "nodes.legal")


async def test_an_edit_based_on_an_older_draft_is_refused(admin: Any) -> None:
    etag = (await admin("GET", "/main/draft")).headers["etag"]
    assert (
        await admin("PUT", "/main/draft", json=document(), headers={"If-Match": etag})
    ).status_code == 200
    stale = await admin("PUT", "/main/draft", json=document(), headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale")
    missing = await admin("PUT", "/main/draft", json=document())
    assert missing.json()["errors"][0]["field"] == "If-Match"
    assert (await admin("PUT", "/main/draft", json=document(), headers=ANY)).status_code == 200


async def test_a_draft_edited_while_it_is_published_is_not_published(
    admin: Any, studio: Any
) -> None:
    await admin("PUT", "/main/draft", json=document(), headers=ANY)
    spoken, speak = [], studio.speech.speak

    async def edited_meanwhile(words: str, language: str) -> bytes:
        if not spoken:
            spoken.append(words)
            await admin("PUT", "/main/draft", json=document(), headers=ANY)
        sound: bytes = await speak(words, language)
        return sound

    studio.speech.speak = edited_meanwhile
    assert (await admin("POST", "/main/versions", json={"comment": ""})).status_code == 412
    assert (await admin("GET", "/main/active")).json() == {"version": 1}


async def test_a_flow_is_kept_in_the_order_it_was_written_in(admin: Any) -> None:
    turned = document()
    turned["nodes"] = dict(reversed(turned["nodes"].items()))
    await admin("PUT", "/main/draft", json=turned, headers=ANY)
    await admin("POST", "/main/versions", json={})
    draft = (await admin("GET", "/main/draft")).json()
    version = (await admin("GET", "/main/versions/2")).json()["definition"]
    assert list(draft["nodes"]) == list(version["nodes"]) == list(turned["nodes"])


async def test_a_new_flow_begins_without_a_draft(admin: Any) -> None:
    created = await admin("POST", "", json={"name": "night", "title": "夜间"})
    assert (created.status_code, created.json()["active_version"]) == (201, None)
    assert (await admin("GET", "/night/draft")).json()["type"] == "/problems/no-draft"
    assert (await admin("POST", "/night/versions", json={})).status_code == 404
    again = await admin("POST", "", json={"name": "night", "title": "夜间"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/flow-exists")
    await admin("PUT", "/night/draft", json=document(), headers=ANY)
    assert (await admin("POST", "/night/versions", json={})).json()["version"] == 1


async def test_lists_are_read_page_by_page(admin: Any) -> None:
    for name in ("a", "b", "c"):
        await admin("POST", "", json={"name": name, "title": name})
    seen, cursor = [], None
    while True:
        query = f"?limit=3&cursor={cursor}" if cursor else "?limit=3"
        page = (await admin("GET", query)).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["a", "b", "c", "main"]
    for _ in range(2):
        await admin("PUT", "/main/active", json={"version": 1})
        await admin("POST", "/main/versions", json={})
    first = (await admin("GET", "/main/versions?limit=2")).json()
    rest = (await admin("GET", f"/main/versions?limit=2&cursor={first['next_cursor']}")).json()
    assert [item["version"] for item in first["items"] + rest["items"]] == [3, 2, 1]


NO_FLOWS: list[tuple[dict[str, Any], str]] = [
    ({"nodes": {"a": {"type": "telegraph"}}}, "nodes.a"),
    ({"nodes": {"a": {"type": "hangup", "colour": 1}}}, "nodes.a.colour"),
    ({"entry": 5}, "entry"),
    ({"title": "x"}, "title"),
]


async def test_what_is_no_flow_is_refused_by_field(admin: Any) -> None:
    for change, field in NO_FLOWS:
        refused = await admin("PUT", "/main/draft", json=document() | change, headers=ANY)
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        assert field in [e["field"] for e in refused.json()["errors"]]


BODIES = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"entry": "a", "nodes": ' + b'{"a":' * 20_000,
    b'{"entry": "a", "entry": "b"}',
    b'"' + b"x" * 2_100_000 + b'"',
    b"9" * 5000,
    json.dumps({"entry": "a", "nodes": {"\ud800": {"type": "hangup"}}}).encode(),
    json.dumps({"entry": "a", "nodes": {"a": {"type": "\ud800"}}}).encode(),
    json.dumps({"entry": "a", "\ud800": 1}).encode(),
]


async def test_a_body_that_is_no_flow_at_all_is_a_problem_and_no_fault(admin: Any) -> None:
    for body in BODIES:
        refused = await admin("PUT", "/main/draft", content=body, headers=ANY)
        assert refused.status_code == 422, body[:40]
        assert refused.json()["errors"], body[:40]


async def test_ten_thousand_nodes_are_refused_by_limit(admin: Any) -> None:
    big = document()
    big["nodes"] |= {f"n{i}": {"type": "hangup"} for i in range(10_000)}
    refused = await admin("PUT", "/main/draft", json=big, headers=ANY)
    assert refused.json()["errors"] == [{"field": "nodes", "rule": "a flow has at most 500 nodes"}]


ROLES: list[tuple[str | None, str, str, Any, int]] = [
    (None, "GET", "", None, 401),
    ("agent", "GET", "/main/draft", None, 200),
    ("agent", "POST", "/main/draft/check", None, 200),
    ("agent", "PUT", "/main/draft", document(), 403),
    ("agent", "POST", "", {"name": "x", "title": "x"}, 403),
    ("supervisor", "PUT", "/main/draft", document(), 200),
    ("supervisor", "POST", "/main/versions", {}, 403),
    ("supervisor", "PUT", "/main/active", {"version": 1}, 403),
    ("admin", "POST", "/main/versions", {}, 201),
]


async def test_each_role_reaches_what_is_its_own(studio: Any) -> None:
    for role, method, path, body, allowed in ROLES:
        reply = await studio.as_role(role, method, path, json=body, headers=ANY)
        assert reply.status_code == allowed, (role, method, path)


async def test_what_is_not_there_is_not_found(admin: Any) -> None:
    for path in ("/none", "/none/draft", "/none/versions", "/none/active", "/main/versions/9"):
        assert (await admin("GET", path)).status_code == 404, path


BAD: list[tuple[str, str, Any]] = [
    ("GET", "/UPPER", None),
    ("GET", "/main/versions/0", None),
    ("GET", "/main/versions/99999999999999999999", None),
    ("GET", "/main/versions?cursor=x", None),
    ("GET", "?cursor=x", None),
    ("GET", "?limit=0", None),
    ("PUT", "/main/active", {"version": "x"}),
    ("PUT", "/main/active", {"version": 10**12}),
    ("POST", "/main/versions", {"comment": "a\x00b"}),
    ("POST", "/main/versions", {"comment": "x" * 1001}),
    ("POST", "", {"name": "No", "title": "x"}),
    ("POST", "", {"name": "no", "title": "x\x07"}),
    ("POST", "", {"name": "no", "title": "x", "colour": "red"}),
]


async def test_bad_input_is_a_problem_document(admin: Any) -> None:
    for method, path, body in BAD:
        refused = await admin(method, path, json=body)
        assert refused.status_code == 422, (method, path, refused.text)
        assert refused.json()["errors"][0]["rule"]


async def test_the_schema_of_a_flow_is_published(studio: Any) -> None:
    async with studio.client(None) as client:
        openapi = (await client.get("/openapi.json")).json()
    assert "Flow" in openapi["components"]["schemas"]
    put = openapi["paths"]["/ivr/flows/{name}/draft"]["put"]
    schema = put["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Flow"}
