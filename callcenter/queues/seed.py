"""The queues an instance begins with."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues.tables import queues

#: Name, title, whether callers land there when nothing else is said.
DEFAULTS = (
    ("general", "综合服务 General", True),
    ("enterprise", "企业服务 Enterprise", False),
    ("legal", "法律咨询 Legal advice", False),
)


async def seed_defaults(connection: AsyncConnection) -> None:
    """Make the default queues where an instance has none; never touches what is there."""
    if (await connection.execute(select(queues.c.name).limit(1))).first() is not None:
        return
    for name, title, is_default in DEFAULTS:
        await connection.execute(
            insert(queues)
            .values(name=name, title=title, is_default=is_default)
            .on_conflict_do_nothing()
        )
