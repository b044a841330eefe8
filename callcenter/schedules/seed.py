"""The schedules an instance begins with, and the work calendar as far as it is published."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.news import announce
from callcenter.schedules import store
from callcenter.schedules.model import WEEK, ScheduleEdit
from callcenter.schedules.published import published_days, published_years
from callcenter.schedules.store import Source

SEEDED_BY: Final = "system"

#: Name → schedule.
SCHEDULES: Final = {
    "office": ScheduleEdit(
        title="工作日 Office hours",
        time_zone="Asia/Shanghai",
        hours=dict.fromkeys(WEEK[:5], ("09:00-12:00", "13:30-17:00")),
        follow_work_calendar=True,
    ),
    "always": ScheduleEdit(
        title="全天 Day and night",
        time_zone="Asia/Shanghai",
        hours=dict.fromkeys(WEEK, ("00:00-24:00",)),
        follow_work_calendar=False,
    ),
}


async def seed_schedules(connection: AsyncConnection, clock: Clock) -> None:
    """The two schedules where there is none at all, and `seed_work_calendar`."""
    await seed_work_calendar(connection, clock)
    if await store.schedules_after(connection, limit=1):
        return
    for name, edit in SCHEDULES.items():
        await store.add_schedule(connection, name, edit, by=SEEDED_BY, at=clock())
        await announce(connection, "schedule", name)


async def seed_work_calendar(connection: AsyncConnection, clock: Clock) -> None:
    """Load each year the package knows and the table has not. Never touches a day that is there."""
    for year in sorted(published_years() - await store.known_years(connection)):
        if await store.add_year(connection, year, Source.PACKAGE, by=SEEDED_BY, at=clock()):
            await store.add_missing_days(connection, published_days(year))
            await announce(connection, "work_calendar", str(year))
