"""What agents said of calls."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from callcenter.platform.db import Moment, metadata

call_flags = Table(
    "call_flags",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("flagged_by", Text, nullable=False),
    Column("flagged_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_call_flags_flagged_at", "flagged_at"),
)
