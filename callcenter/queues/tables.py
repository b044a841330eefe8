"""Queues and who is in them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from callcenter.platform.db import metadata

queues = Table(
    "queues",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("strategy", Text, nullable=False, server_default="rrmemory"),
    Column("ring_seconds", Integer, nullable=False, server_default="15"),
    Column("is_default", Boolean, nullable=False, server_default="false"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("wrapup_seconds", Integer, nullable=False, server_default="0"),
    Index("uq_queues_one_default", "is_default", unique=True, postgresql_where=text("is_default")),
)

queue_members = Table(
    "queue_members",
    metadata,
    Column("queue", ForeignKey("queues.name"), primary_key=True),
    Column("agent_id", ForeignKey("agents.agent_id"), primary_key=True),
    Column("penalty", Integer, nullable=False, server_default="0"),
)
