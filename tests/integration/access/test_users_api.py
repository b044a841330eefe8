"""Users over REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from httpx import Response

from callcenter.access.model import Role
from callcenter.platform.db import Database
from callcenter.testing.desk import PASSWORD, Desk, open_desk

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with open_desk(database, lambda _guard, _clock: []) as desk:
        yield desk


def rule(reply: Response) -> tuple[int, str, str]:
    body = reply.json()
    assert reply.headers["Content-Type"] == "application/problem+json"
    [error] = body["errors"]
    return reply.status_code, error["field"], error["rule"]


MATRIX = [
    ("GET", "/auth/me", None, "agent"),
    ("POST", "/auth/logout", None, "agent"),
    ("PUT", "/auth/password", {"old_password": PASSWORD, "new_password": PASSWORD}, "agent"),
    ("GET", "/users", None, "admin"),
    ("POST", "/users", {"name": "kim", "password": PASSWORD, "role": "agent"}, "admin"),
    ("GET", "/users/aki", None, "admin"),
    ("PATCH", "/users/aki", {"active": True}, "admin"),
    ("PUT", "/users/kim/password", {"password": PASSWORD}, "admin"),
]


@pytest.mark.parametrize("who", ["nobody", "agent", "supervisor", "admin"])
async def test_each_endpoint_lets_in_its_role_and_those_above(desk: Desk, who: str) -> None:
    await desk.access.create_user("kim2", PASSWORD, Role.AGENT)
    ranks = ["nobody", "agent", "supervisor", "admin"]
    for method, path, body, least in sorted(MATRIX, key=lambda row: row[1] == "/auth/logout"):
        path = path.replace("/kim/", "/kim2/")
        reply = await desk.client(who).request(method, path, json=body, headers=ANY)
        if who == "nobody":
            assert reply.status_code == 401, (method, path)
        elif ranks.index(who) < ranks.index(least):
            assert reply.status_code == 403, (method, path)
            assert least in reply.json()["detail"]
        else:
            assert reply.status_code in (200, 201, 204), (method, path, reply.text)


async def test_a_user_that_was_added_can_log_in_and_is_listed(desk: Desk) -> None:
    reply = await desk.anna.post(
        "/users", json={"name": "kim", "password": PASSWORD, "role": "supervisor"}
    )
    assert reply.status_code == 201
    assert reply.headers["ETag"] == '"1"'
    assert set(reply.json()) == {"user_id", "name", "role", "active", "created_at", "version"}
    assert (await desk.anna.get("/users/kim")).json() == reply.json()
    assert (await desk.access.login("kim", PASSWORD)).principal.name == "kim"


async def test_a_list_is_read_page_by_page(desk: Desk) -> None:
    for number in range(4):
        await desk.anna.post(
            "/users", json={"name": f"u{number}", "password": PASSWORD, "role": "agent"}
        )
    names, cursor = [], None
    while True:
        page = (
            await desk.anna.get(
                "/users", params={"limit": 3} | ({"cursor": cursor} if cursor else {})
            )
        ).json()
        names += [user["name"] for user in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert names == ["aki", "anna", "sven", "u0", "u1", "u2", "u3"]


async def test_a_name_that_is_taken_is_a_conflict(desk: Desk) -> None:
    body = {"name": "aki", "password": PASSWORD, "role": "agent"}
    reply = await desk.anna.post("/users", json=body)
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/name-taken")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "A b"}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x" * 1_000_000}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1_000_000}, "password"),
        ({"password": "12345678\ud800"}, "password"),
        ({"role": "god"}, "role"),
        ({"more": 1}, "more"),
        ({"\ud800": 1}, "body"),
        ({"x" * 1_000_000: 1}, "x" * 200),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(
    desk: Desk, change: dict[str, object], field: str
) -> None:
    body = {"name": "kim", "password": PASSWORD, "role": "agent"} | change
    reply = await desk.anna.post(
        "/users", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    status, named, _ = rule(reply)
    assert (status, named) == (422, field)


@pytest.mark.parametrize("name", ["ghost", "%00", "A%20b", "%ED%A0%80"])
async def test_a_user_nobody_knows_is_not_found(desk: Desk, name: str) -> None:
    replies = [
        await desk.anna.get(f"/users/{name}"),
        await desk.anna.patch(f"/users/{name}", json={"active": True}, headers=ANY),
        await desk.anna.put(f"/users/{name}/password", json={"password": PASSWORD}),
    ]
    assert [reply.status_code for reply in replies] == [404] * 3


async def test_an_edit_of_what_somebody_changed_meanwhile_is_refused(desk: Desk) -> None:
    etag = (await desk.anna.get("/users/aki")).headers["ETag"]
    first = await desk.anna.patch(
        "/users/aki", json={"role": "supervisor"}, headers={"If-Match": etag}
    )
    second = await desk.anna.patch("/users/aki", json={"role": "admin"}, headers={"If-Match": etag})
    assert (first.status_code, second.status_code) == (200, 412)
    assert first.headers["ETag"] == '"2"'
    missing = await desk.anna.patch("/users/aki", json={"role": "admin"})
    assert rule(missing)[:2] == (422, "If-Match")


async def test_the_last_admin_stays_one_even_when_two_leave_at_once(desk: Desk) -> None:
    await desk.anna.patch("/users/sven", json={"role": "admin"}, headers=ANY)
    replies = await asyncio.gather(
        desk.anna.patch("/users/anna", json={"role": "agent"}, headers=ANY),
        desk.sven.patch("/users/sven", json={"active": False}, headers=ANY),
    )
    assert sorted(reply.status_code for reply in replies) == [200, 409]


async def test_a_password_set_by_an_admin_ends_every_token_of_that_user(desk: Desk) -> None:
    assert (
        await desk.anna.put("/users/aki/password", json={"password": "battery staple"})
    ).status_code == 204
    assert (await desk.aki.get("/auth/me")).status_code == 401
    assert (await desk.access.login("aki", "battery staple")).principal.name == "aki"


async def test_a_cursor_we_did_not_make_is_refused(desk: Desk) -> None:
    for cursor in ["x", "e30", "WzFd", "WyJcdTAwMDAiXQ", "WyJcdWQ4MDAiXQ"]:
        assert rule(await desk.anna.get("/users", params={"cursor": cursor}))[:2] == (422, "cursor")
