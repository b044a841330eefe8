"""When a citizen is tried again, when we give up, and what may close a callback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.hours import Hours
from callcenter.calls.numbers import as_dialled_here
from callcenter.queues.callbacks.model import (
    AlreadyDone,
    Callback,
    CallbackState,
    Kind,
    MissedCallStays,
    NobodyReached,
    Outcome,
    Policy,
    TriesMissing,
    Try,
    TryOutcome,
    TryState,
    machine_answered,
    outcome_of_dialling,
    try_call_id,
)

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # 17:00 in the city
CITY = ZoneInfo("Asia/Shanghai")
KEY = UUID(int=7)
POLICY = Policy(
    tries=3,
    pause=timedelta(minutes=10),
    ring=timedelta(seconds=45),
    hours=Hours(time(8), time(21), CITY),
    deadline=timedelta(minutes=30),
    shortest_wait=timedelta(seconds=5),
)


def attempt(
    number: int, outcome: TryOutcome, *, dialled: bool = True, by: str | None = None
) -> Try:
    return Try(
        callback_id=KEY,
        number=number,
        state=TryState.ENDED,
        placed_at=NOW,
        dialled_at=NOW if dialled else None,
        ended_at=NOW,
        outcome=outcome,
        by=by,
    )


def callback(kind: Kind = Kind.WISH) -> Callback:
    return Callback(
        callback_id=KEY,
        call_id=UUID(int=1),
        queue="general",
        number="+8613800138000",
        language="zh",
        wanted_at=NOW,
        place_at=NOW - timedelta(minutes=2),
        kind=kind,
        due_at=NOW + timedelta(minutes=30),
        next_try_at=NOW,
    )


def test_the_clock_of_a_callback_runs_within_the_hours() -> None:
    assert POLICY.due(NOW) == NOW + timedelta(minutes=30)
    night = NOW.replace(hour=15)
    assert POLICY.due(night) == datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


def test_the_pause_is_between_rings_and_a_place_is_taken_again_at_once() -> None:
    rang = [attempt(1, TryOutcome.BUSY)]
    assert POLICY.after(rang, NOW) == NOW + timedelta(minutes=10)
    waited = [attempt(1, TryOutcome.NOT_SERVED, dialled=False)]
    assert POLICY.after(waited, NOW) == NOW + timedelta(seconds=15)


def test_a_pause_that_ends_at_night_ends_in_the_morning() -> None:
    late = NOW.replace(hour=12, minute=55)
    assert POLICY.after([attempt(1, TryOutcome.BUSY)], late) == datetime(2026, 3, 3, tzinfo=UTC)


@given(st.lists(st.tuples(st.sampled_from(TryOutcome), st.booleans(), st.booleans()), max_size=40))
def test_nobody_is_dialled_without_end_and_giving_up_takes_rings_in_vain(
    made: list[tuple[TryOutcome, bool, bool]],
) -> None:
    tries = [
        attempt(number, outcome, dialled=dialled, by="wang" if by_hand else None)
        for number, (outcome, dialled, by_hand) in enumerate(made, start=1)
    ]
    ours = sum(one.dialled_at is not None and one.by is None for one in tries)
    if tries and ours >= 9:
        assert POLICY.after(tries, NOW) is None
    vain = {TryOutcome.BUSY, TryOutcome.NO_ANSWER, TryOutcome.FAILED, TryOutcome.LOST}
    vain.add(TryOutcome.MACHINE)
    counted = sum(outcome in vain and dialled for outcome, dialled, _ in made)
    assert POLICY.gives_up(tries) == (counted >= 3)
    found = callback()
    if counted < 3:
        with pytest.raises(TriesMissing, match=f"{counted} of 3"):
            found.finish(Outcome.NOT_REACHED, "", by="wang", at=NOW, tries=tries, wanted=3)
    else:
        done = found.finish(Outcome.NOT_REACHED, "", by="wang", at=NOW, tries=tries, wanted=3)
        assert (done.state, done.next_try_at) == (CallbackState.DONE, None)


def test_a_missed_call_is_no_wish_that_can_be_withdrawn() -> None:
    with pytest.raises(MissedCallStays):
        callback(Kind.MISSED).finish(Outcome.WITHDRAWN, "", by="wang", at=NOW)
    done = callback().finish(Outcome.WITHDRAWN, "", by="wang", at=NOW)
    with pytest.raises(AlreadyDone):
        done.finish(Outcome.REACHED, "", by="wang", at=NOW)


def test_a_machine_counts_as_an_attempt_and_the_citizen_waits_again() -> None:
    ours = replace(attempt(1, TryOutcome.REACHED), call_id=UUID(int=2), node="node1")
    done = callback().finish(Outcome.REACHED, "", by="system:callback", at=NOW)
    late = NOW + timedelta(minutes=1)
    again, last = machine_answered(done, [ours], POLICY, "a mailbox", by="wang", at=late)
    assert (last.outcome, last.note, last.in_vain) == (TryOutcome.MACHINE, "a mailbox", True)
    assert (again.state, again.outcome, again.done_at) == (CallbackState.WAITING, None, None)
    assert again.next_try_at == late + POLICY.pause
    # Whom people dial they go on dialling; after the third time it is over.
    by_hand = attempt(1, TryOutcome.REACHED, by="wang")
    again, _ = machine_answered(done, [by_hand], POLICY, "", by="wang", at=late)
    assert again.next_try_at is None
    before = [attempt(1, TryOutcome.BUSY), attempt(2, TryOutcome.MACHINE)]
    over, _ = machine_answered(
        done, [*before, replace(ours, number=3)], POLICY, "", by="wang", at=late
    )
    assert (over.outcome, over.done_by) == (Outcome.NOT_REACHED, "wang")


def test_what_reached_nobody_cannot_be_taken_back() -> None:
    reached = [attempt(1, TryOutcome.REACHED)]
    withdrawn = callback().finish(Outcome.WITHDRAWN, "", by="wang", at=NOW)
    with pytest.raises(AlreadyDone):
        machine_answered(withdrawn, reached, POLICY, "", by="wang", at=NOW)
    for tries in ([], [attempt(1, TryOutcome.BUSY)]):
        with pytest.raises(NobodyReached):
            machine_answered(callback(), tries, POLICY, "", by="wang", at=NOW)


def test_what_was_done_in_time_never_becomes_overdue() -> None:
    late = NOW + timedelta(hours=1)
    assert callback().is_overdue(late)
    in_time = callback().finish(Outcome.REACHED, "", by="wang", at=NOW + timedelta(minutes=29))
    assert not in_time.is_overdue(late)
    too_late = callback().finish(Outcome.REACHED, "", by="wang", at=late)
    assert too_late.is_overdue(late)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("BUSY", TryOutcome.BUSY),
        ("NOANSWER", TryOutcome.NO_ANSWER),
        ("CONGESTION", TryOutcome.FAILED),
        ("CHANUNAVAIL", TryOutcome.FAILED),
        ("CANCEL", TryOutcome.AGENT_LEFT),
        ("LATE", TryOutcome.NOT_SERVED),
        ("SOMETHING", TryOutcome.FAILED),
    ],
)
def test_every_dialstatus_is_an_outcome(status: str, outcome: TryOutcome) -> None:
    assert outcome_of_dialling(status) is outcome


def test_an_attempt_is_always_the_same_call() -> None:
    assert try_call_id(KEY, 1) == try_call_id(KEY, 1) != try_call_id(KEY, 2)


@pytest.mark.parametrize(
    ("begin", "until", "clock", "allowed", "ends"),
    [
        (time(8), time(21), "17:00", "17:00", "21:00"),
        (time(8), time(21), "07:59", "08:00", None),
        (time(8), time(21), "21:00", "08:00 tomorrow", None),
        (time(22), time(6), "23:00", "23:00", "06:00 tomorrow"),
        (time(22), time(6), "05:00", "05:00", "06:00"),
        (time(22), time(6), "12:00", "22:00", None),
    ],
)
def test_hours_say_when_we_may_call_and_until_when(
    begin: time, until: time, clock: str, allowed: str, ends: str | None
) -> None:
    def moment(text: str) -> datetime:
        day = 3 if "tomorrow" in text else 2
        at = time.fromisoformat(text[:5])
        return datetime(2026, 3, day, at.hour, at.minute, tzinfo=CITY).astimezone(UTC)

    hours = Hours(begin, until, CITY)
    assert hours.next_allowed(moment(clock)) == moment(allowed)
    if ends is not None:
        assert hours.ends(moment(clock)) == moment(ends)


def test_hours_without_an_end_have_none() -> None:
    assert Hours(time(0), time(0), CITY).ends(NOW) is None


@pytest.mark.parametrize(
    ("number", "spoken"),
    [("+8613800138000", "13800138000"), ("+8653188880001", "053188880001"), ("12345", "12345")],
)
def test_a_caller_hears_the_number_as_they_know_it(number: str, spoken: str) -> None:
    assert as_dialled_here(number) == spoken
