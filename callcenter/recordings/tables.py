"""Recordings: what was heard, measured and sealed, or the reason why not."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
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

recordings = Table(
    "recordings",
    metadata,
    Column("recording_id", Uuid, primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("started_at", Moment, nullable=False),
    Column("file", Text),
    Column("duration_ms", BigInteger),
    Column("sample_rate", Integer),
    Column("channels", Integer),
    Column("bytes", BigInteger),
    Column("peak", Double),
    Column("silence_ratio", Double),
    Column("sha256", Text),
    Column("sealed_at", Moment),
    Column("verified_at", Moment),
    Column("repaired", Boolean, nullable=False, server_default="false"),
    Column("note", Text),  # what a listener should know: one voice missing, header repaired
    Index(
        "ix_recordings_unfinished",
        "started_at",
        postgresql_where=text("state IN ('recording', 'pending')"),
    ),
)

recording_pauses = Table(
    "recording_pauses",
    metadata,
    Column("pause_id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("began_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until_at", Moment, nullable=False),  # ends by itself then
    Column("resumed_by", Text),  # who wants it to end: set before Asterisk is asked
    Column("ended_at", Moment),
    Column("ended_by", Text),
    Index("ix_recording_pauses_call_id", "call_id", "began_at"),
    Index(
        "uq_recording_pauses_one_open",
        "call_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)
