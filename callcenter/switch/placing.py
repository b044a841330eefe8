"""Calls that we place: what all who dial by themselves keep to.

A call is written down, and committed, before Asterisk is asked for it, and it is never asked twice.
What became of it the journal says. One of which neither Asterisk nor the journal knows anything a
while later was not made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar
from uuid import UUID

from callcenter.platform.db import DatabaseUnavailable

log = logging.getLogger(__name__)

_ROUND_SECONDS: Final = 1.0

Wanted_contra = TypeVar("Wanted_contra", contravariant=True)
Wanted = TypeVar("Wanted")


class NotPlaced(Exception):
    """The call was certainly not made: Asterisk refused it, or the phone cannot be called."""


class OutcomeUnknown(Exception):
    """The link was lost: nobody here knows whether Asterisk did it."""


class Lines(Protocol[Wanted_contra]):
    """The switch, as a dialler needs it (`callcenter.asterisk.placing`)."""

    def is_ready(self) -> bool:
        """Whether it can be asked now."""
        ...

    async def place(self, call: Wanted_contra, /) -> None:
        """Ask once. Raises `NotPlaced`, `OutcomeUnknown`."""
        ...

    async def live(self) -> Collection[UUID]:
        """Calls (`call_id`) of this kind that live now. Raises `OutcomeUnknown`."""
        ...


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A call that was asked for; `is_told`: the journal has told of it."""

    call_id: UUID
    placed_at: datetime
    is_told: bool


async def rounds(step: Callable[[], Awaitable[object]], name: str) -> None:
    """`step` every second. Comes back only by cancellation; a database that is away is tried
    again."""
    while True:
        try:
            await step()
        except DatabaseUnavailable:
            log.warning("%s waits for the database", name)
        await asyncio.sleep(_ROUND_SECONDS)


async def place(
    lines: Lines[Wanted], call: Wanted, what: str, refused: Callable[[], Awaitable[None]]
) -> None:
    """Ask for a call that is written down. `what` names it in the log; `refused` settles one that
    was certainly not made."""
    try:
        await lines.place(call)
    except NotPlaced as exc:
        log.warning("%s is not called: %s", what, exc)
        await refused()
    except OutcomeUnknown as exc:
        # Not again, and not lost either: the journal will tell.
        log.warning("%s: the link was lost while asking: %s", what, exc)


async def never_made(
    lines: Lines[Wanted],
    calls: Iterable[UnderWay],
    *,
    before: datetime,
    journal_is_read: Callable[[], bool],
) -> list[UUID]:
    """Those asked for before that moment of which nobody knows. `journal_is_read`: nothing of the
    journal is unread; only then a missing call means that there was none. Raises
    `OutcomeUnknown`."""
    lost = [call.call_id for call in calls if not call.is_told and call.placed_at < before]
    if not lost or not journal_is_read():
        return []
    live = await lines.live()
    return [call_id for call_id in lost if call_id not in live]
