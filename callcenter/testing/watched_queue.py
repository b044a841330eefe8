"""Our estimate in a simulated day: what the hotline's rows would tell it, no more."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Final

from callcenter.queues.estimates.model import TALKS, Pace, Standing, estimate, typical
from callcenter.testing.queue_day import Seen, Watcher

_HOUR: Final = 3600.0


class OurEstimate(Watcher):
    """Keeps what `queue_paces` keeps, and is as old as that: drawn anew each `refresh` seconds."""

    name = "ours"

    def __init__(self, refresh: float = 15.0) -> None:
        self._refresh = refresh
        self._handled: deque[float] = deque(maxlen=TALKS)
        self._waits: deque[tuple[float, float, bool]] = deque()
        self._rings: deque[float] = deque(maxlen=TALKS)
        self._came: deque[tuple[float, int]] = deque()
        self._pace: Pace | None = None
        self._drawn_at = -1e9

    def foretell(self, seen: Seen) -> float | None:
        if seen.at - self._drawn_at >= self._refresh:
            self._draw(seen.at)
        while self._came and self._came[0][0] < seen.at - _HOUR:
            self._came.popleft()
        higher = sum(1 for _at, priority in self._came if priority > seen.priority)
        standing = Standing(
            ahead=sum(1 for priority, _at in seen.waiting if priority >= seen.priority),
            free=seen.free,
            busy=seen.busy,
            overtaking=higher / _HOUR,
        )
        found = estimate(standing, self._pace)
        return None if found is None else found.total_seconds()

    def answered(self, at: float, waited: float, ring: float) -> None:
        self._waits.append((at, waited, False))
        self._rings.append(ring)

    def gave_up(self, at: float, waited: float) -> None:
        self._waits.append((at, waited, True))

    def handled(self, at: float, seconds: float) -> None:
        self._handled.append(seconds)

    def came(self, at: float, priority: int) -> None:
        self._came.append((at, priority))

    def _draw(self, now: float) -> None:
        self._drawn_at = now
        while len(self._waits) > 400:
            self._waits.popleft()
        if not self._handled:
            return
        given_up = sum(1 for _at, _waited, gone in self._waits if gone)
        waited = sum(waited for _at, waited, _gone in self._waits)
        self._pace = Pace(
            handling=typical([timedelta(seconds=one) for one in self._handled]),
            answering=typical([timedelta(seconds=one) for one in self._rings]),
            talks=len(self._handled),
            patience=timedelta(seconds=waited / given_up) if given_up else None,
        )
