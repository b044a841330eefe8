"""Supervisors who hear agents: what was wanted, and what came of it by the journal."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, Uuid, text

from callcenter.platform.db import Moment, metadata

spyings = Table(
    "spyings",
    metadata,
    Column("spying_call", Uuid, primary_key=True),
    Column("phone", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("spied_call", Uuid, nullable=False),
    Column("mode", Text, nullable=False),
    Column("wanted_by", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
)

spy_spans = Table(
    "spy_spans",
    metadata,
    Column("spying_call", Uuid, primary_key=True),
    Column("span", Integer, primary_key=True, autoincrement=False),
    Column("phone", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("spied_call", Uuid, nullable=False),
    Column("mode", Text, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_spy_spans_open", "agent", postgresql_where=text("ended_at IS NULL")),
    Index("ix_spy_spans_spied_call", "spied_call"),
)
