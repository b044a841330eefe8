"""Who wants to be called back."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, UniqueConstraint, Uuid, text

from callcenter.platform.db import Moment, metadata

callbacks = Table(
    "callbacks",
    metadata,
    Column("callback_id", Uuid, primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), nullable=False),
    Column("queue", Text, nullable=False),  # stays when the queue is gone
    Column("number", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("outcome", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("done_at", Moment),
    Column("done_by", Text),
    UniqueConstraint("call_id"),
    Index("ix_callbacks_waiting", "wanted_at", postgresql_where=text("state = 'waiting'")),
)
