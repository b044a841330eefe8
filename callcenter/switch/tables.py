"""What Asterisk was asked to load, what it was seen to have loaded, and how each node is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

switch_changes = Table(
    "switch_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("node", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("done_at", Moment),
    Column("in_force", Boolean),
    Column("detail", Text),
    Index("ix_switch_changes_open", "node", postgresql_where=text("done_at IS NULL")),
)

switch_acts = Table(
    "switch_acts",
    metadata,
    Column("act_id", BigInteger, Identity(always=True), primary_key=True),
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("arguments", JSONB, nullable=False),
    Column("wanted_by", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("begun_at", Moment),
    Column("done_at", Moment),
    Column("outcome", Text),
    Column("detail", Text),
    Column("result", JSONB),
    Index("ix_switch_acts_open", "node", postgresql_where=text("done_at IS NULL")),
)

node_status = Table(
    "node_status",
    metadata,
    Column("node", Text, primary_key=True),
    Column("heartbeat_at", Moment, nullable=False),
    Column("report", JSONB, nullable=False),
)
