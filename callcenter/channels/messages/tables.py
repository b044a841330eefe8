"""Messages: one row for each call that left one."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, text

from callcenter.platform.db import Moment, metadata

messages = Table(
    "messages",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("case_number", ForeignKey("cases.case_number"), nullable=False, index=True),
    Column("line", Text),
    Column("queue", Text),  # where the caller had waited in vain
    Column("language", Text),
    Column("reason", Text, nullable=False),
    Column("recording_id", ForeignKey("recordings.recording_id"), nullable=False),
    Column("left_at", Moment, nullable=False),
    Column("length_ms", BigInteger),  # of the finished recording
    Column("due_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="new"),
    Column("taken_by", Text),
    Column("taken_at", Moment),
    Column("done_by", Text),
    Column("done_at", Moment),
    Column("outcome", Text),
    Column("note", Text),
    Index("ix_messages_due", "due_at", "call_id"),
    Index("ix_messages_open", "due_at", "call_id", postgresql_where=text("done_at IS NULL")),
)
