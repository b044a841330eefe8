"""Whether a schedule is open at a moment, why, and until when.

Hours are read on the wall clock of the schedule's time zone. Where clocks are set back, an interval
begins at the first of two equal times and ends at the last; where they are set forward, a time that
does not exist stands for the moment of the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from callcenter.schedules.model import WEEK, ScheduleEdit, Span
from callcenter.schedules.work_calendar import DayKind, WorkCalendar

#: How far ahead the next change is looked for.
HORIZON: Final = timedelta(days=400)

_ONE_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


class Why(StrEnum):
    """Which rule decided."""

    WEEKLY = "weekly"
    EXCEPTION = "exception"
    HOLIDAY = "holiday"
    MAKEUP = "makeup"
    NO_CALENDAR = "no_calendar"  #: the year has no data: weekly hours hold, and it is an alarm


@dataclass(frozen=True, slots=True)
class Hours:
    """What a schedule says at a moment.

    `reason`: the exception's, or the name of the day. `holiday`: by the work calendar the day of
    that moment is a public holiday, whatever decided. `next_change_at`: when `open` changes next
    (UTC); None where it does not within the time that was looked ahead, or where that depends on a
    day the work calendar has no data for: it may be told to callers.
    """

    open: bool
    why: Why
    reason: str | None
    holiday: bool
    next_change_at: datetime | None

    @property
    def alarm(self) -> bool:
        """The answer rests on a year the work calendar has no data for: tell somebody."""
        return self.why is Why.NO_CALENDAR


@dataclass(frozen=True, slots=True)
class _DayRule:
    spans: tuple[Span, ...]
    why: Why
    reason: str | None


def state_at(
    schedule: ScheduleEdit, calendar: WorkCalendar, at: datetime, *, ahead: timedelta = HORIZON
) -> Hours:
    """What `schedule` says at `at` (aware; years FIRST_YEAR to LAST_YEAR).

    The next change is looked for as far as `ahead`: up to 4 ms of CPU where nothing changes for 400
    days; with 0, it is not looked for.

    In a year the calendar has no data for, a schedule that follows it keeps its weekly hours and
    `alarm` is set: a caller is let through to agents who may be away, rather than turned away from
    agents who are there.
    """
    if at.tzinfo is None:
        raise ValueError("a moment with its offset is needed")
    at = at.astimezone(UTC)
    zone = ZoneInfo(schedule.time_zone)
    today = at.astimezone(zone).date()
    now = _rule_of(schedule, calendar, today)
    is_open = _contains(now, today, zone, at)
    if not is_open:
        yesterday = _rule_of(schedule, calendar, today - _ONE_DAY)
        # What is open since yesterday is open by yesterday's rule.
        if _contains(yesterday, today - _ONE_DAY, zone, at):
            is_open, now = True, yesterday
    listed = calendar.on(today)
    return Hours(
        open=is_open,
        why=now.why,
        reason=now.reason,
        holiday=listed is not None and listed.kind is DayKind.HOLIDAY,
        next_change_at=_next_change(schedule, calendar, zone, at, today, ahead) if ahead else None,
    )


def _rule_of(schedule: ScheduleEdit, calendar: WorkCalendar, day: date) -> _DayRule:
    exception = schedule.exception_on(day)
    if exception is not None:
        return _DayRule(exception.spans, Why.EXCEPTION, exception.reason)
    weekly = schedule.weekly_spans(WEEK[day.weekday()])
    if not schedule.follow_work_calendar:
        return _DayRule(weekly, Why.WEEKLY, None)
    listed = calendar.on(day)
    if listed is None:
        known = calendar.covers(day.year)
        return _DayRule(weekly, Why.WEEKLY if known else Why.NO_CALENDAR, None)
    if listed.kind is DayKind.HOLIDAY:
        return _DayRule(schedule.holiday_spans, Why.HOLIDAY, listed.name)
    return _DayRule(schedule.weekly_spans(schedule.makeup_weekday), Why.MAKEUP, listed.name)


def _contains(rule: _DayRule, day: date, zone: tzinfo, at: datetime) -> bool:
    return any(start <= at < end for start, end in _openings(rule, day, zone))


def _next_change(
    schedule: ScheduleEdit,
    calendar: WorkCalendar,
    zone: tzinfo,
    at: datetime,
    today: date,
    ahead: timedelta,
) -> datetime | None:
    if schedule.never_changes:
        return None
    limit = at + ahead
    reach: datetime | None = None  # the end, as far as it is known, of what is open at `at`
    # Openings come by their start: each day's begin before the next day's.
    for n in range(-1, ahead.days + 3):
        day = today + n * _ONE_DAY
        rule = _rule_of(schedule, calendar, day)
        if n >= 0 and rule.why is Why.NO_CALENDAR:
            # Only what is over before that day begins is certain.
            begins = _moment(datetime.combine(day, time(0)), zone, last=False)
            limit = min(limit, begins - _SECOND)
            break
        for start, end in _openings(rule, day, zone):
            if end <= at:
                continue
            if start > at and (reach is None or start > reach):
                change = start if reach is None else reach
                return change if change <= limit else None
            reach = end if reach is None else max(reach, end)
    return reach if reach is not None and reach <= limit else None


def _openings(rule: _DayRule, day: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """What `day` begins, as moments; what falls into an hour that does not exist is left out."""
    midnight = datetime.combine(day, time(0))
    for span in rule.spans:
        start = _moment(midnight + timedelta(minutes=span.start), zone, last=False)
        end = _moment(midnight + timedelta(minutes=span.end), zone, last=True)
        if start < end:
            yield start, end


def _moment(wall: datetime, zone: tzinfo, *, last: bool) -> datetime:
    """When a clock on the wall shows `wall`: the `last` time, or the first."""
    before = wall.replace(tzinfo=zone, fold=0)
    after = wall.replace(tzinfo=zone, fold=1)
    offset_before, offset_after = before.utcoffset(), after.utcoffset()
    assert offset_before is not None
    assert offset_after is not None
    if offset_before < offset_after:
        # No clock shows it (PEP 495: the gap). The change lies between the two readings.
        return _change_between(after.astimezone(UTC), before.astimezone(UTC), zone)
    return (after if last else before).astimezone(UTC)


def _change_between(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The second in which the offset of `zone` changes, after `low` and not after `high`."""
    old = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high
