"""Legs that acts call in, the caller put aside, what a consultation leaves: as Asterisk told it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.book import CallBook
from callcenter.calls.events import CallEvent
from callcenter.calls.in_call import uniqueid_of_party
from callcenter.calls.model import Call, VisitOutcome
from callcenter.calls.tail import Position
from callcenter.calls.timeline import timeline
from tests.unit.calls.test_fold import fold, journal, kinds

pytestmark = pytest.mark.unit

CAPTURED = ("three_way", "emergency", "consulted_then_queue")


def booked(events: list[CallEvent]) -> CallBook:
    book = CallBook("node1")
    for number, event in enumerate(events):
        book.take(event, Position(1, number))
    return book


@pytest.mark.parametrize("name", CAPTURED)
def test_every_leg_belongs_to_the_one_call(name: str) -> None:
    events = journal(name)
    book = booked(events)
    (call,) = book.calls.values()
    channels = {event.uniqueid for event in events}
    assert {leg.uniqueid for leg in call.legs} == channels
    assert (book.held, book.dropped) == (0, 0)
    assert call.is_settled


def test_an_officer_is_told_of_from_ring_to_hang_up() -> None:
    call, facts = fold(journal("three_way"))
    told = [kind for kind in kinds(facts) if kind.startswith(("party", "caller_"))]
    assert told == [
        "caller_queued",
        "party_called",
        "party_answered",
        "caller_held",
        "caller_retrieved",
        "party_left",
    ]
    officer = next(leg for leg in call.legs if leg.uniqueid.startswith("leg-"))
    assert officer.agent is None
    assert call.role_of(officer) == "other"
    assert officer.bridged
    assert [talk.agent for talk in call.talks] == ["1001"]
    assert call.hangup_by == "caller"
    assert "other_unit_answered" not in kinds(facts), "the flow handed nobody on"


def test_the_talk_of_an_agent_whom_an_emergency_service_relieves_ends_there() -> None:
    call, _ = fold(journal("emergency"))
    (talk,) = call.talks
    assert talk.ended_at is not None
    assert call.ended_at is not None
    assert talk.ended_at < call.ended_at, "the citizen went on talking"


def test_a_colleague_who_was_asked_talks_without_a_wait_and_the_queue_gives_the_next() -> None:
    call, facts = fold(journal("consulted_then_queue"))
    assert [(visit.queue, visit.why, visit.outcome) for visit in call.visits] == [
        ("general", "flow", VisitOutcome.ANSWERED),
        ("enterprise", "transfer", VisitOutcome.ANSWERED),
    ]
    assert [talk.visit for talk in call.talks] == [1, None, 2]
    assert kinds(facts).count("call_transferred") == 1
    # Once for whom nobody could reach, once for whom was asked.
    assert kinds(facts).count("caller_held") == kinds(facts).count("caller_retrieved") == 2
    assert call.held_since is None


def test_a_channel_that_only_its_variable_names_is_taken_in_with_what_came_before() -> None:
    """Where an Originate could not give the channel our id, CC_LEG tells whose it is."""
    events = journal("three_way")
    renamed = [
        replace(event, uniqueid="node1-9.9", linkedid="node1-9.9")
        if event.uniqueid.startswith("leg-")
        else event
        for event in events
    ]
    (call,) = booked(renamed).calls.values()
    leg = call.leg("node1-9.9")
    assert leg is not None
    assert leg.bridged
    began = next(e for e in renamed if e.uniqueid == "node1-9.9")
    assert leg.started_at == began.at


def test_a_leg_of_a_call_nobody_knows_is_let_go() -> None:
    stray = uniqueid_of_party(UUID(int=7), 1)
    events = [
        replace(event, uniqueid=stray, linkedid=stray)
        for event in journal("three_way")
        if event.uniqueid.startswith("leg-") and not isinstance(event, ev.LegNamed)
    ]
    book = booked(events)
    assert book.calls == {}
    assert book.dropped == len(events)


def test_a_restart_in_the_middle_knows_which_call_to_ask_for() -> None:
    event = next(e for e in journal("three_way") if e.uniqueid.startswith("leg-"))
    _, _, call_ids = CallBook("node1").unknown([event])
    assert call_ids == {UUID(event.uniqueid[4:40])}


def test_asking_before_transferring_makes_the_question_part_of_the_citizens_call() -> None:
    book = booked(journal("attended_transfer"))
    citizens = next(call for call in book.calls.values() if call.direction == "inbound")
    asked = next(call for call in book.calls.values() if call.direction == "internal")
    assert asked.merged_into == citizens.call_id
    joined = [fact for fact in book.facts if fact.kind == "call_joined"]
    assert [fact.call_id for fact in joined] == [asked.call_id]
    owners: dict[str, list[Call]] = {}
    for call in book.calls.values():
        for leg in call.legs:
            if leg.moved_to is None:
                owners.setdefault(leg.uniqueid, []).append(call)
    assert all(len(calls) == 1 for calls in owners.values()), "one call a leg"


@pytest.mark.parametrize("name", CAPTURED)
@given(data=st.data())
def test_no_disorder_leaves_the_caller_put_aside_or_a_party_there_after_the_end(
    name: str, data: st.DataObject
) -> None:
    events = journal(name)
    call, facts = fold(data.draw(st.permutations(events)))
    if call.is_settled:
        assert call.held_since is None
        called, left = (kinds(facts).count(kind) for kind in ("party_called", "party_left"))
        assert called == left


def test_an_announcement_is_no_call_and_no_leg_of_one() -> None:
    events = journal("recording_paused")
    announcing = [event for event in events if event.uniqueid.startswith("announce-")]
    assert len({event.linkedid for event in announcing}) == 8, "four times, to two people"
    book = booked(events)
    (call,) = book.calls.values()
    assert sorted(call.role_of(leg) for leg in call.legs) == ["agent", "citizen"]
    assert (book.held, book.dropped) == (0, len(announcing))
    without = booked([event for event in events if event not in announcing])
    assert without.calls == book.calls


def by_phone(
    event: type[ev.PhoneHeld | ev.PhoneRetrieved], leg: CallEvent, after: int
) -> CallEvent:
    at = leg.at + timedelta(milliseconds=after)
    key = f"{event.kind}/{after}".encode()
    return event(key=key, at=at, uniqueid=leg.uniqueid, linkedid=leg.linkedid, channel=leg.channel)


def agent_in_bridge(events: list[CallEvent]) -> CallEvent:
    return next(e for e in events if isinstance(e, ev.BridgeEntered) and "1001" in e.channel)


def with_holds(*holds: CallEvent) -> list[CallEvent]:
    return sorted([*journal("answered_call"), *holds], key=lambda event: event.at)


def test_a_hold_by_the_phone_is_a_span_from_one_record_to_the_other() -> None:
    leg = agent_in_bridge(journal("answered_call"))
    events = with_holds(
        by_phone(ev.PhoneHeld, leg, 100),
        by_phone(ev.PhoneHeld, leg, 150),  # a phone says it twice
        by_phone(ev.PhoneRetrieved, leg, 400),
        by_phone(ev.PhoneRetrieved, leg, 450),
    )
    call, facts = fold(events)
    told = [fact for fact in facts if isinstance(fact, fa.PhoneHolds | fa.PhoneHoldEnded)]
    assert [(type(fact), fact.agent) for fact in told] == [
        (fa.PhoneHolds, "1001"),
        (fa.PhoneHoldEnded, "1001"),
    ]
    assert isinstance(told[1], fa.PhoneHoldEnded)
    assert told[1].held_ms == 300
    assert call.phone_holds == ()
    words = [item.detail for item in timeline(call.call_id, "node1", events)]
    assert "Agent 1001 held the others, by the phone." in words


def test_a_hold_that_nobody_ends_ends_with_the_phones_leg() -> None:
    events = journal("answered_call")
    leg = agent_in_bridge(events)
    call, facts = fold(with_holds(by_phone(ev.PhoneHeld, leg, 100)))
    (ended,) = (fact for fact in facts if isinstance(fact, fa.PhoneHoldEnded))
    own = call.leg(leg.uniqueid)
    assert own is not None
    assert ended.at == own.ended_at
    late = by_phone(ev.PhoneHeld, replace(leg, at=events[-1].at), 1)
    assert "phone_holds" not in kinds(fold([*events, late])[1]), "the call is over"


@given(st.data())
def test_whenever_phones_hold_every_hold_has_its_end(data: st.DataObject) -> None:
    events = journal(
        data.draw(st.sampled_from(["answered_call", "three_way", "attended_transfer"]))
    )
    legs = [event for event in events if event.channel]
    holds = [
        by_phone(
            data.draw(st.sampled_from([ev.PhoneHeld, ev.PhoneRetrieved])),
            data.draw(st.sampled_from(legs)),
            data.draw(st.integers(0, 20_000)),
        )
        for _ in range(data.draw(st.integers(1, 8)))
    ]
    for call in booked(sorted([*events, *holds], key=lambda event: event.at)).calls.values():
        assert call.phone_holds == ()
    _, facts = fold(sorted([*events, *holds], key=lambda event: event.at))
    told = kinds(facts)
    assert told.count("phone_holds") == told.count("phone_hold_ended")


def test_whom_a_phone_passes_on_to_another_unit_is_told_of_from_ring_to_end() -> None:
    call, facts = fold(journal("phone_to_emergency"))
    reached, left = (fact for fact in facts if isinstance(fact, fa.UnitReached | fa.UnitLeft))
    assert isinstance(reached, fa.UnitReached)
    assert isinstance(left, fa.UnitLeft)
    assert (reached.to, reached.by, left.to, left.by) == ("119", "1001", "119", "1001")
    assert left.talked_ms is not None
    assert left.at - timedelta(milliseconds=left.talked_ms) == pytest.approx(
        reached.at, abs=timedelta(milliseconds=1)
    )
    assert call.ended_at is not None
    assert call.ended_at >= left.at
    assert call.handed is None


def test_a_unit_that_does_not_answer_is_told_of_when_the_citizen_is_with_us_again() -> None:
    events = journal("phone_to_emergency")
    dialled = next(n for n, event in enumerate(events) if isinstance(event, ev.HandingOn))
    own = events[dialled]
    back = ev.QueueEntered(
        key=b"back",
        at=own.at + timedelta(seconds=5),
        uniqueid=own.uniqueid,
        linkedid=own.linkedid,
        queue="general",
        why="transfer",
    )
    _, facts = fold([*events[: dialled + 1], back])
    (left,) = (fact for fact in facts if isinstance(fact, fa.UnitLeft))
    assert (left.by, left.rang_ms, left.talked_ms) == ("1001", 5000, None)
    assert "unit_reached" not in kinds(facts)


def test_whom_the_flow_hands_on_no_agent_passed_on() -> None:
    events = [e for e in journal("phone_to_emergency") if "1001" not in e.channel]
    assert not {"unit_reached", "unit_left"} & set(kinds(fold(events)[1]))
