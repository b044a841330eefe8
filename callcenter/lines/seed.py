"""The line an instance begins with: 12345."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.lines import store
from callcenter.lines.model import LineEdit
from callcenter.platform.news import announce

NUMBER = "12345"
_LINE = LineEdit(title="政务服务便民热线 Hotline", flow="main", queue="general", language="zh")


async def seed_defaults(connection: AsyncConnection) -> None:
    """Open 12345 where there is no line at all; never touches what is there.

    Needs the default queues and flow: seed them first. `node` loads it when it starts.
    """
    if await store.lines_after(connection, limit=1):
        return
    await store.add_line(connection, NUMBER, _LINE)
    await announce(connection, "line", NUMBER)
