"""What the calendar does with articles: opens them, expires them, reminds of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from callcenter.knowledge import store
from callcenter.knowledge.edition import CITY_ZONE, city_day
from callcenter.knowledge.service import TOPIC
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.news import announce

#: Topic of the news that a review is due; the key is the article's name.
REVIEW_TOPIC: Final = "article_review"
#: Who acts where nobody does: in the history.
KEEPER: Final = "system:keeper"
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round of the keeper did: names of articles."""

    opened: tuple[str, ...]
    expired: tuple[str, ...]
    reviews_due: tuple[str, ...]


class ArticleKeeper:
    """Does what the calendar asks for: opens, expires, reminds. A round may be repeated any time.

    Callers do not depend on it: whether a version may be played is asked for each call.
    """

    def __init__(self, database: Database, clock: Clock, *, zone: ZoneInfo = CITY_ZONE) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone

    async def keep(self) -> Kept:
        """One round, an article a transaction; at most `_BATCH` of each, the rest next time."""
        now = self._clock()
        today = city_day(now, self._zone)
        async with self._database.transaction() as connection:
            to_open = await store.to_be_opened(connection, today, _BATCH)
        opened = [name for name in to_open if await self._open(name, now, today)]
        async with self._database.transaction() as connection:
            to_expire = await store.past_their_end(connection, today, _BATCH)
        expired = [name for name in to_expire if await self._expire(name, now, today)]
        async with self._database.transaction() as connection:
            due = await store.take_due_reviews(connection, today, _BATCH)
            for name in due:
                await announce(connection, REVIEW_TOPIC, name)
        return Kept(tuple(opened), tuple(expired), tuple(due))

    async def _open(self, name: str, now: datetime, today: date) -> bool:
        async with self._database.transaction() as connection:
            article = await store.find_article(connection, name, lock=True)
            event = None if article is None else article.open(by=KEEPER, at=now, today=today)
            if article is None or event is None:
                return False
            await store.save_article(connection, article, event)
            await announce(connection, TOPIC, name)
            return True

    async def _expire(self, name: str, now: datetime, today: date) -> bool:
        async with self._database.transaction() as connection:
            article = await store.find_article(connection, name, lock=True)
            if article is None or article.current_version is None:
                return False
            current = await store.version_of(connection, name, article.current_version)
            assert current is not None, "a version is never deleted"
            event = article.expire(current, by=KEEPER, at=now, today=today)
            if event is None:
                return False
            await store.save_article(connection, article, event)
            await announce(connection, TOPIC, name)
            return True
