"""Rows of `article_search`: what can be found, in each language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, cast, delete, insert
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.knowledge.edition import Edition, as_speech
from callcenter.knowledge.model import Article, ArticleState, Version
from callcenter.knowledge.search import folded, index_entry, marks
from callcenter.knowledge.tables import article_search


async def index(connection: AsyncConnection, article: Article, current: Version | None) -> None:
    """Make the article's rows of `article_search` anew. `current`: its current version."""
    await connection.execute(delete(article_search).where(article_search.c.article == article.name))
    if article.deleted_at is not None:
        return
    rows: list[dict[str, Any]] = []
    if current is not None:
        rows += search_rows(
            article.name,
            current.edition,
            edition_name="in_force",
            state=ArticleState.PUBLISHED,
            number=current.number,
            valid_from=current.valid_from,
        )
    if article.state is not ArticleState.PUBLISHED or article.next_version is not None:
        rows += search_rows(
            article.name,
            article.edition,
            edition_name="newest",
            state=article.state,
            number=article.next_version if article.state is ArticleState.PUBLISHED else None,
            valid_from=article.opens_on or article.edition.valid_from,
        )
    await insert_search_rows(connection, rows)


async def insert_search_rows(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows made by `search_rows`."""
    if rows:
        await connection.execute(
            insert(article_search).values(head=_vector("head"), document=_vector("document")),
            list(rows),
        )


def _vector(name: str) -> ColumnElement[Any]:
    # Bound as text: the driver has no codec for tsvector.
    return cast(cast(bindparam(f"{name}_text"), Text), TSVECTOR)


def search_rows(
    name: str,
    edition: Edition,
    *,
    edition_name: str,
    state: ArticleState,
    number: int | None,
    valid_from: date | None,
) -> list[dict[str, Any]]:
    """The rows of `article_search` of one edition, one a language."""
    rows = []
    for language, content in edition.content.items():
        read = [content.body, content.spoken or ""]
        if content.guide is not None:
            said = as_speech(content.model_copy(update={"spoken": None, "prompt": None}), language)
            read.append(str(said))
        entry = index_entry(
            content.title,
            edition.keywords,
            "\n".join(read),
            marks(k=edition.kind, d=edition.department, l=language, s=state),
        )
        rows.append(
            {
                "article": name,
                "language": language,
                "edition": edition_name,
                "version": number,
                "kind": edition.kind.value,
                "department": edition.department,
                "state": state.value,
                "title": content.title,
                "title_folded": folded(content.title),
                "keywords": list(edition.keywords),
                "valid_from": valid_from,
                "valid_until": edition.valid_until,
                "head_text": entry.head,
                "document_text": entry.document,
            }
        )
    return rows
