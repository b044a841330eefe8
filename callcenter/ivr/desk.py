"""What a flow asks of other rooms while a caller listens: short, bounded, and it may fail.

Each of these opens its own short transaction; the runner waits no longer than `DESK_LIMIT`, and a
desk that cannot help leads the caller to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

from callcenter.platform.errors import Refused, Unavailable

#: The longest a caller waits in silence for one of these.
DESK_LIMIT: Final = timedelta(seconds=3)


class NoDesk(Unavailable):
    """Nobody does that here."""

    slug = "no-desk"


class NotToThere(Refused):
    """That number is not one we send to."""

    slug = "not-to-there"


@dataclass(frozen=True, slots=True)
class FaxWish:
    """What a caller wants by fax. `number` None: to the machine on this call."""

    language: str
    document: str | None = None
    article: str | None = None
    article_version: int | None = None
    number: str | None = None


class Desk(Protocol):
    """What other rooms do for a caller in a flow. `line` and `caller` as in `CallSession`."""

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        """The prompts that tell how the case stands; None for whatever does not match."""

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        """Order a fax: made ready when this returns, and sent later where there is a number.

        Raises `NotToThere`, `Unavailable`, `NotFound`.
        """

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        """Write down that the caller wants to be called back. Raises `NotToThere`."""


class ClosedDesk:
    """Nobody there: for flows that need none, and while a room is missing."""

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        raise NoDesk

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        raise NoDesk

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        raise NoDesk
