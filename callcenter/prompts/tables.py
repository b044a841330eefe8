"""Prompts by name, their audio per language, and the jobs that speak them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from callcenter.platform.db import Moment, metadata

prompts = Table(
    "prompts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("texts", JSONB, nullable=False),
    Column("is_shipped", Boolean, nullable=False, server_default="false"),
    #: The dialplan or the runner plays it by itself.
    Column("is_fixed", Boolean, nullable=False, server_default="false"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("edited_at", Moment, nullable=False),
    Column("edited_by", Text, nullable=False),
)

prompt_audio = Table(
    "prompt_audio",
    metadata,
    Column("name", ForeignKey("prompts.name"), primary_key=True),
    Column("language", Text, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("wide_sha256", Text),  # of the 16 kHz file; shipped prompts have none
    Column("text_sha256", Text),  # of the text it was made from; a recording may have none
    Column("duration_ms", Integer, nullable=False),
    Column("loudness_dbfs", Float(53), nullable=False),
    Column("peak_dbfs", Float(53), nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
)

prompts_removed = Table(
    "prompts_removed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("removed_at", Moment, nullable=False),
    Column("removed_by", Text, nullable=False),
)

prompt_jobs = Table(
    "prompt_jobs",
    metadata,
    Column("job_id", BigInteger, Identity(always=True), primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False),
    Column("error", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Index("ix_prompt_jobs_state_changed_at", "state", "changed_at"),
)
