"""Surveys: which lines ask, and what callers answered."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text

from callcenter.platform.db import Moment, metadata

line_surveys = Table(
    "line_surveys",
    metadata,
    Column("line", ForeignKey("lines.number", ondelete="CASCADE"), primary_key=True),
    Column("enabled", Boolean, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("line", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("queue", Text),
    Column("case_number", Text),  # as it was when the caller was asked
    Column("language", Text, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("solved", Boolean),
    Column("satisfied", Boolean),
    Column("answered_at", Moment),
    Index("ix_survey_answers_asked_at", "asked_at", "call_id"),
    Index("ix_survey_answers_agent", "agent", "asked_at"),
)
