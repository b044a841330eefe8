"""Fax documents, faxes, and tries to deliver one."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from callcenter.platform.db import Moment, metadata

fax_documents = Table(
    "fax_documents",
    metadata,
    Column("document", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("article", Text),
    Column("article_version", Integer),
    Column("file", Uuid, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("updated_at", Moment, nullable=False),
    Column("updated_by", Text, nullable=False),
    UniqueConstraint("file"),
)

faxes = Table(
    "faxes",
    metadata,
    Column("fax_id", Uuid, primary_key=True),
    Column("direction", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("call_id", ForeignKey("calls.call_id"), nullable=False, index=True),
    Column("document", Text),
    Column("language", Text),
    Column("title", Text, nullable=False),
    Column("number", Text),
    Column("station", Text),
    Column("state", Text, nullable=False),
    Column("pages", Integer),
    Column("pages_done", Integer, nullable=False, server_default="0"),
    Column("mode", Text),
    Column("error", Text),
    Column("sha256", Text),
    Column("bytes", BigInteger),
    Column("sealed_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("ended_at", Moment),
    Index("ix_faxes_created_at", text("created_at DESC"), "fax_id"),
    Index("ix_faxes_number", "number", "created_at"),
    Index("ix_faxes_converting", "created_at", postgresql_where=text("state = 'converting'")),
)

_OPEN = text("state IN ('waiting', 'dialling', 'sending')")

fax_deliveries = Table(
    "fax_deliveries",
    metadata,
    Column("fax_id", ForeignKey("faxes.fax_id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("number", Text, nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("node", Text),
    Column("state", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("dialled_at", Moment),
    Column("ended_at", Moment),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("error", Text),
    UniqueConstraint("call_id"),
    Index("uq_fax_deliveries_open", "fax_id", unique=True, postgresql_where=_OPEN),
    Index("ix_fax_deliveries_open", "due_at", postgresql_where=_OPEN),
)
