"""Who is to be called back, and each attempt."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, Uuid, text

from callcenter.platform.db import Moment, metadata

callbacks = Table(
    "callbacks",
    metadata,
    Column("callback_id", Uuid, primary_key=True),
    Column("call_id", ForeignKey("calls.call_id")),
    Column("queue", Text, nullable=False),  # stays when the queue is gone
    Column("number", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("outcome", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("done_at", Moment),
    Column("done_by", Text),
    Column("kind", Text, nullable=False, server_default="wish"),
    Column("line", Text),
    Column("case_number", ForeignKey("cases.case_number")),
    Column("place_at", Moment, nullable=False, server_default=text("now()")),
    Column("due_at", Moment),
    Column("next_try_at", Moment),  # None: nobody is dialled by itself
    Column("moved_from", Text),  # the queue asked for, where it is gone
    UniqueConstraint("call_id"),
    Index("ix_callbacks_waiting", "wanted_at", postgresql_where=text("state = 'waiting'")),
    Index(
        "uq_callbacks_one_missed",
        "number",
        unique=True,
        postgresql_where=text("state = 'waiting' AND kind = 'missed'"),
    ),
    Index("ix_callbacks_number", "number", postgresql_where=text("state = 'waiting'")),
    Index("ix_callbacks_next_try", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
)

callback_calls = Table(
    "callback_calls",
    metadata,
    Column("callback_id", ForeignKey("callbacks.callback_id"), primary_key=True),
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True, index=True),
    Column("joined_at", Moment, nullable=False),
)

callback_tries = Table(
    "callback_tries",
    metadata,
    Column("callback_id", ForeignKey("callbacks.callback_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("call_id", Uuid),
    Column("node", Text),
    Column("state", Text, nullable=False),
    Column("placed_at", Moment, nullable=False),
    Column("dialled_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Text),
    Column("cause", Integer),
    Column("by", Text),
    Column("note", Text, nullable=False, server_default=""),
    UniqueConstraint("call_id"),
    Index(
        "uq_callback_tries_one_open",
        "callback_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index("ix_callback_tries_open", "node", postgresql_where=text("ended_at IS NULL")),
)
