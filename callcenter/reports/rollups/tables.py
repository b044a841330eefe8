"""Roll-ups of figures, marks of what changed late, and membership of queues over time."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from callcenter.platform.db import Moment, metadata

figure_quarters = Table(
    "figure_quarters",
    metadata,
    Column("begin_at", Moment, primary_key=True),
    Column("settled_at", Moment, nullable=False),
    Column("stale", Boolean, nullable=False, server_default="false"),
)

#: `queue` '': calls, once each. Arrays: whole seconds waited, rounded up, ascending.
figure_quarter_counts = Table(
    "figure_quarter_counts",
    metadata,
    Column(
        "begin_at", ForeignKey("figure_quarters.begin_at", ondelete="CASCADE"), primary_key=True
    ),
    Column("queue", Text, primary_key=True),
    Column("offered", Integer, nullable=False),
    Column("undecided", Integer, nullable=False),
    Column("answered", ARRAY(Integer), nullable=False),
    Column("answered_from_ring", ARRAY(Integer), nullable=False),
    Column("abandoned", ARRAY(Integer), nullable=False),
    Column("abandoned_from_ring", ARRAY(Integer), nullable=False),
    Column("missed", ARRAY(Integer), nullable=False),
    Column("followed_up", ARRAY(Integer), nullable=False),
    Column("wait_seconds", Double, nullable=False),
    Column("ring_seconds", Double, nullable=False),
    Column("handled", Integer, nullable=False),
    Column("handling_seconds", Double, nullable=False),
)

figure_days = Table(
    "figure_days",
    metadata,
    Column("begin_at", Moment, primary_key=True),
    Column("end_at", Moment, nullable=False),
    Column("stale", Boolean, nullable=False, server_default="false"),
)

figure_agent_days = Table(
    "figure_agent_days",
    metadata,
    Column("begin_at", ForeignKey("figure_days.begin_at", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("talks", Integer, nullable=False),
    Column("talks_over", Integer, nullable=False),
    Column("talk_seconds", Double, nullable=False),
    Column("handling_seconds", Double, nullable=False),
    Column("talking", Double, nullable=False),
    Column("talking_logged", Double, nullable=False),
    Column("wrap_up", Double, nullable=False),
    Column("free", Double, nullable=False),
    Column("paused", Double, nullable=False),
)

figure_marks = Table(
    "figure_marks",
    metadata,
    Column("mark_id", BigInteger, Identity(always=True), primary_key=True),
    Column("what", Text, nullable=False),
    Column("from_at", Moment, nullable=False),
    Column("to_at", Moment, nullable=False),
)

#: Written by a trigger of queue_members. `began_at` None: since before this was kept.
queue_member_spans = Table(
    "queue_member_spans",
    metadata,
    Column("span_id", BigInteger, Identity(always=True), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("began_at", Moment),
    Column("ended_at", Moment),
    Index("ix_queue_member_spans_queue", "queue", "agent_id"),
    Index(
        "uq_queue_member_spans_one_open",
        "queue",
        "agent_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)
