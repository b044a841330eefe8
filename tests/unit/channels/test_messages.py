"""Which take of a message counts, and who may do what to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.channels.messages.model import (
    FinishedTake,
    Message,
    MessageFilter,
    MessageOutcome,
    MessageReason,
    MessageState,
    NothingToDo,
    NotTaken,
    TakenByAnother,
    reason_of,
)
from callcenter.platform.errors import InvalidField
from callcenter.recordings.model import Reason, RecordingState

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
MESSAGE = Message(
    call_id=UUID(int=1),
    case_number="2600000018",
    line="12345",
    queue="general",
    language="zh",
    reason=MessageReason.NO_AGENTS,
    recording_id=UUID(int=9),
    left_at=NOW,
    due_at=NOW + timedelta(hours=24),
)


def take(
    state: RecordingState = RecordingState.READY,
    *,
    ms: int | None = 8000,
    silence: float = 0.3,
    reason: str | None = None,
) -> FinishedTake:
    ready = state is RecordingState.READY
    return FinishedTake(
        recording_id=uuid4(),
        state=state,
        reason=reason,
        duration_ms=ms if ready else None,
        silence_ratio=silence if ready else None,
    )


SPOKEN = take()
SHORT = take(ms=1200)
SILENT = take(silence=0.99)
NOTHING = take(RecordingState.MISSING, reason=Reason.NO_MESSAGE)
UNREADABLE = take(RecordingState.DAMAGED, reason=Reason.UNREADABLE)
UNWRITTEN = take(RecordingState.MISSING, reason=Reason.NO_FILE)
PENDING = take(RecordingState.PENDING)


def settled(*takes: FinishedTake) -> Message:
    return MESSAGE.settled(takes, by="system:node", at=NOW)


@pytest.mark.parametrize(
    ("takes", "counts"),
    [
        ([SPOKEN], SPOKEN),
        ([SPOKEN, SHORT], SPOKEN),
        ([SPOKEN, SILENT], SPOKEN),
        ([SPOKEN, UNREADABLE], SPOKEN),
        ([take(), SPOKEN], SPOKEN),
        ([SHORT, UNREADABLE], UNREADABLE),
        ([UNWRITTEN, SILENT], UNWRITTEN),
    ],
)
def test_the_last_take_that_holds_words_counts_else_one_that_may(
    takes: list[FinishedTake], counts: FinishedTake
) -> None:
    message = settled(*takes)
    assert message.recording_id == counts.recording_id
    assert message.length_ms == counts.duration_ms
    assert message.state is MessageState.NEW


@pytest.mark.parametrize("takes", [[SHORT], [SILENT], [NOTHING], [SHORT, SILENT, NOTHING]])
def test_without_a_word_there_is_nothing_to_work_off(takes: list[FinishedTake]) -> None:
    message = settled(*takes)
    assert (message.state, message.done_by, message.done_at) == (
        MessageState.EMPTY,
        "system:node",
        NOW,
    )


def test_nothing_is_decided_while_a_take_is_unfinished() -> None:
    assert settled(SPOKEN, PENDING) == MESSAGE


def test_what_a_person_has_taken_is_not_taken_away_as_empty() -> None:
    taken = MESSAGE.take(by="aki", at=NOW)
    assert taken.settled([SILENT], by="system:node", at=NOW) == taken


_TAKES = st.lists(
    st.sampled_from([SPOKEN, SHORT, SILENT, NOTHING, UNREADABLE, UNWRITTEN, PENDING]), max_size=6
)


@settings(deadline=None)
@given(_TAKES)
def test_settling_twice_is_settling_once_and_words_are_never_called_empty(
    takes: list[FinishedTake],
) -> None:
    message = settled(*takes)
    assert message.settled(takes, by="system:node", at=NOW + timedelta(1)) == message
    if any(one.holds_words or one.may_hold_words for one in takes):
        assert message.state is MessageState.NEW


def test_one_takes_a_message_and_no_other_can() -> None:
    taken = MESSAGE.take(by="aki", at=NOW)
    assert (taken.state, taken.taken_by, taken.taken_at) == (MessageState.TAKEN, "aki", NOW)
    assert taken.take(by="aki", at=NOW + timedelta(hours=1)) == taken
    with pytest.raises(TakenByAnother):
        taken.take(by="bo", at=NOW)
    with pytest.raises(TakenByAnother):
        taken.release(by="bo", may_override=False)
    with pytest.raises(TakenByAnother):
        taken.done(MessageOutcome.REACHED, "", by="bo", may_override=False, at=NOW)
    assert taken.release(by="sven", may_override=True) == MESSAGE


def test_only_what_was_taken_can_be_done_and_what_is_done_stays_done() -> None:
    with pytest.raises(NotTaken):
        MESSAGE.done(MessageOutcome.REACHED, "", by="aki", may_override=True, at=NOW)
    with pytest.raises(NotTaken):
        MESSAGE.release(by="aki", may_override=True)
    done = MESSAGE.take(by="aki", at=NOW).done(
        MessageOutcome.NOT_REACHED, " rang three times ", by="aki", may_override=False, at=NOW
    )
    assert (done.state, done.outcome, done.note) == (
        MessageState.DONE,
        MessageOutcome.NOT_REACHED,
        "rang three times",
    )
    for act in (
        lambda: done.take(by="aki", at=NOW),
        lambda: done.release(by="aki", may_override=True),
        lambda: done.done(MessageOutcome.REACHED, "", by="aki", may_override=True, at=NOW),
        lambda: replace(MESSAGE, state=MessageState.EMPTY).take(by="aki", at=NOW),
    ):
        with pytest.raises(NothingToDo):
            act()


@pytest.mark.parametrize("note", ["\x00", "\ud800", "x" * 2001])
def test_a_note_that_cannot_be_kept_is_refused(note: str) -> None:
    taken = MESSAGE.take(by="aki", at=NOW)
    with pytest.raises(InvalidField):
        taken.done(MessageOutcome.REACHED, note, by="aki", may_override=False, at=NOW)


@settings(deadline=None)
@given(st.text(max_size=50))
def test_a_message_is_not_lost_for_want_of_its_reason(word: str) -> None:
    assert reason_of(word) in MessageReason


def test_only_what_is_open_can_be_overdue() -> None:
    with pytest.raises(InvalidField):
        MessageFilter(state=MessageState.DONE, overdue=True)
