"""A message: why it was left, which take counts, and who works it off until when.

Pure: standard library and other models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.calls.model import SHORTEST_MESSAGE
from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text
from callcenter.recordings.model import Reason as WhyNoSound
from callcenter.recordings.model import RecordingState

#: Longest note on a message, in characters. The same bound stands in SQL.
MOST_NOTE: Final = 2000

#: A file may be shorter than what the dialplan's clock saw by the time a key or hang-up takes.
_TOLERANCE: Final = timedelta(milliseconds=500)
#: With less sound in it than this nothing was said.
_LEAST_SOUND: Final = timedelta(milliseconds=500)


class MessageReason(StrEnum):
    """Why the caller was asked to leave a message."""

    CLOSED = "closed"
    OVERFLOW = "overflow"
    NO_AGENTS = "no_agents"
    FAILURE = "failure"
    CHOICE = "choice"


def reason_of(word: str) -> MessageReason:
    """The reason in the journal's word; a word that is none (a flow's, a later dialplan's): chosen.

    A message is never lost for want of its reason.
    """
    try:
        return MessageReason(word)
    except ValueError:
        return MessageReason.CHOICE


class MessageState(StrEnum):
    """`empty`: the file holds nothing that was said, so there is nothing to work off."""

    NEW = "new"
    TAKEN = "taken"
    DONE = "done"
    EMPTY = "empty"


#: What is to be worked off.
OPEN: Final = (MessageState.NEW, MessageState.TAKEN)


class MessageOutcome(StrEnum):
    """What became of a message."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    NO_CALLBACK_NEEDED = "no_callback_needed"


class NoSuchMessage(NotFound):
    """There is no message of this call."""

    slug = "no-such-message"


class TakenByAnother(Conflict):
    """Somebody else has taken this message."""

    slug = "message-taken"

    def __init__(self, who: str) -> None:
        super().__init__(f"{who} has taken this message; a supervisor can release it.")


class NotTaken(Conflict):
    """Nobody has taken this message: take it first."""

    slug = "message-not-taken"


class NothingToDo(Conflict):
    """This message is done, or holds nothing: there is nothing to work off."""

    slug = "message-not-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it stands. `length_ms` is None until its recording is finished."""

    call_id: UUID
    case_number: str
    line: str | None
    queue: str | None
    language: str | None
    reason: MessageReason
    recording_id: UUID
    left_at: datetime
    due_at: datetime
    length_ms: int | None = None
    state: MessageState = MessageState.NEW
    taken_by: str | None = None
    taken_at: datetime | None = None
    done_by: str | None = None
    done_at: datetime | None = None
    outcome: MessageOutcome | None = None
    note: str | None = None

    def take(self, *, by: str, at: datetime) -> Message:
        """Taken by `by`, who may have it already. Raises `TakenByAnother`, `NothingToDo`."""
        self._must_be_open()
        if self.taken_by == by:
            return self
        if self.taken_by is not None:
            raise TakenByAnother(self.taken_by)
        return replace(self, state=MessageState.TAKEN, taken_by=by, taken_at=at)

    def release(self, *, by: str, may_override: bool) -> Message:
        """To be taken by anybody again. Raises `NotTaken`, `TakenByAnother`, `NothingToDo`."""
        self._must_be_taken(by, may_override=may_override)
        return replace(self, state=MessageState.NEW, taken_by=None, taken_at=None)

    def done(
        self, outcome: MessageOutcome, note: str, *, by: str, may_override: bool, at: datetime
    ) -> Message:
        """Worked off. Raises `InvalidField`, `NotTaken`, `TakenByAnother`, `NothingToDo`."""
        note = plain_text("note", note, most=MOST_NOTE, lines=True)
        self._must_be_taken(by, may_override=may_override)
        return replace(
            self,
            state=MessageState.DONE,
            done_by=by,
            done_at=at,
            outcome=outcome,
            note=note or None,
        )

    def settled(self, takes: Sequence[FinishedTake], *, by: str, at: datetime) -> Message:
        """Once every take has its outcome: the last one in which something was said counts.

        One that may hold words but cannot be heard (a full disk, a file that is unreadable or was
        never written) counts where no other does: somebody should ask the caller. With neither the
        message is empty, unless a person has taken it already.
        """
        if self.state in (MessageState.DONE, MessageState.EMPTY):
            return self
        if any(take.state in (RecordingState.RECORDING, RecordingState.PENDING) for take in takes):
            return self
        heard = [take for take in takes if take.holds_words]
        if heard:
            last = heard[-1]
            return replace(self, recording_id=last.recording_id, length_ms=last.duration_ms)
        lost = [take for take in takes if take.may_hold_words]
        if lost:
            return replace(self, recording_id=lost[-1].recording_id, length_ms=None)
        if self.state is MessageState.TAKEN or not takes:
            return self
        return replace(self, state=MessageState.EMPTY, done_by=by, done_at=at)

    def _must_be_open(self) -> None:
        if self.state not in OPEN:
            raise NothingToDo

    def _must_be_taken(self, by: str, *, may_override: bool) -> None:
        self._must_be_open()
        if self.taken_by is None:
            raise NotTaken
        if self.taken_by != by and not may_override:
            raise TakenByAnother(self.taken_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTake:
    """A take's recording as the finisher left it."""

    recording_id: UUID
    state: RecordingState
    reason: str | None
    duration_ms: int | None
    silence_ratio: float | None

    @property
    def holds_words(self) -> bool:
        if self.state is not RecordingState.READY or self.duration_ms is None:
            return False
        length = timedelta(milliseconds=self.duration_ms)
        sound = length * (1 - (self.silence_ratio or 0.0))
        return length >= SHORTEST_MESSAGE - _TOLERANCE and sound >= _LEAST_SOUND

    @property
    def may_hold_words(self) -> bool:
        if self.state is RecordingState.DAMAGED:
            return self.reason != WhyNoSound.EMPTY
        return self.state is RecordingState.MISSING and self.reason == WhyNoSound.NO_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages a list wants. Without `state`: those to be worked off."""

    state: MessageState | None = None
    queue: str | None = None
    overdue: bool | None = None

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        if self.overdue and self.state not in (None, *OPEN):
            raise InvalidField("overdue", "only what is to be worked off can be overdue")
