"""Somebody waits beside a free agent: seen when it lasts, told once."""

from __future__ import annotations

import pytest

from callcenter.asterisk.queue_watch import look_of
from callcenter.queues.watch import Look, QueueWatch

pytestmark = pytest.mark.unit

WANG = frozenset({"1001"})


def beside(*free: str, first: str = "u1", queue: str = "q_general") -> Look:
    return Look(queue, first, frozenset(free))


def test_two_seconds_of_it_are_app_queues_way_of_working() -> None:
    watch = QueueWatch()
    assert watch.note([beside("1001")], (), 0) == []
    assert watch.note([beside("1001")], (), 2) == []
    assert watch.note([], (), 4) == []
    assert (watch.stuck_ever, watch.stuck_now) == (0, ())


def test_more_than_three_seconds_are_a_fault_and_told_once() -> None:
    watch = QueueWatch()
    said = [watch.note([beside("1001")], (), at) for at in (0, 2, 4, 6)]
    assert said == [[], [], ["q_general"], []]
    assert (watch.stuck_ever, watch.stuck_now) == (1, ("q_general",))
    watch.note([], (), 8)
    assert (watch.stuck_ever, watch.stuck_now) == (1, ())


def test_another_caller_or_another_agent_begins_anew() -> None:
    watch = QueueWatch()
    for at, look in enumerate(
        (
            beside("1001"),
            beside("1001", first="u2"),
            beside("1002", first="u2"),
            beside("1001", "1002", first="u3"),
            beside("1001", first="u3"),
            beside("1002", first="u3"),
        )
    ):
        assert watch.note([look], (), at * 2.0) == [], at


def test_a_queue_that_speaks_to_who_waits_has_ten_seconds_more() -> None:
    watch = QueueWatch()
    said = [watch.note([beside("1001")], {"q_general"}, at) for at in (0, 6, 12, 14)]
    assert said == [[], [], [], ["q_general"]]


def test_a_look_is_read_from_ami() -> None:
    def member(name: str, **more: str) -> dict[str, str]:
        plain = {"Status": "1", "Paused": "0", "InCall": "0"}
        return {"Event": "QueueMember", "Queue": "q_general", "Name": name} | plain | more

    events = [
        {"Event": "QueueParams", "Queue": "q_general", "Calls": "2"},
        member("1001"),
        member("1002", Paused="1"),
        member("1003", Status="2"),
        member("1004", InCall="1"),
        member("1005", Queue="q_legal"),
        {"Event": "QueueEntry", "Queue": "q_general", "Position": "2", "Uniqueid": "u2"},
        {"Event": "QueueEntry", "Queue": "q_general", "Position": "1", "Uniqueid": "u1"},
    ]
    assert look_of("q_general", events) == Look("q_general", "u1", WANG)
    assert look_of("q_general", events[:-2]) is None
