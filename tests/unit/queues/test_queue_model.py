"""What may be said of a queue."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.asterisk.dialplan import (
    HIGHEST_PRIORITY,
    PRIORITY_EPOCH,
    PRIORITY_STEP,
    asterisk_queue,
    language_of_queue,
    our_queue,
    priority_of,
    queue_prio,
    with_priority,
)
from callcenter.platform.errors import InvalidField
from callcenter.queues.model import (
    Exit,
    ExitTo,
    Kind,
    Member,
    QueueEdit,
    Relaxation,
    Requirement,
    members_of,
    must_follow,
    new_queue_name,
)

pytestmark = pytest.mark.unit

priorities = st.integers(0, HIGHEST_PRIORITY)
#: Seconds since 1970 of one period of the count.
moments = st.integers(PRIORITY_EPOCH, PRIORITY_EPOCH + PRIORITY_STEP - 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "x\0"),
        ("title", "\ud800"),
        ("strategy", "roundrobin"),
        ("music", "jazz"),
        ("comfort_prompt", "../secret"),
        ("ring_seconds", 2),
        ("ring_seconds", 10**30),
        ("max_wait_seconds", 4),
        ("max_waiting", -1),
        ("weight", 101),
        ("wrapup_seconds", 3601),
        ("comfort_seconds", 14),
        ("announce_seconds", 0),
        ("skills", (Requirement(Kind.LANGUAGE, "en", 1),)),
        ("skills", (Requirement(Kind.SKILL, "law", 1), Requirement(Kind.SKILL, "law", 2))),
    ],
)
def test_what_cannot_be_is_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidField) as refused:
        QueueEdit(**{"title": "x", field: value})
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("level", "steps"),
    [
        (0, ()),
        (6, ()),
        (3, (Relaxation(0, 1),)),
        (3, (Relaxation(10, 3),)),
        (3, (Relaxation(10, 2), Relaxation(10, 1))),
        (3, (Relaxation(10, 1), Relaxation(20, 2))),
        (3, (Relaxation(7201, 1),)),
        (3, (Relaxation(10, -1),)),
    ],
)
def test_a_relaxation_asks_less_and_later(level: int, steps: tuple[Relaxation, ...]) -> None:
    with pytest.raises(InvalidField):
        Requirement(Kind.SKILL, "law", level, steps)


@pytest.mark.parametrize("name", ["", "Law", "1st", "a-b", "../x", "x\ny", "en\0"])
def test_a_skill_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidField):
        Requirement(Kind.SKILL, name, 3)


def test_a_language_has_two_letters() -> None:
    with pytest.raises(InvalidField):
        Requirement(Kind.LANGUAGE, "yue", 3)


@pytest.mark.parametrize(
    "exit",
    [
        (ExitTo.QUEUE, None, None),
        (ExitTo.VOICEMAIL, "legal", None),
        (ExitTo.NUMBER, None, None),
        (ExitTo.CALLBACK, None, "110"),
        (ExitTo.NUMBER, None, "110;rm"),
        (ExitTo.QUEUE, "a,b", None),
    ],
)
def test_an_exit_names_its_own_target_and_no_other(
    exit: tuple[ExitTo, str | None, str | None],
) -> None:
    with pytest.raises(InvalidField):
        Exit(*exit)


@pytest.mark.parametrize("name", ["h", "i", "s", "t", "fax", "a-b", "Law", "", "a" * 33, "x,1"])
def test_no_new_queue_has_a_name_that_means_something_else_to_asterisk(name: str) -> None:
    with pytest.raises(InvalidField):
        new_queue_name(name)


def test_an_order_of_agents_cannot_come_later() -> None:
    plain, ordered = QueueEdit(title="x"), QueueEdit(title="x", strategy="linear")
    with pytest.raises(InvalidField):
        must_follow(plain, ordered)
    must_follow(ordered, plain)
    must_follow(ordered, ordered)


def test_an_agent_has_one_place_in_a_queue() -> None:
    one, other = Member(agent_id="1001"), Member(agent_id="1002", penalty=3)
    assert members_of((other, one)) == (one, other)
    with pytest.raises(InvalidField):
        members_of((one, one))
    with pytest.raises(InvalidField):
        members_of((Member(agent_id="1001", penalty=101),))


@given(priorities, priorities, moments, moments)
def test_a_higher_priority_comes_first_and_then_who_came_earlier(
    one: int, other: int, came: int, later: int
) -> None:
    came, later = sorted((came, later))
    assert queue_prio(one, came) >= queue_prio(one, later)
    if one > other:
        assert queue_prio(one, later) > queue_prio(other, came)


@given(priorities, priorities, moments)
def test_a_priority_is_read_back_and_changed_without_losing_the_place(
    priority: int, new: int, came: int
) -> None:
    prio = queue_prio(priority, came)
    assert 0 < prio < 2**31, "app_queue keeps an int"
    assert priority_of(prio) == priority
    assert with_priority(prio, new) == queue_prio(new, came)


def test_a_language_of_a_queue_is_the_same_queue_of_ours() -> None:
    assert asterisk_queue("general", "en") == "q_general-en"
    assert our_queue("q_general-en") == our_queue("q_general") == "general"
    assert language_of_queue("q_general-en") == "en"
    assert language_of_queue("q_general") is None
