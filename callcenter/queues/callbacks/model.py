"""Who is to be called back, the attempts to reach them, and when it may count as done. Pure.

A *wish* was taken from a citizen, who keeps the place in the queue. A *missed* call is one that
nobody answered: a duty with a clock. Both are closed by a reached citizen, or by attempts that are
written down, never by a click alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from callcenter.calls.hours import Hours
from callcenter.platform.errors import Conflict, InvalidField
from callcenter.platform.text import plain_text

MOST_NOTE: Final = 1000
#: E.164, or what the city's own network dials.
_NUMBER: Final = re.compile(r"[+]?[0-9]{5,16}")
_TRY: Final = UUID("2d1f0a54-77b1-5b1e-8f0c-12345ca11bac")
#: Dialled so many times the tries, whatever they came to: then it is left to people.
_MOST_DIALLED: Final = 3


class Kind(StrEnum):
    """What a callback came of."""

    WISH = "wish"  #: the citizen asked for it, or an agent promised it
    MISSED = "missed"  #: a call that nobody answered


class CallbackState(StrEnum):
    """Where a callback stands."""

    WAITING = "waiting"
    DONE = "done"


class Outcome(StrEnum):
    """What came of it."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"  #: after as many attempts as are due
    WITHDRAWN = "withdrawn"  #: the citizen wants it no more; not for a missed call
    CALLED_AGAIN = "called_again"  #: the citizen called and was answered


class TryState(StrEnum):
    """Where an attempt stands."""

    PLACED = "placed"  #: written down, then asked for, once: it waits in the citizen's place
    DIALLING = "dialling"  #: an agent has it; the citizen's phone rings
    ENDED = "ended"


class TryOutcome(StrEnum):
    """What an attempt came to."""

    REACHED = "reached"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"  #: the network had no way to the number
    MACHINE = "machine"  #: answered by a machine, says whoever of ours heard it
    AGENT_LEFT = "agent_left"  #: the agent hung up before the citizen answered
    NOT_SERVED = "not_served"  #: no agent took it: the queue gave it back, the hours were over
    WITHDRAWN = "withdrawn"  #: no longer wanted while it waited
    REFUSED = "refused"  #: Asterisk did not place it
    LOST = "lost"  #: nobody knows what became of it


#: What an agent may write down of an attempt by hand.
BY_HAND: Final = (
    TryOutcome.REACHED,
    TryOutcome.BUSY,
    TryOutcome.NO_ANSWER,
    TryOutcome.FAILED,
    TryOutcome.MACHINE,
)
_IN_VAIN: Final = frozenset(
    {
        TryOutcome.BUSY,
        TryOutcome.NO_ANSWER,
        TryOutcome.FAILED,
        TryOutcome.MACHINE,
        TryOutcome.LOST,
    }
)


class AlreadyDone(Conflict):
    """That callback was dealt with already."""

    slug = "callback-done"


class TriesMissing(Conflict):
    """Not enough attempts are written down to give up."""

    slug = "callback-tries-missing"

    def __init__(self, documented: int, wanted: int) -> None:
        super().__init__(
            f"{documented} of {wanted} attempts to reach the citizen are written down: reach them, "
            "or write further attempts down (POST /callbacks/{id}/attempts)."
        )


class MissedCallStays(Conflict):
    """A missed call is a duty of ours: it cannot be withdrawn, only reached or tried in vain."""

    slug = "missed-call-stays"


class NobodyReached(Conflict):
    """No attempt is said to have reached the citizen: there is nothing to take back."""

    slug = "callback-nobody-reached"


class OpenElsewhere(Conflict):
    """The citizen waits for another callback already."""

    slug = "callback-open-elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt, numbered from 1. `call_id` and `node`: our dialler made it; `by`: who wrote it
    down by hand. `cause` is Q.850."""

    callback_id: UUID
    number: int
    state: TryState
    placed_at: datetime
    call_id: UUID | None = None
    node: str | None = None
    dialled_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: TryOutcome | None = None
    cause: int | None = None
    by: str | None = None
    note: str = ""

    @property
    def in_vain(self) -> bool:
        """The citizen's phone was called, and nobody was reached: it counts as an attempt."""
        return self.outcome in _IN_VAIN and self.dialled_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One citizen to be called back; `number` is personal data and never logged.

    `place_at`: since when the citizen waits, which is the place in the queue. `next_try_at`: not
    dialled before that; None: people dial, not we. `moved_from`: the queue it was asked for in,
    where that one is gone.
    """

    callback_id: UUID
    call_id: UUID | None
    queue: str
    number: str
    language: str
    wanted_at: datetime
    place_at: datetime
    kind: Kind = Kind.WISH
    line: str | None = None
    case_number: str | None = None
    due_at: datetime | None = None
    next_try_at: datetime | None = None
    state: CallbackState = CallbackState.WAITING
    outcome: Outcome | None = None
    note: str = ""
    done_at: datetime | None = None
    done_by: str | None = None
    moved_from: str | None = None

    def is_overdue(self, at: datetime) -> bool:
        """Whether nobody has dealt with it in time."""
        return self.due_at is not None and self.due_at < (self.done_at or at)

    def finish(
        self,
        outcome: Outcome,
        note: str,
        *,
        by: str,
        at: datetime,
        tries: Sequence[Try] = (),
        wanted: int = 0,
    ) -> Callback:
        """Dealt with. To give up takes `wanted` attempts in vain among `tries`.

        Raises `AlreadyDone`, `TriesMissing`, `MissedCallStays`, `InvalidField`.
        """
        if self.state is CallbackState.DONE:
            raise AlreadyDone
        if outcome is Outcome.NOT_REACHED:
            documented = sum(one.in_vain for one in tries)
            if documented < wanted:
                raise TriesMissing(documented, wanted)
        if outcome is Outcome.WITHDRAWN and self.kind is Kind.MISSED:
            raise MissedCallStays
        return replace(
            self,
            state=CallbackState.DONE,
            outcome=outcome,
            note=plain_text("note", note, most=MOST_NOTE, lines=True) or self.note,
            # Two machines' clocks may differ by a little.
            done_at=max(at, self.wanted_at),
            done_by=by,
            next_try_at=None,
        )


def machine_answered(
    callback: Callback, tries: Sequence[Try], policy: Policy, note: str, *, by: str, at: datetime
) -> tuple[Callback, Try]:
    """The last attempt reached a machine: it counts as one in vain, and the citizen waits again, or
    is given up after the last one due. Both as they are then.

    Raises `NobodyReached`, `AlreadyDone` (otherwise than by that attempt), `InvalidField`.
    """
    if not tries or tries[-1].outcome is not TryOutcome.REACHED:
        raise NobodyReached
    if callback.state is CallbackState.DONE and callback.outcome is not Outcome.REACHED:
        raise AlreadyDone
    note = plain_text("note", note, most=MOST_NOTE, lines=True)
    last = replace(tries[-1], outcome=TryOutcome.MACHINE, note=note or tries[-1].note)
    now = [*tries[:-1], last]
    open_again = replace(
        callback, state=CallbackState.WAITING, outcome=None, done_at=None, done_by=None
    )
    if policy.gives_up(now):
        return open_again.finish(Outcome.NOT_REACHED, "", by=by, at=at), last
    # Whom people dialled they go on dialling.
    ours = any(one.call_id is not None for one in now)
    return replace(open_again, next_try_at=policy.after(now, at) if ours else None), last


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and when a citizen is dialled, and by when somebody must have. `shortest_wait`:
    whoever gives up earlier was not missed. `dials_missed`: missed calls are dialled by us too."""

    tries: int
    pause: timedelta
    ring: timedelta
    hours: Hours
    deadline: timedelta
    shortest_wait: timedelta
    dials_missed: bool = False

    #: After a placeholder that nobody served: soon again, the place is kept.
    again: timedelta = timedelta(seconds=15)

    def due(self, at: datetime) -> datetime:
        """By when somebody must have been reached, or every attempt made."""
        return self.hours.next_allowed(at) + self.deadline

    def after(self, tries: Sequence[Try], at: datetime) -> datetime | None:
        """When to try again after the last of `tries` came to nothing; None: not by ourselves."""
        dialled = sum(one.dialled_at is not None and one.by is None for one in tries)
        if dialled >= self.tries * _MOST_DIALLED:
            return None
        last = tries[-1]
        if last.outcome is TryOutcome.WITHDRAWN:
            return None
        pause = self.again if last.dialled_at is None else self.pause
        return self.hours.next_allowed(at + pause)

    def gives_up(self, tries: Sequence[Try]) -> bool:
        """Whether the attempts suffice to say that the citizen could not be reached."""
        return sum(one.in_vain for one in tries) >= self.tries


def try_call_id(callback_id: UUID, number: int) -> UUID:
    """The call of this attempt: always the same, so that the journal tells what became of it."""
    return uuid5(_TRY, f"{callback_id}/{number}")


#: DIALSTATUS → what the attempt came to.
_DIALLED: Final = {
    "BUSY": TryOutcome.BUSY,
    "NOANSWER": TryOutcome.NO_ANSWER,
    "CHANUNAVAIL": TryOutcome.FAILED,
    "CONGESTION": TryOutcome.FAILED,
    "CANCEL": TryOutcome.AGENT_LEFT,
    "LATE": TryOutcome.NOT_SERVED,
}


def outcome_of_dialling(status: str) -> TryOutcome:
    """What a DIALSTATUS means; one of a later Asterisk: that it failed."""
    return _DIALLED.get(status, TryOutcome.FAILED)


def callable_number(number: str) -> str:
    """A number a citizen can be called back at. Raises `InvalidField`."""
    if not _NUMBER.fullmatch(number):
        raise InvalidField("number", "5 to 16 digits, with a + before them or not")
    return number


_SAID: Final = {
    TryOutcome.REACHED: "the citizen was reached",
    TryOutcome.BUSY: "the number was engaged",
    TryOutcome.NO_ANSWER: "nobody answered",
    TryOutcome.FAILED: "the network had no way to the number",
    TryOutcome.MACHINE: "a machine answered",
    TryOutcome.AGENT_LEFT: "the agent hung up before the citizen answered",
    TryOutcome.LOST: "the telephone system does not tell what became of the call",
}


def words(one: Try, count: int) -> str:
    """What a case is told of the attempt."""
    what = _SAID.get(one.outcome, str(one.outcome)) if one.outcome else ""
    return f"Callback, attempt {count}: {what}."
