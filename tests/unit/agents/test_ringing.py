"""Whom an alert calls, and when again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.agents.on_call.model import Alert, AlertState, Step, StepKind
from callcenter.agents.on_call.ringing import (
    PAUSE,
    AlertCall,
    CallOutcome,
    alert_call_id,
    to_be_called,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=10)
ALERT = Alert(
    alert_id=UUID(int=1),
    rota="floods",
    words="地铁进水",
    case_number=None,
    raised_at=BEFORE,
    raised_by="wang",
    level=2,
    level_since=NOW,
)
STEPS = [
    Step(at=BEFORE, level=1, what=StepKind.GIVEN, agent_id="1001"),
    Step(at=NOW, level=1, what=StepKind.ESCALATED),
    Step(at=NOW, level=2, what=StepKind.GIVEN, agent_id="1002"),
    Step(at=NOW, level=2, what=StepKind.GIVEN, agent_id="1003"),
]


def call(agent_id: str, *, ended_at: datetime | None = None) -> AlertCall:
    made = AlertCall(
        call_id=UUID(int=9),
        alert_id=ALERT.alert_id,
        attempt=1,
        agent_id=agent_id,
        level=2,
        phone_number=None,
        node="n1",
        placed_at=NOW,
    )
    return made if ended_at is None else made.over(CallOutcome.NO_ANSWER, ended_at)


def test_those_are_called_whom_the_alert_is_with_now() -> None:
    assert to_be_called(ALERT, STEPS, [], NOW) == ["1002", "1003"]


def test_nobody_is_called_twice_at_once_or_again_without_a_pause() -> None:
    later = NOW + timedelta(seconds=25)
    calls = [call("1002"), call("1003", ended_at=later)]
    assert to_be_called(ALERT, STEPS, calls, later + PAUSE - timedelta(milliseconds=1)) == []
    assert to_be_called(ALERT, STEPS, calls, later + PAUSE) == ["1003"]


@pytest.mark.parametrize("state", [AlertState.ACKNOWLEDGED, AlertState.CLOSED])
def test_nobody_is_called_for_what_somebody_has(state: AlertState) -> None:
    assert to_be_called(replace(ALERT, state=state), STEPS, [], NOW) == []


def test_an_alert_that_is_with_nobody_calls_nobody() -> None:
    nobody = [Step(at=NOW, level=1, what=StepKind.EXHAUSTED)]
    assert to_be_called(ALERT, nobody, [], NOW) == []


def test_the_first_outcome_of_a_call_stays() -> None:
    acknowledged = call("1002").picked_up(NOW).over(CallOutcome.ACKNOWLEDGED, NOW)
    assert acknowledged.over(CallOutcome.HEARD, NOW + PAUSE) == acknowledged
    assert acknowledged.picked_up(NOW + PAUSE).heard_at == NOW


def test_a_clock_that_went_back_makes_no_call_end_before_it_began() -> None:
    told = call("1002").picked_up(BEFORE).over(CallOutcome.HEARD, BEFORE)
    assert (told.heard_at, told.ended_at) == (NOW, NOW)


def test_each_attempt_is_a_call_of_its_own_and_the_same_whoever_makes_it() -> None:
    ids = {alert_call_id(ALERT.alert_id, attempt) for attempt in (1, 2, 3)}
    assert len(ids) == 3
    assert alert_call_id(ALERT.alert_id, 2) in ids
