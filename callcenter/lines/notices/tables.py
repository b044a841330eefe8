"""What callers are told before they are recorded: notices and their immutable versions."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

recording_notices = Table(
    "recording_notices",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

recording_notice_versions = Table(
    "recording_notice_versions",
    metadata,
    Column("notice", ForeignKey("recording_notices.name"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("words", JSONB, nullable=False),
    Column("comment", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
)
