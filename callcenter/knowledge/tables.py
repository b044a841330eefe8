"""Articles, their versions, their history, what can be found, and what callers did with them."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TSVECTOR

from callcenter.platform.db import Moment, metadata

articles = Table(
    "articles",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False, server_default="{}"),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("state", Text, nullable=False, server_default="draft"),
    Column("authors", ARRAY(Text), nullable=False),
    Column("edited_by", Text, nullable=False),
    Column("edited_at", Moment, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", Moment),
    Column("current_version", Integer),
    Column("next_version", Integer),
    Column("opens_on", Date),
    Column("last_version", Integer, nullable=False, server_default="0"),
    Column("review_due_on", Date),
    Column("review_told_on", Date),
    Column("related", ARRAY(Text), nullable=False, server_default="{}"),
    Column("created_by", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    Column("version", Integer, nullable=False, server_default="1"),
    ForeignKeyConstraint(
        ["name", "current_version"],
        ["article_versions.article", "article_versions.version"],
        name="fk_articles_current_version_article_versions",
        use_alter=True,
    ),
    ForeignKeyConstraint(
        ["name", "next_version"],
        ["article_versions.article", "article_versions.version"],
        name="fk_articles_next_version_article_versions",
        use_alter=True,
    ),
    Index("ix_articles_kind", "kind", "name"),
    Index("ix_articles_department", "department", "name"),
    Index(
        "ix_articles_review_due_on",
        "review_due_on",
        postgresql_where=text("review_due_on IS NOT NULL"),
    ),
    Index("ix_articles_opens_on", "opens_on", postgresql_where=text("opens_on IS NOT NULL")),
)

article_versions = Table(
    "article_versions",
    metadata,
    Column("article", ForeignKey("articles.name"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date),
    Column("authors", ARRAY(Text), nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("approved_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Index(
        "ix_article_versions_valid_until",
        "valid_until",
        postgresql_where=text("valid_until IS NOT NULL"),
    ),
)

article_events = Table(
    "article_events",
    metadata,
    Column("article", ForeignKey("articles.name"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
)

#: `edition`: `in_force`, or `newest` where that is another one.
article_search = Table(
    "article_search",
    metadata,
    Column("article", ForeignKey("articles.name"), primary_key=True),
    Column("language", Text, primary_key=True),
    Column("edition", Text, primary_key=True),
    Column("version", Integer),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("title_folded", Text, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("head", TSVECTOR, nullable=False),
    Column("document", TSVECTOR, nullable=False),
    Index("ix_article_search_head", "head", postgresql_using="gin"),
    Index("ix_article_search_document", "document", postgresql_using="gin"),
)

article_plays = Table(
    "article_plays",
    metadata,
    Column("call_id", Uuid, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("article", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("language", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("outcome", Text, nullable=False),
    ForeignKeyConstraint(
        ["article", "version"],
        ["article_versions.article", "article_versions.version"],
        name="fk_article_plays_article_article_versions",
    ),
    Index("ix_article_plays_article_at", "article", "at", "call_id", "seq"),
)
