"""What a schedule is: weekly hours, what it does on holidays and make-up workdays, exceptions.

    {"name": "office", "title": "工作日", "time_zone": "Asia/Shanghai",
     "hours": {"monday": ["09:00-12:00", "13:30-17:00"], …}, "follow_work_calendar": true,
     "exceptions": [{"date_from": "2026-12-24", "date_to": "2026-12-24", "reason": "…"}]}

`hours.py` says whether it is open at a moment. A schedule is frozen: calls in progress share it.
Make another by parsing anew: `model_copy` would carry over what the first has computed.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from callcenter.platform.errors import InvalidField, InvalidFields
from callcenter.platform.text import plain_text
from callcenter.schedules.work_calendar import FIRST_YEAR, LAST_YEAR

MAX_INTERVALS: Final = 10  #: of one day
MAX_EXCEPTIONS: Final = 500  #: of one schedule
MAX_TITLE: Final = 100  #: characters
MAX_REASON: Final = 200  #: characters

_DAY: Final = 24 * 60  # minutes
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]"


class Weekday(StrEnum):
    """In the order `date.weekday()` counts."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


WEEK: Final = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes after the midnight a day begins with; `end` is over 1440 where it is overnight."""

    start: int
    end: int


def span_of(interval: str) -> Span:
    """`"22:00-06:00"` → 1320 to 1800."""
    start, end = (
        int(clock[:2]) * 60 + int(clock[3:])  # two digits, a colon, two digits
        for clock in interval.split("-")
    )
    return Span(start, end if end > start else end + _DAY)


def _not_empty(interval: str) -> str:
    start, end = interval.split("-")
    if start == end:
        raise ValueError("begins and ends at the same time; a whole day is 00:00-24:00")
    return interval


def _apart(intervals: tuple[str, ...]) -> tuple[str, ...]:
    spans = sorted(map(span_of, intervals), key=lambda span: span.start)
    if any(later.start < earlier.end for earlier, later in pairwise(spans)):
        raise ValueError("intervals overlap")
    return intervals


def plain(*, most: int, least: int) -> Callable[[str], str]:
    """`platform.text.plain_text` as a validator of pydantic."""

    def check(value: str) -> str:
        try:
            return plain_text("text", value, most=most, least=least)
        except InvalidField as exc:
            raise ValueError(exc.rule) from exc

    return check


def _iso_date(value: object) -> object:
    # Numbers would be read as seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("write the date as 2026-10-01")
    if not isinstance(value, str | date):
        raise ValueError("write the date as 2026-10-01")
    return value


def _zone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, LookupError) as exc:
        raise ValueError("there is no such time zone; write it as Asia/Shanghai") from exc
    return value


ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_TITLE),
    AfterValidator(plain(most=MAX_TITLE, least=1)),
]
Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_REASON),
    AfterValidator(plain(most=MAX_REASON, least=1)),
]
#: An IANA name. The areas are listed: nothing else of the disk is looked at.
TimeZone = Annotated[
    str,
    StringConstraints(
        max_length=64,
        pattern=r"^(UTC|(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Etc|Europe"
        r"|Indian|Pacific)(/[A-Za-z0-9_+-]+){1,2})$",
    ),
    AfterValidator(_zone_name),
]
#: `09:00-17:30`. To 24:00 at most; an end not after the start is on the next day (`22:00-06:00`).
Interval = Annotated[
    str,
    StringConstraints(pattern=f"^{_TIME}-({_TIME}|24:00)$"),
    AfterValidator(_not_empty),
]
#: What one day begins; intervals may touch, not overlap. Empty: closed.
DayHours = Annotated[tuple[Interval, ...], Field(max_length=MAX_INTERVALS), AfterValidator(_apart)]
Day = Annotated[
    date,
    BeforeValidator(_iso_date),
    Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31)),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleException(_Part):
    """Days with hours of their own, `date_to` included; no `hours`: closed."""

    date_from: Day
    date_to: Day
    hours: DayHours = ()
    reason: Reason

    @model_validator(mode="after")
    def _in_order(self) -> ScheduleException:
        if self.date_to < self.date_from:
            raise ValueError("date_to is before date_from")
        return self

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Its hours, by start."""
        return _spans(self.hours)


class ScheduleEdit(_Part):
    """What may be edited of a schedule.

    An exception beats the work calendar, the calendar beats the weekly hours. With
    `follow_work_calendar`, a public holiday has `holiday_hours` (null: closed) and a make-up
    workday has the hours of `makeup_weekday`. A weekday that is not named is closed. An interval
    over midnight belongs to the day it begins on.
    """

    title: Title
    time_zone: TimeZone
    hours: dict[Weekday, DayHours]
    follow_work_calendar: StrictBool
    makeup_weekday: Weekday = Weekday.MONDAY
    holiday_hours: DayHours | None = None
    exceptions: Annotated[tuple[ScheduleException, ...], Field(max_length=MAX_EXCEPTIONS)] = ()

    @field_validator("hours")
    @classmethod
    def _nights_end_before_mornings_begin(
        cls, hours: dict[Weekday, tuple[str, ...]]
    ) -> dict[Weekday, tuple[str, ...]]:
        for day, following in zip(WEEK, (*WEEK[1:], WEEK[0]), strict=True):
            tail = max((span.end - _DAY for span in _spans(hours.get(day, ()))), default=0)
            if any(span.start < tail for span in _spans(hours.get(following, ()))):
                raise ValueError(f"{day}'s night overlaps the hours of {following}")
        return hours

    @field_validator("exceptions")
    @classmethod
    def _one_exception_a_day(
        cls, exceptions: tuple[ScheduleException, ...]
    ) -> tuple[ScheduleException, ...]:
        inorder = sorted(exceptions, key=lambda exception: exception.date_from)
        for earlier, later in pairwise(inorder):
            if later.date_from <= earlier.date_to:
                raise ValueError(f"two exceptions for {later.date_from.isoformat()}")
        return exceptions

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `parse_schedule` reads that of a `Schedule`."""
        return self.model_dump(mode="json")

    def exception_on(self, day: date) -> ScheduleException | None:
        """The exception for that day, if there is one."""
        at = bisect.bisect_right(self._exception_starts, day) - 1
        if at >= 0 and day <= self._exceptions[at].date_to:
            return self._exceptions[at]
        return None

    def weekly_spans(self, weekday: Weekday) -> tuple[Span, ...]:
        """The hours of a weekday, by start."""
        return self._week[weekday]

    @cached_property
    def holiday_spans(self) -> tuple[Span, ...]:
        """The hours of a public holiday, by start."""
        return _spans(self.holiday_hours or ())

    @cached_property
    def never_changes(self) -> bool:
        """Open all the time or closed all the time, without any day that differs."""
        if self.exceptions or self.follow_work_calendar:
            return False
        days = list(self._week.values())
        return not any(days) or all(_is_whole_day(spans) for spans in days)

    @cached_property
    def _week(self) -> Mapping[Weekday, tuple[Span, ...]]:
        return {day: _spans(self.hours.get(day, ())) for day in WEEK}

    @cached_property
    def _exceptions(self) -> tuple[ScheduleException, ...]:
        return tuple(sorted(self.exceptions, key=lambda exception: exception.date_from))

    @cached_property
    def _exception_starts(self) -> tuple[date, ...]:
        return tuple(exception.date_from for exception in self._exceptions)


class Schedule(ScheduleEdit):
    """Opening hours under a name."""

    name: ScheduleName


class InvalidSchedule(InvalidFields):
    """The schedule breaks rules; each is named with its field."""

    slug = "invalid-schedule"


def parse_schedule(document: object) -> Schedule:
    """Read a schedule. Raises `InvalidSchedule` naming every field and its rule."""
    try:
        return Schedule.model_validate(document)
    except ValidationError as exc:
        raise InvalidSchedule(
            [
                (
                    ".".join(str(part) for part in error["loc"])[:300] or "body",
                    error["msg"].removeprefix("Value error, "),
                )
                for error in exc.errors(include_url=False)
            ]
        ) from exc


def _spans(intervals: tuple[str, ...]) -> tuple[Span, ...]:
    return tuple(sorted(map(span_of, intervals), key=lambda span: span.start))


def _is_whole_day(spans: tuple[Span, ...]) -> bool:
    """From midnight to midnight without a gap."""
    reached = 0
    for span in spans:
        if span.start > reached:
            return False
        reached = span.end
    return reached >= _DAY
