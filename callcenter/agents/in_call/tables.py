"""Who was called into a call by an act, when the citizen was put aside, and when a phone held."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from callcenter.platform.db import Moment, metadata

call_parties = Table(
    "call_parties",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("uniqueid", Text, nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    Column("agent", Text),
    Column("directory", Text),
    Column("name", Text, nullable=False, server_default=""),
    Column("officer", Text, nullable=False, server_default=""),
    Column("releases", Text),  # uniqueid of the agent's leg that goes when this one answers
    Column("wanted_by", Text, nullable=False),
    Column("wanted_at", Moment, nullable=False),
    Column("began_at", Moment),
    Column("answered_at", Moment),
    Column("joined_at", Moment),  # a consultation: the citizen came back to whom was asked
    Column("ended_at", Moment),
    Column("result", Text),
    Column("result_by", Text),
)

call_holds = Table(
    "call_holds",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("began_at", Moment, primary_key=True),
    Column("ended_at", Moment),
    Index(
        "uq_call_holds_one_open",
        "call_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)

phone_holds = Table(
    "phone_holds",
    metadata,
    Column("call_id", ForeignKey("calls.call_id"), primary_key=True),
    Column("uniqueid", Text, primary_key=True),
    Column("began_at", Moment, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("ended_at", Moment),
    Index(
        "uq_phone_holds_one_open",
        "call_id",
        "uniqueid",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)
