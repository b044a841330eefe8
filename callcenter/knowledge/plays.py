"""What callers were played, and what they did then: counted, and one by one.

Every function runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import calls
from callcenter.knowledge.model import Play, PlayOutcome
from callcenter.knowledge.tables import article_plays


async def remember_play(
    connection: AsyncConnection,
    *,
    call_id: UUID,
    seq: int,
    article: str,
    version: int,
    language: str,
    at: datetime,
    outcome: PlayOutcome | str,
) -> bool:
    """Count a play; False where this call's `seq` was counted already.

    The call needs no row yet, the article's version does.
    """
    play = Play(
        call_id=call_id,
        seq=seq,
        article=article,
        version=version,
        language=language,
        at=at,
        outcome=PlayOutcome(outcome),
    )
    added = await connection.scalar(
        upsert(article_plays)
        .values(
            call_id=play.call_id,
            seq=play.seq,
            article=play.article,
            version=play.version,
            language=play.language,
            at=play.at,
            outcome=play.outcome.value,
        )
        .on_conflict_do_nothing()
        .returning(article_plays.c.seq)
    )
    return added is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Plays of one version in one language. `then_queued`: the caller was put through to a person
    later in the same call, whatever they pressed while listening.
    """

    version: int
    language: str
    plays: int
    outcomes: dict[PlayOutcome, int]
    then_queued: int


async def figures(
    connection: AsyncConnection, name: str, after: datetime | None, before: datetime | None
) -> Sequence[Figures]:
    """Newest version first. `after` is included, `before` is not."""
    counted = [
        func.count().filter(article_plays.c.outcome == outcome.value).label(outcome.value)
        for outcome in PlayOutcome
    ]
    rows = await connection.execute(
        select(
            article_plays.c.version,
            article_plays.c.language,
            func.count().label("plays"),
            func.count().filter(calls.c.queued_at >= article_plays.c.at).label("then_queued"),
            *counted,
        )
        .join(calls, calls.c.call_id == article_plays.c.call_id, isouter=True)
        .where(*_played(name, after, before))
        .group_by(article_plays.c.version, article_plays.c.language)
        .order_by(article_plays.c.version.desc(), article_plays.c.language)
    )
    return [
        Figures(
            version=row.version,
            language=row.language,
            plays=row.plays,
            outcomes={outcome: getattr(row, outcome.value) for outcome in PlayOutcome},
            then_queued=row.then_queued,
        )
        for row in rows
    ]


async def plays(
    connection: AsyncConnection,
    name: str,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
    version: int | None = None,
    language: str | None = None,
    outcome: PlayOutcome | None = None,
    behind: tuple[datetime, UUID, int] | None = None,
    limit: int,
) -> Sequence[Play]:
    """Single plays, newest first, those behind the position `behind`."""
    wanted = select(article_plays).where(*_played(name, after, before))
    if version is not None:
        wanted = wanted.where(article_plays.c.version == version)
    if language is not None:
        wanted = wanted.where(article_plays.c.language == language)
    if outcome is not None:
        wanted = wanted.where(article_plays.c.outcome == outcome.value)
    place = (article_plays.c.at, article_plays.c.call_id, article_plays.c.seq)
    if behind is not None:
        wanted = wanted.where(tuple_(*place) < tuple_(*behind))
    rows = await connection.execute(
        wanted.order_by(*(column.desc() for column in place)).limit(limit)
    )
    return [
        Play(
            call_id=row.call_id,
            seq=row.seq,
            article=row.article,
            version=row.version,
            language=row.language,
            at=row.at,
            outcome=PlayOutcome(row.outcome),
        )
        for row in rows
    ]


def _played(
    name: str, after: datetime | None, before: datetime | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [article_plays.c.article == name]
    if after is not None:
        conditions.append(article_plays.c.at >= after)
    if before is not None:
        conditions.append(article_plays.c.at < before)
    return conditions
