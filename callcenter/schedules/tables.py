"""Opening hours and the work calendar."""

from __future__ import annotations

from sqlalchemy import Column, Date, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSON

from callcenter.platform.db import Moment, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("definition", JSON, nullable=False),  # ScheduleEdit but for the title
    Column("version", Integer, nullable=False, server_default="1"),
    Column("edited_at", Moment, nullable=False),
    Column("edited_by", Text, nullable=False),
)

work_calendar_days = Table(
    "work_calendar_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("edited_at", Moment),
    Column("edited_by", Text),
)

#: Years known in full; a year that is not here has no data.
work_calendar_years = Table(
    "work_calendar_years",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("seeded_at", Moment, nullable=False),
    Column("seeded_by", Text, nullable=False),
)
