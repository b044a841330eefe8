"""People who take calls, the SIP endpoint each has, and how each of them is."""

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
from sqlalchemy.dialects.postgresql import ARRAY

from callcenter.platform.db import Moment, metadata

teams = Table(
    "teams",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)

agents = Table(
    "agents",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sip_digest", Text, nullable=False),  # MD5(agent_id:callcenter:secret), RFC 2617 HA1
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("created_at", Moment, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("team", ForeignKey("teams.name"), index=True),
    Column("departments", ARRAY(Text), nullable=False, server_default="{}"),
    Column("phone_kind", Text, nullable=False, server_default="sip"),
    Column("user_id", ForeignKey("users.user_id"), unique=True),  # the login of this person
)

agent_skills = Table(
    "agent_skills",
    metadata,
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),  # skill, language
    Column("name", Text, primary_key=True),
    Column("level", Integer, nullable=False),
    Index("ix_agent_skills_name", "kind", "name", "level"),
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
    Column("reason", Text),
    Column("missed", Integer, nullable=False, server_default="0"),
    Column("wished_at", Moment),
    Column("wished_by", Text),
    Column("in_force_version", Integer, nullable=False, server_default="0"),
    Column("over_limit", Boolean, nullable=False, server_default="false"),
)

agent_queue_logouts = Table(
    "agent_queue_logouts",
    metadata,
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("queue", ForeignKey("queues.name", ondelete="CASCADE"), primary_key=True),
    Column("at", Moment, nullable=False),
)

pause_reasons = Table(
    "pause_reasons",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("productive", Boolean, nullable=False),
    Column("limit_seconds", Integer),
    Column("digit", Text, unique=True),
    Column("chosen_by", Text, nullable=False, server_default="agent"),
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
