"""Schedules and the work calendar over REST, on what an instance begins with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import chinese_calendar
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.ivr.seed import seed_defaults as seed_flow
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues.seed import seed_queues
from callcenter.schedules import api
from callcenter.schedules.seed import seed_schedules
from callcenter.schedules.service import CalendarService, ScheduleService
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
NIGHT = {
    "title": "夜间",
    "time_zone": "Asia/Shanghai",
    "hours": {"friday": ["22:00-06:00"]},
    "follow_work_calendar": False,
    "makeup_weekday": "monday",
    "holiday_hours": None,
    "exceptions": [
        {"date_from": "2026-03-06", "date_to": "2026-03-06", "hours": [], "reason": "停电"}
    ],
}


@dataclass
class Desk:
    database: Database
    clock: FixedClock
    client: httpx.AsyncClient

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.client.request(method, path, **more)

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def scalar(self, query: str) -> Any:
        async with self.database.transaction() as connection:
            return await connection.scalar(text(query))


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    clock = FixedClock()
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_schedules(connection, clock)
        await seed_flow(connection, clock)

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    schedules, calendar = ScheduleService(database, clock), CalendarService(database, clock)
    app.include_router(api.router(schedules, calendar, Guard(authenticate)))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://hotline",
        headers={"Authorization": "Bearer supervisor"},
    ) as client:
        yield Desk(database, clock, client)


async def test_an_instance_begins_with_office_hours_and_always(desk: Desk) -> None:
    listed = (await desk("GET", "/schedules")).json()
    assert [item["name"] for item in listed["items"]] == ["always", "office"]
    assert listed["next_cursor"] is None
    office = (await desk("GET", "/schedules/office")).json()
    assert office["hours"]["monday"] == ["09:00-12:00", "13:30-17:00"]
    assert "saturday" not in office["hours"]
    assert (office["time_zone"], office["follow_work_calendar"], office["version"]) == (
        "Asia/Shanghai", True, 1
    )  # fmt: skip
    # The clock stands at Monday 2026-03-02 17:00 in Shanghai.
    assert (await desk("GET", "/schedules/office/state")).json() == {
        "at": "2026-03-02T09:00:00Z",
        "open": False,
        "why": "weekly",
        "reason": None,
        "holiday": False,
        "next_change_at": "2026-03-03T01:00:00Z",
        "alarm": False,
    }
    always = (await desk("GET", "/schedules/always/state")).json()
    assert (always["open"], always["next_change_at"]) == (True, None)


STATES: list[tuple[str, bool, str, str | None, str | None]] = [
    ("2026-10-01T10:00:00+08:00", False, "holiday", "国庆节", "2026-10-08T01:00:00Z"),
    ("2026-10-10T10:00:00+08:00", True, "makeup", "国庆节调休", "2026-10-10T04:00:00Z"),
    ("2026-02-14T10:00:00+08:00", True, "makeup", "春节调休", "2026-02-14T04:00:00Z"),
    ("2026-02-28T14:00:00+08:00", True, "makeup", "春节调休", "2026-02-28T09:00:00Z"),
    ("2026-02-16T10:00:00+08:00", False, "holiday", "春节", "2026-02-24T01:00:00Z"),
    ("2199-06-03T10:00:00+08:00", True, "no_calendar", None, None),
]


async def test_the_state_at_a_moment_says_why_and_until_when(desk: Desk) -> None:
    for at, is_open, why, reason, next_change_at in STATES:
        state = (await desk("GET", "/schedules/office/state", params={"at": at})).json()
        assert state["open"] is is_open
        assert (state["why"], state["reason"]) == (why, reason)
        assert state["next_change_at"] == next_change_at
        assert state["alarm"] is (why == "no_calendar")
        assert state["holiday"] is (why == "holiday")


async def test_a_schedule_is_created_changed_and_removed(desk: Desk) -> None:
    created = await desk("POST", "/schedules", json={"name": "night", **NIGHT})
    assert created.status_code == 201
    assert created.json() == {
        "name": "night",
        **NIGHT,
        "version": 1,
        "edited_at": "2026-03-02T09:00:00Z",
        "edited_by": "ling",
    }
    etag = created.headers["etag"]
    assert (await desk("GET", "/schedules/night")).headers["etag"] == etag
    path, at = "/schedules/night/state", "2026-03-07T01:00:00+08:00"
    assert (await desk("GET", path, params={"at": at})).json()["open"] is False

    change = NIGHT | {"exceptions": []}
    changed = await desk("PUT", "/schedules/night", json=change, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await desk("GET", path, params={"at": at})).json()["open"] is True
    for method, body in [("PUT", change), ("DELETE", None)]:
        stale = await desk(method, "/schedules/night", json=body, headers={"If-Match": etag})
        assert stale.status_code == 412
    assert (await desk("DELETE", "/schedules/night", headers=ANY)).status_code == 204
    for method, path, body in [
        ("GET", "/schedules/night", None),
        ("PUT", "/schedules/night", change),
        ("DELETE", "/schedules/night", None),
        ("GET", "/schedules/night/state", None),
    ]:
        assert (await desk(method, path, json=body, headers=ANY)).status_code == 404


async def test_of_edits_based_on_the_same_version_one_is_taken(desk: Desk) -> None:
    etag = (await desk("GET", "/schedules/office")).headers["etag"]
    edits = await asyncio.gather(
        *(
            desk(
                "PUT", "/schedules/office", json=NIGHT | {"title": f"edit {n}"},
                headers={"If-Match": etag},
            )
            for n in range(8)
        )
    )  # fmt: skip
    assert sorted(reply.status_code for reply in edits) == [200] + [412] * 7
    (taken,) = (reply.json() for reply in edits if reply.status_code == 200)
    assert (await desk("GET", "/schedules/office")).json() == taken
    assert taken["version"] == 2


async def test_an_edit_says_what_it_is_based_on(desk: Desk) -> None:
    for method, body in [("PUT", NIGHT), ("DELETE", None)]:
        refused = await desk(method, "/schedules/office", json=body)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "If-Match"


async def test_a_name_is_used_once(desk: Desk) -> None:
    again = await desk("POST", "/schedules", json={"name": "office", **NIGHT})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/schedule-exists")


async def test_a_schedule_in_use_is_kept_and_its_users_are_named(desk: Desk) -> None:
    for version, kind, name in [
        (0, "schedule", "office"),
        (1, "schedule", "office"),
        (7, "schedule", "always"),  # neither draft nor active
        (1, "prompt", "always"),
    ]:
        await desk.sql(
            "INSERT INTO ivr_references (flow, version, kind, name) "
            "VALUES ('main', :version, :kind, :name)",
            version=version, kind=kind, name=name,
        )  # fmt: skip
    refused = await desk("DELETE", "/schedules/office", headers=ANY)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/schedule-in-use")
    assert "flow main (draft), flow main (version 1)" in refused.json()["detail"]
    assert (await desk("GET", "/schedules/office")).status_code == 200
    assert (await desk("DELETE", "/schedules/always", headers=ANY)).status_code == 204


async def test_the_list_is_paged(desk: Desk) -> None:
    for n in range(3):
        await desk("POST", "/schedules", json={"name": f"night{n}", **NIGHT})
    seen, cursor = [], None
    while True:
        page = (
            await desk(
                "GET", "/schedules", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["always", "night0", "night1", "night2", "office"]


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"name": "Night"}, "name"),
    ({"title": "a\x00b"}, "title"),
    ({"title": ""}, "title"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": "Asia/Olympus"}, "time_zone"),
    ({"hours": {"monday": ["09:00-09:00"]}}, "hours.monday.0"),
    ({"hours": {"monday": ["09:00-11:00", "10:00-12:00"]}}, "hours.monday"),
    ({"hours": {"blue": []}}, "hours.blue.[key]"),
    ({"follow_work_calendar": None}, "follow_work_calendar"),
    ({"makeup_weekday": "noday"}, "makeup_weekday"),
    ({"holiday_hours": ["x"]}, "holiday_hours.0"),
    ({"colour": "red"}, "colour"),
    ({"exceptions": [{"date_from": "2026-03-07", "date_to": "2026-03-06", "reason": "x"}]},
     "exceptions.0"),
    ({"exceptions": [{"date_from": 5, "date_to": "2026-03-06", "reason": "x"}]},
     "exceptions.0.date_from"),
    ({"exceptions": [{"date_from": "9999-12-31", "date_to": "9999-12-31", "reason": "x"}]},
     "exceptions.0.date_from"),
]  # fmt: skip


async def test_bad_input_names_its_field(desk: Desk) -> None:
    for change, field in BAD_FIELDS:
        refused = await desk("POST", "/schedules", json={"name": "night", **NIGHT} | change)
        assert refused.status_code == 422, change
        assert field in [error["field"] for error in refused.json()["errors"]], change
    assert await desk.scalar("SELECT count(*) FROM schedules") == 2


async def test_a_moment_that_is_none_is_refused(desk: Desk) -> None:
    for at in ("2026-03-02", "2026-03-02T09:00:00", "yesterday", "", "1e300", "-1", "\x00",
               "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00",
               "2026-03-02T09:00:00+99:99"):  # fmt: skip
        refused = await desk("GET", "/schedules/office/state", params={"at": at})
        assert refused.status_code == 422, at
        assert [error["field"] for error in refused.json()["errors"]] == ["at"]


async def test_the_first_and_the_last_moment_have_a_state(desk: Desk) -> None:
    for at in ("2000-01-01T00:00:00+14:00", "2199-12-31T23:59:59-12:00"):
        for name in ("office", "always"):
            reply = await desk("GET", f"/schedules/{name}/state", params={"at": at})
            assert reply.status_code == 200


async def test_the_seeded_calendar_is_the_packages(desk: Desk) -> None:
    years = (await desk("GET", "/work-calendar/years")).json()["items"]
    assert [year["year"] for year in years] == list(range(2004, years[-1]["year"] + 1))
    assert years[-1]["year"] >= 2026
    of_2026 = next(year for year in years if year["year"] == 2026)
    assert (of_2026["source"], of_2026["seeded_by"]) == ("package", "system")
    assert (of_2026["holidays"], of_2026["makeups"]) == (33, 6)
    page = (await desk("GET", "/work-calendar", params={"year": 2026})).json()
    assert page["next_cursor"] is None
    listed = {item["day"]: item["kind"] for item in page["items"]}
    assert len(listed) == 39
    day = date(2026, 1, 1)
    while day.year == 2026:
        kind = listed.get(day.isoformat())
        is_workday = kind == "makeup" or (kind is None and day.weekday() < 5)
        assert is_workday == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


async def test_a_day_is_edited_listed_and_taken_off(desk: Desk) -> None:
    path = "/work-calendar/2026-03-03"
    state = {"params": {"at": "2026-03-03T10:00:00+08:00"}}
    assert (await desk("GET", path)).status_code == 404
    put = await desk("PUT", path, json={"kind": "holiday", "name": "三月三"})
    assert (put.status_code, put.headers["etag"]) == (200, '"1"')
    assert put.json() == {
        "day": "2026-03-03",
        "kind": "holiday",
        "name": "三月三",
        "source": "manual",
        "version": 1,
        "edited_at": "2026-03-02T09:00:00Z",
        "edited_by": "ling",
    }
    assert (await desk("GET", "/schedules/office/state", **state)).json()["reason"] == "三月三"
    again = await desk("PUT", path, json={"kind": "makeup", "name": "补班"})
    assert (again.json()["version"], again.json()["kind"]) == (2, "makeup")
    for method, body in [("PUT", {"kind": "holiday", "name": "x"}), ("DELETE", None)]:
        stale = await desk(method, path, json=body, headers={"If-Match": '"1"'})
        assert stale.status_code == 412
    assert (await desk("DELETE", path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await desk("DELETE", path)).status_code == 404
    assert (await desk("GET", "/schedules/office/state", **state)).json()["why"] == "weekly"
    based_on_nothing = await desk(
        "PUT", path, json={"kind": "holiday", "name": "x"}, headers={"If-Match": '"1"'}
    )
    assert based_on_nothing.status_code == 412


async def test_seeding_again_leaves_what_was_edited_and_what_was_removed(desk: Desk) -> None:
    await desk("PUT", "/work-calendar/2026-10-01", json={"kind": "makeup", "name": "值班"})
    await desk("DELETE", "/work-calendar/2026-10-02")
    await desk("DELETE", "/schedules/office", headers=ANY)
    before = await desk.scalar("SELECT count(*) FROM work_calendar_days")
    async with desk.database.transaction() as connection:
        await seed_schedules(connection, desk.clock)
    assert await desk.scalar("SELECT count(*) FROM work_calendar_days") == before
    assert (await desk("GET", "/work-calendar/2026-10-01")).json()["name"] == "值班"
    assert (await desk("GET", "/work-calendar/2026-10-02")).status_code == 404
    assert (await desk("GET", "/schedules/office")).status_code == 404


async def test_a_newly_published_year_keeps_the_days_entered_before_it(desk: Desk) -> None:
    # As before an update of the package: 2019 is not there, one of its days was entered by hand.
    await desk.sql("DELETE FROM work_calendar_years WHERE year = 2019")
    await desk.sql("DELETE FROM work_calendar_days WHERE day BETWEEN '2018-12-29' AND '2019-12-31'")
    await desk("PUT", "/work-calendar/2019-01-01", json={"kind": "holiday", "name": "新年"})
    async with desk.database.transaction() as connection:
        await seed_schedules(connection, desk.clock)
    assert (await desk("GET", "/work-calendar/2019-01-01")).json()["name"] == "新年"
    # The notice for 2019 reaches back into December 2018.
    assert (await desk("GET", "/work-calendar/2018-12-29")).json()["kind"] == "makeup"


async def test_a_year_is_entered_by_hand_and_then_declared_complete(desk: Desk) -> None:
    state = {"params": {"at": "2199-06-03T10:00:00+08:00"}}
    not_published = await desk("POST", "/work-calendar/years", json={"year": 2199})
    assert not_published.status_code == 422
    assert "source manual" in not_published.json()["detail"]
    await desk("PUT", "/work-calendar/2199-06-04", json={"kind": "holiday", "name": "端午"})
    assert (await desk("GET", "/schedules/office/state", **state)).json()["alarm"] is True
    added = await desk("POST", "/work-calendar/years", json={"year": 2199, "source": "manual"})
    assert added.status_code == 201
    assert added.json() == {
        "year": 2199,
        "source": "manual",
        "seeded_at": "2026-03-02T09:00:00Z",
        "seeded_by": "ling",
        "holidays": 1,
        "makeups": 0,
    }
    assert (await desk("GET", "/schedules/office/state", **state)).json()["why"] == "weekly"
    again = await desk("POST", "/work-calendar/years", json={"year": 2199, "source": "manual"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/year-exists")
    assert (await desk("DELETE", "/work-calendar/years/2199")).status_code == 204
    assert (await desk("DELETE", "/work-calendar/years/2199")).status_code == 404
    assert (await desk("GET", "/schedules/office/state", **state)).json()["alarm"] is True
    assert (await desk("GET", "/work-calendar/2199-06-04")).status_code == 200


async def test_a_year_taken_off_is_loaded_from_the_package_again(desk: Desk) -> None:
    await desk("DELETE", "/work-calendar/years/2026")
    loaded = await desk("POST", "/work-calendar/years", json={"year": 2026})
    assert (loaded.status_code, loaded.json()["holidays"]) == (201, 33)


async def test_days_and_years_are_paged(desk: Desk) -> None:
    for path, key, most in [("/work-calendar", "day", 200), ("/work-calendar/years", "year", 9)]:
        whole = [
            item[key] for item in (await desk("GET", path, params={"limit": 500})).json()["items"]
        ]
        seen: list[Any] = []
        cursor: dict[str, str] = {}
        while len(seen) < len(whole):
            page = (await desk("GET", path, params={"limit": most, **cursor})).json()
            seen += [item[key] for item in page["items"]]
            cursor = {"cursor": page["next_cursor"]}
            if page["next_cursor"] is None:
                break
        assert seen[: len(whole)] == whole


BAD_REQUESTS: list[tuple[str, str, Any]] = [
    ("PUT", "/work-calendar/2026-02-30", {"kind": "holiday", "name": "x"}),
    ("PUT", "/work-calendar/1999-12-31", {"kind": "holiday", "name": "x"}),
    ("PUT", "/work-calendar/2200-01-01", {"kind": "holiday", "name": "x"}),
    ("PUT", "/work-calendar/2026-03-03", {"kind": "party", "name": "x"}),
    ("PUT", "/work-calendar/2026-03-03", {"kind": "holiday", "name": ""}),
    ("PUT", "/work-calendar/2026-03-03", {"kind": "holiday", "name": "a\x00"}),
    ("PUT", "/work-calendar/2026-03-03", {"kind": "holiday", "name": "字" * 101}),
    ("PUT", "/work-calendar/2026-03-03", {"kind": "holiday"}),
    ("GET", "/work-calendar?year=1999", None),
    ("GET", "/work-calendar?year=2200", None),
    ("GET", "/work-calendar?year=99999999999999999999", None),
    ("GET", "/work-calendar?cursor=WyJ4Il0", None),
    ("GET", "/work-calendar/years?cursor=WyJ4Il0", None),
    ("POST", "/work-calendar/years", {"year": 1999, "source": "manual"}),
    ("POST", "/work-calendar/years", {"year": 2200, "source": "manual"}),
    ("POST", "/work-calendar/years", {"year": 2026, "source": "rumour"}),
    ("DELETE", "/work-calendar/years/99999999999999999999", None),
    ("GET", "/schedules/%00", None),
    ("GET", "/schedules?cursor=x", None),
]


async def test_what_is_no_day_or_year_is_refused(desk: Desk) -> None:
    for method, path, body in BAD_REQUESTS:
        refused = await desk(method, path, json=body)
        assert refused.status_code == 422, path
        assert refused.headers["content-type"] == "application/problem+json"


async def test_what_is_not_shaped_like_a_date_is_no_day(desk: Desk) -> None:
    for path in ("/work-calendar/20260301", "/work-calendar/%00", "/work-calendar/2026-03-03T00"):
        assert (await desk("GET", path)).status_code == 404
    day = {"kind": "holiday", "name": "x"}
    assert (await desk("PUT", "/work-calendar/years", json=day)).status_code == 405


async def test_agents_read_and_change_nothing(desk: Desk) -> None:
    agent = {"Authorization": "Bearer agent"}
    for path in ("/schedules", "/schedules/office", "/schedules/office/state", "/work-calendar",
                 "/work-calendar/years", "/work-calendar/2026-10-01"):  # fmt: skip
        assert (await desk("GET", path, headers=agent)).status_code == 200, path
    for method, path, body in [
        ("POST", "/schedules", {"name": "night", **NIGHT}),
        ("PUT", "/schedules/office", NIGHT),
        ("DELETE", "/schedules/office", None),
        ("PUT", "/work-calendar/2026-10-01", {"kind": "holiday", "name": "x"}),
        ("DELETE", "/work-calendar/2026-10-01", None),
        ("POST", "/work-calendar/years", {"year": 2199, "source": "manual"}),
        ("DELETE", "/work-calendar/years/2026", None),
    ]:
        refused = await desk(method, path, json=body, headers={**agent, **ANY})
        assert refused.status_code == 403, path


async def test_every_change_is_news_and_raises_the_stamp(desk: Desk) -> None:
    for method, path, body, topic, key in [
        ("POST", "/schedules", {"name": "night", **NIGHT}, "schedule", "night"),
        ("PUT", "/schedules/night", NIGHT, "schedule", "night"),
        ("DELETE", "/schedules/night", None, "schedule", "night"),
        ("PUT", "/work-calendar/2026-10-01", {"kind": "holiday", "name": "x"},
         "work_calendar", "2026-10-01"),
        ("DELETE", "/work-calendar/2026-10-01", None, "work_calendar", "2026-10-01"),
        ("POST", "/work-calendar/years", {"year": 2199, "source": "manual"},
         "work_calendar", "2199"),
        ("DELETE", "/work-calendar/years/2199", None, "work_calendar", "2199"),
    ]:  # fmt: skip
        stamp = await desk.scalar("SELECT stamp FROM ivr_stamp")
        reply = await desk(method, path, json=body, headers=ANY if "night" in path else {})
        assert reply.is_success, path
        assert await desk.scalar("SELECT stamp FROM ivr_stamp") > stamp, path
        newest = "SELECT topic || ' ' || key FROM outbox ORDER BY news_id DESC LIMIT 1"
        assert await desk.scalar(newest) == f"{topic} {key}"
