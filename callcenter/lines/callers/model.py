"""Numbers that are known at the door: who is kept out for a while, and who comes first.

An entry is never changed and never deleted: it ends by the clock, or is lifted with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: Nobody is shut out for longer without being looked at again.
LONGEST_BLOCK: Final = timedelta(days=366)
LOWEST_PRIORITY: Final = 1
HIGHEST_PRIORITY: Final = 20
MOST_REASON: Final = 500


class ListName(StrEnum):
    """The lists there are."""

    BLOCKED = "blocked"  #: nuisance callers; the emergency key gets them in
    PRIORITY = "priority"  #: served before others in the queue


class NoSuchEntry(NotFound):
    """That list has no such entry."""

    slug = "no-such-entry"


class AlreadyListed(Conflict):
    """The number is on a list already: lift that entry first."""

    slug = "already-listed"


class AlreadyLifted(Conflict):
    """The entry was lifted already."""

    slug = "already-lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A number to be listed. `number` is E.164, or its digits as the provider sends them (as
    `calls.caller_number`); `priority` is of the priority list only.
    """

    list: ListName
    number: str
    reason: str
    expires_at: datetime | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A number on a list: who put it there, why, until when (None: until it is lifted)."""

    entry_id: int
    list: ListName
    number: str
    reason: str
    priority: int | None
    listed_at: datetime
    listed_by: str
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None

    def holds(self, at: datetime) -> bool:
        """Whether it counts for a call at this moment."""
        return self.lifted_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True)
class Decision:
    """The entries that count for a call; at most one of each list."""

    blocked: Entry | None = None
    priority: Entry | None = None


def decide(number: str | None, entries: Iterable[Entry], at: datetime) -> Decision:
    """What the lists say of a caller. A withheld number (None) is on no list.

    Of several entries the longest block and the highest priority count. Who is blocked does not
    come first, also not by the emergency key.
    """
    held = [e for e in entries if number is not None and e.number == number and e.holds(at)]
    blocks = [entry for entry in held if entry.list is ListName.BLOCKED]
    if blocks:
        return Decision(blocked=max(blocks, key=lambda e: (e.expires_at or at, e.entry_id)))
    firsts = [entry for entry in held if entry.list is ListName.PRIORITY]
    return Decision(priority=max(firsts, key=lambda e: (e.priority or 0, e.entry_id), default=None))


def checked(new: NewEntry, at: datetime) -> NewEntry:
    """The entry as it is kept. Raises `InvalidField`."""
    reason = checked_reason(new.reason)
    expires_at = new.expires_at
    if expires_at is not None and expires_at <= at:
        raise InvalidField("expires_at", "must lie in the future")
    if new.list is ListName.BLOCKED:
        if expires_at is None or expires_at > at + LONGEST_BLOCK:
            raise InvalidField("expires_at", f"at most {LONGEST_BLOCK.days} days from now")
        if new.priority is not None:
            raise InvalidField("priority", "belongs to the priority list")
    elif new.priority is None or not LOWEST_PRIORITY <= new.priority <= HIGHEST_PRIORITY:
        raise InvalidField("priority", f"{LOWEST_PRIORITY} to {HIGHEST_PRIORITY}")
    if expires_at is not None:
        try:
            expires_at = expires_at.astimezone(UTC)
        except OverflowError as exc:
            raise InvalidField("expires_at", "is no date of this calendar") from exc
    return NewEntry(
        list=new.list,
        number=new.number,
        reason=reason,
        expires_at=expires_at,
        priority=new.priority,
    )


def checked_reason(reason: str) -> str:
    """A reason as it is kept. Raises `InvalidField`."""
    return plain_text("reason", reason, least=1, most=MOST_REASON)
