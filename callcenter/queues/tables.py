"""Queues, who is in them, what they ask of agents, and where they send those they give up."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

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
    Column("in_force_version", Integer),  # the version Asterisk was seen to have loaded
    Column("max_wait_seconds", Integer),  # without: CALLCENTER_QUEUE_WAIT
    Column("max_waiting", Integer, nullable=False, server_default="0"),
    Column("weight", Integer, nullable=False, server_default="0"),
    Column("music", Text, nullable=False, server_default="default"),
    Column("comfort_prompt", ForeignKey("prompts.name")),
    Column("comfort_seconds", Integer, nullable=False, server_default="60"),
    Column("announce_position", Boolean, nullable=False, server_default="false"),
    Column("announce_seconds", Integer, nullable=False, server_default="60"),
    Column("offers_callback", Boolean, nullable=False, server_default="true"),
    Column("missed_calls", Text),  # without: CALLCENTER_MISSED_CALLS
    Index("uq_queues_one_default", "is_default", unique=True, postgresql_where=text("is_default")),
)

queue_members = Table(
    "queue_members",
    metadata,
    Column("queue", ForeignKey("queues.name"), primary_key=True),
    Column("agent_id", ForeignKey("agents.agent_id"), primary_key=True),
    Column("penalty", Integer, nullable=False, server_default="0"),
)

#: A skill or language the queue asks for; `relax` is [[after_seconds, level], …].
queue_requirements = Table(
    "queue_requirements",
    metadata,
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("level", Integer, nullable=False),
    Column("relax", JSONB, nullable=False, server_default="[]"),
)

#: Where callers go whom the queue gives up, by cause; no row: voicemail.
queue_exits = Table(
    "queue_exits",
    metadata,
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("leads_to", Text, nullable=False),
    Column("to_queue", ForeignKey("queues.name")),
    Column("to_number", Text),
    Index("ix_queue_exits_to_queue", "to_queue"),
)
