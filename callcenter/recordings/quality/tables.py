"""Quality forms, drawn recordings, scores and objections."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

quality_forms = Table(
    "quality_forms",
    metadata,
    Column("form_id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("questions", JSONB, nullable=False),
    Column("pass_mark", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("name", "version", name="uq_quality_forms_name"),
)

quality_retirements = Table(
    "quality_retirements",
    metadata,
    Column("name", Text, primary_key=True),
    Column("retired_by", Text, nullable=False),
    Column("retired_at", Moment, nullable=False),
)

quality_samples = Table(
    "quality_samples",
    metadata,
    Column("week", Date, primary_key=True),
    Column("recording_id", ForeignKey("recordings.recording_id"), primary_key=True),
    Column("call_id", Uuid, nullable=False),
    Column("agent", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("drawn_from", Integer, nullable=False),
    Column("drawn_by", Text, nullable=False),
    Column("drawn_at", Moment, nullable=False),
    Index("ix_quality_samples_agent", "agent", "week"),
)

quality_scores = Table(
    "quality_scores",
    metadata,
    Column("score_id", BigInteger, Identity(always=True), primary_key=True),
    Column("form_id", ForeignKey("quality_forms.form_id"), nullable=False),
    Column("recording_id", ForeignKey("recordings.recording_id"), nullable=False),
    Column("call_id", Uuid, nullable=False),
    Column("agent", Text, nullable=False),
    Column("answers", JSONB, nullable=False),
    Column("points", Integer, nullable=False),
    Column("most_points", Integer, nullable=False),
    Column("failed", Text),
    Column("passed", Boolean, nullable=False),
    Column("comment", Text, nullable=False),
    Column("scored_by", Text, nullable=False),
    Column("scored_at", Moment, nullable=False),
    Column("corrects", ForeignKey("quality_scores.score_id")),
    UniqueConstraint("corrects", name="uq_quality_scores_corrects"),
    Index("ix_quality_scores_agent", "agent", "scored_at"),
    Index("ix_quality_scores_scored_at", "scored_at"),
    Index(
        "uq_quality_scores_first",
        "form_id",
        "recording_id",
        unique=True,
        postgresql_where=text("corrects IS NULL"),
    ),
)

quality_objections = Table(
    "quality_objections",
    metadata,
    Column("score_id", ForeignKey("quality_scores.score_id"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("objected_by", Text, nullable=False),
    Column("objected_at", Moment, nullable=False),
)
