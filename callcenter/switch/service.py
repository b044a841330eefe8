"""Wishes to Asterisk: the API writes one in its transaction, `node` loads it and says what it saw.

api:  change = request(connection, "lines") … commit … outcome = await wait(change, limit)
node: for change in open_changes(connection): write, reload, read back, settle(…)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import announce, listen
from callcenter.switch import store
from callcenter.switch.model import SwitchOutcome
from callcenter.switch.store import Change

#: How long a reply of the API waits for Asterisk.
CONFIRMATION_LIMIT: Final = timedelta(seconds=5)
TOPIC: Final = "switch"

_LOOK_EVERY = timedelta(milliseconds=50)
_LONGEST_DETAIL = 1000


class SwitchService:
    """Changes of one node's Asterisk; a `SwitchRequests`. `node` is its name in the settings."""

    def __init__(self, database: Database, clock: Clock, node: str) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._settled = asyncio.Condition()

    async def request(self, connection: AsyncConnection, subject: str) -> int:
        """Wish, in the caller's transaction, that Asterisk loads `subject` anew; its change id."""
        change_id = await store.add_change(connection, self._node, subject, self._clock())
        await announce(connection, TOPIC, self._node)
        return change_id

    async def wait(self, change_id: int, limit: timedelta = CONFIRMATION_LIMIT) -> SwitchOutcome:
        """What came of a change; not in force, with the reason, when nothing was heard in time."""
        try:
            async with asyncio.timeout(limit.total_seconds()):
                while True:
                    async with self._database.transaction() as connection:
                        found = await store.outcome(connection, change_id)
                    if found is not None:
                        return found
                    await self._until_news()
        except TimeoutError:
            return SwitchOutcome(
                in_force=False,
                detail=f"Node {self._node} did not confirm within {limit.total_seconds():g} s; "
                "the change is kept and is loaded when it is back.",
            )
        except DatabaseUnavailable:
            return SwitchOutcome(
                in_force=False, detail="The database was lost before the confirmation."
            )

    async def _until_news(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_EVERY.total_seconds()), self._settled:
                await self._settled.wait()
        except TimeoutError:
            return

    async def follow(self) -> None:
        """Wake those who wait as soon as `node` settles, for ever. To be supervised; without it
        they look every 50 ms.
        """
        async for news in listen(self._database):
            if news is None or news.topic == TOPIC:
                async with self._settled:
                    self._settled.notify_all()

    async def open_changes(self, connection: AsyncConnection) -> Sequence[Change]:
        """What this node still has to load, oldest first."""
        return await store.open_changes(connection, self._node)

    async def settle(
        self, connection: AsyncConnection, change_id: int, *, in_force: bool, detail: str | None
    ) -> None:
        """Say what came of a change; a second word about the same change has no effect.

        `detail` is needed where it is not in force.
        """
        said = None if detail is None else detail[:_LONGEST_DETAIL]
        if await store.settle(
            connection, change_id, in_force=in_force, detail=said, at=self._clock()
        ):
            await announce(connection, TOPIC, self._node)
