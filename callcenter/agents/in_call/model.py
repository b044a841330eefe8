"""What can be done in a conversation, and when. Pure: standard library and other models only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.agents.directory.model import Entry, UnitKind
from callcenter.platform.errors import Conflict, InvalidField, NotAllowed, NotFound
from callcenter.platform.text import plain_text

MOST_OFFICER: Final = 100
MOST_REASON: Final = 500
MOST_DIGITS: Final = 16
#: People in one call, the citizen among them.
MOST_PEOPLE: Final = 6
_DIGITS: Final = re.compile(rf"[0-9*#A-D]{{1,{MOST_DIGITS}}}")


class Act(StrEnum):
    """What an agent can have done in a call."""

    HOLD = "hold"
    UNHOLD = "unhold"
    TRANSFER = "transfer"
    COMPLETE = "complete"  #: of a consultation: the citizen goes to whom was asked
    CANCEL = "cancel"  #: of a consultation: the citizen comes back
    THREE_WAY = "three_way"
    CONFERENCE = "conference"
    CALL_OUT = "call_out"
    EMERGENCY = "emergency"
    RELEASE = "release"  #: who was called in goes
    DTMF = "dtmf"
    PAUSE = "pause"  #: of the recording
    RESUME = "resume"


class Purpose(StrEnum):
    """Why somebody was called into a call."""

    CONSULTATION = "consultation"  #: asked while the citizen hears music
    THREE_WAY = "three_way"  #: a department's officer answers the citizen, the agent stays
    CONFERENCE = "conference"  #: another agent
    CALL_OUT = "call_out"  #: another unit, which does not see the citizen's number
    EMERGENCY = "emergency"  #: 110, 119 …, who do see it


class Result(StrEnum):
    """What came of a conversation with another unit, in the agent's words."""

    DIRECT_ANSWERED = "direct_answered"  #: the officer answered the citizen's matter at once
    TO_BE_DISPATCHED = "to_be_dispatched"
    NO_ANSWER_GIVEN = "no_answer_given"


class NotInThisCall(NotAllowed):
    """Only an agent who is in the call, or a supervisor, can do that."""

    slug = "not-in-this-call"


class NotNow(Conflict):
    """The call does not allow that now."""

    slug = "not-now"

    def __init__(self, act: Act, allowed: Sequence[Act], why: str = "") -> None:
        self.act = act
        self.allowed = tuple(allowed)
        now = ", ".join(self.allowed) or "nothing"
        super().__init__(f"The call does not allow {act} now{why}; allowed: {now}.")


class NoTrunk(Conflict):
    """No other unit can be called: there is no trunk to call by (CALLCENTER_TRUNK_HOST)."""

    slug = "no-trunk"


class NotReachable(Conflict):
    """Whoever is named cannot be called now."""

    slug = "not-reachable"


class NoSuchParty(NotFound):
    """Nobody of that number was called into this call."""

    slug = "no-such-party"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegNow:
    """A channel of the call that lives: `agent` None is the citizen, or another unit."""

    uniqueid: str
    agent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody called in by an act. `number` counts from 1 in the call; times as the journal
    tells; `directory` is a number of the directory."""

    number: int
    uniqueid: str
    purpose: Purpose
    agent: str | None
    directory: str | None
    name: str
    officer: str
    wanted_by: str
    wanted_at: datetime
    began_at: datetime | None = None
    answered_at: datetime | None = None
    joined_at: datetime | None = None
    ended_at: datetime | None = None
    result: Result | None = None

    @property
    def is_there(self) -> bool:
        """Rings or talks: the leg lives, as far as the journal has told."""
        return self.began_at is not None and self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseNow:
    """The recording holds silence since `began_at`, until `until_at` at the latest."""

    began_at: datetime
    began_by: str
    reason: str
    until_at: datetime


class HeldBy(StrEnum):
    """What held somebody."""

    ACT = "act"  #: the citizen, put aside by the API
    PHONE = "phone"  #: the others of the call, by the agent's phone itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A span; `agent` is whose phone held, None where an act did. `ended_at` None: it goes on."""

    by: HeldBy
    agent: str | None
    began_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNow:
    """A call as the rows tell it. `talking`: the legs of agents who talk in it."""

    call_id: UUID
    direction: str
    line: str | None
    caller_number: str | None
    ended: bool
    citizen: LegNow
    language: str | None = None
    talking: tuple[LegNow, ...] = ()
    parties: tuple[Party, ...] = ()
    held_since: datetime | None = None
    holds: tuple[Hold, ...] = ()
    recording: bool = False
    pause: PauseNow | None = None

    @property
    def consultation(self) -> Party | None:
        """The one that is going on."""
        asked = (p for p in self.called_in if p.purpose is Purpose.CONSULTATION)
        return next((party for party in asked if party.joined_at is None), None)

    @property
    def called_in(self) -> tuple[Party, ...]:
        """Who is there of those called in."""
        return tuple(party for party in self.parties if party.is_there)

    def leg_of(self, agent: str) -> LegNow | None:
        return next((leg for leg in self.talking if leg.agent == agent), None)

    def allowed(self) -> tuple[Act, ...]:
        """What can be done now, by an agent who is in the call."""
        # A call between agents is the two phones' own business.
        if self.ended or self.direction == "internal" or not self.talking:
            return ()
        acts: list[Act] = []
        asked = self.consultation
        if asked is not None:
            acts += [Act.COMPLETE] if asked.answered_at and self.held_since else []
            acts += [Act.CANCEL, Act.DTMF]
        else:
            acts += [Act.UNHOLD if self.held_since else Act.HOLD, Act.TRANSFER]
            outside = [party for party in self.called_in if not party.agent]
            is_full = len(self.talking) + len(outside) + 2 > MOST_PEOPLE
            if not is_full and self.held_since is None:
                acts += [Act.THREE_WAY, Act.CONFERENCE, Act.CALL_OUT, Act.EMERGENCY]
            acts.append(Act.DTMF)
        if self.called_in:
            acts.append(Act.RELEASE)
        if self.pause is not None:
            acts.append(Act.RESUME)
        elif self.recording:
            acts.append(Act.PAUSE)
        return tuple(acts)

    def must_allow(self, act: Act) -> None:
        """Raises `NotNow` with what is allowed."""
        allowed = self.allowed()
        if act not in allowed:
            raise NotNow(act, allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom a transfer goes to: exactly one of the three."""

    agent: str | None = None
    queue: str | None = None
    number: str | None = None

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        if sum(part is not None for part in (self.agent, self.queue, self.number)) != 1:
            raise InvalidField("to", "exactly one of agent, queue, number")

    @property
    def exten(self) -> str:
        """As agents' phones dial it."""
        return self.agent or self.queue or self.number or ""


def checked_digits(digits: str) -> str:
    """Raises `InvalidField`, which does not repeat them."""
    if not _DIGITS.fullmatch(digits):
        raise InvalidField("digits", f"1 to {MOST_DIGITS} of 0-9, *, #, A-D")
    return digits


def checked_reason(reason: str) -> str:
    """Raises `InvalidField`."""
    return plain_text("reason", reason, least=1, most=MOST_REASON)


def checked_officer(name: str) -> str:
    """Raises `InvalidField`."""
    return plain_text("officer_name", name, most=MOST_OFFICER)


def must_be_emergency(entry: Entry) -> None:
    """Raises `NotReachable`."""
    if entry.kind is not UnitKind.EMERGENCY:
        raise NotReachable(f"{entry.number} is no emergency service in the directory.")
