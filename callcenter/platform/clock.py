"""Time as an argument: rules take a datetime, services take a `Clock`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the present moment, aware, in UTC.
Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)
