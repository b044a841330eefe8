"""On-call rotas, alerts, and whom each alert was given to."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Interval, Table, Text, Uuid, text

from callcenter.platform.db import Moment, metadata

rotas = Table(
    "rotas",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("ack_within", Interval, nullable=False, server_default="10 minutes"),
    Column("version", Integer, nullable=False, server_default="1"),
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
