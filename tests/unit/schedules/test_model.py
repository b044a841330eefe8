"""What a schedule may be: every limit, one by one."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from callcenter.schedules.model import (
    MAX_EXCEPTIONS,
    MAX_INTERVALS,
    MAX_REASON,
    MAX_TITLE,
    InvalidSchedule,
    Schedule,
    Span,
    Weekday,
    parse_schedule,
    span_of,
)
from callcenter.schedules.seed import SCHEDULES

pytestmark = pytest.mark.unit


def document(**changes: Any) -> dict[str, Any]:
    return {
        "name": "office",
        "title": "工作日",
        "time_zone": "Asia/Shanghai",
        "hours": {"monday": ["09:00-12:00", "13:30-17:00"]},
        "follow_work_calendar": True,
        **changes,
    }


def exception(day: str = "2026-12-24", until: str | None = None, **more: Any) -> dict[str, Any]:
    return {"date_from": day, "date_to": until or day, "reason": "停电", **more}


def intervals(count: int) -> list[str]:
    return [f"{hour:02}:00-{hour:02}:30" for hour in range(count)]


def exceptions(count: int) -> list[dict[str, Any]]:
    first = date(2026, 1, 1)
    return [exception((first + timedelta(days=n)).isoformat()) for n in range(count)]


def refusals(**changes: Any) -> dict[str, str]:
    """The fields that are refused, with the rules."""
    with pytest.raises(InvalidSchedule) as caught:
        parse_schedule(document(**changes))
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("upper_limit", "upper_limit_plus_one"),
    [
        ({"title": "字" * MAX_TITLE}, {"title": "字" * (MAX_TITLE + 1)}),
        ({"name": "a" * 63}, {"name": "a" * 64}),
        (
            {"hours": {"monday": intervals(MAX_INTERVALS)}},
            {"hours": {"monday": intervals(MAX_INTERVALS + 1)}},
        ),
        (
            {"holiday_hours": intervals(MAX_INTERVALS)},
            {"holiday_hours": intervals(MAX_INTERVALS + 1)},
        ),
        (
            {"exceptions": [exception(hours=intervals(MAX_INTERVALS))]},
            {"exceptions": [exception(hours=intervals(MAX_INTERVALS + 1))]},
        ),
        (
            {"exceptions": exceptions(MAX_EXCEPTIONS)},
            {"exceptions": exceptions(MAX_EXCEPTIONS + 1)},
        ),
        (
            {"exceptions": [exception(reason="字" * MAX_REASON)]},
            {"exceptions": [exception(reason="字" * (MAX_REASON + 1))]},
        ),
        (
            {"exceptions": [exception("2199-12-31")]},
            {"exceptions": [exception("2200-01-01")]},
        ),
        ({"hours": {"monday": ["23:59-24:00"]}}, {"hours": {"monday": ["23:59-24:01"]}}),
        # The night ends just when the morning begins, and a minute later.
        (
            {"hours": {"sunday": ["22:00-06:00"], "monday": ["06:00-08:00"]}},
            {"hours": {"sunday": ["22:00-06:01"], "monday": ["06:00-08:00"]}},
        ),
        (
            {"hours": {"monday": ["09:00-12:00", "12:00-13:00"]}},
            {"hours": {"monday": ["09:00-12:01", "12:00-13:00"]}},
        ),
    ],
)
def test_a_limit_holds(upper_limit: dict[str, Any], upper_limit_plus_one: dict[str, Any]) -> None:
    parse_schedule(document(**upper_limit))
    fields = {field.split(".")[0] for field in refusals(**upper_limit_plus_one)}
    assert fields == {next(iter(upper_limit))}


@pytest.mark.parametrize(
    ("lower_limit", "lower_limit_minus_one"),
    [
        ({"title": "x"}, {"title": ""}),
        ({"name": "a"}, {"name": ""}),
        ({"exceptions": [exception(reason="x")]}, {"exceptions": [exception(reason="")]}),
        ({"exceptions": [exception("2000-01-01")]}, {"exceptions": [exception("1999-12-31")]}),
        ({"hours": {}}, {"hours": None}),
        (
            {"exceptions": [exception("2026-12-24", "2026-12-24")]},
            {"exceptions": [exception("2026-12-24", "2026-12-23")]},
        ),
    ],
)
def test_a_lower_limit_holds(
    lower_limit: dict[str, Any], lower_limit_minus_one: dict[str, Any]
) -> None:
    parse_schedule(document(**lower_limit))
    fields = {field.split(".")[0] for field in refusals(**lower_limit_minus_one)}
    assert fields == {next(iter(lower_limit))}


@pytest.mark.parametrize(
    "interval",
    ["9:00-12:00", "09:00", "24:00-24:00", "24:00-01:00", "09:60-10:00", "25:00-26:00",
     "09:00-09:00", "00:00-00:00", "09:00–12:00", "09:00-12:00\n", "", 9, None, ["09:00", "12:00"],
     "٠٩:00-12:00"],
)  # fmt: skip
def test_an_interval_is_two_times_of_day(interval: object) -> None:
    assert list(refusals(hours={"friday": [interval]})) == ["hours.friday.0"]


@pytest.mark.parametrize(
    "zone",
    ["Beijing", "Asia/Atlantis", "Asia", "asia/shanghai", "Asia/../../etc/passwd", "/etc/passwd",
     "Asia/Shanghai\x00", "America/Argentina", "posix/Asia/Shanghai", "localtime", "", "\ud800"],
)  # fmt: skip
def test_a_time_zone_is_an_iana_name(zone: str) -> None:
    assert list(refusals(time_zone=zone)) == ["time_zone"]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Urumqi", "Etc/GMT+8", "America/Indiana/Knox"])
def test_zones_of_every_shape_are_taken(zone: str) -> None:
    assert parse_schedule(document(time_zone=zone)).time_zone == zone


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "\ud800", "   ", "\x7f"])
def test_texts_are_printable(text: str) -> None:
    assert list(refusals(title=text)) == ["title"]
    assert list(refusals(exceptions=[exception(reason=text)])) == ["exceptions.0.reason"]


@pytest.mark.parametrize(
    "day",
    ["2026-02-30", "20261001", 1_790_000_000, "1790000000", "2026-10-01T00:00:00", None, True],
)
def test_a_date_is_written_as_a_date(day: object) -> None:
    assert "exceptions.0.date_from" in refusals(exceptions=[exception() | {"date_from": day}])


def test_unknown_fields_weekdays_and_shapes_are_refused() -> None:
    assert list(refusals(colour="red")) == ["colour"]
    assert list(refusals(hours={"Monday": []})) == ["hours.Monday.[key]"]
    assert list(refusals(makeup_weekday="someday")) == ["makeup_weekday"]
    assert list(refusals(exceptions=[exception(colour="red")])) == ["exceptions.0.colour"]
    for odd in (None, [], "office", 3):
        with pytest.raises(InvalidSchedule):
            parse_schedule(odd)


def test_every_broken_rule_is_told_at_once() -> None:
    broken = refusals(title="", time_zone="Mars", hours={"monday": ["x"]})
    assert set(broken) == {"title", "time_zone", "hours.monday.0"}


def test_overlapping_hours_are_refused_over_midnight_too() -> None:
    overlap = {"monday": ["22:00-06:00"], "tuesday": ["05:59-08:00"]}
    assert refusals(hours=overlap) == {"hours": "monday's night overlaps the hours of tuesday"}
    assert refusals(hours={"monday": ["22:00-06:00", "23:00-23:30"]}) == {
        "hours.monday": "intervals overlap"
    }
    # An own night is on the next day: it does not meet the same day's morning.
    parse_schedule(document(hours={"monday": ["22:00-06:00", "05:00-08:00"]}))


def test_a_day_has_one_exception_at_most() -> None:
    twice = [exception("2026-12-24", "2026-12-26"), exception("2026-12-26", "2026-12-28")]
    assert refusals(exceptions=twice) == {"exceptions": "two exceptions for 2026-12-26"}
    apart = [exception("2026-12-27", "2026-12-28"), exception("2026-12-24", "2026-12-26")]
    schedule = parse_schedule(document(exceptions=apart))
    found = {n: schedule.exception_on(date(2026, 12, n)) for n in range(23, 30)}
    assert {n for n, there in found.items() if there} == {24, 25, 26, 27, 28}
    assert found[26] is schedule.exceptions[1]


def test_what_was_read_is_written_as_plain_json_and_read_again() -> None:
    schedule = parse_schedule(
        document(
            makeup_weekday="tuesday",
            holiday_hours=["10:00-12:00"],
            exceptions=[exception(hours=["22:00-06:00"]), exception("2027-01-01", "2027-01-03")],
        )
    )
    text = json.dumps(schedule.as_json())
    assert parse_schedule(json.loads(text)) == schedule
    for name, edit in SCHEDULES.items():
        shipped = Schedule(name=name, **edit.model_dump())
        assert parse_schedule(shipped.as_json()) == shipped


def test_an_interval_after_midnight_is_the_next_days() -> None:
    assert span_of("09:00-17:30") == Span(540, 1050)
    assert span_of("22:00-06:00") == Span(1320, 1800)
    assert span_of("22:00-24:00") == span_of("22:00-00:00") == Span(1320, 1440)


def test_what_never_changes_is_known_without_looking_ahead() -> None:
    assert parse_schedule(SCHEDULES["always"].as_json() | {"name": "always"}).never_changes
    assert parse_schedule(document(hours={}, follow_work_calendar=False)).never_changes
    halves = dict.fromkeys(Weekday, ("00:00-12:00", "12:00-24:00"))
    whole = document(hours=halves, follow_work_calendar=False)
    assert parse_schedule(whole).never_changes
    assert not parse_schedule(whole | {"follow_work_calendar": True}).never_changes
    assert not parse_schedule(whole | {"exceptions": [exception()]}).never_changes
    gap = dict.fromkeys(Weekday, ("00:00-12:00", "12:01-24:00"))
    assert not parse_schedule(whole | {"hours": gap}).never_changes
