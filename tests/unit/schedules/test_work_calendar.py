"""Working days, counted as others count them; a year without data is never guessed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import chinese_calendar
import pytest

from callcenter.platform.errors import InvalidField
from callcenter.schedules.published import published_days, published_years
from callcenter.schedules.work_calendar import (
    MAX_COUNTED_DAYS,
    DayKind,
    DayUnit,
    NamedDay,
    NoCalendar,
    WorkCalendar,
    parse_calendar,
    years_needed,
)

pytestmark = pytest.mark.unit

WORKDAYS, CALENDAR_DAYS = DayUnit.WORKDAYS, DayUnit.CALENDAR_DAYS


def published(*years: int) -> WorkCalendar:
    days = {day: named for year in years for day, named in published_days(year).items()}
    return WorkCalendar(days, frozenset(years))


def plain(*years: int) -> WorkCalendar:
    """Years without a single holiday."""
    return WorkCalendar({}, frozenset(years))


# Amsterdam's Signals: app/signals/apps/services/tests/domain/test_deadlines.py
@pytest.mark.parametrize(
    ("created", "n", "unit", "deadline"),
    [
        ("2021-02-15T12:00", 1, WORKDAYS, "2021-02-16T12:00"),
        ("2021-02-19T12:00", 1, WORKDAYS, "2021-02-22T12:00"),
        ("2021-02-20T12:00", 1, WORKDAYS, "2021-02-23T00:00"),
        ("2021-02-21T12:00", 1, WORKDAYS, "2021-02-23T00:00"),
        ("2021-02-19T12:00", 1, CALENDAR_DAYS, "2021-02-20T12:00"),
        ("2021-02-20T12:00", 2, WORKDAYS, "2021-02-24T00:00"),
        ("2021-02-15T12:00", 10, WORKDAYS, "2021-03-01T12:00"),
    ],
)
def test_deadlines_are_those_of_signals(created: str, n: int, unit: DayUnit, deadline: str) -> None:
    def shanghai(text: str) -> datetime:
        return datetime.fromisoformat(f"{text}+08:00")

    assert plain(2021).deadline(shanghai(created), n, unit) == shanghai(deadline)


def test_the_days_of_the_state_council_are_known() -> None:
    calendar = published(2018, 2019, 2025, 2026)
    assert not calendar.is_workday(date(2018, 4, 30))
    assert calendar.is_workday(date(2025, 1, 26))  # a Sunday
    assert calendar.on(date(2026, 10, 1)) == NamedDay(DayKind.HOLIDAY, "国庆节")
    assert calendar.on(date(2026, 2, 14)) == NamedDay(DayKind.MAKEUP, "春节调休")  # a Saturday
    assert calendar.on(date(2026, 11, 25)) is None
    # New Year 2019 was paid for in December 2018, in a notice of its own year.
    assert date(2018, 12, 29) in published_days(2019)
    assert date(2018, 4, 30) not in published_days(2019)


def test_every_day_of_every_published_year_is_as_the_package_says() -> None:
    years = published_years()
    assert years >= set(range(2004, 2027))
    calendar = published(*years)
    day = date(min(years), 1, 1)
    while day.year <= max(years):
        assert calendar.is_workday(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_a_year_that_is_not_published_has_no_days() -> None:
    assert published_days(max(published_years()) + 1) == {}


def test_workdays_are_counted_over_the_national_day_and_its_makeup_days() -> None:
    calendar = published(2026)
    # 30 Sep is a Wednesday; 1–7 Oct are off, 8 and 9 are worked, 10 (Saturday) too.
    assert calendar.add_workdays(date(2026, 9, 30), 0) == date(2026, 9, 30)
    assert calendar.add_workdays(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert calendar.add_workdays(date(2026, 9, 30), 3) == date(2026, 10, 10)
    assert calendar.add_workdays(date(2026, 9, 30), 4) == date(2026, 10, 12)
    assert calendar.add_workdays(date(2026, 10, 3), 0) == date(2026, 10, 8)
    assert calendar.add_workdays(date(2026, 10, 3), 1) == date(2026, 10, 9)


def test_a_deadline_begun_in_the_holidays_counts_from_the_first_workday() -> None:
    begun = datetime(2026, 10, 3, 4, tzinfo=UTC)
    assert published(2026).deadline(begun, 1) == datetime(2026, 10, 8, 16, tzinfo=UTC)


def test_a_year_without_data_is_named_and_never_monday_to_friday() -> None:
    calendar = published(2026)
    assert calendar.add_workdays(date(2026, 12, 30), 1) == date(2026, 12, 31)
    with pytest.raises(NoCalendar, match="2027") as caught:
        calendar.add_workdays(date(2026, 12, 30), 2)
    assert caught.value.year == 2027
    for ask in (
        lambda: calendar.is_workday(date(2027, 3, 1)),
        lambda: calendar.is_workday(date(2003, 3, 1)),
        lambda: calendar.deadline(datetime(2026, 12, 31, tzinfo=UTC), 5),
    ):
        with pytest.raises(NoCalendar):
            ask()
    # A limit in calendar days needs no calendar.
    begun = datetime(2026, 12, 31, tzinfo=UTC)
    assert calendar.deadline(begun, 5, CALENDAR_DAYS) == begun + timedelta(days=5)


def test_a_day_entered_before_its_year_is_complete_is_known() -> None:
    days = {
        date(2027, 1, 1): NamedDay(DayKind.HOLIDAY, "元旦"),
        date(2027, 1, 3): NamedDay(DayKind.MAKEUP, "元旦调休"),
    }
    calendar = WorkCalendar(days, frozenset({2026}))
    assert not calendar.is_workday(date(2027, 1, 1))
    assert calendar.is_workday(date(2027, 1, 3))
    with pytest.raises(NoCalendar):
        calendar.is_workday(date(2027, 1, 2))


def test_the_longest_limit_is_counted_and_one_more_is_not() -> None:
    calendar = plain(*range(2000, 2200))
    upper_limit = calendar.add_workdays(date(2026, 1, 5), MAX_COUNTED_DAYS)
    assert upper_limit == date(2026, 1, 5) + timedelta(days=MAX_COUNTED_DAYS // 5 * 7)
    for n in (MAX_COUNTED_DAYS + 1, -1):
        with pytest.raises(InvalidField):
            calendar.add_workdays(date(2026, 1, 5), n)
        with pytest.raises(InvalidField):
            calendar.deadline(datetime(2026, 1, 5, tzinfo=UTC), n, CALENDAR_DAYS)


def test_a_moment_is_not_taken_for_a_date() -> None:
    with pytest.raises(TypeError):
        published(2026).is_workday(datetime(2026, 10, 1, tzinfo=UTC))


def test_the_calendar_is_written_as_plain_json_and_read_again() -> None:
    calendar = published(2025, 2026)
    assert parse_calendar(json.loads(json.dumps(calendar.as_json()))) == calendar


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"days": {}}, {"days": [], "years": []}, {"days": {}, "years": ["x"]},
     {"days": {"2026-10-01": {"kind": "party", "name": "x"}}, "years": []},
     {"days": {"2026-10-32": {"kind": "holiday", "name": "x"}}, "years": []}],
)  # fmt: skip
def test_another_document_is_no_calendar(document: Any) -> None:
    with pytest.raises(InvalidField):
        parse_calendar(document)


@pytest.mark.parametrize(
    ("now", "needed"),
    [
        ("2026-11-30T23:59:59+08:00", (2026,)),
        ("2026-12-01T00:00:00+08:00", (2026, 2027)),
        ("2026-12-31T23:59:59+08:00", (2026, 2027)),
        ("2027-01-01T00:00:00+08:00", (2027,)),
    ],
)
def test_the_next_year_is_needed_from_december(now: str, needed: tuple[int, ...]) -> None:
    assert years_needed(datetime.fromisoformat(now)) == needed
