"""Numbers of other units that agents can reach."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

from callcenter.platform.db import Moment, metadata

directory_numbers = Table(
    "directory_numbers",
    metadata,
    Column("number", Text, primary_key=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("department", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False),
    Column("number_dialled", Text, nullable=False),
    Column("active", Boolean, nullable=False, server_default="true"),
    Column("created_at", Moment, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)
