"""What is done with recording notices: made, published anew, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.lines.notices import store
from callcenter.lines.notices.model import (
    MOST_COMMENT,
    NoSuchNotice,
    NoSuchNoticeVersion,
    NoticeExists,
    NoticeVersion,
    RecordingNotice,
    checked_words,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Stale
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text
from callcenter.prompts.library import PromptLibrary

#: What a change is called in the news.
TOPIC = "line"


class NoticeService:
    """Use cases of the REST API. A version is spoken before it is published, so that the next
    caller hears it.
    """

    def __init__(self, database: Database, library: PromptLibrary, clock: Clock) -> None:
        self._database = database
        self._library = library
        self._clock = clock

    async def create(
        self, name: str, title: str, words: Mapping[str, str], *, comment: str, by: str
    ) -> RecordingNotice:
        """A notice with its version 1. Raises `NoticeExists`, `InvalidField`, `NotRendered`."""
        kept = checked_words(words, frozenset())
        comment = _comment(comment)
        await self._library.ensure(kept.items())
        async with self._database.transaction() as connection:
            now = self._clock()
            if not await store.add_notice(connection, name, title, now):
                raise NoticeExists
            await store.add_version(connection, name, kept, comment=comment, by=by, at=now)
            return await _notice(connection, name)

    async def publish(
        self,
        name: str,
        words: Mapping[str, str],
        *,
        comment: str,
        based_on: int | None,
        by: str,
    ) -> RecordingNotice:
        """The next version: what the next caller of every line that plays this notice hears.

        Raises `NoSuchNotice`, `Stale` when `based_on` (None: any) is not the latest version,
        `InvalidField` for a language that is missing, `NotRendered`.
        """
        comment = _comment(comment)
        await self._library.ensure(checked_words(words, frozenset()).items())
        async with self._database.transaction() as connection:
            if not await store.hold(connection, name):
                raise NoSuchNotice
            latest = (await _notice(connection, name)).latest.version
            if based_on is not None and based_on != latest:
                raise Stale
            kept = checked_words(words, await store.languages_needed(connection, name))
            await store.add_version(
                connection, name, kept, comment=comment, by=by, at=self._clock()
            )
            for number in (await store.lines_playing(connection, [name]))[name]:
                await announce(connection, TOPIC, number)
            return await _notice(connection, name)

    async def notices(self, after: str | None, limit: int) -> Sequence[RecordingNotice]:
        async with self._database.transaction() as connection:
            return await store.notices_after(connection, after, limit)

    async def notice(self, name: str) -> RecordingNotice:
        """Raises `NoSuchNotice`."""
        async with self._database.transaction() as connection:
            return await _notice(connection, name)

    async def lines_playing(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Numbers of the lines that play each notice."""
        async with self._database.transaction() as connection:
            return await store.lines_playing(connection, names)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[NoticeVersion]:
        """Newest first. Raises `NoSuchNotice`."""
        async with self._database.transaction() as connection:
            await _notice(connection, name)
            return await store.versions_before(connection, name, before, limit)

    async def version(self, name: str, number: int) -> NoticeVersion:
        """Raises `NoSuchNotice`, `NoSuchNoticeVersion`."""
        async with self._database.transaction() as connection:
            await _notice(connection, name)
            found = await store.version(connection, name, number)
        if found is None:
            raise NoSuchNoticeVersion
        return found


async def _notice(connection: AsyncConnection, name: str) -> RecordingNotice:
    found = await store.notice(connection, name)
    if found is None:
        raise NoSuchNotice
    return found


def _comment(comment: str) -> str:
    return plain_text("comment", comment, most=MOST_COMMENT, lines=True)
