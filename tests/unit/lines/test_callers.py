"""Who is known at the door: what counts at a moment, and what may be listed at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.lines.callers.model import (
    Decision,
    Entry,
    ListName,
    NewEntry,
    checked,
    decide,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
NUMBER = "+8613800138000"


def entry(
    name: ListName = ListName.BLOCKED,
    *,
    entry_id: int = 1,
    number: str = NUMBER,
    priority: int | None = None,
    days: int | None = 7,
    lifted: bool = False,
) -> Entry:
    return Entry(
        entry_id=entry_id,
        list=name,
        number=number,
        reason="x",
        priority=priority if priority or name is ListName.BLOCKED else 5,
        listed_at=NOW - timedelta(days=30),
        listed_by="ling",
        expires_at=None if days is None else NOW + timedelta(days=days),
        lifted_at=NOW - timedelta(days=1) if lifted else None,
        lifted_by="ling" if lifted else None,
        lifted_reason="mistake" if lifted else None,
    )


def test_a_number_on_no_list_is_anybody() -> None:
    assert decide(NUMBER, [], NOW) == Decision()
    assert decide(NUMBER, [entry(number="+8613800138001")], NOW) == Decision()


def test_a_withheld_number_is_on_no_list() -> None:
    assert decide(None, [entry()], NOW) == Decision()


def test_an_entry_counts_until_the_moment_it_expires() -> None:
    ends = entry(days=0)
    assert decide(NUMBER, [ends], NOW - timedelta(microseconds=1)).blocked == ends
    assert decide(NUMBER, [ends], NOW) == Decision()


def test_what_was_lifted_does_not_count() -> None:
    assert decide(NUMBER, [entry(lifted=True)], NOW) == Decision()


def test_a_priority_may_have_no_end() -> None:
    first = entry(ListName.PRIORITY, days=None)
    assert decide(NUMBER, [first], NOW + timedelta(days=4000)) == Decision(priority=first)


def test_of_several_the_highest_priority_and_the_longest_block_count() -> None:
    low, high = (entry(ListName.PRIORITY, entry_id=n, priority=n) for n in (3, 9))
    assert decide(NUMBER, [high, low], NOW).priority == high
    short, long = entry(days=1), entry(entry_id=2, days=5)
    assert decide(NUMBER, [short, long], NOW).blocked == long


def test_who_is_blocked_does_not_come_first() -> None:
    both = [entry(ListName.PRIORITY), entry(entry_id=2)]
    assert decide(NUMBER, both, NOW) == Decision(blocked=both[1])


BLOCK = NewEntry(
    list=ListName.BLOCKED, number=NUMBER, reason="  rings at night ", expires_at=NOW + timedelta(1)
)
FIRST = NewEntry(list=ListName.PRIORITY, number=NUMBER, reason="dialysis at home", priority=20)


def test_what_is_listed_is_kept_in_utc_without_outer_space() -> None:
    there = timezone(timedelta(hours=8))
    kept = checked(
        NewEntry(
            list=BLOCK.list,
            number=NUMBER,
            reason=BLOCK.reason,
            expires_at=BLOCK.expires_at.astimezone(there) if BLOCK.expires_at else None,
        ),
        NOW,
    )
    assert kept.expires_at is not None
    assert (kept.reason, kept.expires_at) == ("rings at night", BLOCK.expires_at)
    assert kept.expires_at.tzinfo is UTC
    assert checked(FIRST, NOW) == FIRST


@pytest.mark.parametrize(
    ("base", "change", "field"),
    [
        (BLOCK, {"expires_at": None}, "expires_at"),
        (BLOCK, {"expires_at": NOW}, "expires_at"),
        (BLOCK, {"expires_at": NOW + timedelta(days=366, seconds=1)}, "expires_at"),
        (BLOCK, {"expires_at": datetime.max.replace(tzinfo=UTC)}, "expires_at"),
        (BLOCK, {"priority": 3}, "priority"),
        (BLOCK, {"reason": " "}, "reason"),
        (BLOCK, {"reason": "x" * 501}, "reason"),
        (BLOCK, {"reason": "a\x00b"}, "reason"),
        (FIRST, {"priority": None}, "priority"),
        (FIRST, {"priority": 0}, "priority"),
        (FIRST, {"priority": 21}, "priority"),
        (FIRST, {"expires_at": NOW - timedelta(days=1)}, "expires_at"),
        (
            FIRST,
            {"expires_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))},
            "expires_at",
        ),
    ],
)
def test_what_breaks_a_rule_is_named(base: NewEntry, change: dict[str, object], field: str) -> None:
    values = {name: getattr(base, name) for name in base.__dataclass_fields__} | change
    with pytest.raises(InvalidField) as refused:
        checked(NewEntry(**values), NOW)
    assert refused.value.field == field


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    return entry(
        draw(st.sampled_from(ListName)),
        entry_id=draw(st.integers(1, 50)),
        number=draw(st.sampled_from([NUMBER, "+8613800138001"])),
        days=draw(st.integers(-3, 3)),
        lifted=draw(st.booleans()),
    )


@given(st.lists(entries(), max_size=6))
def test_a_caller_is_blocked_exactly_when_an_entry_of_theirs_holds(listed: list[Entry]) -> None:
    decision = decide(NUMBER, listed, NOW)
    held = [e for e in listed if e.number == NUMBER and e.holds(NOW)]
    assert (decision.blocked is not None) == any(e.list is ListName.BLOCKED for e in held)
    assert decision.blocked is None or decision.blocked in held
    assert decision.priority is None or (decision.priority in held and decision.blocked is None)
