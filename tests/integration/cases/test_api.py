"""Cases over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from httpx import Response

from callcenter.cases.api import router
from callcenter.cases.number import case_number
from callcenter.cases.service import CaseService
from callcenter.platform.db import Database
from callcenter.testing.desk import Desk, add_call, open_desk

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with open_desk(
        database, lambda guard, clock: [router(CaseService(database, clock), guard)]
    ) as desk:
        yield desk


async def opened(desk: Desk, **fields: object) -> dict[str, Any]:
    reply = await desk.aki.post("/cases", json={"title": "Lamp"} | fields)
    assert reply.status_code == 201, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def a_call(desk: Desk) -> str:
    async with desk.database.transaction() as connection:
        return str(await add_call(connection, desk.clock()))


def rule(reply: Response) -> tuple[int, str]:
    assert reply.headers["Content-Type"] == "application/problem+json", reply.text
    [error] = reply.json()["errors"]
    assert error["rule"]
    return reply.status_code, error["field"]


async def test_the_whole_life_of_a_case_stands_in_its_history(desk: Desk) -> None:
    call_id = await a_call(desk)
    case = await opened(desk, citizen_words="路灯不亮\n三天了", category="照明", call_id=call_id)
    path = f"/cases/{case['case_number']}"
    second = await a_call(desk)
    steps: list[tuple[str, str, dict[str, str]]] = [
        ("PATCH", path, {"title": "Street lamp"}),
        ("POST", f"{path}/notes", {"text": "told the works"}),
        ("POST", f"{path}/calls", {"call_id": second}),
        ("POST", f"{path}/close", {"reason": "repaired"}),
        ("POST", f"{path}/reopen", {"reason": "dark again"}),
    ]
    codes = []
    for version, (method, where, body) in enumerate(steps, start=2):
        desk.clock.forward(timedelta(minutes=1))
        reply = await desk.sven.request(method, where, json=body, headers=ANY)
        codes.append(reply.status_code)
        assert reply.headers["ETag"] == f'"{version}"'
    assert codes == [200, 201, 201, 200, 200]
    file = (await desk.aki.get(path)).json()
    assert [(e["seq"], e["actor"], e["kind"]) for e in file["history"]] == [
        (1, "aki", "opened"),
        (2, "sven", "edited"),
        (3, "sven", "note_added"),
        (4, "sven", "call_linked"),
        (5, "sven", "closed"),
        (6, "sven", "reopened"),
    ]
    assert file["history"][1]["detail"] == {"title": {"from": "Lamp", "to": "Street lamp"}}
    assert file["history"][4]["detail"]["state"] == {"from": "open", "to": "closed"}
    assert [(c["call_id"], c["relation"]) for c in file["calls"]] == [
        (call_id, "origin"),
        (second, "linked"),
    ]
    assert [note["text"] for note in file["notes"]] == ["told the works"]
    assert (file["state"], file["closed_at"], file["attachments"]) == ("open", None, [])
    assert file["citizen_words"] == "路灯不亮\n三天了"
    assert file["opened_at"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize("who", ["nobody", "agent", "supervisor", "admin"])
async def test_everybody_who_is_logged_in_works_on_cases_and_nobody_else(
    desk: Desk, who: str
) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    for method, where, body in [
        ("GET", "/cases", None),
        ("POST", "/cases", {"title": "x"}),
        ("GET", path, None),
        ("PATCH", path, {"title": "y"}),
        ("POST", f"{path}/notes", {"text": "x"}),
        ("POST", f"{path}/calls", {"call_id": await a_call(desk)}),
        ("POST", f"{path}/close", {"reason": "x"}),
        ("POST", f"{path}/reopen", {"reason": "x"}),
    ]:
        reply = await desk.client(who).request(method, where, json=body, headers=ANY)
        assert reply.status_code == 401 if who == "nobody" else reply.is_success, (method, where)


async def test_an_act_the_state_does_not_allow_says_what_is_allowed(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    refused = await desk.aki.post(f"{path}/reopen", json={"reason": "x"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/illegal-transition")
    assert "edit, add_note, link_call, close" in refused.json()["detail"]
    closed = await desk.aki.post(f"{path}/close", json={"reason": "x"})
    assert closed.json()["allowed"] == ["add_note", "link_call", "reopen"]
    for reply in (
        await desk.aki.post(f"{path}/close", json={"reason": "x"}),
        await desk.aki.patch(path, json={"title": "y"}, headers=ANY),
    ):
        assert reply.status_code == 409
        assert "now allowed: add_note, link_call, reopen" in reply.json()["detail"]


async def test_a_state_is_never_patched(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    for field in ["state", "closed_at", "case_number", "version", "opened_by"]:
        reply = await desk.aki.patch(path, json={field: "closed"}, headers=ANY)
        assert rule(reply) == (422, field)


async def test_a_number_that_cannot_be_is_422_and_one_that_is_not_is_404(desk: Desk) -> None:
    unknown = case_number(2026, 9_000_000)
    wrong = unknown[:9] + str((int(unknown[9]) + 1) % 10)
    acts = [("GET", "", None), ("PATCH", "", {"title": "x"}), ("POST", "/notes", {"text": "x"}),
            ("POST", "/calls", {"call_id": str(uuid4())}), ("POST", "/close", {"reason": "x"}),
            ("POST", "/reopen", {"reason": "x"})]  # fmt: skip
    for method, rest, body in acts:
        missing = await desk.aki.request(method, f"/cases/{unknown}{rest}", json=body, headers=ANY)
        assert (missing.status_code, missing.json()["type"]) == (404, "/problems/no-such-case")
        for bad in (wrong, "123", "%00", quote("１２３４５６７８９０"), "%ED%A0%80"):
            reply = await desk.aki.request(method, f"/cases/{bad}{rest}", json=body, headers=ANY)
            assert rule(reply) == (422, "case_number")
    told = (await desk.aki.get(f"/cases/{wrong}")).json()["errors"][0]["rule"]
    assert "check digit" in told


CONTROLS = ["a\0b", "a\x1bb", "\ud800", "x\udfff", "a\x85b"]


async def test_a_text_the_database_cannot_keep_is_refused_by_name_everywhere(desk: Desk) -> None:
    for bad in [*CONTROLS, "x" * 1_000_000, 5, None, ["x"], {"a": 1}]:
        await _refused_everywhere(desk, bad)


async def _refused_everywhere(desk: Desk, bad: object) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    headers = ANY | {"Content-Type": "application/json"}
    for method, where, body, field in [
        ("POST", "/cases", {"title": bad}, "title"),
        ("POST", "/cases", {"title": "x", "citizen_words": bad}, "citizen_words"),
        ("POST", "/cases", {"title": "x", "category": bad}, "category"),
        ("POST", "/cases", {"title": "x", "call_id": bad}, "call_id"),
        ("PATCH", path, {"title": bad}, "title"),
        ("PATCH", path, {"citizen_words": bad}, "citizen_words"),
        ("PATCH", path, {"category": bad}, "category"),
        ("POST", f"{path}/notes", {"text": bad}, "text"),
        ("POST", f"{path}/calls", {"call_id": bad}, "call_id"),
        ("POST", f"{path}/close", {"reason": bad}, "reason"),
    ]:
        if field == "call_id" and where == "/cases" and bad is None:
            continue
        reply = await desk.aki.request(method, where, content=json.dumps(body), headers=headers)
        assert rule(reply) == (422, field), (method, where, body if bad != "x" * 1_000_000 else "")
        assert len(reply.text) < 2000
    assert (await desk.aki.get(path)).json()["version"] == 1


BAD_QUERIES = [
    ("q=%00", "q"),
    ("q=" + "x" * 5000, "q"),
    ("category=%00", "category"),
    ("state=lost", "state"),
    ("call_id=x", "call_id"),
    ("opened_after=yesterday", "opened_after"),
    ("opened_after=2026-01-01T00:00:00", "opened_after"),
    ("opened_after=0001-01-01T00:00:00%2B14:00", "opened_after"),
    ("opened_before=9999-12-31T23:59:59-14:00", "opened_before"),
    ("limit=0", "limit"),
    ("limit=501", "limit"),
    ("limit=99999999999999999999", "limit"),
    ("cursor=x", "cursor"),
    ("cursor=WyJ4IiwieSJd", "cursor"),
    ("cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwieCJd", "cursor"),
]


async def test_a_question_that_breaks_a_rule_is_refused_by_name(desk: Desk) -> None:
    for query, field in BAD_QUERIES:
        assert rule(await desk.aki.get(f"/cases?{query}")) == (422, field), query[:80]


async def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    etag = (await desk.aki.get(path)).headers["ETag"]
    await desk.sven.post(f"{path}/notes", json={"text": "x"})
    for method, where, body in [
        ("PATCH", path, {"title": "y"}),
        ("POST", f"{path}/close", {"reason": "y"}),
    ]:
        stale = await desk.aki.request(method, where, json=body, headers={"If-Match": etag})
        assert (stale.status_code, stale.json()["type"]) == (412, "/problems/stale")
    assert rule(await desk.aki.patch(path, json={"title": "y"})) == (422, "If-Match")
    fresh = {"If-Match": (await desk.aki.get(path)).headers["ETag"]}
    assert (await desk.aki.patch(path, json={"title": "y"}, headers=fresh)).status_code == 200


async def test_of_ten_edits_of_one_version_at_once_one_wins(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    replies = await asyncio.gather(
        *(
            desk.aki.patch(path, json={"title": f"t{n}"}, headers={"If-Match": '"1"'})
            for n in range(10)
        )
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [412] * 9


async def test_twenty_notes_at_once_all_stay_in_order(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    await asyncio.gather(
        *(desk.aki.post(f"{path}/notes", json={"text": f"n{n}"}) for n in range(20))
    )
    file = (await desk.aki.get(path)).json()
    assert [event["seq"] for event in file["history"]] == list(range(1, 22))
    assert {note["text"] for note in file["notes"]} == {f"n{n}" for n in range(20)}


async def test_of_two_closings_at_once_one_is_refused(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    replies = await asyncio.gather(
        *(desk.aki.post(f"{path}/close", json={"reason": "x"}) for _ in range(2))
    )
    assert sorted(reply.status_code for reply in replies) == [200, 409]


async def test_a_call_linked_ten_times_at_once_is_linked_once(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    call_id = await a_call(desk)
    replies = await asyncio.gather(
        *(desk.aki.post(f"{path}/calls", json={"call_id": call_id}) for _ in range(10))
    )
    assert {reply.status_code for reply in replies} == {201}
    file = (await desk.aki.get(path)).json()
    assert (len(file["calls"]), file["version"]) == (1, 2)


async def test_a_call_nobody_knows_is_not_found(desk: Desk) -> None:
    path = f"/cases/{(await opened(desk))['case_number']}"
    for reply in (
        await desk.aki.post("/cases", json={"title": "x", "call_id": str(uuid4())}),
        await desk.aki.post(f"{path}/calls", json={"call_id": str(uuid4())}),
    ):
        assert (reply.status_code, reply.json()["type"]) == (404, "/problems/no-such-call")


async def test_the_second_matter_of_a_call_is_a_case_of_its_own(desk: Desk) -> None:
    call_id = await a_call(desk)
    first, second = await opened(desk, call_id=call_id), await opened(desk, call_id=call_id)
    assert (first["origin_call_id"], second["origin_call_id"]) == (call_id, None)
    found = (await desk.aki.get("/cases", params={"call_id": call_id})).json()["items"]
    assert {c["case_number"] for c in found} == {first["case_number"], second["case_number"]}


async def test_a_list_is_filtered(desk: Desk) -> None:
    lamp = await opened(desk, title="路灯不亮", category="照明")
    desk.clock.forward(timedelta(minutes=30))
    noise = await opened(desk, title="Noise", citizen_words="100% of the night_")
    await desk.aki.post(f"/cases/{noise['case_number']}/close", json={"reason": "x"})

    async def numbers(**query: str) -> list[str]:
        items = (await desk.aki.get("/cases", params=query)).json()["items"]
        return [case["case_number"] for case in items]

    both = [noise["case_number"], lamp["case_number"]]
    assert await numbers() == both
    assert await numbers(state="closed") == both[:1]
    assert await numbers(category="照明") == both[1:]
    assert await numbers(q="路灯") == both[1:]
    assert await numbers(q="0% OF") == both[:1]
    assert await numbers(q="%") == both[:1]
    assert await numbers(q="t_") == both[:1]
    assert await numbers(q="\\") == []
    assert await numbers(opened_after="2026-03-02T09:30:00Z") == both[:1]
    assert await numbers(opened_before="2026-03-02T17:30:00+08:00") == both[1:]
    assert await numbers(call_id=str(uuid4())) == []


async def test_a_list_read_page_by_page_shows_each_case_once_also_within_one_moment(
    desk: Desk,
) -> None:
    expected = {(await opened(desk))["case_number"] for _ in range(5)}
    desk.clock.forward(timedelta(microseconds=1))
    expected |= {(await opened(desk))["case_number"] for _ in range(5)}
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = (await desk.aki.get("/cases", params=query)).json()
        seen += [case["case_number"] for case in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert len(seen) == 10
    assert set(seen) == expected


async def test_a_body_that_is_no_object_is_a_problem_not_a_fault(desk: Desk) -> None:
    for body in [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"null", b"[" * 100_000]:
        reply = await desk.aki.post(
            "/cases", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code in (400, 422), body[:10]
        assert reply.headers["Content-Type"] == "application/problem+json"
