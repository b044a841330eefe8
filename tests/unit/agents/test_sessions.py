"""An agent's state follows from wishes, the phone and the calls, in whatever order they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.agents.sessions import model
from callcenter.agents.sessions.model import (
    Act,
    Line,
    Phone,
    Record,
    Seen,
    Session,
    State,
    Wish,
    WrongState,
)

pytestmark = pytest.mark.unit

T = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CALL = UUID(int=7)
NEW = Session(agent_id="1001")
WRAP_UPS = {"general": timedelta(seconds=30)}
LIMITS = {"rest": timedelta(minutes=10)}


def after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def wish(act: Act, seconds: float = 0, reason: str | None = None) -> Wish:
    return Wish(act=act, at=after(seconds), by="anna", reason=reason)


class Life:
    """An agent over time, as the node sees one: looked at, noted, looked at again."""

    def __init__(self) -> None:
        self.record = Record(session=NEW, since=T, is_kept=False)

    def look(self, seconds: float, *, there: bool = True, **seen: Any) -> tuple[str, str | None]:
        values = {"line": Line.FREE, "paused_for": None, "call_id": CALL, "queue": "general"}
        look = Seen(there=there, **(values | seen))
        session = model.now(self.record, look, after(seconds), WRAP_UPS)
        noted = model.noted(self.record, session, after(seconds), LIMITS, seen=True)
        # What a row keeps: everything but what Asterisk itself remembers.
        self.record = replace(noted, is_kept=True, session=replace(session, armed=False))
        return self.record.state.value, model.pause_of(session)

    def wish(self, *args: Any) -> None:
        self.record = replace(
            self.record,
            session=model.wished(self.record.session, wish(*args)),
            version=self.record.version + 1,
        )


@pytest.fixture
def life() -> Life:
    return Life()


def test_out_of_the_box_an_agent_is_ready_as_soon_as_the_phone_is_there(life: Life) -> None:
    assert life.look(0, there=False) == ("offline", None)
    assert life.look(1) == ("ready", None)


def test_a_phone_that_vanishes_pauses_until_it_is_back(life: Life) -> None:
    life.look(0)
    assert life.look(1, there=False) == ("paused", "phone_gone")
    assert life.record.reason == "phone_gone"
    assert life.look(2) == ("ready", None)


def test_two_calls_unanswered_in_a_row_pause_until_the_agent_says_ready() -> None:
    once = model.did_not_answer(NEW, after(1))
    assert once.paused_for is None
    assert model.did_not_answer(model.answered(once), after(2)).paused_for is None
    twice = model.did_not_answer(once, after(2))
    assert twice.paused_for == "no_answer"
    assert model.phone_is(model.phone_is(twice, there=True), there=True).paused_for == "no_answer"
    assert model.wished(twice, wish(Act.READY, 3)).paused_for is None


def test_a_call_that_rang_before_the_agent_spoke_counts_for_nothing() -> None:
    ready = model.wished(replace(NEW, missed=1), wish(Act.READY, 5))
    assert model.did_not_answer(ready, after(4)) == ready


def test_a_pause_wished_for_in_a_talk_comes_after_it_and_after_the_wrap_up(life: Life) -> None:
    life.look(0)
    assert life.look(1, line=Line.TALKING, paused_for="wrap_up") == ("talking", "wrap_up")
    life.wish(Act.PAUSE, 2, "rest")
    assert life.look(3, line=Line.TALKING, paused_for="wrap_up") == ("talking", "wrap_up")
    assert life.look(4, paused_for="wrap_up") == ("wrap_up", "wrap_up")
    assert life.record.until_at == after(34)
    assert life.look(34, paused_for="wrap_up") == ("paused", "rest")


def test_a_wrap_up_ends_by_its_limit_the_saved_case_or_a_wish(life: Life) -> None:
    for end in ("limit", "case", "wish"):
        life.look(0)
        life.look(1, line=Line.TALKING, paused_for="wrap_up")
        assert life.look(10, paused_for="wrap_up") == ("wrap_up", "wrap_up")
        assert life.look(39, paused_for="wrap_up")[0] == "wrap_up"
        assert life.record.session.call_id == CALL
        if end == "wish":
            life.wish(Act.DONE, 39.5)
        over = 40.1 if end == "limit" else 39.5
        assert life.look(over, paused_for="wrap_up", case_saved=end == "case") == ("ready", None)


def test_no_wrap_up_where_the_queue_has_none(life: Life) -> None:
    life.look(0)
    life.look(1, line=Line.TALKING, queue="legal")
    assert life.look(10, queue="legal") == ("ready", None)


def test_a_node_that_was_away_at_the_hang_up_counts_the_wrap_up_from_there(life: Life) -> None:
    life.look(0)
    life.look(1, line=Line.TALKING, paused_for="wrap_up")
    seen = {"paused_for": "wrap_up", "talk_ended_at": after(5)}
    assert life.look(20, **seen) == ("wrap_up", "wrap_up")
    assert life.record.until_at == after(35)


def test_the_talk_before_does_not_shorten_the_wrap_up(life: Life) -> None:
    life.look(0)
    life.look(10, line=Line.TALKING, paused_for="wrap_up")
    life.look(12, paused_for="wrap_up", talk_ended_at=after(5))
    assert life.record.until_at == after(42)


def test_a_pause_over_its_limit_is_told(life: Life) -> None:
    life.look(0)
    life.wish(Act.PAUSE, 1, "rest")
    life.look(1)
    assert (life.record.until_at, life.record.over_limit) == (after(601), False)
    life.look(602)
    assert life.record.over_limit
    life.wish(Act.READY, 603)
    life.look(603)
    assert not life.record.over_limit


def test_an_older_wish_that_comes_late_changes_nothing() -> None:
    paused = model.wished(NEW, wish(Act.PAUSE, 10, "meal"))
    assert model.wished(paused, wish(Act.READY, 9)) == paused


@pytest.mark.parametrize(
    ("session", "act", "allowed"),
    [
        (NEW, "talking", ("ready", "paused", "offline")),
        (NEW, "wrap_up", ("ready", "paused", "offline")),
        (NEW, "done", ("ready", "paused", "offline")),
        (replace(NEW, line=Line.TALKING), "ready", ("paused", "offline")),
        (
            replace(NEW, wrap_up_until=after(9)),
            "ringing",
            ("ready", "paused", "offline", "done"),
        ),
    ],
)
def test_a_wrong_state_is_refused_with_what_is_allowed(
    session: Session, act: str, allowed: tuple[str, ...]
) -> None:
    with pytest.raises(WrongState) as refused:
        model.refuse_wrong(session, act)
    assert refused.value.allowed == allowed
    assert "Allowed now: " + ", ".join(allowed) in refused.value.message


def test_a_pause_that_waits_for_the_end_of_a_talk_can_be_taken_back() -> None:
    model.refuse_wrong(replace(NEW, line=Line.TALKING, paused_for="rest"), "ready")


# Whatever comes in whatever order.

wishes = st.builds(
    Wish,
    act=st.sampled_from(Act),
    at=st.integers(0, 100).map(after),
    by=st.just("anna"),
    reason=st.sampled_from(["rest", "meal"]),
)
looks = st.builds(
    Seen,
    there=st.booleans(),
    line=st.sampled_from(Line),
    paused_for=st.sampled_from([None, "wrap_up", "rest", "phone_gone"]),
    call_id=st.just(CALL),
    queue=st.sampled_from([None, "general", "legal"]),
    talk_ended_at=st.none() | st.integers(0, 100).map(after),
    case_saved=st.booleans(),
)
misses = st.just("missed")
answers = st.just("answered")
histories = st.lists(wishes | looks | misses | answers, max_size=30)


def lived(history: list[Any]) -> Record:
    """A second passes before each thing that happens."""
    record = Record(session=NEW, since=T, is_kept=False)
    for second, thing in enumerate(history):
        at, session = after(second), record.session
        if isinstance(thing, Wish):
            record = replace(record, session=model.wished(session, thing))
        elif thing == "missed":
            record = replace(record, session=model.did_not_answer(session, at))
        elif thing == "answered":
            record = replace(record, session=model.answered(session))
        else:
            session = model.now(record, thing, at, WRAP_UPS)
            record = model.noted(record, session, at, LIMITS, seen=True)
            record = replace(record, is_kept=True)
    return record


@given(histories, looks)
def test_state_and_pause_in_asterisk_never_contradict_each_other(
    history: list[Any], last: Seen
) -> None:
    record = lived([*history, last])
    session, pause = record.session, model.pause_of(record.session)
    if record.state is State.READY:
        assert pause is None
        assert session.phone is Phone.THERE
        assert session.logged_in
    if record.state is State.PAUSED:
        assert pause == record.reason
    if record.state is State.WRAP_UP:
        assert pause == "wrap_up"
        assert record.until_at is not None
    if last.line is not Line.FREE:
        assert record.state.value == last.line.value
    elif not session.logged_in:
        assert record.state is State.OFFLINE
    assert record.state is State.PAUSED or not record.over_limit


@given(histories, looks)
def test_looking_again_at_the_same_changes_nothing(history: list[Any], last: Seen) -> None:
    once = lived([*history, last])
    calm = replace(last, paused_for=model.pause_of(once.session))
    again = model.now(once, calm, after(len(history)), WRAP_UPS)
    assert model.state_of(again) == (once.state, once.reason)
    assert model.pause_of(again) == model.pause_of(once.session)


@given(st.lists(wishes, max_size=8).flatmap(lambda w: st.tuples(st.just(w), st.permutations(w))))
def test_the_newest_wish_wins_in_whatever_order_they_arrive(
    orders: tuple[list[Wish], list[Wish]],
) -> None:
    one, other = orders
    moments = [each.at for each in one]
    if len(set(moments)) < len(moments):
        return  # two at the very same moment: either may win

    def end(order: list[Wish]) -> tuple[bool, str | None]:
        session = NEW
        for each in order:
            session = model.wished(session, each)
        return session.logged_in, session.paused_for

    newest = max(one, key=lambda each: each.at, default=None)
    if newest is None or newest.act is Act.DONE:
        return  # says nothing of a pause
    assert end(one) == end(other)


@given(histories)
def test_whoever_says_ready_with_a_phone_in_the_hand_is_ready(history: list[Any]) -> None:
    free = Seen(there=True, line=Line.FREE, paused_for=None)
    # A wrap-up after a talk that went on is over by then.
    record = lived([*history, free, *[free] * 40])
    session = model.wished(record.session, wish(Act.READY, 1000))
    record = replace(record, session=session)
    seen = model.now(record, free, after(1001), WRAP_UPS)
    assert model.state_of(seen) == (State.READY, None)
