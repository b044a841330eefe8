"""People who take calls and the SIP endpoint each has."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from callcenter.platform.db import Moment, metadata

agents = Table(
    "agents",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sip_digest", Text, nullable=False),  # MD5(agent_id:callcenter:secret), RFC 2617 HA1
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("created_at", Moment, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)

agent_states = Table(
    "agent_states",
    metadata,
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("logged_in", Boolean, nullable=False, server_default="true"),
    Column("paused", Boolean, nullable=False, server_default="false"),
    Column("pause_reason", Text),
    Column("phone", Text, nullable=False, server_default="unknown"),
    Column("call_id", Uuid),  # no reference: the journal may not have told of the call yet
    Column("queue", Text),
    Column("until_at", Moment),
    Column("version", Integer, nullable=False, server_default="1"),
)

agent_activity = Table(
    "agent_activity",
    metadata,
    Column("activity_id", BigInteger, Identity(always=True), primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("call_id", Uuid),
    Column("queue", Text),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index("ix_agent_activity_agent", "agent_id", "began_at"),
    Index("ix_agent_activity_began_at", "began_at"),
    Index("ix_agent_activity_wrap_up", "call_id", postgresql_where=text("state = 'wrap_up'")),
    Index(
        "uq_agent_activity_one_open",
        "agent_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)
