"""What subject rooms may ask of the switch (Asterisk): to load what they changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class SwitchOutcome:
    """Whether Asterisk was seen to have loaded a change; `detail` says why not."""

    in_force: bool
    detail: str | None


class SwitchRequests(Protocol):
    """The port through which a room has its change loaded."""

    async def request(self, connection: AsyncConnection, subject: str) -> int:
        """Ask, within the running transaction, for `subject` to be loaded; the change's id.

        Subjects: `agents` (phones and who is in which queue), `lines`, `queues` …
        """
        ...

    async def wait(self, change_id: int, limit: timedelta) -> SwitchOutcome:
        """Wait, outside any transaction, for the node's answer, no longer than `limit`."""
        ...
