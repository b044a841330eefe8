"""The cases, as far as a callback writes in them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues.callbacks.model import Callback


class CaseFiles(Protocol):
    """Each within the caller's transaction."""

    async def belongs(
        self, connection: AsyncConnection, callback: Callback, call_id: UUID, at: datetime
    ) -> None:
        """The call is about the case of the callback."""
        ...

    async def note(
        self, connection: AsyncConnection, callback: Callback, text: str, at: datetime
    ) -> None:
        """Write down what was tried."""
        ...
