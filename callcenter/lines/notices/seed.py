"""The recording notice an instance begins with. The shipped flow says the same in its first words,
so that the shipped line plays none; a line that goes straight to a person wants it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.lines.notices import store
from callcenter.platform.clock import Clock

NAME: Final = "recording"
TITLE: Final = "录音告知 Recording notice"
WORDS: Final = {
    "zh": "为保证服务质量，通话将被录音。",
    "en": "This call will be recorded.",
}


async def seed_defaults(connection: AsyncConnection, clock: Clock) -> None:
    """Publish version 1 where there is no such notice; never touches what is there."""
    now = clock()
    if await store.add_notice(connection, NAME, TITLE, now):
        await store.add_version(
            connection, NAME, WORDS, comment="Shipped with callcenter", by="system", at=now
        )
