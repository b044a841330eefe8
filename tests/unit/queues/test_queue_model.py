"""What may be said of a queue."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.asterisk.dialplan import (
    asterisk_queue,
    language_of_queue,
    our_queue,
)
from callcenter.asterisk.queue_order import (
    HIGHEST_PRIORITY,
    PLACES_BACK,
    PRIORITY_STEP,
    places_from,
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
#: Tenths of a second since 1970, and a moment that places are counted from.
BASE = 17_672_256_000
moments = st.integers(BASE, BASE + PRIORITY_STEP - 1)


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
def test_a_higher_priority_comes_first_and_then_who_came_earlier_by_tenths_of_a_second(
    one: int, other: int, came: int, later: int
) -> None:
    came, later = sorted((came, later))
    if came < later:
        assert queue_prio(one, came, BASE) > queue_prio(one, later, BASE)
    if one > other:
        assert queue_prio(one, later, BASE) > queue_prio(other, came, BASE)


@given(priorities, priorities, moments)
def test_a_priority_is_read_back_and_changed_without_losing_the_place(
    priority: int, new: int, came: int
) -> None:
    prio = queue_prio(priority, came, BASE)
    assert 0 < prio < 2**31, "app_queue keeps an int"
    assert priority_of(prio) == priority
    assert with_priority(prio, new) == queue_prio(new, came, BASE)


@given(priorities, st.integers(-(10**12), 10**12))
def test_whoever_came_when_a_priority_stays_what_it_is(priority: int, came: int) -> None:
    assert priority_of(queue_prio(priority, came, BASE)) == priority


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2 * PLACES_BACK),  # until the next one comes
            st.integers(0, PLACES_BACK),  # since when they wait: a callback
            st.integers(0, 36_000),  # how long they wait from now
        ),
        min_size=2,
        max_size=12,
    )
)
def test_who_waits_at_once_is_in_order_for_as_many_years_as_there_are(
    came: list[tuple[int, int, int]],
) -> None:
    now, counted_from = BASE, None
    waiting: list[tuple[int, int, int]] = []  # first wait, place, until
    for gap, back, stays in came * 30:
        now += gap
        waiting = [one for one in waiting if one[2] > now]
        counted_from = places_from(counted_from, now, len(waiting))
        since = now - back
        waiting.append((since, queue_prio(0, since, counted_from), now + stays))
        in_order = [since for since, _, _ in sorted(waiting, key=lambda one: -one[1])]
        assert in_order == sorted(in_order)


def test_the_count_moves_on_only_while_nobody_waits() -> None:
    before = BASE - PLACES_BACK
    late = before + 2 * PLACES_BACK + 1
    assert places_from(None, BASE, 5) == before, "Asterisk has just started"
    assert places_from(before, late, 1) == before
    assert places_from(before, late - 1, 0) == before, "nor before it is due"
    assert places_from(before, late, 0) == late - PLACES_BACK
    assert places_from(before, before - 1, 0) == before - 1 - PLACES_BACK, "the clock was set back"
    # Never quiet for 85 days: all later ones are equal, which leaves the order to app_queue.
    far = before + 2 * PRIORITY_STEP
    assert queue_prio(0, far, before) == queue_prio(0, far + 1, before) > 0


def test_a_language_of_a_queue_is_the_same_queue_of_ours() -> None:
    assert asterisk_queue("general", "en") == "q_general-en"
    assert our_queue("q_general-en") == our_queue("q_general") == "general"
    assert language_of_queue("q_general-en") == "en"
    assert language_of_queue("q_general") is None
