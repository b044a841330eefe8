"""The queues there are out of the box."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues import store
from callcenter.queues.model import Queue

#: Name → title. The first is the default one.
QUEUES: Final = {"general": "综合服务", "enterprise": "企业服务", "legal": "法律咨询"}


async def seed_queues(connection: AsyncConnection) -> None:
    """Add those that are missing; what was changed stays as it is."""
    for name, title in QUEUES.items():
        await store.add_missing_queue(
            connection,
            Queue(
                name=name,
                title=title,
                strategy="rrmemory",
                ring_seconds=15,
                is_default=name == "general",
                version=1,
            ),
        )
