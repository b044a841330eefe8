"""Waits in queues and talks with agents, as figures count them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls import events as ev
from callcenter.calls.events import CallEvent
from callcenter.calls.model import VisitOutcome
from tests.unit.calls.test_fold import NAMES, fold, journal

pytestmark = pytest.mark.unit


def test_an_answered_wait_names_the_agent_and_when() -> None:
    call, _ = fold(journal("answered_call"))
    (visit,) = call.visits
    assert (visit.queue, visit.why, visit.agent) == ("general", "flow", "1001")
    assert visit.outcome is VisitOutcome.ANSWERED
    assert visit.answered_at == call.agent_answered_at
    (talk,) = call.talks
    assert (talk.agent, talk.visit, talk.began_at) == ("1001", 1, call.agent_answered_at)
    assert talk.ended_at is not None


def test_who_gives_up_in_the_queue_has_abandoned_it_at_the_hang_up() -> None:
    call, _ = fold(journal("abandoned_in_queue"))
    (visit,) = call.visits
    assert visit.outcome is VisitOutcome.ABANDONED
    assert visit.left_at == call.ended_at
    assert call.talks == ()


def test_a_queue_without_agents_is_told_from_one_that_is_full() -> None:
    call, _ = fold(journal("no_agent_voicemail"))
    assert [visit.outcome for visit in call.visits] == [VisitOutcome.NO_AGENTS]


def test_a_transfer_ends_one_talk_and_begins_another_without_a_wait() -> None:
    call, _ = fold(journal("blind_transfer"))
    assert [(talk.agent, talk.visit) for talk in call.talks] == [("1001", 1), ("1002", None)]
    assert call.talks[0].ended_at is not None
    assert call.talks[0].ended_at <= call.talks[1].began_at


def test_what_was_foreseen_is_kept_with_the_wait() -> None:
    events: list[CallEvent] = [
        ev.QueueEntered(
            key=event.key,
            at=event.at,
            uniqueid=event.uniqueid,
            linkedid=event.linkedid,
            channel=event.channel,
            queue="legal",
            position=4,
            estimate_seconds=130,
        )
        if isinstance(event, ev.QueueEntered)
        else event
        for event in journal("abandoned_in_queue")
    ]
    (visit,) = fold(events)[0].visits
    assert visit.estimate is not None
    assert (visit.queue, visit.position, visit.estimate.total_seconds()) == ("legal", 4, 130)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_no_disorder_leaves_a_wait_or_a_talk_open_after_the_end(
    name: str, data: st.DataObject
) -> None:
    events = data.draw(st.permutations(journal(name)))
    call, _ = fold(list(events))
    if call.ended_at is None:
        return
    assert call.waiting is None
    for visit in call.visits:
        assert visit.left_at is not None
        assert visit.entered_at <= visit.left_at
        assert (visit.answered_at is None) == (visit.outcome is not VisitOutcome.ANSWERED)
    if call.is_settled:
        assert all(talk.ended_at and talk.ended_at >= talk.began_at for talk in call.talks)
