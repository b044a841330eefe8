"""On-call rotas, alerts, and whom each alert was given to."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Interval,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from callcenter.platform.db import Moment, metadata

rotas = Table(
    "rotas",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("ack_within", Interval, nullable=False, server_default="10 minutes"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("rings", Boolean, nullable=False, server_default=text("true")),
)

rota_turns = Table(
    "rota_turns",
    metadata,
    Column("turn_id", Uuid, primary_key=True),
    Column("rota", ForeignKey("rotas.name", ondelete="CASCADE"), nullable=False),
    Column("level", Integer, nullable=False),
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("phone_number", Text),
    Index("ix_rota_turns_rota", "rota", "ends_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Uuid, primary_key=True),
    Column("rota", ForeignKey("rotas.name"), nullable=False),
    Column("words", Text, nullable=False),
    Column("case_number", ForeignKey("cases.case_number")),
    Column("raised_at", Moment, nullable=False),
    Column("raised_by", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("level_since", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Text),
    Column("closed_at", Moment),
    Column("closed_by", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    Index("ix_alerts_open", "level_since", postgresql_where=text("state = 'open'")),
)

alert_steps = Table(
    "alert_steps",
    metadata,
    Column("alert_id", ForeignKey("alerts.alert_id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("level", Integer, nullable=False),
    Column("what", Text, nullable=False),
    Column("agent_id", Text),
)

alert_calls = Table(
    "alert_calls",
    metadata,
    Column("call_id", Uuid, primary_key=True),
    Column("alert_id", ForeignKey("alerts.alert_id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("phone_number", Text),
    Column("node", Text, nullable=False),
    Column("placed_at", Moment, nullable=False),
    Column("heard_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Text),
    UniqueConstraint("alert_id", "attempt"),
    Index(
        "uq_alert_calls_one_open",
        "alert_id",
        "agent_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_alert_calls_open", "node", postgresql_where=text("ended_at IS NULL")),
)
