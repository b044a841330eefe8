"""Numbers that are known at the door: the nuisance list and the priority list."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, text

from callcenter.platform.db import Moment, metadata

listed_callers = Table(
    "listed_callers",
    metadata,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True),
    Column("list", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("priority", Integer),
    Column("listed_at", Moment, nullable=False),
    Column("listed_by", Text, nullable=False),
    Column("expires_at", Moment),
    Column("lifted_at", Moment),
    Column("lifted_by", Text),
    Column("lifted_reason", Text),
    Index("ix_listed_callers_number", "number", postgresql_where=text("lifted_at IS NULL")),
    Index("ix_listed_callers_list", "list", "entry_id"),
)
