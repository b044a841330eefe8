"""What is done with schedules and with the work calendar."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Conflict, InvalidField, NotFound, Stale
from callcenter.platform.news import announce
from callcenter.schedules import store
from callcenter.schedules.hours import Hours, state_at
from callcenter.schedules.model import ScheduleEdit
from callcenter.schedules.published import published_days, published_years
from callcenter.schedules.store import DayRow, ScheduleRow, ScheduleSummary, Source, YearRow
from callcenter.schedules.work_calendar import NamedDay


class NoSuchSchedule(NotFound):
    """There is no schedule of that name."""

    slug = "no-such-schedule"


class ScheduleExists(Conflict):
    """There is a schedule of that name already."""

    slug = "schedule-exists"


class ScheduleInUse(Conflict):
    """The schedule is in use."""

    slug = "schedule-in-use"

    def __init__(self, users: Sequence[str]) -> None:
        self.users = tuple(users)
        super().__init__(f"The schedule is in use by: {', '.join(users)}.")


class NoSuchDay(NotFound):
    """The work calendar does not list that day."""

    slug = "no-such-day"


class NoSuchYear(NotFound):
    """The work calendar has no data for that year."""

    slug = "no-such-year"


class YearExists(Conflict):
    """The work calendar has data for that year already; edit its days."""

    slug = "year-exists"


class ScheduleService:
    """Use cases of `/schedules`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def schedules(self, after: str, limit: int) -> Sequence[ScheduleSummary]:
        async with self._database.transaction() as connection:
            return await store.schedules_after(connection, after, limit)

    async def schedule(self, name: str) -> ScheduleRow:
        """Raises `NoSuchSchedule`."""
        async with self._database.transaction() as connection:
            return await _schedule(connection, name)

    async def create(self, name: str, edit: ScheduleEdit, *, by: str) -> ScheduleRow:
        """Raises `ScheduleExists`."""
        try:
            async with self._database.transaction() as connection:
                await store.add_schedule(connection, name, edit, by=by, at=self._clock())
                await announce(connection, "schedule", name)
                return await _schedule(connection, name)
        except IntegrityError as exc:
            raise ScheduleExists from exc

    async def change(
        self, name: str, edit: ScheduleEdit, *, based_on: int | None, by: str
    ) -> ScheduleRow:
        """Raises `NoSuchSchedule`, `Stale` when it was edited after `based_on` (None: any)."""
        async with self._database.transaction() as connection:
            await _held(connection, name, based_on)
            await store.replace_schedule(connection, name, edit, by=by, at=self._clock())
            await announce(connection, "schedule", name)
            return await _schedule(connection, name)

    async def remove(self, name: str, *, based_on: int | None) -> None:
        """Raises `NoSuchSchedule`, `Stale`, `ScheduleInUse` naming who uses it."""
        async with self._database.transaction() as connection:
            await _held(connection, name, based_on)
            users = await store.users_of_schedule(connection, name)
            if users:
                raise ScheduleInUse(users)
            await store.remove_schedule(connection, name)
            await announce(connection, "schedule", name)

    async def state(self, name: str, at: datetime | None) -> tuple[datetime, Hours]:
        """What callers meet at `at` (None: now), and that moment. Raises `NoSuchSchedule`."""
        async with self._database.transaction() as connection:
            row = await _schedule(connection, name)
            calendar = await store.work_calendar(connection)
        at = at or self._clock()
        return at, state_at(row.schedule, calendar, at)


class CalendarService:
    """Use cases of `/work-calendar`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def days(self, year: int | None, after: date | None, limit: int) -> Sequence[DayRow]:
        async with self._database.transaction() as connection:
            return await store.calendar_days_after(connection, year, after, limit)

    async def day(self, day: date) -> DayRow:
        """Raises `NoSuchDay`."""
        async with self._database.transaction() as connection:
            return await _day(connection, day)

    async def set_day(self, day: date, named: NamedDay, *, based_on: int | None, by: str) -> DayRow:
        """List the day, or change it. Raises `Stale` when it is not as `based_on` (None: any)."""
        async with self._database.transaction() as connection:
            if based_on is not None:
                await _held_day(connection, day, based_on)
            await store.put_day(connection, day, named, by=by, at=self._clock())
            await announce(connection, "work_calendar", day.isoformat())
            return await _day(connection, day)

    async def remove_day(self, day: date, *, based_on: int | None) -> None:
        """The day is an ordinary one again. Raises `NoSuchDay`, `Stale`."""
        async with self._database.transaction() as connection:
            if based_on is not None:
                await _held_day(connection, day, based_on)
            if not await store.remove_day(connection, day):
                raise NoSuchDay
            await announce(connection, "work_calendar", day.isoformat())

    async def years(self, after: int, limit: int) -> Sequence[YearRow]:
        async with self._database.transaction() as connection:
            return await store.years_after(connection, after, limit)

    async def add_year(self, year: int, source: Source, *, by: str) -> YearRow:
        """Load a year from the package, or declare that its days were entered by hand.

        Days that are there stay. Raises `YearExists`, `InvalidField` for one the package has not.
        """
        if source is Source.PACKAGE and year not in published_years():
            raise InvalidField("year", _not_published())
        async with self._database.transaction() as connection:
            if not await store.add_year(connection, year, source, by=by, at=self._clock()):
                raise YearExists
            if source is Source.PACKAGE:
                await store.add_missing_days(connection, published_days(year))
            await announce(connection, "work_calendar", str(year))
            (row,) = await store.years_after(connection, 0, 1, only=year)
            return row

    async def remove_year(self, year: int) -> None:
        """The year has no data from now on, which is an alarm; its days stay listed.

        One the package knows is loaded again at the next start. Raises `NoSuchYear`.
        """
        async with self._database.transaction() as connection:
            if not await store.remove_year(connection, year):
                raise NoSuchYear
            await announce(connection, "work_calendar", str(year))


async def _schedule(connection: AsyncConnection, name: str) -> ScheduleRow:
    row = await store.schedule_named(connection, name)
    if row is None:
        raise NoSuchSchedule
    return row


async def _held(connection: AsyncConnection, name: str, based_on: int | None) -> None:
    row = await store.schedule_named(connection, name, for_update=True)
    if row is None:
        raise NoSuchSchedule
    if based_on is not None and based_on != row.version:
        raise Stale


async def _day(connection: AsyncConnection, day: date) -> DayRow:
    row = await store.calendar_day(connection, day)
    if row is None:
        raise NoSuchDay
    return row


async def _held_day(connection: AsyncConnection, day: date, based_on: int) -> None:
    row = await store.calendar_day(connection, day, for_update=True)
    if row is None or based_on != row.version:
        raise Stale


def _not_published() -> str:
    years = sorted(published_years())
    return (
        f"the installed package chinesecalendar has {years[0]} to {years[-1]}: update it, or enter "
        "the days and load the year with source manual"
    )
