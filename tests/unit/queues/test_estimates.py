"""The wait estimate: what it says, when it says nothing, and that it beats app_queue's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.queues.estimates.model import (
    FEWEST_TALKS,
    LONGEST,
    EstimateError,
    Pace,
    SpokenRule,
    Standing,
    error_of,
    estimate,
    typical,
)
from callcenter.testing.queue_day import AppQueue, DayPlan, SimulatedCall, simulate
from callcenter.testing.watched_queue import OurEstimate

pytestmark = pytest.mark.unit

PACE = Pace(handling=timedelta(seconds=240), answering=timedelta(seconds=4), talks=50)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def test_with_a_free_agent_one_waits_for_the_phone_to_be_answered() -> None:
    assert estimate(Standing(ahead=0, free=1, busy=9), PACE) == PACE.answering
    assert estimate(Standing(ahead=2, free=3, busy=9), PACE) == PACE.answering


def test_nobody_at_work_or_too_few_talks_known_is_no_estimate() -> None:
    assert estimate(Standing(ahead=0, free=0, busy=0), PACE) is None
    assert estimate(Standing(ahead=3, free=0, busy=5), None) is None
    few = replace(PACE, talks=FEWEST_TALKS - 1)
    assert estimate(Standing(ahead=3, free=0, busy=5), few) is None


def test_twenty_ahead_of_thirty_agents_is_about_the_time_of_twenty_one_ends() -> None:
    told = estimate(Standing(ahead=20, free=0, busy=30), PACE)
    assert told is not None
    # 21 ends, one every 8 s: 168 s on the average, the median a little less; and the ring.
    assert seconds(165) < told - PACE.answering < seconds(168)


def test_callers_who_give_up_and_callers_who_come_first_change_it() -> None:
    standing = Standing(ahead=20, free=0, busy=30)
    plain = estimate(standing, PACE)
    impatient = estimate(standing, replace(PACE, patience=seconds(300)))
    overtaken = estimate(replace(standing, overtaking=30 / 240 / 4), PACE)
    assert plain is not None
    assert impatient is not None
    assert overtaken is not None
    assert impatient < plain < overtaken
    # A quarter of the work goes to those who come first.
    assert (overtaken - PACE.answering) / (plain - PACE.answering) == pytest.approx(4 / 3)


def test_callers_of_another_queue_with_the_same_agents_count_by_their_share() -> None:
    alone = estimate(Standing(ahead=4, free=0, busy=10), PACE)
    half = estimate(Standing(ahead=4, free=0, busy=10, elsewhere=2.5), PACE)
    same = estimate(Standing(ahead=6, free=0, busy=10, elsewhere=1.0), PACE)
    more = estimate(Standing(ahead=7, free=0, busy=10), PACE)
    assert alone is not None
    assert half is not None
    assert same is not None
    assert more is not None
    assert alone < half < same
    assert abs(same - more) < seconds(2)


paces = st.builds(
    Pace,
    handling=st.timedeltas(seconds(0), seconds(20_000)),
    answering=st.timedeltas(seconds(0), seconds(120)),
    talks=st.integers(0, 200),
    patience=st.none() | st.timedeltas(seconds(0), seconds(20_000)),
)
standings = st.builds(
    Standing,
    ahead=st.integers(0, 500),
    free=st.integers(0, 50),
    busy=st.integers(0, 500),
    elsewhere=st.floats(0, 100),
    overtaking=st.floats(0, 10),
)


@settings(deadline=None)
@given(standing=standings, pace=st.none() | paces)
def test_whatever_is_known_it_is_no_shorter_than_the_ring_and_no_longer_than_the_longest(
    standing: Standing, pace: Pace | None
) -> None:
    told = estimate(standing, pace)
    if told is not None:
        assert pace is not None
        assert pace.answering <= told <= LONGEST
        later = estimate(replace(standing, ahead=standing.ahead + 1), pace)
        assert later is not None
        assert later >= told - timedelta(milliseconds=1)


def test_one_talk_of_three_hours_does_not_move_the_handling_time() -> None:
    talks = [seconds(200 + n) for n in range(99)]
    assert typical([*talks, timedelta(hours=3)]) < typical(talks) + seconds(3)
    with pytest.raises(ValueError, match="no lengths"):
        typical([])


def test_the_error_of_nobody_is_unknown_and_p90_is_a_nearest_rank() -> None:
    assert error_of([]) is None
    ten = error_of([seconds(n) for n in range(1, 11)])
    assert ten == EstimateError(median=seconds(5.5), p90=seconds(9), calls=10)


@pytest.mark.parametrize(
    ("told", "error", "why"),
    [
        (None, (10, 20, 100), "cannot be known"),
        (29, (10, 20, 100), "under 30 s"),
        (120, None, "0 answered calls"),
        (120, (10, 20, 29), "29 answered calls"),
        (120, (10, 61, 30), "more than 61 s; 60 s are allowed"),
        (120, (10, 60, 30), None),
        (300, (10, 149, 30), None),
        (300, (10, 151, 30), "150 s are allowed"),
    ],
)
def test_an_estimate_is_spoken_only_where_the_error_has_been_small(
    told: float | None, error: tuple[float, float, int] | None, why: str | None
) -> None:
    known = error and EstimateError(median=seconds(error[0]), p90=seconds(error[1]), calls=error[2])
    reason = SpokenRule().why_not(None if told is None else seconds(told), known)
    assert (reason is None) == (why is None)
    assert (why or "") in (reason or "")


def _errors(calls: Sequence[SimulatedCall], name: str) -> EstimateError:
    """Of the answered callers who had to wait: app_queue says nothing to the others."""
    found = error_of(
        [
            seconds(abs(call.answered_at - call.came_at - told))
            for call in calls
            if call.answered_at is not None
            and not call.at_once
            and (told := call.told[name]) is not None
        ]
    )
    assert found is not None
    return found


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_on_the_same_day_ours_is_nearer_than_app_queues(seed: int) -> None:
    """Half a day of 12 agents with breaks; `python -m bench.estimate` does whole days of 30."""
    plan = DayPlan(hours=(7, 15), agents=12, busiest_hour=175, break_every=5400)
    calls = simulate(plan, Random(seed), [OurEstimate(), AppQueue()])
    ours, theirs = _errors(calls, "ours"), _errors(calls, "app_queue")
    assert ours.calls >= 150
    assert ours.median < theirs.median
    assert ours.p90 < theirs.p90


def test_a_simulated_day_is_the_same_for_the_same_seed_and_keeps_the_order() -> None:
    plan = DayPlan(hours=(8, 10), priority_share=0.3)
    first, second = (simulate(plan, Random(3)) for _ in range(2))
    assert first == second
    answered = [call for call in first if call.rung_at is not None]
    for call in answered:
        # Nobody of the same or a higher priority who came later was rung before.
        assert not any(
            other.came_at > call.came_at
            and other.priority <= call.priority
            and other.rung_at is not None
            and call.rung_at is not None
            and other.rung_at < call.rung_at
            for other in answered
        )
