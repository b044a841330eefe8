"""What is done about members that are not as wanted."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.asterisk.members import (
    Repair,
    SeenMember,
    _gathered,
    differences,
    interface,
    repairs,
)
from callcenter.queues.membership import Membership

pytestmark = pytest.mark.unit


def wanted(queue: str = "general", agent_id: str = "1001", *, reason: str = "") -> Membership:
    return Membership(queue=queue, agent_id=agent_id, penalty=0, paused=bool(reason), reason=reason)


def seen(queue: str = "general", agent_id: str = "1001", *, reason: str = "") -> SeenMember:
    return SeenMember(
        queue=queue,
        interface=interface(agent_id),
        penalty=0,
        paused=bool(reason),
        reason=reason,
        is_static=False,
    )


def test_what_is_as_wanted_is_left_alone() -> None:
    assert repairs([wanted()], [seen()]) == []


def test_a_new_member_comes_with_everything_at_once() -> None:
    [one] = repairs([wanted(reason="rest")], [])
    assert one.action == "QueueAdd"
    assert one.headers == {
        "Queue": "q_general",
        "Interface": "PJSIP/1001",
        "Penalty": "0",
        "Paused": "true",
        "MemberName": "1001",
        "StateInterface": "PJSIP/1001",
        "Reason": "rest",
    }


def test_who_must_not_be_rung_is_paused_before_anything_else() -> None:
    order = repairs(
        [wanted(reason="rest"), wanted("legal", "1002"), wanted("general", "1003")],
        [seen(), seen("legal", "1004"), seen("general", "1003", reason="tea")],
    )
    assert [(r.action, r.field) for r in order] == [
        ("QueuePause", "paused"),
        ("QueueRemove", "member"),
        ("QueueAdd", "member"),
        ("QueuePause", "paused"),
    ]
    assert order[-1].headers["Paused"] == "false"


def test_one_pause_for_all_queues_where_all_need_the_same() -> None:
    both = [seen(), seen("legal")]
    todo = repairs([wanted(reason="rest"), wanted("legal", reason="rest")], both)
    assert list(_gathered(todo, both)) == [
        ("QueuePause", {"Interface": "PJSIP/1001", "Paused": "true", "Reason": "rest"})
    ]
    one = repairs([wanted(reason="rest"), wanted("legal")], both)
    assert [headers["Queue"] for _, headers in _gathered(one, both)] == ["q_general"]


def test_a_member_from_a_file_is_told_and_left_to_the_reload() -> None:
    static = SeenMember(
        queue="general",
        interface="PJSIP/1001",
        penalty=0,
        paused=False,
        reason="",
        is_static=True,
    )
    assert repairs([], [static]) == []
    assert differences([], [static]) == ["queue general: PJSIP/1001 is a member from a file"]


keys = st.tuples(st.sampled_from(["general", "legal"]), st.sampled_from(["1001", "1002"]))
kinds = st.tuples(st.integers(0, 3), st.sampled_from(["", "rest", "meal"]))
sets = st.dictionaries(keys, kinds, max_size=4)


@given(sets, sets)
def test_after_the_repairs_asterisk_has_what_is_wanted_and_nothing_else(
    want: dict[tuple[str, str], tuple[int, str]], have: dict[tuple[str, str], tuple[int, str]]
) -> None:
    should = [
        Membership(queue=q, agent_id=a, penalty=p, paused=bool(r), reason=r)
        for (q, a), (p, r) in want.items()
    ]
    there = {
        (f"q_{q}", interface(a)): {"Penalty": str(p), "Reason": r}
        for (q, a), (p, r) in have.items()
    }
    before = [
        SeenMember(
            queue=q,
            interface=interface(a),
            penalty=p,
            paused=bool(r),
            reason=r,
            is_static=False,
        )
        for (q, a), (p, r) in have.items()
    ]
    apply(there, _gathered(repairs(should, before), before))
    assert there == {
        (f"q_{q}", interface(a)): {"Penalty": str(p), "Reason": r}
        for (q, a), (p, r) in want.items()
    }


def apply(
    there: dict[tuple[str, str], dict[str, str]], todo: Iterable[tuple[str, dict[str, str]]]
) -> None:
    """What app_queue does."""
    for action, headers in todo:
        at = headers["Interface"]
        if action == "QueueAdd":
            there[headers["Queue"], at] = {
                "Penalty": headers["Penalty"],
                "Reason": headers.get("Reason", ""),
            }
            continue
        for key in [k for k in there if k[1] == at and headers.get("Queue", k[0]) == k[0]]:
            if action == "QueueRemove":
                del there[key]
            elif action == "QueuePenalty":
                there[key]["Penalty"] = headers["Penalty"]
            else:
                there[key]["Reason"] = headers.get("Reason", "")


def test_a_repair_says_what_differed() -> None:
    assert repairs([wanted(reason="rest")], [seen(reason="tea")]) == [
        Repair(
            "QueuePause",
            {
                "Queue": "q_general",
                "Interface": "PJSIP/1001",
                "Paused": "true",
                "Reason": "rest",
            },
            "reason",
        )
    ]
