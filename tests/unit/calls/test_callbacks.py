"""Calls that call a citizen back, and those in which that was asked for, as Asterisk told them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.calls import events as ev
from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent
from callcenter.calls.journal import Reject, parse_line
from callcenter.calls.model import CallState, Disposition, VisitOutcome
from callcenter.calls.store import leg_rows
from callcenter.calls.timeline import timeline
from tests.unit.calls.test_fold import fold, journal, kinds

pytestmark = pytest.mark.unit


def test_who_asks_to_be_called_back_left_the_queue_by_a_key() -> None:
    call, facts = fold(journal("callback_wished"))
    assert call.disposition is Disposition.CALLBACK_REQUESTED
    assert [visit.outcome for visit in call.visits] == [VisitOutcome.LEFT_BY_KEY]
    assert "caller_left_queue" in kinds(facts)


def test_who_leaves_by_the_key_and_hangs_up_without_a_word_was_given_up() -> None:
    events = [e for e in journal("callback_wished") if not isinstance(e, ev.FlowLeft)]
    assert fold(events)[0].disposition is Disposition.OVERFLOWED


def test_a_citizen_who_is_called_back_is_the_caller_of_an_answered_call() -> None:
    call, facts = fold(journal("callback_reached"))
    assert (call.direction, call.caller_number) == ("outbound", "+8613800138001")
    assert (call.disposition, call.agent, call.hangup_by) == (
        Disposition.ANSWERED,
        "1001",
        "caller",
    )
    (visit,) = call.visits
    assert (visit.why, visit.outcome, visit.agent) == ("callback", VisitOutcome.ANSWERED, "1001")
    assert kinds(facts) == [
        "call_started",
        "caller_queued",
        "agent_rang",
        "call_answered",
        "agent_answered",
        "citizen_dialled",
        "recording_started",
        "citizen_reached",
        "call_ended",
        "agent_talk_ended",
    ]
    roles = sorted((row["role"], row["channel"].partition("-")[0]) for row in leg_rows(call))
    assert [role for role, _ in roles] == ["agent", "citizen", "other", "other"]


def test_an_agent_alone_has_answered_nobody() -> None:
    call, facts = fold(journal("callback_engaged"))
    assert call.disposition is Disposition.FAILED
    assert call.agent_answered_at is not None
    (vain,) = [fact for fact in facts if isinstance(fact, fa.CitizenNotReached)]
    assert (vain.status, vain.cause) == ("BUSY", 17)
    assert not any(isinstance(fact, fa.RecordingStarted) for fact in facts)
    words = [item.detail for item in timeline(call.call_id, "n", journal("callback_engaged"))]
    assert "The citizen was not reached: the number was engaged." in words


def test_an_agent_who_hangs_up_first_is_told_apart() -> None:
    events = journal("callback_reached")
    bye = next(e for e in events if isinstance(e, ev.ChannelHungUp) and e.source)
    agent = next(leg for leg in fold(events)[0].legs if leg.agent)
    turned = [
        replace(e, source=agent.channel)
        if isinstance(e, ev.ChannelHungUp) and e.source == bye.source
        else e
        for e in events
    ]
    assert fold(turned)[0].hangup_by == "agent"


def test_the_call_lasts_as_long_as_a_citizen_who_is_asked_how_it_was() -> None:
    events = journal("callback_reached")
    agent = next(leg for leg in fold(events)[0].legs if leg.agent)
    citizen = next(e for e in events if isinstance(e, ev.ChannelHungUp) and "trunk" in e.channel)
    asked = ev.SurveyBegan(
        key=b"s", at=citizen.at, uniqueid=citizen.uniqueid, linkedid=citizen.linkedid
    )
    later = citizen.at + timedelta(seconds=9)
    gone = [
        replace(e, at=later)
        for e in events
        if e.uniqueid == citizen.uniqueid and isinstance(e, ev.ChannelHungUp | ev.ChannelEnded)
    ]
    # The agent hangs up; everything but the citizen's phone goes with it.
    before = [
        replace(e, source=agent.channel)
        if isinstance(e, ev.ChannelHungUp) and (e.source or e.uniqueid == agent.uniqueid)
        else e
        for e in events
        if not isinstance(e, ev.LinkedidEnded)
        and not (
            e.uniqueid == citizen.uniqueid and isinstance(e, ev.ChannelHungUp | ev.ChannelEnded)
        )
    ]
    call, facts = fold([*before, asked])
    assert (call.state, call.ended_at) == (CallState.IN_MENU, None)
    assert "survey_started" in kinds(facts)
    call, facts = fold([*before, asked, *gone])
    assert (call.ended_at, call.hangup_by) == (later, "agent")
    assert call.disposition is Disposition.ANSWERED
    assert kinds(facts).count("call_ended") == 1


@pytest.mark.parametrize("until", range(1, 34))
def test_a_callback_that_asterisk_lost_ends_by_the_snapshot(until: int) -> None:
    events: list[CallEvent] = journal("callback_reached")[:until]
    end = ev.Reconciled(
        key=b"r", at=events[-1].at, uniqueid=events[0].uniqueid, linkedid=events[0].linkedid
    )
    call, _ = fold([*events, end])
    assert call.state is CallState.ENDED
    reached = any(isinstance(e, ev.BridgeEntered) and "trunk" in e.channel for e in events)
    began = any(isinstance(e, ev.CallBegan) for e in events)
    if began and any(isinstance(e, ev.QueueEntered) for e in events):
        assert (call.disposition is Disposition.ANSWERED) == reached


@pytest.mark.parametrize("extra", ["callback=1&status=BUSY", "callback=&status=x y", "status=BUSY"])
def test_a_record_that_breaks_a_rule_is_set_aside(extra: str) -> None:
    line = (
        '"CC_CALLBACK","1795580237.391868","n-1","n-1","Local/s@cc-callback-0;1","c","s","","","",'
        f'"","CC_CALLBACK","{{""extra"":""{extra}""}}",""'
    )
    assert isinstance(parse_line(line.encode(), "CN"), Reject)
