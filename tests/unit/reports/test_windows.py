"""No window that could be the lowest is left out by looking at quarters alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.reports.model import QUARTER, Span
from callcenter.reports.queues.windows import A_DAY, Bound, at_edges, bounds, runs
from callcenter.reports.rollups.model import fewer, holes, is_edge, quarter_of

pytestmark = pytest.mark.unit

#: Four seconds a quarter: a day of quarters is short enough to try every second.
SECONDS = 4
_WAITS = st.lists(
    st.tuples(st.integers(0, SECONDS * 140 - 1), st.booleans()), min_size=1, max_size=60
)


@settings(deadline=None, max_examples=150)
@given(waits=_WAITS)
def test_every_window_is_within_the_bound_of_the_quarter_it_begins_in(
    waits: list[tuple[int, bool]],
) -> None:
    size, day = 140, A_DAY * SECONDS
    offered, answered = [0] * size, [0] * size
    for at, good in waits:
        offered[at // SECONDS] += 1
        answered[at // SECONDS] += good
    last = size - A_DAY
    found = bounds(offered, answered, last)
    by_quarter = {bound.quarter: bound.answered for bound in found}
    rates: dict[int, float] = {}
    for begin in range((last + 1) * SECONDS):
        inside = [good for at, good in waits if begin <= at < begin + day]
        if not inside:
            continue
        rates[begin] = sum(inside) / len(inside)
        assert by_quarter[begin // SECONDS] <= rates[begin]
    edge = at_edges(offered, answered, 0, last)
    exact = {begin: rate for begin, rate in rates.items() if not begin % SECONDS}
    if edge is None:
        assert not exact
        return
    assert edge.answered == min(exact.values())
    assert exact[edge.quarter * SECONDS] == edge.answered
    # The lowest window, the first such, begins in a quarter that is looked at.
    worst = min((rate, begin) for begin, rate in rates.items())
    looked_at = runs(found, edge)
    assert any(first <= worst[1] // SECONDS <= behind for first, behind in looked_at)
    # Runs do not touch.
    for one, other in pairwise(sorted(looked_at)):
        assert one[1] + 1 < other[0]


def test_a_queue_that_answers_everybody_is_looked_at_once() -> None:
    offered = [3] * 1_000
    found = bounds(offered, offered, 1_000 - A_DAY)
    best = at_edges(offered, offered, 0, 1_000 - A_DAY)
    assert best == Bound(1.0, 0)
    assert runs(found, best) == [(0, 0)]


def test_nobody_came() -> None:
    nobody = [0] * 200
    assert bounds(nobody, nobody, 100) == []
    assert at_edges(nobody, nobody, 0, 100) is None
    assert runs([], None) == []


BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def _spans(edges: list[int]) -> list[Span]:
    return [
        Span(BEGIN + first * QUARTER, BEGIN + behind * QUARTER)
        for first, behind in zip(edges[::2], edges[1::2], strict=False)
    ]


@given(
    edges=st.lists(st.integers(0, 400), unique=True, max_size=20).map(sorted),
    begin=st.integers(-10, 390),
    length=st.integers(1, 100),
    most=st.integers(1, 5),
)
def test_known_spans_and_the_holes_between_them_are_the_whole_time(
    edges: list[int], begin: int, length: int, most: int
) -> None:
    time = Span(BEGIN + begin * QUARTER, BEGIN + (begin + length) * QUARTER)
    known = [
        Span(max(span.begin, time.begin), min(span.end, time.end))
        for span in _spans(edges)
        if span.end > time.begin and span.begin < time.end
    ]
    gaps = holes(known, time.begin, time.end)
    both = sorted((*known, *gaps), key=lambda span: span.begin)
    assert both[0].begin == time.begin
    assert both[-1].end == time.end
    assert all(one.end == other.begin for one, other in pairwise(both))
    few = fewer(gaps, most)
    assert len(few) <= most
    assert all(any(wide.begin <= gap.begin and gap.end <= wide.end for wide in few) for gap in gaps)
    assert all(one.end < other.begin for one, other in pairwise(few))


def test_quarters_are_counted_from_the_hour() -> None:
    at = datetime(2026, 3, 2, 9, 44, 59, 999_999, tzinfo=UTC)
    assert quarter_of(at) == datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert quarter_of(at + timedelta(microseconds=1)) == datetime(2026, 3, 2, 9, 45, tzinfo=UTC)
    assert not is_edge(at)
    assert is_edge(at + timedelta(microseconds=1))
