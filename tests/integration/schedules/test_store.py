"""Who decides calls reads schedules and calendar in a query each; SQL holds the rules too."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from callcenter.platform.db import Database
from callcenter.schedules import store
from callcenter.schedules.model import InvalidSchedule, ScheduleEdit
from callcenter.schedules.seed import SCHEDULES, seed_schedules
from callcenter.schedules.work_calendar import DayKind, parse_calendar
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration


async def test_schedules_and_calendar_are_one_query_each(database: Database) -> None:
    async with database.transaction() as connection:
        await seed_schedules(connection, FixedClock())
    seen: list[str] = []
    async with database.transaction() as connection:
        event.listen(
            database.engine.sync_engine,
            "before_cursor_execute",
            lambda _c, _cur, statement, *_: seen.append(statement),
        )
        found = await store.schedules_by_name(connection, {"office", "nothing"})
        assert len(seen) == 1
        calendar = await store.work_calendar(connection)
        assert len(seen) == 2
    assert list(found) == ["office"]
    assert found["office"].model_dump(exclude={"name"}) == SCHEDULES["office"].model_dump()
    assert calendar.covers(2026)
    assert not calendar.covers(2003)
    listed = calendar.on(date(2026, 10, 10))
    assert listed is not None
    assert listed.kind is DayKind.MAKEUP
    assert parse_calendar(json.loads(json.dumps(calendar.as_json()))) == calendar


async def test_an_empty_calendar_has_data_for_no_year(database: Database) -> None:
    async with database.transaction() as connection:
        calendar = await store.work_calendar(connection)
        assert (dict(calendar.days), calendar.years) == ({}, frozenset())
        assert await store.missing_years(connection, (2026, 2027)) == [2026, 2027]
        assert await store.schedules_by_name(connection, []) == {}


async def test_two_starts_at_once_seed_once(database: Database) -> None:
    async def start() -> None:
        async with database.transaction() as connection:
            await seed_schedules(connection, FixedClock())

    await asyncio.gather(*(start() for _ in range(4)))
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM schedules")) == 2
        news = text("SELECT count(*), count(DISTINCT topic || key) FROM outbox")
        assert len({*(await connection.execute(news)).one()}) == 1


async def test_a_row_that_breaks_todays_rules_is_told(database: Database) -> None:
    async with database.transaction() as connection:
        await seed_schedules(connection, FixedClock())
        await connection.execute(
            text("UPDATE schedules SET definition = '{\"time_zone\": 1}' WHERE name = 'office'")
        )
        with pytest.raises(InvalidSchedule):
            await store.schedules_by_name(connection, ["office"])


async def test_the_longest_schedule_is_stored(database: Database) -> None:
    astral = "𠀀" * 200
    document = SCHEDULES["office"].as_json() | {
        "title": "𠀀" * 100,
        "exceptions": [
            {
                "date_from": f"{2000 + n // 300}-{n % 300 // 25 + 1:02}-{n % 25 + 1:02}",
                "date_to": f"{2000 + n // 300}-{n % 300 // 25 + 1:02}-{n % 25 + 1:02}",
                "hours": [f"{hour:02}:00-{hour:02}:30" for hour in range(10)],
                "reason": astral,
            }
            for n in range(500)
        ],
    }
    edit = ScheduleEdit.model_validate(document)
    async with database.transaction() as connection:
        at = FixedClock()()
        await store.add_schedule(connection, "longest", edit, by="x", at=at)
        row = await store.schedule_named(connection, "longest")
    assert row is not None
    assert row.schedule.exceptions == edit.exceptions


GOOD_DEFINITION = json.dumps({"exceptions": []})


BAD_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("schedules", {"name": "Bad"}),
    ("schedules", {"title": ""}),
    ("schedules", {"title": "x" * 101}),
    ("schedules", {"title": "a\nb"}),
    ("schedules", {"definition": "[]"}),
    ("schedules", {"definition": json.dumps({"exceptions": [1] * 501})}),
    ("schedules", {"definition": json.dumps({"exceptions": [], "x": "y" * 2_000_000})}),
    ("schedules", {"version": 0}),
    ("schedules", {"edited_by": ""}),
    ("work_calendar_days", {"day": "1999-12-31"}),
    ("work_calendar_days", {"day": "2200-01-01"}),
    ("work_calendar_days", {"kind": "party"}),
    ("work_calendar_days", {"name": ""}),
    ("work_calendar_days", {"name": "a\tb"}),
    ("work_calendar_days", {"source": "rumour"}),
    ("work_calendar_days", {"source": "manual"}),
    ("work_calendar_days", {"edited_by": "ling"}),
    ("work_calendar_years", {"year": 1999}),
    ("work_calendar_years", {"year": 2200}),
    ("work_calendar_years", {"source": "rumour"}),
]


async def test_sql_holds_the_rules_too(database: Database) -> None:
    good: dict[str, dict[str, Any]] = {
        "schedules": {
            "name": "good", "title": "x", "definition": GOOD_DEFINITION, "version": 1,
            "edited_at": "now", "edited_by": "x",
        },
        "work_calendar_days": {
            "day": "2026-10-01", "kind": "holiday", "name": "x", "source": "package",
            "edited_by": None,
        },
        "work_calendar_years": {
            "year": 2026, "source": "package", "seeded_at": "now", "seeded_by": "x",
        },
    }  # fmt: skip

    def statement(table: str, row: dict[str, Any]) -> str:
        literals = ", ".join(
            "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
            for value in row.values()
        )
        return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({literals})".replace(":", r"\:")

    async with database.transaction() as connection:
        for table, row in good.items():
            async with connection.begin_nested() as kept:
                await connection.execute(text(statement(table, row)))
                await kept.rollback()
        for table, values in BAD_ROWS:
            async with connection.begin_nested() as refused:
                with pytest.raises(DBAPIError, match="check constraint"):
                    await connection.execute(text(statement(table, good[table] | values)))
                await refused.rollback()
