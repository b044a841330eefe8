"""Articles and versions as rows, and rows as articles and versions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from callcenter.knowledge.edition import Edition
from callcenter.knowledge.model import Article, ArticleState, Version


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


def edition_columns(edition: Edition) -> dict[str, Any]:
    return {
        "kind": edition.kind.value,
        "department": edition.department,
        "content": edition.as_json()["content"],
        "keywords": list(edition.keywords),
        "valid_until": edition.valid_until,
    }


def as_article(row: Row[Any]) -> Article:
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


def as_version(row: Row[Any]) -> Version:
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


def article_columns(article: Article) -> dict[str, Any]:
    return {
        **edition_columns(article.edition),
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
