"""`/metrics` of queues: the city's day so far, by configured queue. Bounded: one row a queue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.queues.estimates.store import all_drawn
from callcenter.reports.model import Asked, Figure, Part, Span
from callcenter.reports.queues import store

#: Figure → name and what it is; numerator and denominator are told apart, so that whoever asks can
#: add them up.
_FIGURES: Final = {
    Figure.ANSWERED_WITHIN: ("answered_within_threshold", "Waits answered within the threshold"),
    Figure.CONNECTION: ("connection", "Waits answered"),
    Figure.ABANDONMENT: ("abandonment", "Waits the caller gave up"),
    Figure.SPEED_OF_ANSWER: ("speed_of_answer_seconds", "Seconds the answered waited"),
}


class QueueGauges:
    """Read at each scrape. `zone`, `threshold` and `short` as in `ReportService`."""

    def __init__(self, *, zone: tzinfo, threshold: timedelta, short: timedelta) -> None:
        self._zone = zone
        self._threshold = threshold
        self._short = short

    async def __call__(self, connection: AsyncConnection, now: datetime) -> Iterable[Metric]:
        """The gauges at `now`."""
        local = now.astimezone(self._zone)
        begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(
            now.tzinfo
        )
        asked = Asked(
            begin=begin,
            end=max(now, begin + timedelta(seconds=1)),
            now=now,
            threshold=self._threshold,
            short=self._short,
        )
        await store.plan_for_values(connection)
        known = set(await store.queue_names(connection))
        today = [
            row
            for row in await store.counted(
                connection, asked, [Span(asked.begin, asked.end)], by_queue=True
            )
            if row.queue in known
        ]
        families = []
        for figure, (name, text) in _FIGURES.items():
            family = GaugeMetricFamily(
                f"callcenter_queue_{name}_today",
                f"{text} today, and what they are a share of",
                labels=["queue", "part"],
            )
            for row in today:
                ratio = row.figures[figure]
                family.add_metric([row.queue or "", Part.NUMERATOR.value], ratio.numerator)
                family.add_metric([row.queue or "", Part.DENOMINATOR.value], ratio.denominator)
            families.append(family)
        waiting = GaugeMetricFamily(
            "callcenter_queue_waiting", "Waits begun today and going on", labels=["queue"]
        )
        for row in today:
            waiting.add_metric([row.queue or ""], row.undecided)
        error = GaugeMetricFamily(
            "callcenter_queue_estimate_error_seconds",
            "Error of the wait estimate, of the last answered calls",
            labels=["queue", "quantile"],
        )
        for queue, drawn in await all_drawn(connection):
            if drawn.error is not None:
                error.add_metric([queue, "0.5"], drawn.error.median.total_seconds())
                error.add_metric([queue, "0.9"], drawn.error.p90.total_seconds())
        return [*families, waiting, error]
