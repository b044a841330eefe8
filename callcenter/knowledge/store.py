"""Rows of articles, versions, history and plays. Every function runs in the caller's transaction.

Searching and counting is in `queries.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Row,
    Select,
    and_,
    case,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.knowledge.document import PlayableArticle, as_playable
from callcenter.knowledge.edition import CITY_ZONE, ArticleKind, Edition, city_day
from callcenter.knowledge.index import index
from callcenter.knowledge.model import (
    Article,
    ArticleEvent,
    ArticleEventKind,
    ArticleState,
    Play,
    PlayOutcome,
    Version,
)
from callcenter.knowledge.tables import (
    article_events,
    article_plays,
    article_versions,
    articles,
)

#: Columns whose change is heard by callers: written only when they change (a trigger watches them).
_HEARD: Final = ("current_version", "next_version", "opens_on")


def _edition(row: Row[Any], *, is_version: bool) -> Edition:
    return Edition.model_validate(
        {
            "kind": row.kind,
            "department": row.department,
            "content": row.content,
            "keywords": tuple(row.keywords),
            "valid_from": None if is_version else row.valid_from,
            "valid_until": row.valid_until,
        }
    )


def _edition_columns(edition: Edition) -> dict[str, Any]:
    return {
        "kind": edition.kind.value,
        "department": edition.department,
        "content": edition.as_json()["content"],
        "keywords": list(edition.keywords),
        "valid_until": edition.valid_until,
    }


def _article(row: Row[Any]) -> Article:
    return Article(
        name=row.name,
        edition=_edition(row, is_version=False),
        state=ArticleState(row.state),
        authors=tuple(row.authors),
        edited_by=row.edited_by,
        edited_at=row.edited_at,
        created_by=row.created_by,
        created_at=row.created_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        current_version=row.current_version,
        next_version=row.next_version,
        opens_on=row.opens_on,
        last_version=row.last_version,
        review_due_on=row.review_due_on,
        related=tuple(row.related),
        deleted_at=row.deleted_at,
        version=row.version,
    )


def _version(row: Row[Any]) -> Version:
    return Version(
        article=row.article,
        number=row.version,
        edition=_edition(row, is_version=True),
        valid_from=row.valid_from,
        authors=tuple(row.authors),
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        published_by=row.published_by,
        published_at=row.published_at,
        reason=row.reason,
    )


def _article_columns(article: Article) -> dict[str, Any]:
    return {
        **_edition_columns(article.edition),
        "valid_from": article.edition.valid_from,
        "state": article.state.value,
        "authors": list(article.authors),
        "edited_by": article.edited_by,
        "edited_at": article.edited_at,
        "approved_by": article.approved_by,
        "approved_at": article.approved_at,
        "current_version": article.current_version,
        "next_version": article.next_version,
        "opens_on": article.opens_on,
        "last_version": article.last_version,
        "review_due_on": article.review_due_on,
        "related": list(article.related),
        "deleted_at": article.deleted_at,
        "version": article.version,
    }


# Articles ---------------------------------------------------------------------------------------


async def add_article(connection: AsyncConnection, article: Article, event: ArticleEvent) -> bool:
    """Insert an article with its first event; False where the name is, or was, taken."""
    added = await connection.scalar(
        upsert(articles)
        .values(
            name=article.name,
            created_by=article.created_by,
            created_at=article.created_at,
            **_article_columns(article),
        )
        .on_conflict_do_nothing(index_elements=[articles.c.name])
        .returning(articles.c.name)
    )
    if added is None:
        return False
    await _add_event(connection, article.name, event)
    await index(connection, article, None)
    return True


async def find_article(
    connection: AsyncConnection, name: str, *, lock: bool = False
) -> Article | None:
    """An article that was not deleted. `lock` keeps others from acting on it until the end."""
    wanted = select(articles).where(articles.c.name == name, articles.c.deleted_at.is_(None))
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _article(row)


async def save_article(
    connection: AsyncConnection,
    article: Article,
    event: ArticleEvent,
    *,
    published: Version | None = None,
) -> None:
    """Write what an act changed, its event, and the version it published."""
    if published is not None:
        await _add_version(connection, published)
    values = _article_columns(article)
    heard = {name: values.pop(name) for name in _HEARD}
    if await _is_new(connection, article.name, heard):
        values |= heard
    await connection.execute(
        update(articles).where(articles.c.name == article.name).values(**values)
    )
    await _add_event(connection, article.name, event)
    number = article.current_version
    current = None if number is None else await version_of(connection, article.name, number)
    await index(connection, article, current)


async def _is_new(connection: AsyncConnection, name: str, heard: dict[str, Any]) -> bool:
    columns = [articles.c[column] for column in heard]
    row = (await connection.execute(select(*columns).where(articles.c.name == name))).one()
    return tuple(row) != tuple(heard.values())


async def _add_event(connection: AsyncConnection, name: str, event: ArticleEvent) -> None:
    await connection.execute(
        insert(article_events).values(
            article=name,
            seq=event.seq,
            at=event.at,
            actor=event.actor,
            kind=event.kind.value,
            detail=dict(event.detail),
        )
    )


async def history(connection: AsyncConnection, name: str) -> Sequence[ArticleEvent]:
    """Oldest first."""
    rows = await connection.execute(
        select(article_events)
        .where(article_events.c.article == name)
        .order_by(article_events.c.seq)
    )
    return [
        ArticleEvent(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            kind=ArticleEventKind(row.kind),
            detail=row.detail,
        )
        for row in rows
    ]


async def articles_after(
    connection: AsyncConnection,
    name: str | None,
    limit: int,
    *,
    kind: ArticleKind | None = None,
    department: str | None = None,
    state: ArticleState | None = None,
    review_due_before: date | None = None,
) -> Sequence[Article]:
    """Articles in order of name, after `name`."""
    wanted = select(articles).where(articles.c.deleted_at.is_(None))
    if name is not None:
        wanted = wanted.where(articles.c.name > name)
    if kind is not None:
        wanted = wanted.where(articles.c.kind == kind.value)
    if department is not None:
        wanted = wanted.where(articles.c.department == department)
    if state is not None:
        wanted = wanted.where(articles.c.state == state.value)
    if review_due_before is not None:
        wanted = wanted.where(articles.c.review_due_on < review_due_before)
    rows = await connection.execute(wanted.order_by(articles.c.name).limit(limit))
    return [_article(row) for row in rows]


async def existing(connection: AsyncConnection, names: Iterable[str]) -> set[str]:
    """Those of `names` that are articles."""
    rows = await connection.execute(
        select(articles.c.name).where(
            articles.c.name.in_(list(names)), articles.c.deleted_at.is_(None)
        )
    )
    return {row.name for row in rows}


async def is_empty(connection: AsyncConnection) -> bool:
    return await connection.scalar(select(articles.c.name).limit(1)) is None


async def others_of_kind(connection: AsyncConnection, kind: ArticleKind, name: str) -> bool:
    """Whether there is another article of this kind."""
    found = await connection.scalar(
        select(articles.c.name)
        .where(
            articles.c.kind == kind.value,
            articles.c.name != name,
            articles.c.deleted_at.is_(None),
        )
        .limit(1)
    )
    return found is not None


async def flows_naming(connection: AsyncConnection, kind: str, name: str) -> Sequence[str]:
    """Flows whose draft or active version names this; `kind` as in `ivr_references`."""
    rows = await connection.execute(
        select(ivr_flows.c.name)
        .distinct()
        .join(ivr_references, ivr_references.c.flow == ivr_flows.c.name)
        .where(
            ivr_references.c.kind == kind,
            ivr_references.c.name == name,
            or_(
                ivr_references.c.version == 0,
                ivr_references.c.version == ivr_flows.c.active_version,
            ),
        )
        .order_by(ivr_flows.c.name)
    )
    return [row.name for row in rows]


# Versions ---------------------------------------------------------------------------------------


async def _add_version(connection: AsyncConnection, version: Version) -> None:
    await connection.execute(
        insert(article_versions).values(
            article=version.article,
            version=version.number,
            **_edition_columns(version.edition),
            valid_from=version.valid_from,
            authors=list(version.authors),
            approved_by=version.approved_by,
            approved_at=version.approved_at,
            published_by=version.published_by,
            published_at=version.published_at,
            reason=version.reason,
        )
    )


async def version_of(connection: AsyncConnection, name: str, number: int) -> Version | None:
    row = (
        await connection.execute(
            select(article_versions).where(
                article_versions.c.article == name, article_versions.c.version == number
            )
        )
    ).first()
    return None if row is None else _version(row)


async def versions_before(
    connection: AsyncConnection, name: str, before: int | None, limit: int
) -> Sequence[Version]:
    """Newest first, older than `before`."""
    wanted = select(article_versions).where(article_versions.c.article == name)
    if before is not None:
        wanted = wanted.where(article_versions.c.version < before)
    rows = await connection.execute(wanted.order_by(article_versions.c.version.desc()).limit(limit))
    return [_version(row) for row in rows]


async def version_in_force(
    connection: AsyncConnection, article: Article, today: date
) -> Version | None:
    """What callers hear of it on this day of the city."""
    number = article.version_on(today)
    version = None if number is None else await version_of(connection, article.name, number)
    if version is None or (version.valid_until is not None and version.valid_until < today):
        return None
    return version


# For the voice side -----------------------------------------------------------------------------


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
    return {row.article: as_playable(_version(row)) for row in rows}


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
    return [as_playable(_version(row)) for row in await connection.execute(wanted)]


def _today(at: datetime | None, zone: ZoneInfo) -> date:
    return city_day(at or datetime.now(UTC), zone)


async def texts_to_render(connection: AsyncConnection) -> list[tuple[str, str]]:
    """Every (language, text) of published versions, those whose first day is to come included.

    For `PromptLibrary.ensure` at start: a new machine or a new voice has none of them yet.
    """
    rows = await connection.execute(
        select(article_versions).join(
            articles,
            and_(
                articles.c.name == article_versions.c.article,
                article_versions.c.version.in_(
                    [articles.c.current_version, articles.c.next_version]
                ),
            ),
        )
    )
    return sorted({pair for row in rows for pair in _version(row).edition.texts})


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


# The keeper's work ------------------------------------------------------------------------------


async def past_their_end(connection: AsyncConnection, today: date, limit: int) -> Sequence[str]:
    """Articles whose current version is past its last day."""
    rows = await connection.execute(
        select(articles.c.name)
        .join(
            article_versions,
            and_(
                article_versions.c.article == articles.c.name,
                article_versions.c.version == articles.c.current_version,
            ),
        )
        .where(article_versions.c.valid_until < today)
        .order_by(articles.c.name)
        .limit(limit)
    )
    return [row.name for row in rows]


async def to_be_opened(connection: AsyncConnection, today: date, limit: int) -> Sequence[str]:
    """Articles with a published version whose first day has come."""
    rows = await connection.execute(
        select(articles.c.name)
        .where(articles.c.opens_on <= today)
        .order_by(articles.c.name)
        .limit(limit)
    )
    return [row.name for row in rows]


async def take_due_reviews(connection: AsyncConnection, today: date, limit: int) -> Sequence[str]:
    """Articles whose review is due and was not told of yet; now it counts as told."""
    due = (
        select(articles.c.name)
        .where(
            articles.c.review_due_on <= today,
            articles.c.deleted_at.is_(None),
            articles.c.review_told_on.is_distinct_from(articles.c.review_due_on),
        )
        .order_by(articles.c.name)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    rows = await connection.execute(
        update(articles)
        .where(articles.c.name == due.c.name)
        .values(review_told_on=articles.c.review_due_on)
        .returning(articles.c.name)
    )
    return sorted(row.name for row in rows)
