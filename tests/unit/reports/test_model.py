"""Figures as values, and the parts a report is told in."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.reports.model import (
    LONGEST,
    NONE_DUE,
    AgentFigure,
    Asked,
    Figure,
    Interval,
    Ratio,
    Target,
    Unit,
    spans,
    target_of,
    total,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_nothing_of_nothing_is_none_due_and_no_rate() -> None:
    assert Ratio().value is None
    assert Ratio().text(Unit.SHARE) == NONE_DUE
    assert Ratio(0, 3).text(Unit.SHARE) == "0.0 % (0 of 3)"
    assert Ratio(28, 30).text(Unit.SHARE) == "93.3 % (28 of 30)"
    assert Ratio(100.5, 200.0).text(Unit.SHARE) == "50.2 % (100 s of 200 s)"
    assert Ratio(37.0, 3).text(Unit.SECONDS) == "12.3 s (3)"


def test_a_target_is_met_only_by_what_was_due() -> None:
    assert target_of(Figure.CONNECTION, 0.95) == Target(0.95, met=True)
    assert target_of(Figure.CONNECTION, 0.949) == Target(0.95, met=False)
    assert target_of(Figure.ABANDONMENT, 0.051) == Target(0.05, met=False)
    assert target_of(AgentFigure.OCCUPANCY, 0.85) == Target(0.85, met=True)
    assert target_of(Figure.FOLLOW_UP, None) == Target(1.0, met=None)
    assert target_of(Figure.HANDLING_TIME, 300.0) is None


def test_parts_add_up_by_numerator_and_denominator() -> None:
    found = total([{Figure.CONNECTION: Ratio(1, 2)}, {Figure.CONNECTION: Ratio(9, 10)}])
    assert found[Figure.CONNECTION] == Ratio(10, 12)
    assert found[Figure.ABANDONMENT] == Ratio()


def test_a_report_has_a_beginning_before_its_end_and_is_no_longer_than_a_year() -> None:
    with pytest.raises(InvalidField, match="after from"):
        Asked(begin=NOW, end=NOW, now=NOW)
    with pytest.raises(InvalidField, match="days at most"):
        Asked(begin=NOW, end=NOW + LONGEST + timedelta(seconds=1), now=NOW)


def test_days_are_the_city_s_also_when_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    found = spans(begin, begin + timedelta(days=2), Interval.DAY, berlin)
    assert [span.end - span.begin for span in found] == [
        timedelta(hours=25),
        timedelta(hours=23),
    ]
    hours = spans(begin, begin + timedelta(hours=25), Interval.HOUR, ZoneInfo("Asia/Kolkata"))
    assert hours[0].end - hours[0].begin == timedelta(minutes=30)
    assert len(hours) == 26


def test_months_are_the_city_s() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime(2025, 12, 31, 23, tzinfo=UTC)
    found = spans(begin, begin + timedelta(days=365), Interval.MONTH, berlin)
    assert [round((span.end - span.begin) / timedelta(hours=1)) for span in found] == [
        24 * days + more
        for days, more in zip(
            (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31),
            (0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0),
            strict=True,
        )
    ]
    middle = spans(NOW, NOW + timedelta(days=60), Interval.MONTH, ZoneInfo("UTC"))
    assert [span.begin.day for span in middle] == [2, 1, 1]


ZONES = ("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Africa/Cairo")


@settings(deadline=None)
@given(
    begin=st.timedeltas(timedelta(days=-9_000), timedelta(days=5_000)).map(lambda by: NOW + by),
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=9)),
    interval=st.sampled_from(Interval),
    zone=st.sampled_from(ZONES),
)
def test_parts_cover_the_time_without_gap_or_overlap(
    begin: datetime, length: timedelta, interval: Interval, zone: str
) -> None:
    end = begin + length
    found = spans(begin, end, interval, ZoneInfo(zone))
    assert found[0].begin == begin
    assert found[-1].end == end
    for one, following in itertools.pairwise(found):
        assert one.begin < one.end == following.begin
        local = one.end.astimezone(ZoneInfo(zone))
        assert local.second == 0
        assert interval in (Interval.DAY, Interval.MONTH) or local.minute % 15 == 0
        if interval in (Interval.DAY, Interval.MONTH):
            assert local.hour in (0, 1)  # 1: where midnight is skipped
        if interval is Interval.MONTH:
            assert local.day == 1


def test_more_parts_than_anybody_reads_are_refused() -> None:
    with pytest.raises(InvalidField, match="1000 parts"):
        spans(NOW, NOW + timedelta(days=30), Interval.QUARTER_HOUR, ZoneInfo("UTC"))
