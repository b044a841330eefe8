"""Articles, their versions and their history. Every function runs in the caller's transaction.

Searching is in `queries.py`, what callers may hear in `playable.py`, what they heard in `plays.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    and_,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.knowledge.edition import ArticleKind
from callcenter.knowledge.index import index
from callcenter.knowledge.model import (
    Article,
    ArticleEvent,
    ArticleEventKind,
    ArticleState,
    Version,
)
from callcenter.knowledge.rows import article_columns, as_article, as_version, edition_columns
from callcenter.knowledge.tables import (
    article_events,
    article_versions,
    articles,
)

#: Columns whose change is heard by callers: written only when they change (a trigger watches them).
_HEARD: Final = ("current_version", "next_version", "opens_on")


# Articles ---------------------------------------------------------------------------------------


async def add_article(connection: AsyncConnection, article: Article, event: ArticleEvent) -> bool:
    """Insert an article with its first event; False where the name is, or was, taken."""
    added = await connection.scalar(
        upsert(articles)
        .values(
            name=article.name,
            created_by=article.created_by,
            created_at=article.created_at,
            **article_columns(article),
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
    return None if row is None else as_article(row)


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
    values = article_columns(article)
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
    return [as_article(row) for row in rows]


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
            **edition_columns(version.edition),
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
    return None if row is None else as_version(row)


async def versions_before(
    connection: AsyncConnection, name: str, before: int | None, limit: int
) -> Sequence[Version]:
    """Newest first, older than `before`."""
    wanted = select(article_versions).where(article_versions.c.article == name)
    if before is not None:
        wanted = wanted.where(article_versions.c.version < before)
    rows = await connection.execute(wanted.order_by(article_versions.c.version.desc()).limit(limit))
    return [as_version(row) for row in rows]


async def version_in_force(
    connection: AsyncConnection, article: Article, today: date
) -> Version | None:
    """What callers hear of it on this day of the city."""
    number = article.version_on(today)
    version = None if number is None else await version_of(connection, article.name, number)
    if version is None or (version.valid_until is not None and version.valid_until < today):
        return None
    return version


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
