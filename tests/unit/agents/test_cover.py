"""Holes in the cover, found by sweeping and compared with asking every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.agents.rosters.model import (
    Able,
    CoverRule,
    DayHours,
    Hole,
    Shift,
    checked_times,
    holes,
    moments,
    planned,
    serves,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

CITY = ZoneInfo("Asia/Shanghai")
MONDAY = datetime(2026, 11, 22, 16, tzinfo=UTC)  # 00:00 of Monday 23 November there
HOUR = timedelta(hours=1)


def shift(agent: str, start: float, end: float) -> Shift:
    return Shift(
        shift_id=UUID(int=0),
        agent_id=agent,
        starts_at=MONDAY + start * HOUR,
        ends_at=MONDAY + end * HOUR,
    )


def able(*agents: str) -> list[Able]:
    return [Able(agent_id=agent, queues=frozenset({"general"})) for agent in agents]


def find(rule: CoverRule, shifts: list[Shift], agents: list[Able], hours: int = 24) -> list[Hole]:
    return holes([rule], shifts, agents, MONDAY, MONDAY + hours * HOUR, CITY, default_language="zh")


ALWAYS = CoverRule(name="night_and_day", title="24 h", at_least=1, queue="general")


def test_three_shifts_that_meet_leave_no_hole() -> None:
    shifts = [shift("1001", 0, 8), shift("1002", 8, 16), shift("1003", 16, 24)]
    assert find(ALWAYS, shifts, able("1001", "1002", "1003")) == []


def test_a_gap_between_two_shifts_is_told_with_who_is_there() -> None:
    rule = CoverRule(name="two", title="two", at_least=2, queue="general")
    shifts = [
        shift("1001", 0, 8),
        shift("1002", 0, 7.5),
        shift("1003", 8, 24),
        shift("1001", 8, 24),
    ]
    (hole,) = find(rule, shifts, able("1001", "1002", "1003"))
    assert hole == Hole(
        rule="two", starts_at=MONDAY + 7.5 * HOUR, ends_at=MONDAY + 8 * HOUR, there=1, wanted=2
    )


def test_one_agent_with_two_shifts_that_overlap_is_one_agent() -> None:
    rule = CoverRule(name="two", title="two", at_least=2)
    found = find(rule, [shift("1001", 0, 24), shift("1001", 5, 9)], able("1001"))
    assert [(hole.there, hole.ends_at - hole.starts_at) for hole in found] == [(1, 24 * HOUR)]


def test_nobody_at_all_is_one_hole_of_the_whole_time() -> None:
    (hole,) = find(ALWAYS, [], able("1001"))
    assert (hole.starts_at, hole.ends_at, hole.there) == (MONDAY, MONDAY + 24 * HOUR, 0)


def test_a_rule_counts_only_who_serves_its_queue_skill_and_language() -> None:
    lawyer = Able(agent_id="1004", skills=frozenset({"law"}), languages=frozenset({"zh", "en"}))
    rule = CoverRule(name="law", title="law", at_least=1, skill="law", language="en")
    assert serves(lawyer, rule, "zh")
    assert not serves(Able(agent_id="1005", skills=frozenset({"law"})), rule, "zh")
    assert find(rule, [shift("1004", 0, 24)], [lawyer]) == []
    assert len(find(rule, [shift("1005", 0, 24)], able("1005"))) == 1


def test_hours_over_midnight_are_wanted_on_both_days() -> None:
    night = DayHours(weekday=1, start=22 * 60, end=30 * 60)
    rule = CoverRule(name="night", title="night", at_least=1, hours=(night,))
    (hole,) = find(rule, [], able("1001"), hours=48)
    assert (hole.starts_at, hole.ends_at) == (MONDAY + 22 * HOUR, MONDAY + 30 * HOUR)


def test_a_plan_follows_the_clock_on_the_wall_through_the_change_of_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    week = [DayHours(weekday=day, start=8 * 60, end=16 * 60) for day in (6, 7, 1)]
    made = list(planned(["1001"], week, date(2026, 10, 24), date(2026, 10, 26), berlin))
    assert [start.hour for _, start, _ in made] == [6, 7, 7]
    assert all(end - start == 8 * HOUR for _, start, end in made)


def test_a_plan_leaves_days_out_and_is_bounded() -> None:
    week = [DayHours(weekday=day, start=0, end=60) for day in range(1, 8)]
    first = date(2026, 11, 23)
    made = list(planned(["1001"], week, first, date(2026, 11, 29), CITY, leave_out={first}))
    assert len(made) == 6
    with pytest.raises(InvalidField):
        list(planned(["1001"], week, first, date(2027, 11, 29), CITY))
    with pytest.raises(InvalidField):
        list(planned([str(n) for n in range(100, 999)], week, first, date(2026, 11, 29), CITY))


def test_a_shift_has_an_end_after_its_start_and_not_too_late() -> None:
    with pytest.raises(InvalidField):
        checked_times(MONDAY, MONDAY)
    with pytest.raises(InvalidField):
        checked_times(MONDAY, MONDAY + 17 * HOUR)


spans = st.tuples(st.integers(0, 47), st.integers(1, 16)).map(
    lambda pair: (pair[0] / 2, (pair[0] + pair[1]) / 2)
)


@given(
    drawn=st.lists(st.tuples(st.sampled_from(["1001", "1002", "1003"]), spans), max_size=8),
    at_least=st.integers(1, 3),
    wanted=st.none() | spans,
)
def test_the_sweep_says_the_same_as_asking_at_every_quarter_of_an_hour(
    drawn: list[tuple[str, tuple[float, float]]],
    at_least: int,
    wanted: tuple[float, float] | None,
) -> None:
    shifts = [shift(agent, *span) for agent, span in drawn]
    hours = ()
    if wanted is not None:
        hours = (DayHours(weekday=1, start=int(wanted[0] * 60), end=int(wanted[1] * 60)),)
    rule = CoverRule(name="any", title="any", at_least=at_least, hours=hours)
    found = find(rule, shifts, able("1001", "1002", "1003"))
    for before, after in pairwise(found):
        assert before.ends_at <= after.starts_at
    for quarter in range(96):
        at = MONDAY + quarter * HOUR / 4
        there = len({one.agent_id for one in shifts if one.starts_at <= at < one.ends_at})
        needed = not hours or (lambda span: span[0] <= at < span[1])(
            moments(date(2026, 11, 23), hours[0], CITY)
        )
        says = [hole for hole in found if hole.starts_at <= at < hole.ends_at]
        assert bool(says) == (needed and there < at_least)
        assert all(hole.there == there for hole in says)
