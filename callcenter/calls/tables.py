"""A call from first ring to last word, and the events it was folded from."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

calls = Table(
    "calls",
    metadata,
    Column("call_id", Uuid, primary_key=True),
    Column("node", Text, nullable=False),
    Column("linkedid", Text, nullable=False),
    Column("uniqueid", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("line", Text),
    Column("caller_number", Text),
    Column("caller_name", Text),
    Column("caller_withheld", Boolean, nullable=False, server_default="false"),
    Column("caller_number_source", Text, nullable=False, server_default="unknown"),
    Column("dialled_number", Text),
    Column("language", Text),
    Column("state", Text, nullable=False),
    Column("disposition", Text),
    Column("started_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("queued_at", Moment),
    Column("agent_answered_at", Moment),
    Column("ended_at", Moment),
    Column("hangup_by", Text),
    Column("queue", Text),
    Column("agent", Text),
    Column("ivr_flow", Text),
    Column("ivr_version", Integer),
    Column("ivr_path", JSONB, nullable=False, server_default="[]"),
    Column("merged_into", ForeignKey("calls.call_id")),
    Column("recording_notice", Text),
    Column("recording_notice_version", Integer),
    Column("priority", Integer),
    Column("priority_entry", BigInteger),  # of listed_callers
    # Not unique: Asterisk's uniqueids can repeat after a restart, our UUID is the identity.
    Index("ix_calls_node_uniqueid", "node", "uniqueid"),
    Index("ix_calls_started_at", text("started_at DESC"), "call_id"),
    Index("ix_calls_open", "node", postgresql_where=text("ended_at IS NULL")),
    Index("ix_calls_caller_number", "caller_number", text("started_at DESC")),
    Index("ix_calls_ivr_flow", "ivr_flow", "ivr_version", "started_at"),
)

call_linkedids = Table(
    "call_linkedids",
    metadata,
    Column("node", Text, primary_key=True),
    Column("linkedid", Text, primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True, index=True),
)

call_legs = Table(
    "call_legs",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("uniqueid", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("agent", Text),
    Column("started_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("ended_at", Moment),
    Column("hangup_cause", Integer),
    Column("moved_to", Uuid),  # the call a transfer took it to
    Index("ix_call_legs_node_uniqueid", "node", "uniqueid"),
)

queue_visits = Table(
    "queue_visits",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("visit", Integer, primary_key=True, autoincrement=False),
    Column("queue", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("language", Text),
    Column("priority", Integer),
    Column("entered_at", Moment, nullable=False),
    Column("position", Integer),
    Column("estimate_seconds", Integer),
    Column("answered_at", Moment),
    Column("agent", Text),
    Column("left_at", Moment),
    Column("outcome", Text),
    Index("ix_queue_visits_entered_at", "entered_at", "queue"),
    Index(
        "ix_queue_visits_waiting", "queue", "entered_at", postgresql_where=text("outcome IS NULL")
    ),
    Index(
        "ix_queue_visits_left",
        "queue",
        "left_at",
        postgresql_where=text("outcome IN ('answered', 'abandoned')"),
    ),
)

agent_talks = Table(
    "agent_talks",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("uniqueid", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("visit", Integer),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_agent_talks_agent", "agent", "began_at"),
    Index("ix_agent_talks_began_at", "began_at"),
    Index("ix_agent_talks_open", "agent", postgresql_where=text("ended_at IS NULL")),
)

call_events = Table(
    "call_events",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("node", Text, nullable=False),
    Column("event_key", LargeBinary, nullable=False),
    Column("call_id", ForeignKey("calls.call_id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("uniqueid", Text, nullable=False),
    Column("linkedid", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    UniqueConstraint("node", "event_key"),
    Index("ix_call_events_call_id", "call_id", "event_id"),
)

journal_positions = Table(
    "journal_positions",
    metadata,
    Column("node", Text, primary_key=True),
    Column("segment", BigInteger, nullable=False),  # inode of the file being read
    Column("offset_bytes", BigInteger, nullable=False),
    Column("read_at", Moment, nullable=False),
)

journal_rejects = Table(
    "journal_rejects",
    metadata,
    Column("reject_id", BigInteger, Identity(always=True), primary_key=True),
    Column("node", Text, nullable=False),
    Column("line_key", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("rule", Text, nullable=False),
    Column("line", Text, nullable=False),
    UniqueConstraint("node", "line_key"),
)
