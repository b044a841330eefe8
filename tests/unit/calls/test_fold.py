"""Calls folded from journals that a real Asterisk wrote, and from any disorder of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent, from_stored, to_detail
from callcenter.calls.facts import Fact
from callcenter.calls.fold import apply, begin
from callcenter.calls.journal import parse_line
from callcenter.calls.model import Call, CallState, Disposition
from callcenter.calls.store import call_row, leg_rows

pytestmark = pytest.mark.unit

JOURNALS = Path(__file__).parents[2] / "recordings" / "journal"
NAMES = sorted(path.stem for path in JOURNALS.glob("*.csv"))


def journal(name: str) -> list[CallEvent]:
    return list(_parsed(name))


@cache
def _parsed(name: str) -> tuple[CallEvent, ...]:
    lines = (JOURNALS / f"{name}.csv").read_bytes().splitlines()
    found = [parse_line(line, "CN") for line in lines]
    return tuple(event for event in found if isinstance(event, CallEvent))


def fold(events: list[CallEvent]) -> tuple[Call, list[Fact]]:
    began = [event for event in events if isinstance(event, ev.CallBegan)]
    call = begin(began[0].call_id if began else UUID(int=1), "node1", events[0])
    facts: list[Fact] = []
    for event in events:
        call, more = apply(call, event)
        facts += more
    return call, facts


def kinds(facts: list[Fact]) -> list[str]:
    return [fact.kind for fact in facts]


def test_an_answered_call_is_told_from_ring_to_hang_up() -> None:
    call, facts = fold(journal("answered_call"))
    assert kinds(facts) == [
        "call_started",
        "call_answered",
        "node_entered",
        "node_entered",
        "node_entered",
        "node_entered",
        "recording_started",
        "caller_queued",
        "agent_rang",
        "agent_answered",
        "agent_talk_ended",
        "call_ended",
    ]
    assert call.call_id == UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
    assert (call.line, call.caller_number, call.caller_name) == (
        "12345",
        "+8613800138000",
        "citizen",
    )
    assert [(step.node, step.key) for step in call.ivr_path] == [
        ("main", None),
        ("streetlights", "1"),
        ("main", None),
        ("person", "0"),
    ]
    assert (call.ivr_flow, call.ivr_version) == ("main", 3)
    assert (call.queue, call.agent) == ("general", "1001")
    assert call.state is CallState.ENDED
    assert call.disposition is Disposition.ANSWERED
    assert call.hangup_by == "caller"
    assert call.started_at.timestamp() == pytest.approx(1795463732.913826, abs=1e-6)
    assert call.agent_answered_at is not None
    assert call.agent_answered_at.timestamp() == pytest.approx(1795463740.307590, abs=1e-6)
    assert call.ended_at is not None
    assert call.ended_at.timestamp() == pytest.approx(1795463744.930424, abs=1e-6)
    assert [(call.role_of(leg), leg.agent, leg.hangup_cause) for leg in call.legs] == [
        ("citizen", None, 16),
        ("agent", "1001", 16),
    ]
    assert call.is_settled


def test_a_caller_who_hangs_up_in_the_menu_abandoned_the_call() -> None:
    call, facts = fold(journal("hangup_in_menu"))
    assert call.disposition is Disposition.ABANDONED
    assert call.hangup_by == "caller"
    assert call.queued_at is None
    assert kinds(facts)[-1] == "call_ended"


def test_a_caller_who_gives_up_in_the_queue_is_not_held_against_the_agent_whose_phone_rang() -> (
    None
):
    call, facts = fold(journal("abandoned_in_queue"))
    assert call.disposition is Disposition.ABANDONED
    assert call.hangup_by == "caller"
    assert call.agent is None
    assert "agent_rang" in kinds(facts)
    assert "agent_did_not_answer" not in kinds(facts)


def test_an_agent_who_lets_it_ring_is_told_and_the_next_one_is_the_calls_agent() -> None:
    call, facts = fold(journal("agent_no_answer_then_next"))
    told = [(f.kind, f.agent) for f in facts if hasattr(f, "agent")]
    assert told == [
        ("agent_rang", "1001"),
        ("agent_did_not_answer", "1001"),
        ("agent_rang", "1002"),
        ("agent_answered", "1002"),
        ("agent_talk_ended", "1002"),
    ]
    assert call.agent == "1002"
    assert call.hangup_by == "agent"
    assert call.disposition is Disposition.ANSWERED


def test_a_message_after_an_empty_queue_makes_the_call_a_voicemail() -> None:
    call, facts = fold(journal("no_agent_voicemail"))
    assert call.disposition is Disposition.VOICEMAIL
    assert kinds(facts)[-2:] == ["message_left", "call_ended"]
    left = next(f for f in facts if isinstance(f, fa.CallerLeftQueue))
    assert left.status == "JOINEMPTY"
    begun = [f for f in facts if isinstance(f, fa.RecordingStarted)]
    assert [(f.recording_kind, f.name) for f in begun] == [
        ("conversation", "4e9be567-4290-46cb-a01c-fe2dba6c65c8"),
        ("voicemail", "4e9be567-4290-46cb-a01c-fe2dba6c65c8-message"),
    ]


def test_leaving_the_queue_without_a_message_is_an_overflow() -> None:
    events = [e for e in journal("no_agent_voicemail") if not isinstance(e, ev.MessageBegan)]
    assert fold(events)[0].disposition is Disposition.OVERFLOWED


def test_a_caller_who_heard_an_article_was_served() -> None:
    events = [
        replace(e, node_type="article") if isinstance(e, ev.FlowNodeEntered) else e
        for e in journal("hangup_in_menu")
    ]
    assert fold(events)[0].disposition is Disposition.SELF_SERVED


def test_a_flow_that_ends_the_call_served_the_caller() -> None:
    events = journal("hangup_in_menu")
    last = events[-3]
    left = ev.FlowLeft(
        key=b"x" * 16, at=last.at, uniqueid=last.uniqueid, linkedid=last.linkedid, next="hangup"
    )
    silent = [replace(e, source="") if isinstance(e, ev.ChannelHungUp) else e for e in events]
    call, _ = fold([*silent[:-3], left, *silent[-3:]])
    assert call.disposition is Disposition.SELF_SERVED
    assert call.hangup_by == "system"


def test_a_call_that_asterisk_ends_before_anything_happened_failed() -> None:
    events = [
        replace(e, source="") if isinstance(e, ev.ChannelHungUp) else e
        for e in journal("hangup_in_menu")
    ]
    call, _ = fold(events)
    assert (call.disposition, call.hangup_by) == (Disposition.FAILED, "system")


def test_a_flow_that_says_nothing_is_told_as_a_failure_of_ours() -> None:
    events = journal("answered_call")
    call, facts = fold([replace(e, next="") if isinstance(e, ev.FlowLeft) else e for e in events])
    assert "flow_failed" in kinds(facts)
    assert call.disposition is Disposition.ANSWERED


def test_an_agent_who_refuses_the_ring_is_told_even_if_the_caller_then_gives_up() -> None:
    events = [
        replace(e, source=e.channel) if isinstance(e, ev.ChannelHungUp) else e
        for e in journal("abandoned_in_queue")
    ]
    assert "agent_did_not_answer" in kinds(fold(events)[1])


def test_a_call_between_two_agents_is_internal_and_has_no_citizen() -> None:
    events = [
        replace(e, channel=e.channel.replace("PJSIP/trunk", "PJSIP/1003"))
        for e in journal("answered_call")
        if not isinstance(e, ev.FlowNodeEntered | ev.FlowLeft)
    ]
    events = [
        replace(e, direction="internal") if isinstance(e, ev.CallBegan) else e for e in events
    ]
    call, _ = fold(events)
    assert call.direction == "internal"
    assert call.line is None
    assert call.agent == "1001"
    assert [call.role_of(leg) for leg in call.legs] == ["agent", "agent"]


def test_an_agent_who_calls_is_not_the_agent_who_answered_whoever_enters_the_bridge_first() -> None:
    events = [
        replace(e, channel=e.channel.replace("PJSIP/trunk", "PJSIP/1003"))
        for e in journal("answered_call")
    ]
    bridged = [e for e in events if isinstance(e, ev.BridgeEntered)]
    rest = [e for e in events if not isinstance(e, ev.BridgeEntered)]
    call, facts = fold([*rest[:-6], *reversed(bridged), *rest[-6:]])
    assert call.agent == "1001"
    assert kinds(facts).count("agent_answered") == 1


def test_a_blind_transfer_keeps_the_first_agent_and_tells_of_the_second() -> None:
    call, facts = fold(journal("blind_transfer"))
    assert (call.agent, call.hangup_by, call.disposition) == ("1001", "caller", "answered")
    told = [(f.kind, getattr(f, "agent", "")) for f in facts][-6:]
    assert told == [
        ("call_transferred", "1001"),
        ("agent_talk_ended", "1001"),
        ("agent_rang", "1002"),
        ("agent_answered", "1002"),
        ("agent_talk_ended", "1002"),
        ("call_ended", ""),
    ]


def test_a_call_that_asterisk_lost_ends_by_the_snapshot_with_all_its_legs() -> None:
    events = journal("answered_call")[:14]
    gone = ev.Reconciled(
        key=b"r" * 16,
        at=events[-1].at,
        uniqueid=events[0].uniqueid,
        linkedid=events[0].linkedid,
    )
    call, facts = fold([*events, gone])
    assert call.is_settled
    assert call.hangup_by == "system"
    ended = facts[-1]
    assert isinstance(ended, fa.CallEnded)
    assert ended.reconciled


def test_a_queue_that_our_dialplan_did_not_announce_counts_all_the_same() -> None:
    events = [e for e in journal("abandoned_in_queue") if not isinstance(e, ev.QueueEntered)]
    call, _ = fold(events)
    assert call.queue == "general"
    assert call.disposition is Disposition.ABANDONED


def test_a_recording_that_is_told_after_the_end_is_still_looked_for() -> None:
    events = journal("abandoned_in_queue")
    late = [e for e in events if isinstance(e, ev.RecordingBegan)]
    rest = [e for e in events if not isinstance(e, ev.RecordingBegan)]
    assert kinds(fold([*rest, *late])[1])[-1] == "recording_started"


@pytest.mark.parametrize("name", NAMES)
def test_every_record_survives_the_way_into_its_row_and_back(name: str) -> None:
    for event in journal(name):
        back = from_stored(
            event.kind,
            key=event.key,
            at=event.at,
            uniqueid=event.uniqueid,
            linkedid=event.linkedid,
            detail=to_detail(event),
        )
        assert back == event


def assert_rules_of_the_table(call: Call) -> None:
    """The CHECKs of `calls` and `call_legs`, said again."""
    row = call_row(call)
    assert (row["state"] == "ended") == (row["ended_at"] is not None)
    assert (row["ended_at"] is None) == (row["disposition"] is None)
    assert row["hangup_by"] is None or row["ended_at"] is not None
    assert not row["caller_withheld"] or row["caller_number"] is None
    assert row["agent_answered_at"] is None or row["agent"] is not None
    for name in ("answered_at", "queued_at", "agent_answered_at", "ended_at"):
        assert row[name] is None or row[name] >= row["started_at"]
        assert row[name] is None or row["ended_at"] is None or row[name] <= row["ended_at"]
    for leg in leg_rows(call):
        assert leg["role"] != "agent" or leg["agent"] is not None
        for name in ("answered_at", "ended_at"):
            assert leg[name] is None or leg[name] >= leg["started_at"]


@st.composite
def disordered(draw: st.DrawFn) -> list[CallEvent]:
    """Some records of one or two real journals, in any order, some of them twice."""
    events = journal(draw(st.sampled_from(NAMES)))
    if draw(st.booleans()):
        events = events + journal(draw(st.sampled_from(NAMES)))
    picked = draw(st.lists(st.sampled_from(events), min_size=1, max_size=60))
    rest = draw(st.permutations(events)) if draw(st.booleans()) else []
    return [*picked, *rest]


@settings(max_examples=150, deadline=None)
@given(disordered())
def test_no_order_of_records_raises_or_breaks_a_rule_of_the_table(events: list[CallEvent]) -> None:
    call = begin(UUID(int=1), "node1", events[0])
    ends = 0
    for event in events:
        call, facts = apply(call, event)
        ends += sum(isinstance(fact, fa.CallEnded) for fact in facts)
        assert_rules_of_the_table(call)
    assert ends == (call.ended_at is not None)
    again = call
    for event in events:
        again, facts = apply(again, event)
        assert facts == []
    assert again == call


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_with_every_record_twice_is_the_same_call(name: str) -> None:
    events = journal(name)
    doubled = [event for event in events for _ in range(2)]
    assert fold(doubled) == fold(events)


AGAIN = "message_recorded_again"


def message(events: list[CallEvent]) -> fa.MessageLeft | None:
    return next((f for f in fold(events)[1] if isinstance(f, fa.MessageLeft)), None)


def with_length(events: list[CallEvent], lengths: list[int | None]) -> list[CallEvent]:
    left = iter(lengths)
    return [
        replace(e, length_ms=next(left)) if isinstance(e, ev.MessageEnded) else e for e in events
    ]


def test_a_hang_up_during_a_new_take_keeps_the_last_complete_one() -> None:
    call, facts = fold(journal(AGAIN))
    assert call.disposition is Disposition.VOICEMAIL
    names = [f.name for f in facts if isinstance(f, fa.RecordingStarted)][1:]
    assert names == [f"{call.call_id}-message{n}" for n in ("", "-2", "-3")]
    left = message(journal(AGAIN))
    assert left is not None
    assert (left.name, left.reason) == (names[1], "no_agents")


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [([5000, 2999], ""), ([5000, 3000], "-2"), ([2999, 2999], None), ([5000, None], "-2")],
)
def test_the_last_take_of_three_seconds_counts_and_one_that_could_not_be_written(
    lengths: list[int | None], counts: str | None
) -> None:
    left = message(with_length(journal(AGAIN), lengths))
    assert (left and left.name.partition("-message")[2]) == counts


def test_a_caller_who_said_nothing_left_no_message() -> None:
    call, _ = fold(with_length(journal(AGAIN), [400, 500]))
    assert call.disposition is Disposition.OVERFLOWED
    events = [
        e
        for e in with_length(journal(AGAIN), [400, 500])
        if not isinstance(e, ev.QueueEntered | ev.QueueLeft | ev.AppStarted)
    ]
    silent = [replace(e, source="") if isinstance(e, ev.ChannelHungUp) else e for e in events]
    call, _ = fold(silent)
    assert (call.disposition, call.hangup_by) == (Disposition.ABANDONED, "system")


def test_a_take_that_asterisks_death_broke_off_is_left_to_the_file() -> None:
    events = journal(AGAIN)
    began = next(i for i, e in enumerate(events) if isinstance(e, ev.MessageBegan))
    gone = ev.Reconciled(
        key=b"r" * 16,
        at=events[began].at,
        uniqueid=events[0].uniqueid,
        linkedid=events[0].linkedid,
    )
    left = message([*events[: began + 1], gone])
    assert left is not None
    assert left.name.endswith("-message")


def test_who_talks_to_a_person_after_all_leaves_nothing_to_be_worked_off() -> None:
    answered = journal("answered_call")
    queued = next(i for i, e in enumerate(answered) if isinstance(e, ev.QueueEntered))
    at = answered[queued].at
    own = {"uniqueid": answered[0].uniqueid, "linkedid": answered[0].linkedid, "at": at}
    takes = [
        ev.MessageBegan(key=b"1" * 16, name="x-message", reason="choice", **own),
        ev.MessageEnded(key=b"2" * 16, name="x-message", length_ms=9000, **own),
    ]
    call, facts = fold([*answered[:queued], *takes, *answered[queued:]])
    assert call.disposition is Disposition.ANSWERED
    assert "message_left" not in kinds(facts)
    assert "x-message" in [f.name for f in facts if isinstance(f, fa.RecordingStarted)]


def test_a_message_of_a_journal_older_than_its_reason_has_one() -> None:
    left = message(journal("no_agent_voicemail"))
    assert left is not None
    assert left.reason == "overflow"


def at_the_door(*about_nodes: tuple[str, str, str], **left: str) -> Call:
    """The citizen who hung up in the menu, with these (node, pressed, about) before it."""
    events = journal("hangup_in_menu")
    began = next(event for event in events if isinstance(event, ev.CallBegan))
    same = {"at": began.at, "uniqueid": began.uniqueid, "linkedid": began.linkedid}
    steps: list[CallEvent] = [
        ev.FlowNodeEntered(key=bytes([index]) * 16, node=node, pressed=pressed, about=about, **same)
        for index, (node, pressed, about) in enumerate(about_nodes)
    ]
    if left:
        steps.append(ev.FlowLeft(key=b"l" * 16, next=left["next"], **same))
    position = events.index(began) + 1
    call, _ = fold([*events[:position], *steps, *events[position:]])
    return call


def test_a_call_keeps_which_notice_was_played_and_which_entry_put_it_first() -> None:
    call = at_the_door((".priority", "", "priority/42"), (".notice", "", "notice/recording/3"))
    assert (call.recording_notice, call.recording_notice_version) == ("recording", 3)
    assert call.priority_entry == 42
    row = call_row(call)
    assert (row["recording_notice"], row["recording_notice_version"]) == ("recording", 3)
    assert row["ivr_path"][1]["about"] == "notice/recording/3"
    assert "about" not in row["ivr_path"][-1]
    assert call.disposition is Disposition.ABANDONED


@pytest.mark.parametrize(
    "about", ["notice/recording/0", "notice/Recording/1", "prompt/recording_notice", "priority/x"]
)
def test_what_names_no_notice_and_no_entry_is_kept_in_the_path_only(about: str) -> None:
    call = at_the_door((".notice", "", about))
    assert (call.recording_notice, call.recording_notice_version) == (None, None)
    assert call.priority_entry is None
    assert call.ivr_path[0].about == about


def test_a_blocked_caller_who_pressed_nothing_was_blocked() -> None:
    assert at_the_door((".blocked", "", "")).disposition is Disposition.BLOCKED
    assert at_the_door((".blocked", "", ""), next="blocked").disposition is Disposition.BLOCKED


def test_the_emergency_key_makes_a_blocked_caller_one_like_any_other() -> None:
    call = at_the_door((".blocked", "", ""), (".emergency", "0", ""))
    assert call.disposition is Disposition.ABANDONED


def test_the_priority_is_the_one_the_caller_waited_with() -> None:
    events = [
        replace(event, priority=10) if isinstance(event, ev.QueueEntered) else event
        for event in journal("abandoned_in_queue")
    ]
    call, _ = fold(events)
    assert call.priority == 10
    assert call_row(call)["priority"] == 10
    again, _ = fold(journal("abandoned_in_queue"))
    assert again.priority is None


def test_every_kind_of_record_comes_back_from_its_row() -> None:
    # Who is left out here is folded once, and forgotten when the call is folded from its rows.
    assert set(ev.KINDS) == {kind.kind for kind in ev.CallEvent.__subclasses__()}
