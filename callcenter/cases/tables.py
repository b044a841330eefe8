"""The case: a citizen's matter, its calls and its append-only history."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Sequence,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.platform.db import Moment, metadata

case_serial = Sequence("case_serial", metadata=metadata)

cases = Table(
    "cases",
    metadata,
    Column("case_number", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("citizen_words", Text, nullable=False, server_default=""),
    Column("category", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="open"),
    Column("origin_call_id", ForeignKey("calls.call_id"), unique=True),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", Moment),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("due_at", Moment),  # when somebody must have dealt with it, None: nothing was promised
    Index("ix_cases_opened_at", text("opened_at DESC"), "case_number"),
    Index("ix_cases_unclosed", "state", postgresql_where=text("state <> 'closed'")),
    Index("ix_cases_closed_at", "closed_at", postgresql_where=text("closed_at IS NOT NULL")),
)

case_calls = Table(
    "case_calls",
    metadata,
    Column("case_number", ForeignKey("cases.case_number"), primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True, index=True),
    Column("relation", Text, nullable=False),
    Column("linked_at", Moment, nullable=False),
    Index(
        "uq_case_calls_one_origin",
        "case_number",
        unique=True,
        postgresql_where=text("relation = 'origin'"),
    ),
)

case_events = Table(
    "case_events",
    metadata,
    Column("case_number", ForeignKey("cases.case_number"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
)

case_progress_tries = Table(
    "case_progress_tries",
    metadata,
    Column("try_id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("case_number", ForeignKey("cases.case_number")),
    Column("caller_number", Text),
    # No foreign key: the journal may bring the call's row later.
    Column("call_id", Uuid),
    Column("outcome", Text, nullable=False),
    Index("ix_case_progress_tries_case_number_at", "case_number", "at"),
    Index(
        "ix_case_progress_tries_failed",
        "caller_number",
        "at",
        postgresql_where=text("outcome = 'failed'"),
    ),
)
