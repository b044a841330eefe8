"""Forms, chance and points."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.recordings.quality.model import (
    MOST_POINTS,
    MOST_WEIGHT,
    Question,
    checked_questions,
    drawn,
    judged,
)

pytestmark = pytest.mark.unit

WEEK = date(2026, 11, 16)
FORM = (
    Question(id="greeting", text="Says who speaks", most_points=5),
    Question(id="privacy", text="Tells no stranger anything", most_points=1, critical=True),
    Question(id="answer", text="Answers the matter", most_points=10, weight=2),
)

questions = st.lists(
    st.builds(
        Question,
        id=st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True),
        text=st.just("text"),
        most_points=st.integers(1, MOST_POINTS),
        weight=st.integers(1, MOST_WEIGHT),
        critical=st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda question: question.id,
)


def test_points_are_weighed() -> None:
    result = judged(FORM, 80, {"greeting": 3, "privacy": 1, "answer": 8})
    assert (result.points, result.most_points, result.failed) == (20, 26, None)
    assert not result.passed
    assert judged(FORM, 76, {"greeting": 3, "privacy": 1, "answer": 8}).passed


def test_a_critical_question_without_a_point_fails_everything() -> None:
    result = judged(FORM, 0, {"greeting": 5, "privacy": 0, "answer": 10})
    assert (result.points, result.failed, result.passed) == (0, "privacy", False)


@pytest.mark.parametrize(
    "answers",
    [
        {"greeting": 5, "privacy": 1},
        {"greeting": 6, "privacy": 1, "answer": 10},
        {"greeting": -1, "privacy": 1, "answer": 10},
        {"greeting": 5, "privacy": 1, "answer": 10, "more": 1},
    ],
)
def test_every_question_is_answered_within_its_points_and_no_other(
    answers: dict[str, int],
) -> None:
    with pytest.raises(InvalidField):
        judged(FORM, 80, answers)


@given(questions, st.data(), st.integers(0, 100))
def test_points_lie_between_nothing_and_all(
    asked: list[Question], data: st.DataObject, pass_mark: int
) -> None:
    answers = {q.id: data.draw(st.integers(0, q.most_points)) for q in asked}
    result = judged(asked, pass_mark, answers)
    assert 0 <= result.points <= result.most_points
    best = judged(asked, pass_mark, {q.id: q.most_points for q in asked})
    assert best.points == best.most_points
    assert best.passed
    if result.failed is not None:
        assert answers[result.failed] == 0
        assert not result.passed


@given(st.sets(st.uuids(), max_size=30), st.integers(0, 2**53), st.integers(1, 10))
def test_a_seed_draws_the_same_whatever_the_order(
    recordings: set[UUID], seed: int, wanted: int
) -> None:
    there = list(recordings)
    first = drawn(there, seed=seed, week=WEEK, agent="1001", wanted=wanted)
    assert first == drawn(there[::-1], seed=seed, week=WEEK, agent="1001", wanted=wanted)
    assert len(first) == len(set(first)) == min(wanted, len(there))
    assert set(first) <= recordings


def test_every_recording_has_its_chance() -> None:
    there = [UUID(int=n) for n in range(10)]
    counts = dict.fromkeys(there, 0)
    for seed in range(2000):
        for one in drawn(there, seed=seed, week=WEEK, agent="1001", wanted=3):
            counts[one] += 1
    # 600 each is expected, with a standard deviation of 20.
    assert all(480 < count < 720 for count in counts.values()), counts


def test_a_form_says_which_questions_break_a_rule() -> None:
    bad = [*FORM, Question(id="greeting", text="again", most_points=0)]
    with pytest.raises(InvalidField) as refused:
        checked_questions(bad)
    assert [field for field, _ in refused.value.problems] == [
        "questions.3.id",
        "questions.3.most_points",
    ]
