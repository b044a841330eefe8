"""A clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FixedClock:
    """A `platform.clock.Clock`: call it for the moment, `forward` to let time pass."""

    def __init__(self, now: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by
