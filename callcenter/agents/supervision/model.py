"""What a supervisor may do to an agent's conversation or a caller's wait, and when.

Pure: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, NotAllowed
from callcenter.platform.text import plain_text

#: Characters of a reason.
MOST_REASON: Final = 500
LOWEST_PRIORITY: Final = 0  #: as all
HIGHEST_PRIORITY: Final = 20


class NotNow(Conflict):
    """That does not fit what goes on now."""

    slug = "not-now"

    def __init__(self, what: str, *allowed: str) -> None:
        super().__init__(f"{what} Allowed now: {', '.join(allowed) or 'nothing of this'}.")
        self.allowed = allowed


class SpyMode(StrEnum):
    """How a supervisor is in an agent's conversation."""

    LISTEN = "listen"  #: hears both
    WHISPER = "whisper"  #: hears both, is heard by the agent
    JOIN = "join"  #: hears both, is heard by both


class Pickup(StrEnum):
    """How far it came with the supervisor's phone when the reply was written."""

    RINGING = "ringing"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """An agent's conversation that goes on: the leg's `uniqueid` and `channel`, our call."""

    call_id: UUID
    uniqueid: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spying:
    """Who hears whom, since when. `spying_call`: the supervisor's own call; `wanted_by` and
    `reason` are None where only the journal knows of it."""

    spying_call: UUID
    phone: str
    agent: str
    spied_call: UUID
    mode: SpyMode
    since: datetime
    wanted_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A call as an act needs it. `agent`: who talks with the caller now; `queue` and `priority` are
    those of the wait that goes on, or of the last one."""

    call_id: UUID
    direction: str
    state: str
    uniqueid: str
    linkedid: str
    agent: str | None
    queue: str | None
    is_waiting: bool
    priority: int


def checked_reason(reason: str) -> str:
    """A reason as it is kept. Raises `InvalidField`."""
    return plain_text("reason", reason, least=1, most=MOST_REASON)


def answers_by_itself(wanted: bool | None, *, own: bool) -> bool:
    """Whether the phone is asked to answer by itself; `own`: it is that of the user who asks.

    Nobody's phone is opened but one's own: its microphone would be, in a room where nobody picked
    it up. Raises `NotAllowed`.
    """
    if wanted and not own:
        raise NotAllowed("Only your own phone (the agent with you as `user`) answers by itself.")
    return own if wanted is None else wanted


def may_spy(agent: str, state: str | None, talk: Talk | None, phone: str) -> Talk:
    """The talk to be heard. Raises `InvalidField`, `NotNow`."""
    if agent == phone:
        raise InvalidField("supervisor_phone", "nobody listens to their own phone")
    if talk is None:
        said = f" (state: {state})" if state else ""
        raise NotNow(f"Agent {agent} talks with nobody now{said}.")
    return talk


def changed_mode(agent: str, talk: Talk, mode: SpyMode, now: Spying | None) -> Spying | None:
    """The spying that goes on with this phone and only changes its mode; None: it begins.

    Raises `NotNow` where the phone hears somebody else, or does so already.
    """
    if now is None:
        return None
    if now.agent != agent or now.spied_call != talk.call_id:
        raise NotNow(
            f"Phone {now.phone} hears agent {now.agent} now.",
            f"POST /agents/{now.agent}/listen/stop",
        )
    if now.mode is mode:
        others = [one.value for one in SpyMode if one is not mode]
        raise NotNow(f"Phone {now.phone} does so already ({mode}).", *others, "listen/stop")
    return now


def may_take_over(call: LiveCall, phone: str) -> None:
    """Raises `NotNow`, `InvalidField`."""
    if call.agent == phone:
        raise InvalidField("supervisor_phone", "this phone has the call already")
    if call.direction != "inbound" or (call.agent is None and not call.is_waiting):
        raise NotNow(
            f"The call is {call.state}: only a caller who waits in a queue or talks with an agent "
            "can be taken over.",
            *_allowed(call),
        )


def may_move(call: LiveCall, queue: str) -> None:
    """Raises `NotNow`, `InvalidField`."""
    if call.direction != "inbound" or not call.is_waiting:
        raise NotNow(
            f"The {call.direction} call is {call.state}, it waits in no queue.", *_allowed(call)
        )
    if call.queue == queue:
        raise InvalidField("queue", "the caller waits there already")


def may_prioritise(call: LiveCall) -> None:
    """Raises `NotNow`."""
    if call.direction != "inbound" or not call.is_waiting:
        raise NotNow(
            f"The {call.direction} call is {call.state}, it waits in no queue.", *_allowed(call)
        )


def _allowed(call: LiveCall) -> tuple[str, ...]:
    if call.direction != "inbound":
        return ()
    if call.is_waiting:
        return ("take-over", "queue", "priority")
    if call.agent is not None:
        at_the_agent = (f"/agents/{call.agent}/{mode}" for mode in SpyMode)
        return ("take-over", *at_the_agent)
    return ()
