"""What callers may be played now.

Every function runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.knowledge.document import PlayableArticle, as_playable
from callcenter.knowledge.edition import CITY_ZONE, ArticleKind, city_day
from callcenter.knowledge.rows import as_version
from callcenter.knowledge.tables import article_versions, articles


def _playable(today: date) -> Select[Any]:
    """The versions in force on this day: `version_in_force` of all articles."""
    its_turn = case(
        (articles.c.opens_on <= today, articles.c.next_version),
        else_=articles.c.current_version,
    )
    return (
        select(article_versions)
        .join(
            articles,
            and_(
                articles.c.name == article_versions.c.article,
                article_versions.c.version == its_turn,
            ),
        )
        .where(
            or_(article_versions.c.valid_until.is_(None), article_versions.c.valid_until >= today)
        )
    )


async def playable_articles(
    connection: AsyncConnection,
    names: Iterable[str],
    *,
    at: datetime | None = None,
    zone: ZoneInfo = CITY_ZONE,
) -> dict[str, PlayableArticle]:
    """Those of `names` that may be played at this moment (None: now), by name."""
    wanted = _playable(_today(at, zone)).where(articles.c.name.in_(sorted(set(names))))
    rows = await connection.execute(wanted)
    return {row.article: as_playable(as_version(row)) for row in rows}


async def playable_of_kind(
    connection: AsyncConnection,
    kind: ArticleKind | str,
    most: int = 100,
    *,
    at: datetime | None = None,
    zone: ZoneInfo = CITY_ZONE,
) -> list[PlayableArticle]:
    """Articles of one kind that may be played at this moment (None: now), in order of name.

    None for a kind there is not.
    """
    if kind not in list(ArticleKind):
        return []
    wanted = (
        _playable(_today(at, zone))
        .where(article_versions.c.kind == ArticleKind(kind).value)
        .order_by(articles.c.name)
        .limit(most)
    )
    return [as_playable(as_version(row)) for row in await connection.execute(wanted)]


def _today(at: datetime | None, zone: ZoneInfo) -> date:
    return city_day(at or datetime.now(UTC), zone)
