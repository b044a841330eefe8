"""How an agent is: what the agent wants, what the phone and the calls make of it. Pure.

Every function takes the session and gives it back changed; none raises but `refuse_wrong`. The
order in which wishes, the phone and the calls are told may be any: what is derived (`state_of`,
`pause_of`) depends on what is true, not on the way there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict

#: So many calls in a row that rang unanswered pause the agent.
MOST_MISSED: Final = 2


class State(StrEnum):
    """What everybody sees of an agent."""

    OFFLINE = "offline"  #: logged out, or never had a phone
    READY = "ready"
    PAUSED = "paused"
    RINGING = "ringing"
    TALKING = "talking"
    HOLDING = "holding"  #: talking, and the other side hears music
    WRAP_UP = "wrap_up"  #: after a call, until the case is saved or the limit is reached


#: The phone is in use.
BUSY: Final = frozenset({State.RINGING, State.TALKING, State.HOLDING})


class Phone(StrEnum):
    """Whether a call can reach the agent's phone."""

    UNKNOWN = "unknown"  #: none was ever there
    AWAY = "away"
    THERE = "there"


class Line(StrEnum):
    """What the phone does."""

    FREE = "free"
    RINGING = "ringing"
    TALKING = "talking"
    HOLDING = "holding"


class Reason(StrEnum):
    """Reasons of a pause that the system gives; people's are rows of `pause_reasons`."""

    NO_ANSWER = "no_answer"  #: until the agent says ready
    PHONE_GONE = "phone_gone"  #: until the phone is back
    WRAP_UP = "wrap_up"  #: until the wrap-up is over


class Act(StrEnum):
    """What can be wished for."""

    READY = "ready"  #: log in, end a pause or a wrap-up
    PAUSE = "paused"
    LOG_OUT = "offline"
    DONE = "done"  #: end the wrap-up
    LOG_IN = "login"  #: to all queues, and ready; by phone


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody's wish for an agent: `by` is a user's name, or `phone` for a feature code.

    `reason` belongs to a pause. Of two wishes the one with the later `at` counts.
    """

    act: Act
    at: datetime
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One agent. Without any word from anybody: logged in, and ready once a phone is there.

    `armed`: Asterisk paused the agent for the wrap-up at the moment of answering, so that no call
    slips in between; the wrap-up begins when the talk ends. `queue` and `call_id`: of the call that
    rings, is talked or was just ended.
    """

    agent_id: str
    active: bool = True
    logged_in: bool = True
    paused_for: str | None = None
    out_of: frozenset[str] = field(default_factory=frozenset)
    wished_at: datetime | None = None
    wished_by: str | None = None
    missed: int = 0
    phone: Phone = Phone.UNKNOWN
    line: Line = Line.FREE
    armed: bool = False
    wrap_up_until: datetime | None = None
    call_id: UUID | None = None
    queue: str | None = None


class WrongState(Conflict):
    """The agent cannot be brought into that state now."""

    slug = "wrong-state"

    def __init__(self, why: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{why} Allowed now: {', '.join(allowed)}.")
        self.allowed = allowed


def wished(session: Session, wish: Wish) -> Session:
    """A wish is taken; one that is older than the last changes nothing."""
    if session.wished_at is not None and wish.at < session.wished_at:
        return session
    session = replace(session, wished_at=wish.at, wished_by=wish.by)
    if session.wrap_up_until is not None:
        # Any wish ends a wrap-up; one that comes after the talk that goes on now still comes.
        session = replace(session, wrap_up_until=min(session.wrap_up_until, wish.at))
    match wish.act:
        case Act.READY:
            return replace(session, logged_in=True, paused_for=None, missed=0)
        case Act.PAUSE:
            return replace(session, logged_in=True, paused_for=wish.reason, missed=0)
        case Act.LOG_OUT:
            return replace(session, logged_in=False, paused_for=None, missed=0)
        case Act.LOG_IN:
            return replace(session, logged_in=True, paused_for=None, missed=0, out_of=frozenset())
        case Act.DONE:
            return session


def phone_is(session: Session, there: bool) -> Session:
    """The phone can be reached, or cannot; one that never could is still unknown."""
    if there:
        return replace(session, phone=Phone.THERE)
    if session.phone is Phone.UNKNOWN:
        return session
    # What rang on a phone that was gone is nobody's fault.
    return replace(session, phone=Phone.AWAY, missed=0)


def line_is(session: Session, line: Line, at: datetime, wrap_up: timedelta) -> Session:
    """What the phone does; `wrap_up` is the limit after a call of the session's queue."""
    if line is not Line.FREE:
        # A call in the wrap-up puts it off.
        waits = session.armed or session.wrap_up_until is not None
        return replace(session, line=line, armed=waits, wrap_up_until=None)
    session = replace(session, line=Line.FREE)
    if not session.armed:
        return session
    return replace(session, armed=False, wrap_up_until=at + wrap_up)


def asterisk_paused(
    session: Session, reason: str | None, at: datetime, wrap_up: timedelta
) -> Session:
    """Asterisk was seen to have the agent paused for `reason`; None: not paused.

    A pause for the wrap-up is the dialplan's word that one comes. Where the talk is over already
    (nobody looked in between), the wrap-up begins at `at`.
    """
    if reason != Reason.WRAP_UP or session.armed or session.wrap_up_until is not None:
        return session
    if session.line is not Line.FREE:
        return replace(session, armed=True)
    return replace(session, wrap_up_until=at + wrap_up)


def answered(session: Session) -> Session:
    """A call was taken."""
    return replace(session, missed=0)


def did_not_answer(session: Session, at: datetime) -> Session:
    """A call of a queue rang unanswered: after two in a row the agent is paused.

    Not where the agent said something after it rang.
    """
    if session.wished_at is not None and at < session.wished_at:
        return session
    missed = session.missed + 1
    if missed < MOST_MISSED or not session.logged_in or session.paused_for is not None:
        return replace(session, missed=missed)
    return replace(
        session, missed=0, paused_for=Reason.NO_ANSWER, wished_at=at, wished_by="system:node"
    )


def clock_is(session: Session, at: datetime) -> Session:
    """A wrap-up whose limit is reached is over."""
    if session.wrap_up_until is not None and session.wrap_up_until <= at:
        return replace(session, wrap_up_until=None)
    return session


def wrap_up_over(session: Session) -> Session:
    """The case of the call was saved."""
    return replace(session, wrap_up_until=None)


def state_of(session: Session) -> tuple[State, str | None]:
    """What everybody sees, and the reason of a pause."""
    if session.line is not Line.FREE:
        return State(session.line.value), None
    if not session.active or not session.logged_in:
        return State.OFFLINE, None
    if session.wrap_up_until is not None:
        return State.WRAP_UP, None
    if session.paused_for is not None:
        return State.PAUSED, session.paused_for
    match session.phone:
        case Phone.THERE:
            return State.READY, None
        case Phone.AWAY:
            return State.PAUSED, Reason.PHONE_GONE
        case Phone.UNKNOWN:
            return State.OFFLINE, None


def pause_of(session: Session) -> str | None:
    """The reason Asterisk must have the agent paused for; None: not paused."""
    if session.armed or session.wrap_up_until is not None:
        return Reason.WRAP_UP
    if session.paused_for is not None:
        return session.paused_for
    return Reason.PHONE_GONE if session.phone is Phone.AWAY else None


def allowed(session: Session) -> tuple[str, ...]:
    """Acts that make sense now, in the words of the API.

    `ready` without a phone is one: it says that calls are wanted, and the state says the truth.
    """
    state, _ = state_of(session)
    pending = session.paused_for is not None or not session.logged_in
    acts = []
    if state not in BUSY or pending:
        acts.append(Act.READY)
    acts.append(Act.PAUSE)
    acts.append(Act.LOG_OUT)
    if state is State.WRAP_UP:
        acts.append(Act.DONE)
    return tuple(act.value for act in acts)


def refuse_wrong(session: Session, act: str) -> None:
    """Raises `WrongState` where `act` is none of the allowed ones."""
    may = allowed(session)
    if act in may:
        return
    state, _ = state_of(session)
    if act == Act.DONE:
        why = f"Agent {session.agent_id} is {state}, not in a wrap-up."
    elif act == Act.READY:
        why = f"Agent {session.agent_id} is {state} and has no pause to end."
    else:
        why = f"Nobody is brought into the state {act}: the phone and the calls make it."
    raise WrongState(why, may)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A session as it is kept. `since`: in this state with this reason; `until_at`: when a wrap-up
    ends by itself, or a pause is over its limit. `version` counts wishes; Asterisk was seen to
    follow `in_force_version`. `is_kept` is False where there is no row yet.
    """

    session: Session
    state: State = State.OFFLINE
    reason: str | None = None
    since: datetime
    until_at: datetime | None = None
    over_limit: bool = False
    version: int = 1
    in_force_version: int = 0
    is_kept: bool = True

    @property
    def in_force(self) -> bool:
        return self.in_force_version == self.version


def noted(
    record: Record, session: Session, at: datetime, limits: Mapping[str, timedelta], *, seen: bool
) -> Record:
    """The record of the changed session. `limits`: how long a pause of each reason may last.

    `seen`: Asterisk was seen to have the memberships this session wants.
    """
    state, reason = state_of(session)
    since = record.since
    if (state, reason) != (record.state, record.reason) or not record.is_kept:
        since = max(at, record.since)
    until_at = session.wrap_up_until if state is State.WRAP_UP else None
    over = False
    if reason is not None and reason in limits:
        until_at = since + limits[reason]
        over = at > until_at
    return replace(
        record,
        session=session,
        state=state,
        reason=reason,
        since=since,
        until_at=until_at,
        over_limit=over,
        in_force_version=record.version if seen else record.in_force_version,
    )


def differ(one: Record, other: Record) -> bool:
    """Whether anything that the node keeps is not the same."""
    kept = ("state", "reason", "since", "until_at", "over_limit", "in_force_version")
    theirs = ("phone", "call_id", "queue")
    return any(getattr(one, name) != getattr(other, name) for name in kept) or any(
        getattr(one.session, name) != getattr(other.session, name) for name in theirs
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of an agent beside the rows: the phone, and what Asterisk has them paused for.

    `call_id`, `queue`: of the call on the phone, as far as they are known yet. `talk_ended_at`:
    what the journal says of the last talk.
    """

    there: bool
    line: Line
    paused_for: str | None
    call_id: UUID | None = None
    queue: str | None = None
    talk_ended_at: datetime | None = None
    case_saved: bool = False


def now(record: Record, seen: Seen, at: datetime, wrap_ups: Mapping[str, timedelta]) -> Session:
    """The session as it is at `at`. `wrap_ups`: the limit of each queue that has a wrap-up."""
    session, was_busy = record.session, record.state in BUSY
    is_busy = seen.line is not Line.FREE
    if is_busy:
        session = replace(session, call_id=seen.call_id, queue=seen.queue)
    elif not was_busy and record.state is not State.WRAP_UP:
        session = replace(session, call_id=None, queue=None)
    session = phone_is(session, seen.there or is_busy)
    wrap_up = wrap_ups.get(session.queue or "", timedelta())
    ended_at = at
    if seen.talk_ended_at is not None and record.since <= seen.talk_ended_at < at:
        ended_at = seen.talk_ended_at
    if was_busy:
        session = asterisk_paused(session, seen.paused_for, ended_at, wrap_up)
    session = line_is(session, seen.line, ended_at, wrap_up)
    session = asterisk_paused(session, seen.paused_for, ended_at, wrap_up)
    if seen.case_saved:
        session = wrap_up_over(session)
    return clock_is(session, at)
