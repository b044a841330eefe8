"""Which of a report's time is taken from roll-ups and which is counted from the rows.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from callcenter.reports.model import QUARTER, Span

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def quarter_of(at: datetime) -> datetime:
    """When the quarter of `at` begins, UTC."""
    at = at.astimezone(UTC)
    return at - (at - _EPOCH) % QUARTER


def is_edge(at: datetime) -> bool:
    """Whether a quarter begins at `at`."""
    return not (at - _EPOCH) % QUARTER


def holes(known: Iterable[Span], begin: datetime, end: datetime) -> list[Span]:
    """What of begin … end lies in no span of `known`; these in order, without overlap."""
    found: list[Span] = []
    at = begin
    for span in known:
        if span.begin > at:
            found.append(Span(at, min(span.begin, end)))
        at = max(at, span.end)
    if at < end:
        found.append(Span(at, end))
    return found


def fewer(spans: Sequence[Span], most: int) -> list[Span]:
    """At most `most` spans that cover these, by closing the smallest gaps."""
    if len(spans) <= most:
        return list(spans)
    gaps = sorted(
        range(1, len(spans)), key=lambda number: spans[number].begin - spans[number - 1].end
    )
    kept = sorted(gaps[len(spans) - most :])
    edges = [0, *kept, len(spans)]
    return [Span(spans[first].begin, spans[behind - 1].end) for first, behind in pairwise(edges)]
