"""The work calendar: public holidays, make-up workdays (调休), and counting in working days.

Days that are not listed are ordinary (Monday to Friday work, Saturday and Sunday do not), but only
in years the calendar has data for: what a year without data holds is not known, and nobody guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from callcenter.platform.errors import Conflict, InvalidField

#: Dates outside are taken for typing mistakes. The same bounds stand in SQL.
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199
MAX_NAME: Final = 100  #: characters of a day's name
MAX_COUNTED_DAYS: Final = 3660  #: the longest time limit in days

#: Where the calendar's year begins. Its days are dates and need no zone.
ZONE: Final = "Asia/Shanghai"

#: Next year's notice is published in November: from this month on its absence is an alarm.
_NEXT_YEAR_WANTED_FROM_MONTH: Final = 12

_SATURDAY: Final = 5  # as date.weekday() counts


class DayKind(StrEnum):
    """What makes a day other than its weekday says."""

    HOLIDAY = "holiday"  #: nobody works, whatever weekday it is
    MAKEUP = "makeup"  #: worked in place of a day off (调休), as a rule a Saturday or Sunday


class DayUnit(StrEnum):
    """What a time limit in days counts."""

    WORKDAYS = "workdays"
    CALENDAR_DAYS = "calendar_days"


class NoCalendar(Conflict):
    """The work calendar has no data for that year."""

    slug = "no-work-calendar"

    def __init__(self, year: int) -> None:
        self.year = year
        super().__init__(
            f"The work calendar has no data for {year}: load or complete the year "
            "(POST /api/v1/work-calendar/years)."
        )


@dataclass(frozen=True, slots=True)
class NamedDay:
    """A listed day, e.g. holiday 国庆节."""

    kind: DayKind
    name: str


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Listed days, and the years that are known in full."""

    days: Mapping[date, NamedDay]
    years: frozenset[int]

    def covers(self, year: int) -> bool:
        """Whether every day of that year is known: a day not listed is an ordinary one."""
        return year in self.years

    def on(self, day: date) -> NamedDay | None:
        """The listed day; None where it is ordinary or not known (`covers` tells which)."""
        return self.days.get(_pure(day))

    def is_workday(self, day: date) -> bool:
        """Raises `NoCalendar` for a day that is not listed, in a year without data."""
        listed = self.on(day)
        if listed is not None:
            return listed.kind is DayKind.MAKEUP
        if not self.covers(day.year):
            raise NoCalendar(day.year)
        return day.weekday() < _SATURDAY

    def add_workdays(self, start: date, n: int) -> date:
        """The n-th workday after `start`; counting from a day off begins on the next workday.

        `n`: 0 to MAX_COUNTED_DAYS; 0 is `start` itself or, from a day off, the next workday.
        Raises `InvalidField`, `NoCalendar`.
        """
        _countable(n)
        day = self._workday_from(start)
        for _ in range(n):
            day = self._workday_from(day + timedelta(days=1))
        return day

    def deadline(
        self,
        start: datetime,
        n: int,
        unit: DayUnit = DayUnit.WORKDAYS,
        *,
        zone: tzinfo | None = None,
    ) -> datetime:
        """When a limit of `n` days that began at `start` (aware) is over, in UTC.

        The time of day is kept, on the wall clock of `zone` (ZONE if None). In workdays, what
        begins on a day off counts from 00:00 of the next workday (as Amsterdam's Signals counts,
        app/signals/apps/services/domain/deadlines.py). Raises `InvalidField`, `NoCalendar`.
        """
        _countable(n)
        zone = zone or ZoneInfo(ZONE)
        local = start.astimezone(zone)
        at = local.time()
        if unit is DayUnit.CALENDAR_DAYS:
            day = local.date() + timedelta(days=n)
        else:
            if not self.is_workday(local.date()):
                at = time(0)
            day = self.add_workdays(local.date(), n)
        return datetime.combine(day, at, zone).astimezone(UTC)

    def _workday_from(self, day: date) -> date:
        while not self.is_workday(day):
            day += timedelta(days=1)
        return day

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `parse_calendar` reads it."""
        return {
            "years": sorted(self.years),
            "days": {
                day.isoformat(): {"kind": str(named.kind), "name": named.name}
                for day, named in sorted(self.days.items())
            },
        }


def parse_calendar(document: object) -> WorkCalendar:
    """Read what `as_json` gave. Raises `InvalidField` for anything else."""
    try:
        assert isinstance(document, Mapping)
        days, years = document["days"], document["years"]
        return WorkCalendar(
            {
                date.fromisoformat(day): NamedDay(DayKind(named["kind"]), str(named["name"]))
                for day, named in days.items()
            },
            frozenset(int(year) for year in years),
        )
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise InvalidField("calendar", "must be a work calendar's JSON") from exc


def years_needed(now: datetime) -> tuple[int, ...]:
    """The years the calendar must have data for: this one and, from 1 December, the next."""
    today = now.astimezone(ZoneInfo(ZONE)).date()
    if today.month >= _NEXT_YEAR_WANTED_FROM_MONTH:
        return today.year, today.year + 1
    return (today.year,)


def _pure(day: date) -> date:
    # A datetime is a date to Python, yet never equal to one: it would be found in no calendar.
    if isinstance(day, datetime):
        raise TypeError("a date, not a datetime: the caller knows the time zone")
    return day


def _countable(n: int) -> None:
    if not 0 <= n <= MAX_COUNTED_DAYS:
        raise InvalidField("days", f"0 to {MAX_COUNTED_DAYS}")
