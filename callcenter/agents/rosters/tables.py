"""Shifts, and how many must be on duty."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

shifts = Table(
    "shifts",
    metadata,
    Column("shift_id", Uuid, primary_key=True),
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("made_by", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("ix_shifts_agent_id", "agent_id", "starts_at"),
    Index("ix_shifts_starts_at", "starts_at"),
)

cover_rules = Table(
    "cover_rules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("at_least", Integer, nullable=False),
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE")),
    Column("skill", Text),
    Column("language", Text),
    Column("hours", JSONB, nullable=False, server_default="[]"),
    Column("version", Integer, nullable=False, server_default="1"),
)
