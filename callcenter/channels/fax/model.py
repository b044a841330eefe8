"""A fax: to a caller in the same call, to a number, or one that came in; and when to try again.

Pure: standard library and other models only. Which numbers may be dialled: `calls.numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from callcenter.calls.hours import Hours

_ATTEMPT: Final = UUID("6a2c8e5e-61a5-5f0e-9c07-12345facade0")

#: Name of a document, as a flow gives it.
DOCUMENT_NAME: Final = r"[a-z][a-z0-9_-]{0,62}"
MOST_TRIES: Final = 10
MOST_ERROR: Final = 200


class Direction(StrEnum):
    IN = "in"
    OUT = "out"


class Way(StrEnum):
    """How a fax goes."""

    CALL = "call"  #: in the call it was asked for in
    NUMBER = "number"  #: by a call of ours to a number
    IN = "in"  #: it came in


class FaxState(StrEnum):
    """Where a fax stands; the last five are ends."""

    READY = "ready"  #: the pages lie ready, the call goes on to them
    WAITING = "waiting"  #: for its next try
    SENDING = "sending"
    RECEIVING = "receiving"
    CONVERTING = "converting"  #: it is here; its PDF is being made
    SENT = "sent"
    RECEIVED = "received"
    PARTIAL = "partial"  #: it broke off; the pages that came are kept
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset(
    {FaxState.SENT, FaxState.RECEIVED, FaxState.PARTIAL, FaxState.FAILED, FaxState.CANCELLED}
)


class FaxTryState(StrEnum):
    """Where one try to deliver stands."""

    WAITING = "waiting"
    DIALLING = "dialling"  #: written down before Asterisk is asked: never asked twice
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DocumentSource(StrEnum):
    """What a document was made of."""

    ARTICLE = "article"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and when a number is tried. `pauses[n]` stands before try n + 2; the last one
    repeats."""

    tries: int
    pauses: Sequence[timedelta]
    hours: Hours

    def first(self, now: datetime) -> datetime:
        """When the first try may be."""
        return self.hours.next_allowed(now)

    def after(self, attempt: int, now: datetime) -> datetime | None:
        """When to try again after try number `attempt` (from 1) failed; None: give up."""
        if attempt >= self.tries:
            return None
        pause = self.pauses[min(attempt, len(self.pauses)) - 1]
        return self.hours.next_allowed(now + pause)


def attempt_call_id(fax_id: UUID, attempt: int) -> UUID:
    """The call of this try: always the same, so that the journal tells what became of it."""
    return uuid5(_ATTEMPT, f"{fax_id}/{attempt}")


#: What the network says of a call that did not come about (Q.850), for people.
_CAUSES: Final = {
    1: "the number does not exist",
    17: "the number was engaged",
    18: "nobody answered",
    19: "nobody answered",
    21: "the call was refused",
    27: "the number cannot be reached",
    28: "the number is incomplete",
    34: "the network had no way to the number",
    38: "the network had no way to the number",
    42: "the network had no way to the number",
}
UNKNOWN: Final = "the telephone system does not tell what became of the call"


def dial_error(cause: int | None) -> str:
    """Why a call brought no fax over; `cause` is Q.850."""
    return _CAUSES.get(cause or 0, f"the call ended before the fax began (cause {cause or 0})")


def fax_error(text: str) -> str:
    """FAXERROR as it is kept: bounded, printable."""
    return re.sub(r"[^A-Za-z0-9 /-]", "", text)[:MOST_ERROR].strip() or "it broke off"


def note_of(way: Way, *, good: bool, pages: int, of: int | None, error: str) -> str:
    """The sentence on the case: what became of a fax."""
    went = f"{pages}/{of}" if of else str(pages)
    if way is Way.IN:
        if good:
            return f"收到传真 Fax received: {went} 页 pages."
        return f"传真不完整 Fax broke off: {went} 页 pages came. {error}"
    if good:
        return f"传真已发送 Fax sent: {went} 页 pages."
    return f"传真未发送 Fax not sent: {went} 页 pages went over. {error}"
