"""Who must be in which of Asterisk's queues."""

from __future__ import annotations

import pytest

from callcenter.queues.membership import Attendance, Membership, Place, wanted_members

pytestmark = pytest.mark.unit

PLACES = [
    Place(queue="general", agent_id="1001", of="general"),
    Place(queue="general-en", agent_id="1001", of="general", penalty=2),
    Place(queue="legal", agent_id="1001", of="legal"),
]


def queues(attendance: Attendance) -> dict[str, Membership]:
    return {m.queue: m for m in wanted_members(PLACES, {"1001": attendance})}


def test_who_is_logged_in_is_a_member_of_each_queue_of_theirs() -> None:
    members = queues(Attendance())
    assert {name: m.penalty for name, m in members.items()} == {
        "general": 0,
        "general-en": 2,
        "legal": 0,
    }
    assert not any(m.paused for m in members.values())


def test_who_is_logged_out_is_a_member_nowhere() -> None:
    assert queues(Attendance(logged_in=False)) == {}
    assert wanted_members(PLACES, {}) == frozenset(), "nor who is not known"


def test_out_of_one_queue_means_out_of_all_that_serve_it() -> None:
    assert set(queues(Attendance(out_of=frozenset({"general"})))) == {"legal"}


def test_a_pause_is_told_to_each_queue_with_its_reason() -> None:
    members = queues(Attendance(paused_for="rest"))
    assert {(m.paused, m.reason) for m in members.values()} == {(True, "rest")}
