"""The one place that knows every room's tables: for migrations and the test that compares them."""

from __future__ import annotations

from importlib import import_module

ROOMS = (
    "access",
    "agents",
    "agents.directory",
    "agents.in_call",
    "agents.experts",
    "agents.on_call",
    "agents.rosters",
    "agents.supervision",
    "calls",
    "cases",
    "channels",
    "ivr",
    "knowledge",
    "lines",
    "lines.callers",
    "lines.flags",
    "lines.notices",
    "lines.surveys",
    "prompts",
    "queues",
    "queues.callbacks",
    "queues.estimates",
    "recordings",
    "recordings.quality",
    "reports.rollups",
    "schedules",
    "switch",
)


def import_all_tables() -> None:
    """Fill `platform.db.metadata` with the tables of every room."""
    import_module("callcenter.platform.news")
    for room in ROOMS:
        import_module(f"callcenter.{room}.tables")
