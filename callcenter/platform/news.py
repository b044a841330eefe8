"""News between processes: a row in `outbox` and a NOTIFY, both in the transaction they tell of.

The trigger on `outbox` does the NOTIFY, so that a row without its news cannot be written. News are
hints to look: a listener that missed some reads the rows (`outbox`, or the tables themselves).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import asyncpg
from sqlalchemy import BigInteger, Column, DateTime, Identity, Table, Text, func, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Database, DatabaseUnavailable, metadata

CHANNEL: Final = "callcenter_news"

outbox = Table(
    "outbox",
    metadata,
    Column("news_id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """Something changed: `topic` says what kind (`call`, `case`, `flow` …), `key` which one."""

    news_id: int
    topic: str
    key: str


async def announce(
    connection: AsyncConnection, topic: str, key: str, payload: dict[str, Any] | None = None
) -> None:
    """Write news into the running transaction; it leaves with the commit or not at all."""
    await connection.execute(insert(outbox).values(topic=topic, key=key, payload=payload or {}))


async def listen(
    database: Database, *, heartbeat: timedelta = timedelta(seconds=5)
) -> AsyncIterator[News | None]:
    """News as they come; `None` after each (re)connect and each quiet heartbeat: look at the rows.

    Never ends by itself: a lost database is tried again until the caller stops iterating.
    """
    while True:
        arrived: asyncio.Queue[News | None] = asyncio.Queue(maxsize=10_000)

        def take(
            _connection: object,
            _pid: object,
            _channel: object,
            payload: object,
            arrived: asyncio.Queue[News | None] = arrived,
        ) -> None:
            news_id, topic, key = str(payload).split(" ", 2)
            # A listener too slow for the queue is served by the next heartbeat's None.
            with suppress(asyncio.QueueFull):
                arrived.put_nowait(News(int(news_id), topic, key))

        try:
            connection = await database.listen_connection()
        except DatabaseUnavailable:
            await asyncio.sleep(0.5)
            continue
        try:
            await connection.add_listener(CHANNEL, take)
            yield None
            while not connection.is_closed():
                try:
                    async with asyncio.timeout(heartbeat.total_seconds()):
                        news = await arrived.get()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=3)
                    news = None
                yield news
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            log.warning("lost the news connection, connecting again: %s", type(exc).__name__)
        finally:
            connection.terminate()
