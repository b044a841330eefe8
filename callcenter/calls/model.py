"""A call: its states, its legs, what became of it. The rule by which it changes is `fold.apply`.

Pure: standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID


class CallState(StrEnum):
    """Where the caller is now."""

    RINGING = "ringing"
    IN_MENU = "in_menu"
    QUEUED = "queued"
    TALKING = "talking"
    LEAVING_MESSAGE = "leaving_message"
    ENDED = "ended"


class Disposition(StrEnum):
    """What became of the call; told once, at its end."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    SELF_SERVED = "self_served"
    VOICEMAIL = "voicemail"
    FAX = "fax"
    CALLBACK_REQUESTED = "callback_requested"
    OVERFLOWED = "overflowed"
    BLOCKED = "blocked"
    FAILED = "failed"


class DoorStep(StrEnum):
    """Steps before a flow, as `ivr.door` journals them; the dot keeps them apart from nodes."""

    BLOCKED = ".blocked"  #: told that the number is on the nuisance list
    EMERGENCY = ".emergency"  #: pressed the emergency key: served as anybody
    PRIORITY = ".priority"  #: is on the priority list
    NOTICE = ".notice"  #: the recording notice, with the welcome if there is one
    WELCOME = ".welcome"  #: a welcome without a notice
    CLOSED = ".closed"  #: told that the line is closed now


#: Flow nodes after which a caller who leaves has been served by the machine.
#: (Those that ask first, as case_status, say by `about` when something was told.)
SELF_SERVICE_NODES: Final = frozenset({"article", "self_service"})

#: A shorter take is no message: the caller was told so, or hung up before saying anything.
SHORTEST_MESSAGE: Final = timedelta(seconds=3)

#: `PJSIP/1001-0000002a`: endpoints that are a number are agents (DESIGN.md §5), the trunk's is not.
_AGENT_CHANNEL: Final = re.compile(r"PJSIP/([1-9][0-9]{2,5})-[0-9a-f]{8}")


def agent_of(channel: str) -> str | None:
    """The agent whose phone this channel is, or None."""
    match = _AGENT_CHANNEL.match(channel)
    return match[1] if match else None


class LedBy(StrEnum):
    """What led a caller to a node of the flow."""

    FLOW = "flow"  #: the flow went on by itself
    KEY = "key"  #: a key of the menu
    SILENCE = "silence"  #: nothing pressed in time
    WRONG_KEY = "wrong_key"  #: a key the menu does not have
    RESUMED = "resumed"  #: another process went on where ours was lost


def led_by(pressed: str) -> tuple[str | None, LedBy]:
    """The key and what it means, from how the flow's runner writes it to the journal."""
    match pressed[:1]:
        case "":
            return None, LedBy.FLOW
        case "t":
            return None, LedBy.SILENCE
        case "r":
            return None, LedBy.RESUMED
        case "i":
            return pressed[1:] or None, LedBy.WRONG_KEY
        case _:
            return pressed, LedBy.KEY


@dataclass(frozen=True, slots=True)
class PathStep:
    """A node the caller came to; `key` is the key that was pressed before, None for none. `about`
    names what was heard there beside the flow's own words (`notice/<name>/<version>` …). `flow` and
    `version` are those of another flow that the line's own one runs; None: the line's own."""

    node: str
    key: str | None
    led_by: LedBy
    at: datetime
    about: str = ""
    flow: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel (one uniqueid) of the call. `bridged`: somebody was heard on it."""

    uniqueid: str
    linkedid: str
    channel: str
    started_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    hangup_cause: int | None = None
    bridged: bool = False
    moved_to: UUID | None = None  #: the call a transfer took it to

    @property
    def agent(self) -> str | None:
        return agent_of(self.channel)


@dataclass(frozen=True, slots=True)
class MissedRing:
    """An agent's phone that fell silent unanswered; `refused`: the agent's side ended it;
    `engaged`: it was never rung, another call was there first."""

    agent: str
    at: datetime
    refused: bool
    engaged: bool = False


class VisitOutcome(StrEnum):
    """How a caller's wait in a queue ended."""

    ANSWERED = "answered"  #: an agent and the caller heard each other
    ABANDONED = "abandoned"  #: the caller hung up
    TIMEOUT = "timeout"  #: waited as long as the queue allows
    FULL = "full"  #: too many waited already
    NO_AGENTS = "no_agents"  #: nobody is there to wait for
    WITHDRAWN = "withdrawn"  #: taken out by a supervisor
    LEFT_BY_KEY = "left_by_key"  #: chose something else while waiting
    MOVED = "moved"  #: went on to another queue
    FAILED = "failed"  #: the call broke off, or Queue() could not serve it


@dataclass(frozen=True, slots=True)
class QueueVisit:
    """One wait in one queue; `number` counts from 1 within the call. `position` and `estimate` are
    what was told or foreseen when the caller came (None: nothing was)."""

    number: int
    queue: str
    why: str
    entered_at: datetime
    language: str | None = None
    priority: int | None = None
    position: int | None = None
    estimate: timedelta | None = None
    answered_at: datetime | None = None
    agent: str | None = None
    left_at: datetime | None = None
    outcome: VisitOutcome | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """A span in which an agent, on the leg `uniqueid`, and the others of the call heard each other.
    `visit` is the wait it ended, None for one that no queue brought about."""

    uniqueid: str
    agent: str
    began_at: datetime
    visit: int | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Handed:
    """The caller, passed on by agent `by` to another unit: it rings from `called_at`; `leg` is its
    channel once it answered."""

    to: str
    by: str
    called_at: datetime
    leg: str | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """One attempt at a message. `length` is None while it lasts, and when nobody can tell (Asterisk
    died, or could not write): then the file decides."""

    name: str
    reason: str
    began_at: datetime
    length: timedelta | None = None
    over: bool = False

    @property
    def counts(self) -> bool:
        return self.length is None or self.length >= SHORTEST_MESSAGE


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that is true about one call. `call_id` is ours; linkedid and uniqueid are
    Asterisk's and may change or repeat. Fields after `priority_entry` serve the fold only."""

    call_id: UUID
    node: str
    linkedid: str
    uniqueid: str
    started_at: datetime
    direction: str = "inbound"
    line: str | None = None
    caller_number: str | None = None
    caller_name: str | None = None
    caller_withheld: bool = False
    caller_number_source: str = "unknown"
    dialled_number: str | None = None
    language: str | None = None
    state: CallState = CallState.RINGING
    disposition: Disposition | None = None
    answered_at: datetime | None = None
    queued_at: datetime | None = None
    agent_answered_at: datetime | None = None
    ended_at: datetime | None = None
    hangup_by: str | None = None
    queue: str | None = None
    agent: str | None = None
    ivr_flow: str | None = None
    ivr_version: int | None = None
    ivr_path: tuple[PathStep, ...] = ()
    legs: tuple[Leg, ...] = ()
    linkedids: tuple[str, ...] = ()
    visits: tuple[QueueVisit, ...] = ()
    talks: tuple[Talk, ...] = ()
    merged_into: UUID | None = None
    #: The recording notice that was played, and its version.
    recording_notice: str | None = None
    recording_notice_version: int | None = None
    #: How far ahead of others the caller waited, and which entry of the priority list says so.
    priority: int | None = None
    priority_entry: int | None = None

    began: bool = False
    self_served: bool = False
    #: Was told at the door that the number is blocked, and pressed no emergency key since.
    refused: bool = False
    left_queue: bool = False
    fax: str | None = None  #: the fax of this call, the last one where there were several
    fax_way: str = ""
    fax_is_over: bool = False
    fax_went: bool = False  #: a page at least went over
    takes: tuple[Take, ...] = ()
    wants_callback: bool = False
    #: In a callback: the phone that hung up first. Both halves of a Local channel stand between.
    let_go: str = ""
    handed_on_to: str | None = None  #: another unit's number, once it was dialled
    handing_on: bool = False  #: it rings there
    passed_by: str = ""  #: the agent who passed the caller on last
    handed: Handed | None = None  #: there, or ringing there, by an agent's wish
    other_answered: bool = False  #: there; in a callback: the citizen
    held_since: datetime | None = None  #: put aside, with music
    #: Holds by phones that are going on: leg → since when.
    phone_holds: tuple[tuple[str, datetime], ...] = ()
    #: Who ended the last talk with an agent, by that leg's HANGUP: agent, caller or system.
    parted_by: str | None = None
    #: The caller is asked how it was: the conversation is over, whoever hangs up now.
    surveyed: bool = False
    missed: tuple[MissedRing, ...] = ()
    recordings: tuple[str, ...] = ()
    last_event_at: datetime | None = None
    seen: frozenset[bytes] = field(default=frozenset(), repr=False)

    @property
    def is_settled(self) -> bool:
        """Nothing more is to come: the call and all its legs are over."""
        return self.ended_at is not None and all(leg.ended_at for leg in self.legs)

    @property
    def message(self) -> Take | None:
        """The take that counts: the last that is long enough, whatever was begun after it."""
        return next((take for take in reversed(self.takes) if take.counts), None)

    @property
    def waiting(self) -> QueueVisit | None:
        """The wait that is going on."""
        return next((visit for visit in self.visits if visit.outcome is None), None)

    @property
    def calls_back(self) -> bool:
        """We call a citizen, in whose place this call waits in a queue first."""
        return self.direction == "outbound" and bool(self.visits)

    def is_citizens(self, leg: Leg) -> bool:
        """The leg of the citizen who is called back: the only phone in it that is no agent's."""
        return self.calls_back and leg.channel.startswith("PJSIP/") and leg.agent is None

    def leg(self, uniqueid: str) -> Leg | None:
        return next((leg for leg in self.legs if leg.uniqueid == uniqueid), None)

    def with_leg(self, leg: Leg) -> Call:
        """The call with its leg of that uniqueid replaced."""
        if self.leg(leg.uniqueid) == leg:
            return self
        legs = tuple(leg if one.uniqueid == leg.uniqueid else one for one in self.legs)
        return replace(self, legs=legs)

    def role_of(self, leg: Leg) -> str:
        """`citizen`, `agent` or `other`, as `call_legs.role` says it."""
        if leg.agent:
            return "agent"
        if leg.uniqueid == self.uniqueid and self.direction == "inbound":
            return "citizen"
        if self.is_citizens(leg):
            return "citizen"
        return "other"
