"""People who take calls and the SIP endpoint each has."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

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
