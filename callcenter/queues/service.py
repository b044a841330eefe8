"""Reading queues."""

from __future__ import annotations

from collections.abc import Sequence

from callcenter.platform.db import Database
from callcenter.queues import store
from callcenter.queues.model import Member, NoSuchQueue, Queue, is_queue_name


class QueueService:
    """Queues as they are configured; who is at the phone now is the live state's matter."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, after: str = "", limit: int = 50) -> Sequence[Queue]:
        """By name, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.list_queues(connection, after, limit)

    async def get(self, name: str) -> tuple[Queue, Sequence[Member]]:
        """A queue and its members, first asked first. Raises `NoSuchQueue`."""
        if not is_queue_name(name):
            raise NoSuchQueue
        async with self._database.transaction() as connection:
            queue = await store.find_queue(connection, name)
            if queue is None:
                raise NoSuchQueue
            return queue, await store.members(connection, name)
