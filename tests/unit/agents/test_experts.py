"""Whose phones ring when a citizen is handed on to an expert group."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.agents.experts.model import (
    Group,
    Task,
    TaskIsOver,
    TaskIsTaken,
    TaskOutcome,
    TaskState,
    checked,
    whom_to_ring,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
LAW = Group(
    name="lawyers",
    title="律师",
    extension="*71",
    members=(("1005", 1), ("1006", 1), ("1007", 2)),
)
ALL = {"1005", "1006", "1007"}


def test_the_lowest_rank_that_has_somebody_free_rings() -> None:
    states = {"1005": "talking", "1006": "ready", "1007": "ready"}
    assert whom_to_ring(LAW, on_duty=ALL, states=states, caller="1001") == ["1006"]
    states["1006"] = "wrap_up"
    assert whom_to_ring(LAW, on_duty=ALL, states=states, caller="1001") == ["1007"]


def test_who_has_no_shift_is_left_alone_unless_the_group_says_otherwise() -> None:
    assert whom_to_ring(LAW, on_duty={"1007"}, states={}, caller=None) == ["1007"]
    assert whom_to_ring(LAW, on_duty=(), states={}, caller=None) == []
    always = replace(LAW, only_on_duty=False)
    assert whom_to_ring(always, on_duty=(), states={}, caller=None) == ["1005", "1006"]


def test_who_hands_the_citizen_on_is_not_rung() -> None:
    assert whom_to_ring(LAW, on_duty=ALL, states={}, caller="1005") == ["1006"]


@pytest.mark.parametrize(
    "broken",
    [
        {"extension": "71"},
        {"extension": "*7"},
        {"extension": "*71,1"},
        {"ring_seconds": 4},
        {"answer_within": timedelta(minutes=4)},
        {"members": (("1005", 1), ("1005", 2))},
        {"members": (("1005", 0),)},
        {"title": ""},
    ],
)
def test_what_cannot_be_a_group_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(InvalidField):
        checked(replace(LAW, **broken))


def test_a_task_is_taken_by_one_and_done_once() -> None:
    task = Task(
        task_id=UUID(int=1),
        group_name="lawyers",
        call_id=UUID(int=2),
        case_number=None,
        question="",
        made_at=NOW,
        made_by="system:node",
        due_at=NOW + timedelta(hours=1),
    )
    taken = task.take("li", NOW)
    assert taken.take("li", NOW).taken_at == NOW
    with pytest.raises(TaskIsTaken):
        taken.take("wang", NOW)
    with pytest.raises(InvalidField):
        taken.finish(TaskOutcome.NOT_REACHED, "", who="li", at=NOW)
    done = taken.finish(TaskOutcome.REACHED, "", who="li", at=NOW)
    assert (done.state, done.is_overdue(NOW + timedelta(days=9))) == (TaskState.DONE, False)
    with pytest.raises(TaskIsOver):
        done.finish(TaskOutcome.REACHED, "", who="li", at=NOW)
