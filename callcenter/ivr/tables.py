"""Flows: one draft each, any number of immutable versions, one of them active.

Definitions are `json`, not `jsonb`: nodes and keys stay in the order they were written in.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSON

from callcenter.platform.db import Moment, metadata

ivr_flows = Table(
    "ivr_flows",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("draft", JSON(none_as_null=True)),
    Column("draft_version", Integer, nullable=False, server_default="1"),
    Column("draft_edited_at", Moment),
    Column("draft_edited_by", Text),
    Column("active_version", Integer),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["name", "active_version"],
        ["ivr_versions.flow", "ivr_versions.version"],
        name="fk_ivr_flows_active_version_ivr_versions",
        use_alter=True,
    ),
)

ivr_versions = Table(
    "ivr_versions",
    metadata,
    Column("flow", ForeignKey("ivr_flows.name"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("definition", JSON, nullable=False),
    Column("comment", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
)

#: What drafts (version 0) and versions name outside themselves: for "who uses it".
ivr_references = Table(
    "ivr_references",
    metadata,
    Column("flow", ForeignKey("ivr_flows.name"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Index("ix_ivr_references_kind_name", "kind", "name"),
)

#: Which version callers heard from when on, who decided it and why. Append-only.
ivr_activations = Table(
    "ivr_activations",
    metadata,
    Column("activation_id", BigInteger, Identity(always=True), primary_key=True),
    Column("flow", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("replaced", Integer),
    Column("at", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    ForeignKeyConstraint(
        ["flow", "version"],
        ["ivr_versions.flow", "ivr_versions.version"],
        name="fk_ivr_activations_flow_version_ivr_versions",
    ),
    Index("ix_ivr_activations_flow", "flow", "activation_id"),
)

#: One row, raised by triggers with whatever the next caller may hear.
ivr_stamp = Table(
    "ivr_stamp",
    metadata,
    Column("one", Boolean, primary_key=True, server_default="true"),
    Column("stamp", BigInteger, nullable=False, server_default="1"),
)
