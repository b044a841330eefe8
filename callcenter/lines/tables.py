"""Hotline numbers: which flow, queue and language each has, and what it does at its door."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import metadata

lines = Table(
    "lines",
    metadata,
    Column("number", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("flow", ForeignKey("ivr_flows.name"), nullable=False),
    Column("queue", ForeignKey("queues.name"), nullable=False),
    Column("language", Text, nullable=False),
    Column("mode", Text, nullable=False, server_default="menu"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("in_force_version", Integer),  # the version the next caller meets
    Column("schedule", ForeignKey("schedules.name")),
    Column("closed_to", Text, nullable=False, server_default="voicemail"),
    Column("closed_say", JSONB(none_as_null=True)),
    Column("welcome", JSONB(none_as_null=True)),
    Column("recording_notice", ForeignKey("recording_notices.name")),
    Column("emergency_key", Text, nullable=False, server_default="0"),
)
