"""Hotline numbers: which flow, queue and language each has."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text

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
    Column("in_force_version", Integer),  # the version Asterisk was seen to have loaded
)
