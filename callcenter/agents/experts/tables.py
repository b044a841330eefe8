"""Expert groups, who is in them, and the citizens they owe an answer."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Interval,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from callcenter.platform.db import Moment, metadata

expert_groups = Table(
    "expert_groups",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("extension", Text, nullable=False, unique=True),
    Column("ring_seconds", Integer, nullable=False, server_default="20"),
    Column("only_on_duty", Boolean, nullable=False, server_default="true"),
    Column("answer_within", Interval, nullable=False, server_default="1 day"),
    Column("version", Integer, nullable=False, server_default="1"),
)

expert_members = Table(
    "expert_members",
    metadata,
    Column("group_name", ForeignKey("expert_groups.name", ondelete="CASCADE"), primary_key=True),
    Column("agent_id", ForeignKey("agents.agent_id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, nullable=False),
)

expert_tasks = Table(
    "expert_tasks",
    metadata,
    Column("task_id", Uuid, primary_key=True),
    Column("group_name", ForeignKey("expert_groups.name"), nullable=False),
    Column("call_id", Uuid),  # no reference: the journal may not have told of the call yet
    Column("case_number", ForeignKey("cases.case_number")),
    Column("question", Text, nullable=False, server_default=""),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("taken_by", Text),
    Column("taken_at", Moment),
    Column("done_at", Moment),
    Column("done_by", Text),
    Column("outcome", Text),
    Column("note", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("call_id", "group_name"),
    Index("ix_expert_tasks_due_at", "due_at", postgresql_where=text("state <> 'done'")),
)
