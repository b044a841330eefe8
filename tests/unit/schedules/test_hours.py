"""Whether a schedule is open, why, and until when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.schedules.hours import HORIZON, Hours, Why, state_at
from callcenter.schedules.model import WEEK, ScheduleEdit
from callcenter.schedules.published import published_days
from callcenter.schedules.seed import SCHEDULES
from callcenter.schedules.work_calendar import DayKind, NamedDay, WorkCalendar

pytestmark = pytest.mark.unit

OFFICE = SCHEDULES["office"]
CALENDAR = WorkCalendar(published_days(2026), frozenset({2026}))
NO_DATA = WorkCalendar({}, frozenset())


def made(like: ScheduleEdit = OFFICE, **changes: Any) -> ScheduleEdit:
    return ScheduleEdit.model_validate(like.as_json() | changes)


def nightly(zone: str, interval: str = "22:00-06:00") -> ScheduleEdit:
    return made(time_zone=zone, follow_work_calendar=False, hours=dict.fromkeys(WEEK, (interval,)))


def closed(day: str, until: str | None = None, *hours: str) -> dict[str, Any]:
    return {"date_from": day, "date_to": until or day, "hours": hours, "reason": "停电"}


def ask(schedule: ScheduleEdit, at: str, calendar: WorkCalendar = CALENDAR) -> Hours:
    return state_at(schedule, calendar, local(at, schedule))


def local(at: str, schedule: ScheduleEdit) -> datetime:
    """`2026-10-01 09:00`, on the schedule's wall; or an ISO time with its offset."""
    moment = datetime.fromisoformat(at)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(schedule.time_zone))


def wall(moment: datetime | None, schedule: ScheduleEdit) -> str | None:
    """Month, day and time of day on the schedule's wall."""
    zone = ZoneInfo(schedule.time_zone)
    return None if moment is None else moment.astimezone(zone).strftime("%m-%d %H:%M")


@pytest.mark.parametrize(
    ("at", "is_open", "next_change"),
    [
        ("2026-11-25 08:59:59.999999", False, "11-25 09:00"),
        ("2026-11-25 09:00", True, "11-25 12:00"),
        ("2026-11-25 11:59:59.999999", True, "11-25 12:00"),
        ("2026-11-25 12:00", False, "11-25 13:30"),
        ("2026-11-25 13:30", True, "11-25 17:00"),
        ("2026-11-25 17:00", False, "11-26 09:00"),
        ("2026-11-27 17:00", False, "11-30 09:00"),
        ("2026-11-28 10:00", False, "11-30 09:00"),
    ],
)
def test_an_ordinary_week_has_its_weekly_hours(at: str, is_open: bool, next_change: str) -> None:
    hours = ask(OFFICE, at)
    assert (hours.open, wall(hours.next_change_at, OFFICE)) == (is_open, next_change)
    assert (hours.why, hours.reason, hours.holiday, hours.alarm) == (
        Why.WEEKLY, None, False, False
    )  # fmt: skip


def test_a_public_holiday_is_closed_until_the_first_workday() -> None:
    hours = ask(OFFICE, "2026-10-01 10:00")  # a Thursday
    assert hours == Hours(False, Why.HOLIDAY, "国庆节", True, datetime(2026, 10, 8, 1, tzinfo=UTC))


def test_a_public_holiday_may_have_hours_of_its_own() -> None:
    schedule = made(holiday_hours=["10:00-11:00"])
    hours = ask(schedule, "2026-10-01 10:30")
    assert (hours.open, hours.why, hours.holiday) == (True, Why.HOLIDAY, True)
    assert wall(hours.next_change_at, schedule) == "10-01 11:00"
    assert not ask(schedule, "2026-10-01 09:30").open


def test_a_makeup_saturday_has_the_hours_of_monday() -> None:
    hours = ask(OFFICE, "2026-10-10 10:00")
    assert (hours.open, hours.why, hours.reason, hours.holiday) == (
        True, Why.MAKEUP, "国庆节调休", False
    )  # fmt: skip
    # The Saturday after it is a Saturday.
    assert not ask(OFFICE, "2026-10-17 10:00").open


def test_a_makeup_workday_has_the_hours_of_the_weekday_that_was_named() -> None:
    hours = {"monday": ["09:00-17:00"], "thursday": ["14:00-20:00"]}
    schedule = made(hours=hours, makeup_weekday="thursday")
    assert not ask(schedule, "2026-10-10 10:00").open
    assert ask(schedule, "2026-10-10 19:59").open


def test_an_exception_beats_the_holiday_and_the_holiday_beats_the_week() -> None:
    schedule = made(exceptions=[closed("2026-10-02", "2026-10-03", "08:00-10:00")])
    assert ask(schedule, "2026-10-01 09:30").why is Why.HOLIDAY
    for day in ("2026-10-02", "2026-10-03"):
        hours = ask(schedule, f"{day} 09:30")
        assert (hours.open, hours.why, hours.reason, hours.holiday) == (
            True, Why.EXCEPTION, "停电", True
        )  # fmt: skip
        assert not ask(schedule, f"{day} 10:00").open
    assert ask(schedule, "2026-10-04 09:30").why is Why.HOLIDAY
    assert wall(ask(schedule, "2026-10-01 09:30").next_change_at, schedule) == "10-02 08:00"


def test_an_exception_beats_a_makeup_workday() -> None:
    hours = ask(made(exceptions=[closed("2026-10-10")]), "2026-10-10 10:00")
    assert (hours.open, hours.why, hours.reason) == (False, Why.EXCEPTION, "停电")


def test_a_schedule_that_does_not_follow_the_calendar_tells_the_holiday_all_the_same() -> None:
    hours = ask(SCHEDULES["always"], "2026-10-01 03:00")
    assert hours == Hours(True, Why.WEEKLY, None, True, None)


def test_a_night_belongs_to_the_day_it_began_on() -> None:
    schedule = made(
        hours={"wednesday": ["22:00-06:00"]}, exceptions=[closed("2026-11-26")]
    )  # 25 November is a Wednesday
    for at, is_open, why in [
        ("2026-11-25 05:00", False, Why.WEEKLY),
        ("2026-11-25 22:00", True, Why.WEEKLY),
        # Thursday is closed, the night of Wednesday is not.
        ("2026-11-26 05:59", True, Why.WEEKLY),
        ("2026-11-26 06:00", False, Why.EXCEPTION),
        ("2026-11-26 23:00", False, Why.EXCEPTION),
    ]:
        hours = ask(schedule, at)
        assert (hours.open, hours.why) == (is_open, why), at
    assert wall(ask(schedule, "2026-11-25 23:00").next_change_at, schedule) == "11-26 06:00"
    # Closing Wednesday takes its night away.
    without = made(schedule, exceptions=[closed("2026-11-25")])
    assert not ask(without, "2026-11-26 05:00").open


def test_hours_that_touch_are_one_opening() -> None:
    schedule = made(
        hours={"monday": ["08:00-12:00", "12:00-24:00"], "tuesday": ["00:00-03:00"]},
        follow_work_calendar=False,
    )
    hours = ask(schedule, "2026-11-23 09:00")
    assert wall(hours.next_change_at, schedule) == "11-24 03:00"


def test_a_year_without_data_keeps_the_weekly_hours_and_is_an_alarm() -> None:
    for at, is_open in [("2027-01-01 10:00", True), ("2027-01-02 10:00", False)]:
        hours = ask(OFFICE, at)
        assert (hours.open, hours.why, hours.reason) == (is_open, Why.NO_CALENDAR, None)
        assert (hours.alarm, hours.holiday) == (True, False)
    # What needs no calendar is no alarm: an exception, a schedule that does not follow it.
    schedule = made(exceptions=[closed("2027-01-01")])
    assert ask(schedule, "2027-01-01 10:00").why is Why.EXCEPTION
    assert not ask(schedule, "2027-01-01 10:00").alarm
    assert not ask(SCHEDULES["always"], "2027-01-01 10:00").alarm
    assert ask(OFFICE, "2026-12-31 10:00").alarm is False


def test_a_change_that_depends_on_a_year_without_data_is_not_told() -> None:
    for at, next_change in [
        ("2026-12-31 16:59", "12-31 17:00"),
        ("2026-12-31 17:00", None),  # New Year's Day may be a holiday
        ("2027-01-04 10:00", None),
    ]:
        assert wall(ask(OFFICE, at).next_change_at, OFFICE) == next_change
    whole_days = made(hours=dict.fromkeys(WEEK, ("00:00-24:00",)))
    assert ask(whole_days, "2026-12-31 23:00").next_change_at is None
    # A known day in between makes it known as far as that day.
    schedule = made(exceptions=[closed("2027-01-01", None, "10:00-11:00")])
    assert wall(ask(schedule, "2026-12-31 17:00").next_change_at, schedule) == "01-01 10:00"
    assert wall(ask(schedule, "2027-01-01 10:00").next_change_at, schedule) == "01-01 11:00"
    assert ask(schedule, "2027-01-01 11:00").next_change_at is None
    assert ask(made(follow_work_calendar=False), "2027-01-04 10:00").next_change_at is not None


def test_a_day_entered_before_its_year_is_complete_counts() -> None:
    calendar = WorkCalendar({date(2027, 1, 1): NamedDay(DayKind.HOLIDAY, "元旦")}, frozenset())
    hours = ask(OFFICE, "2027-01-01 10:00", calendar)
    assert (hours.open, hours.why, hours.alarm) == (False, Why.HOLIDAY, False)


def test_where_clocks_are_set_back_the_night_is_an_hour_longer() -> None:
    schedule = nightly("Europe/Berlin")  # 25 October 2026, 03:00 CEST → 02:00 CET
    hours = ask(schedule, "2026-10-24 22:00")
    assert hours.next_change_at == datetime(2026, 10, 25, 5, tzinfo=UTC)
    assert hours.next_change_at - local("2026-10-24 22:00", schedule).astimezone(UTC) == timedelta(
        hours=9
    )


def test_where_clocks_are_set_forward_the_night_is_an_hour_shorter() -> None:
    schedule = nightly("Europe/Berlin")  # 29 March 2026, 02:00 CET → 03:00 CEST
    hours = ask(schedule, "2026-03-28 22:00")
    assert hours.next_change_at == datetime(2026, 3, 29, 4, tzinfo=UTC)


def test_a_time_that_is_shown_twice_ends_hours_the_last_time_and_begins_them_the_first() -> None:
    until = nightly("Europe/Berlin", "22:00-02:30")
    assert ask(until, "2026-10-25T02:45:00+02:00").open  # shown for the first time
    assert ask(until, "2026-10-25T02:29:59+01:00").open
    assert not ask(until, "2026-10-25T02:30:00+01:00").open
    since = nightly("Europe/Berlin", "02:30-06:00")
    assert not ask(since, "2026-10-25T02:29:59+02:00").open
    for again in ("02:30:00+02:00", "02:15:00+01:00", "02:45:00+01:00"):
        assert ask(since, f"2026-10-25T{again}").open


def test_a_time_that_is_never_shown_is_the_moment_of_the_change() -> None:
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    since = nightly("Europe/Berlin", "02:30-06:00")
    before = state_at(since, NO_DATA, change - timedelta(seconds=1))
    assert (before.open, before.next_change_at) == (False, change)
    assert state_at(since, NO_DATA, change).open
    until = nightly("Europe/Berlin", "22:00-02:30")
    assert state_at(until, NO_DATA, change - timedelta(seconds=1)).next_change_at == change
    # Hours that lie wholly in what is skipped do not take place that day.
    skipped = nightly("Europe/Berlin", "02:10-02:50")
    assert ask(skipped, "2026-03-28 03:00").next_change_at == datetime(
        2026, 3, 30, 0, 10, tzinfo=UTC
    )


def test_whole_days_have_no_gap_where_midnight_itself_is_skipped_or_repeated() -> None:
    for zone, day in [("Africa/Cairo", "2026-04-24"), ("America/Havana", "2026-11-01")]:
        schedule = nightly(zone, "00:00-24:00")
        # With an exception far away it has to be computed, not known beforehand.
        schedule = made(schedule, exceptions=[closed("2199-01-01")])
        at = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(hours=12)
        for _ in range(48 * 2):
            hours = state_at(schedule, NO_DATA, at)
            assert (hours.open, hours.next_change_at) == (True, None)
            at += timedelta(minutes=30)


def test_the_hours_are_those_of_the_zone_not_of_who_asks() -> None:
    for same in ("2026-11-25T01:00:00+00:00", "2026-11-24T20:00:00-05:00"):
        assert ask(OFFICE, same) == ask(OFFICE, "2026-11-25 09:00")


def test_what_does_not_change_within_the_horizon_has_no_next_change() -> None:
    never = made(hours={}, follow_work_calendar=False)
    assert ask(never, "2026-11-25 09:00").next_change_at is None
    at = local("2026-11-25 00:00", OFFICE)
    last = (at + HORIZON).date()
    upper_limit = made(never, exceptions=[closed(str(last), None, "00:00-01:00")])
    assert state_at(upper_limit, CALENDAR, at).next_change_at == at + HORIZON
    beyond = made(never, exceptions=[closed(str(last), None, "00:01-01:00")])
    assert state_at(beyond, CALENDAR, at).next_change_at is None


def test_the_next_change_is_looked_for_as_far_as_wanted() -> None:
    at = local("2026-11-25 09:00", OFFICE)
    for ahead, found in [
        (timedelta(0), False),
        (timedelta(hours=2), False),
        (timedelta(hours=3), True),
    ]:
        hours = state_at(OFFICE, CALENDAR, at, ahead=ahead)
        assert (hours.open, hours.next_change_at is not None) == (True, found)


def test_a_moment_without_offset_is_no_moment() -> None:
    with pytest.raises(ValueError, match="offset"):
        state_at(OFFICE, CALENDAR, datetime(2026, 11, 25, 9))  # noqa: DTZ001


# Properties --------------------------------------------------------------------------------------

_minutes = st.integers(0, 24 * 4 - 1).map(lambda quarter: quarter * 15)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def _day_hours(draw: st.DrawFn) -> list[str]:
    """Up to three intervals apart, the last perhaps over midnight."""
    marks = sorted(draw(st.sets(_minutes, max_size=6)))
    pairs = [f"{_clock(a)}-{_clock(b)}" for a, b in zip(marks[::2], marks[1::2], strict=False)]
    if marks and marks[0] > 0 and draw(st.booleans()):
        last = _clock(marks[len(marks) // 2 * 2 - 1] if pairs else marks[-1])
        pairs.append(f"{last}-{_clock(draw(st.integers(0, marks[0] // 15 - 1)) * 15)}")
    return pairs


@st.composite
def _schedules(draw: st.DrawFn) -> ScheduleEdit:
    zone = draw(st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]))
    day = date(2026, 3, 20) + timedelta(days=draw(st.integers(0, 20)))
    document = {
        "title": "x",
        "time_zone": zone,
        "hours": {},
        "follow_work_calendar": draw(st.booleans()),
        "makeup_weekday": draw(st.sampled_from(WEEK)),
        "holiday_hours": draw(st.none() | _day_hours()),
        "exceptions": [
            {
                "date_from": str(day),
                "date_to": str(day + timedelta(days=draw(st.integers(0, 5)))),
                "hours": draw(_day_hours()),
                "reason": "x",
            }
        ],
    }
    for weekday in WEEK:
        document["hours"][weekday] = draw(_day_hours())
    try:
        return ScheduleEdit.model_validate(document)
    except ValueError:
        # A night overlaps the morning after: leave the nights out.
        document["hours"] = {
            weekday: [i for i in hours if i.split("-")[0] < i.split("-")[1]]
            for weekday, hours in document["hours"].items()
        }
        return ScheduleEdit.model_validate(document)


_days = st.dictionaries(
    st.dates(date(2026, 3, 20), date(2026, 4, 12)),
    st.sampled_from([NamedDay(kind, "x") for kind in DayKind]),
    max_size=6,
)


@given(
    schedule=_schedules(),
    days=_days,
    covered=st.booleans(),
    # Around the changes of clocks in Berlin (29 March) and on Lord Howe (5 April).
    at=st.datetimes(datetime(2026, 3, 26), datetime(2026, 4, 7), timezones=st.just(UTC)),  # noqa: DTZ001
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_next_change_is_the_first_change(
    schedule: ScheduleEdit, days: dict[date, NamedDay], covered: bool, at: datetime
) -> None:
    calendar = WorkCalendar(days, frozenset({2026} if covered else ()))

    def is_open(moment: datetime) -> bool:
        return state_at(schedule, calendar, moment, ahead=timedelta(0)).open

    now = state_at(schedule, calendar, at)
    change = now.next_change_at
    if change is None and schedule.follow_work_calendar and not covered:
        return  # it depends on days nobody knows
    if change is not None:
        assert change > at
        assert is_open(change) is not now.open
        assert is_open(max(at, change - timedelta(microseconds=1))) is now.open
    # Every hour is on a quarter, and so is every offset: nothing happens in between.
    moment = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
    until = min(change or at + HORIZON, at + timedelta(days=4))
    moment += timedelta(minutes=15)
    while moment < until:
        assert is_open(moment) is now.open, moment
        moment += timedelta(minutes=15)


@given(
    schedule=_schedules(),
    days=_days,
    at=st.datetimes(datetime(2026, 3, 26), datetime(2026, 4, 7)),  # noqa: DTZ001
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_away_from_changed_clocks_it_is_open_as_the_wall_clock_reads(
    schedule: ScheduleEdit, days: dict[date, NamedDay], at: datetime
) -> None:
    """Against a second, naive reading, in a zone that does not change its clocks."""
    schedule = made(schedule, time_zone="Asia/Shanghai")
    calendar = WorkCalendar(days, frozenset({2026}))

    def hours_of(day: date) -> tuple[str, ...]:
        for exception in schedule.exceptions:
            if exception.date_from <= day <= exception.date_to:
                return exception.hours
        if schedule.follow_work_calendar and day in days:
            if days[day].kind is DayKind.HOLIDAY:
                return schedule.holiday_hours or ()
            return schedule.hours.get(schedule.makeup_weekday, ())
        return schedule.hours.get(WEEK[day.weekday()], ())

    clock = at.strftime("%H:%M")
    today = [i.split("-") for i in hours_of(at.date())]
    yesterday = [i.split("-") for i in hours_of(at.date() - timedelta(days=1))]
    expected = any(a <= clock < b if a < b else clock >= a for a, b in today) or any(
        a > b and clock < b for a, b in yesterday
    )
    moment = at.replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    assert state_at(schedule, calendar, moment).open is expected
