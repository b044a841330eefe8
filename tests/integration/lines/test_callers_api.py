"""The nuisance list and the priority list over REST: kept for ever, counting for a while."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.lines.callers import api
from callcenter.lines.callers.service import CallerListService
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

NUMBER = "+8613800138000"


@dataclass
class Lists:
    database: Database
    clock: FixedClock
    client: httpx.AsyncClient

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.client.request(method, f"/callers{path}", **more)

    def until(self, **ahead: float) -> str:
        return (self.clock() + timedelta(**ahead)).isoformat()

    async def block(self, number: str = NUMBER, **change: Any) -> httpx.Response:
        body = {"number": number, "reason": "rings all night", "expires_at": self.until(days=30)}
        return await self("POST", "/blocked", json=body | change)

    async def prioritise(self, number: str = NUMBER, **change: Any) -> httpx.Response:
        body = {"number": number, "priority": 10, "reason": "dialysis at home"}
        return await self("POST", "/priority", json=body | change)


@pytest.fixture
async def lists(database: Database) -> AsyncIterator[Lists]:
    clock = FixedClock()

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    service = CallerListService(database, clock, region="CN")
    app.include_router(api.router(service, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer supervisor"},
    ) as client:
        yield Lists(database, clock, client)


async def test_a_number_is_blocked_as_it_is_dialled_and_says_who_why_and_until_when(
    lists: Lists,
) -> None:
    blocked = await lists.block("138 0013-8000")
    assert blocked.status_code == 201, blocked.text
    made = blocked.json()
    assert made["number"] == NUMBER
    assert (made["reason"], made["listed_by"], made["active"]) == ("rings all night", "ling", True)
    assert (await lists("GET", f"/blocked/{made['id']}")).json() == made
    listed = (await lists("GET", "/blocked", params={"number": "13800138000"})).json()
    assert listed == {"items": [made], "next_cursor": None}
    assert (await lists("GET", "/priority")).json()["items"] == []
    assert (await lists("GET", f"/priority/{made['id']}")).status_code == 404


async def test_an_entry_is_lifted_with_a_reason_once_and_stays_to_be_read(lists: Lists) -> None:
    made = (await lists.block()).json()
    lift = f"/blocked/{made['id']}/lift"
    assert (await lists("POST", lift, json={"reason": " "})).status_code == 422
    lifted = await lists("POST", lift, json={"reason": "was the neighbour"})
    assert lifted.status_code == 200, lifted.text
    entry = lifted.json()
    assert (entry["lifted_by"], entry["lifted_reason"]) == ("ling", "was the neighbour")
    assert (entry["active"], entry["reason"]) == (False, "rings all night")
    again = await lists("POST", lift, json={"reason": "x"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-lifted")
    assert (await lists("GET", "/blocked", params={"active": "false"})).json()["items"] == [entry]
    assert (await lists("GET", "/blocked", params={"active": "true"})).json()["items"] == []
    assert (await lists.block()).status_code == 201, "and the number can be listed again"


async def test_an_entry_ends_by_the_clock_and_makes_room_for_another(lists: Lists) -> None:
    made = (await lists.block(expires_at=lists.until(days=1))).json()
    lists.clock.forward(timedelta(days=1))
    assert (await lists("GET", f"/blocked/{made['id']}")).json()["active"] is False
    assert (await lists("GET", "/blocked", params={"active": "true"})).json()["items"] == []
    assert (await lists.block()).status_code == 201


async def test_a_number_is_on_one_list_at_most(lists: Lists) -> None:
    assert (await lists.block()).status_code == 201
    for refused in (await lists.block(), await lists.prioritise()):
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/already-listed")
    assert (await lists.prioritise("+8613800138001")).status_code == 201
    assert (await lists.block("+8613800138001")).status_code == 409


async def test_a_caller_comes_first_for_as_long_as_it_is_wanted(lists: Lists) -> None:
    made = (await lists.prioritise()).json()
    assert (made["priority"], made["expires_at"], made["active"]) == (10, None, True)
    lists.clock.forward(timedelta(days=4000))
    assert (await lists("GET", f"/priority/{made['id']}")).json()["active"] is True
    lifted = await lists("POST", f"/priority/{made['id']}/lift", json={"reason": "well again"})
    assert lifted.json()["active"] is False


async def test_the_list_is_paged_newest_first(lists: Lists) -> None:
    ids = [(await lists.block(f"+861380013800{n}")).json()["id"] for n in range(5)]
    seen: list[int] = []
    cursor = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await lists("GET", "/blocked", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


async def test_bad_input_names_its_field(lists: Lists) -> None:
    for change, field in [
        ({"number": "hello"}, "number"),
        ({"number": "1"}, "number"),
        ({"number": "13800138000\x00"}, "number"),
        ({"number": "9" * 41}, "number"),
        ({"reason": ""}, "reason"),
        ({"reason": "\ud800"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"expires_at": lists.until(days=367)}, "expires_at"),
        ({"expires_at": lists.until(seconds=-1)}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"priority": 3}, "priority"),
    ]:
        body = {"number": NUMBER, "reason": "x", "expires_at": lists.until(days=1)} | change
        refused = await lists(
            "POST",
            "/blocked",
            content=json.dumps(body),  # httpx cannot write half a surrogate pair
            headers={"Content-Type": "application/json"},
        )
        assert refused.status_code == 422, (change, refused.text)
        assert [e["field"] for e in refused.json()["errors"]] == [field], change
    for change in ({"priority": 0}, {"priority": 21}, {"priority": 10**30}):
        assert (await lists.prioritise(**change)).status_code == 422
    for path in ("/blocked/0", f"/blocked/{2**63}", "/blocked/x", f"/blocked/{'9' * 5000}"):
        assert (await lists("GET", path)).status_code == 422
    for cursor in ("x", "WyJ4Il0", "WyItMSJd", "WyLCsiJd", ""):
        assert (await lists("GET", "/blocked", params={"cursor": cursor})).status_code in (200, 422)
    assert (await lists("GET", f"/blocked/{2**63 - 1}")).status_code == 404


async def test_agents_read_the_lists_and_change_neither(lists: Lists) -> None:
    made = (await lists.block()).json()
    agent = {"Authorization": "Bearer agent"}
    assert (await lists("GET", "/blocked", headers=agent)).status_code == 200
    assert (await lists("GET", f"/blocked/{made['id']}", headers=agent)).status_code == 200
    for path, body in [
        ("/blocked", {"number": "13800138001", "reason": "x", "expires_at": lists.until(days=1)}),
        ("/priority", {"number": "13800138001", "reason": "x", "priority": 1}),
        (f"/blocked/{made['id']}/lift", {"reason": "x"}),
        (f"/priority/{made['id']}/lift", {"reason": "x"}),
    ]:
        refused = await lists("POST", path, json=body, headers=agent)
        assert refused.status_code == 403, path


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM listed_callers",
        "UPDATE listed_callers SET reason = 'another'",
        "UPDATE listed_callers SET number = '+8613800138001'",
        "UPDATE listed_callers SET expires_at = expires_at + interval '1 day'",
        "UPDATE listed_callers SET lifted_at = now()",
        "INSERT INTO listed_callers (list, number, reason, listed_at, listed_by, expires_at)"
        " VALUES ('blocked', '123', 'x', now(), 'x', now() + interval '367 days')",
        "INSERT INTO listed_callers (list, number, reason, listed_at, listed_by)"
        " VALUES ('blocked', '123', 'x', now(), 'x')",
        "INSERT INTO listed_callers (list, number, reason, listed_at, listed_by, priority)"
        " VALUES ('priority', '123', 'x', now(), 'x', 21)",
        "INSERT INTO listed_callers (list, number, reason, listed_at, listed_by)"
        " VALUES ('priority', '123', 'x', now(), 'x')",
    ],
)
async def test_the_rules_stand_in_the_table_too(lists: Lists, statement: str) -> None:
    await lists.block()
    with pytest.raises(IntegrityError):
        async with lists.database.transaction() as connection:
            await connection.execute(text(statement))
