"""An alert finds somebody or stays where everybody sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from callcenter.agents.on_call.model import (
    HIGHEST_LEVEL,
    Alert,
    AlertState,
    Rota,
    StepKind,
    Turn,
    WrongAlertState,
    escalated,
    given,
    on_turn,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
ROTA = Rota(name="floods", title="防汛", ack_within=timedelta(minutes=10))


def turn(level: int, agent: str, start: float = -1, end: float = 1) -> Turn:
    return Turn(
        turn_id=UUID(int=0),
        rota="floods",
        level=level,
        agent_id=agent,
        starts_at=NOW + start * timedelta(hours=1),
        ends_at=NOW + end * timedelta(hours=1),
    )


def alert(level: int = 1) -> Alert:
    return Alert(
        alert_id=UUID(int=1),
        rota="floods",
        words="地铁进水",
        case_number=None,
        raised_at=NOW,
        raised_by="wang",
        level=level,
        level_since=NOW,
    )


def told(steps: list[object]) -> list[tuple[str, int, str | None]]:
    return [(step.what, step.level, step.agent_id) for step in steps]  # type: ignore[attr-defined]


def test_it_is_given_to_whoever_has_the_turn_on_the_first_level() -> None:
    turns = [turn(1, "1001"), turn(2, "1002"), turn(1, "1003", 1, 2)]
    changed, steps = given(alert(), turns, NOW)
    assert (changed.level, told([*steps])) == (1, [("given", 1, "1001")])


def test_a_level_without_anybody_is_passed_over_at_once() -> None:
    changed, steps = given(alert(), [turn(3, "1002")], NOW)
    assert changed.level == 3
    assert told([*steps]) == [("escalated", 1, None), ("given", 3, "1002")]


def test_with_nobody_on_any_level_it_stays_open_and_says_so() -> None:
    changed, steps = given(alert(), [], NOW)
    assert (changed.level, changed.state) == (1, AlertState.OPEN)
    assert steps[-1].what is StepKind.EXHAUSTED


def test_it_goes_on_when_the_time_is_up_and_not_before() -> None:
    turns = [turn(1, "1001"), turn(2, "1002")]
    assert escalated(alert(), ROTA, turns, NOW + timedelta(minutes=9, seconds=59)) is None
    outcome = escalated(alert(), ROTA, turns, NOW + timedelta(minutes=10))
    assert outcome is not None
    changed, steps = outcome
    assert (changed.level, changed.level_since) == (2, NOW + timedelta(minutes=10))
    assert told([*steps]) == [("escalated", 1, None), ("given", 2, "1002")]


def test_after_the_last_level_it_begins_again() -> None:
    outcome = escalated(alert(2), ROTA, [turn(1, "1001"), turn(2, "1002")], NOW + ROTA.ack_within)
    assert outcome is not None
    assert outcome[0].level == 1
    assert [step.what for step in outcome[1]] == ["escalated", "exhausted", "given"]


def test_only_what_is_acknowledged_is_closed() -> None:
    with pytest.raises(WrongAlertState):
        alert().close("wang", "done", NOW)
    changed, _ = alert().acknowledge("1001", NOW)
    assert escalated(changed, ROTA, [], NOW + timedelta(days=1)) is None
    with pytest.raises(WrongAlertState):
        changed.acknowledge("1002", NOW)
    closed, _ = changed.close("1001", "抽干了", NOW)
    assert (closed.state, closed.version) == (AlertState.CLOSED, 3)


turns_of_somebody = st.lists(
    st.builds(
        turn,
        st.integers(1, HIGHEST_LEVEL),
        st.sampled_from(["1001", "1002", "1003"]),
        st.integers(-3, 0),
        st.integers(1, 6),
    ),
    min_size=1,
    max_size=6,
)


@for_all(turns=turns_of_somebody, rounds=st.integers(1, 12))
def test_whoever_has_a_turn_is_told_within_so_many_levels(turns: list[Turn], rounds: int) -> None:
    """As long as somebody has a turn, each round gives the alert to people who have one."""
    current, steps = given(alert(), turns, NOW)
    at = NOW
    for _ in range(rounds):
        people = [step.agent_id for step in steps if step.what is StepKind.GIVEN]
        assert people == on_turn(turns, current.level, at)
        at += timedelta(seconds=30)
        quick = replace(ROTA, ack_within=timedelta(seconds=30))
        outcome = escalated(current, quick, turns, at)
        assert outcome is not None
        current, steps = outcome
        assert 1 <= current.level <= HIGHEST_LEVEL
    levels = {turn.level for turn in turns if turn.starts_at <= at < turn.ends_at}
    assert current.level in levels
