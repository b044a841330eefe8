"""Where a flow may send a call. The dialplan acts on it; each has a value of `CC_NEXT`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """To a person. `why`: `flow`, `direct` (a line without a menu), `no_flow`, `no_line`, `steps`
    (the caller went round in circles) or `fault` (ours). `priority` 0 to 20: higher comes first.
    `position` and `wait`: what was foretold; None: it could not be known.
    `survey`: the caller is asked afterwards how it was.
    """

    queue: str
    why: str = "flow"
    priority: int = 0
    position: int | None = None
    wait: timedelta | None = None
    survey: bool = False


@dataclass(frozen=True, slots=True)
class LeaveMessage:
    """To the voice mailbox. `why`: `choice`, `closed` or `overflow`; `greeting`: the prompt (its
    file's name) in place of the usual greeting.
    """

    why: str = "choice"
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class SendFax:
    """A prepared document to the caller's machine, in this call. `order` names it."""

    order: UUID


@dataclass(frozen=True, slots=True)
class CallBack:
    """The caller is called back: the wish is written down already, the call may end."""

    queue: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """To another number over the trunk; nobody there: to `queue`."""

    to: str
    queue: str
    ring_seconds: int = 30


@dataclass(frozen=True, slots=True)
class Refuse:
    """A number of the nuisance list that did not press the emergency key."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller has what they wanted."""


FlowExit = EnterQueue | LeaveMessage | SendFax | CallBack | Transfer | Refuse | HangUp
