"""Figures from SQL equal figures counted one by one in Python, over rows of every kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from callcenter.platform.db import Database
from callcenter.reports.model import AgentFigure, Figure, Interval, Part, Ratio
from callcenter.reports.service import ReportService
from tests.integration.reports import naive
from tests.integration.reports.conftest import AGENTS, BEGIN, QUEUES, made_up, write

pytestmark = pytest.mark.integration

END = BEGIN + timedelta(days=3)


def same(found: Mapping[Figure, Ratio], wanted: Mapping[Figure, Ratio]) -> None:
    for figure in Figure:
        assert found[figure].numerator == pytest.approx(wanted[figure].numerator), figure
        assert found[figure].denominator == wanted[figure].denominator, figure


@pytest.mark.parametrize("seed", range(4))
async def test_queues_by_part_and_as_a_whole_are_what_counting_says(
    seed: int, database: Database, service: ReportService
) -> None:
    rows = made_up(Random(seed), count=160)
    await write(database, rows)
    threshold = timedelta(seconds=15 + seed)
    asked = service.asked(BEGIN, END, threshold=threshold)
    for interval in (Interval.HOUR, Interval.DAY, None):
        spans, reports = await service.queues(asked, interval, None)
        assert spans[0].begin == BEGIN
        assert spans[-1].end == END
        assert [report.queue for report in reports] == [*sorted(QUEUES), None]
        for report in reports:
            all_of = naive.journeys if report.queue is None else naive.waits
            found = [
                one
                for one in all_of(rows, BEGIN, END)
                if report.queue is None or one.queue == report.queue
            ]
            same(report.whole.figures, naive.figures(found, threshold, rows))
            assert report.whole.offered == sum(one.outcome is not None for one in found)
            assert report.whole.undecided == sum(one.outcome is None for one in found)
            for span, part in zip(spans, report.parts, strict=True):
                inside = [one for one in found if span.begin <= one.entered_at < span.end]
                same(part.figures, naive.figures(inside, threshold, rows))
                assert part.offered == part.answered + part.abandoned + part.other
            assert report.whole.offered == sum(part.offered for part in report.parts)
            worst = naive.lowest_connection(found, BEGIN, END)
            assert worst is not None
            assert report.lowest is not None
            assert report.lowest.ratio.value == worst.value
            # The window that is named is such a window.
            span = report.lowest.span
            assert span.end - span.begin == timedelta(hours=24)
            assert span.begin >= BEGIN
            assert span.end <= END
            inside = [one for one in found if span.begin <= one.entered_at < span.end]
            assert naive.figures(inside, threshold, rows)[Figure.CONNECTION] == report.lowest.ratio


async def test_each_figure_opens_to_exactly_what_it_counts(
    database: Database, service: ReportService
) -> None:
    rows = made_up(Random(50), count=120)
    await write(database, rows)
    asked = service.asked(BEGIN, END)
    _, reports = await service.queues(asked, None, None)
    for report in reports:
        for figure in Figure:
            ratio = report.whole.figures[figure]
            counted: list[tuple[datetime, UUID, int]] = []
            seconds = 0.0
            for part in Part:
                opened = await _all(service, figure, part, report.queue)
                places = [(row["entered_at"], row["call_id"], row["visit"]) for row in opened]
                assert places == sorted(set(places))
                if part is Part.DENOMINATOR:
                    assert len(places) == ratio.denominator
                    assert set(counted) <= set(places)
                    continue
                counted = places
                weight = {
                    Figure.SPEED_OF_ANSWER: "wait",
                    Figure.SPEED_OF_ANSWER_FROM_RING: "wait_from_ring",
                    Figure.HANDLING_TIME: "handling",
                }.get(figure)
                seconds = sum(row[weight] if weight else 1 for row in opened)
                assert seconds == pytest.approx(ratio.numerator)


async def _all(
    service: ReportService, figure: Figure, part: Part, queue: str | None
) -> list[Mapping[str, object]]:
    """Page by page."""
    found: list[Mapping[str, object]] = []
    behind = None
    asked = service.asked(BEGIN, END)
    while page := await service.calls_of(asked, figure, part, queue=queue, behind=behind, limit=17):
        found += page
        last = page[-1]
        behind = (last["entered_at"], last["call_id"], last["visit"])
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_agents_are_what_counting_second_by_second_says(
    seed: int, database: Database, service: ReportService
) -> None:
    rows = made_up(Random(90 + seed), count=60, days=0.4)
    await write(database, rows)
    end = BEGIN + timedelta(hours=10, minutes=7)
    asked = service.asked(BEGIN, end)
    spans, reports = await service.agents(asked, Interval.HOUR, agent=None, queue=None)
    assert [report.agent_id for report in reports] == [*AGENTS, None]
    for report in reports:
        agents: Iterable[str] = AGENTS if report.agent_id is None else (report.agent_id,)
        for span, part in zip(spans, report.parts, strict=True):
            found = [naive.worked(rows, agent, span.begin, span.end) for agent in agents]
            seconds = {
                what: sum(one[what] for one, _figures in found)
                for what in ("talk", "wrap_up", "free", "paused")
            }
            assert (part.talking, part.wrap_up, part.free, part.paused) == (
                seconds["talk"],
                seconds["wrap_up"],
                seconds["free"],
                seconds["paused"],
            )
            for figure in AgentFigure:
                wanted = sum((figures[figure] for _s, figures in found), Ratio())
                assert part.figures[figure] == wanted, (figure, report.agent_id, span)
        # Cut spans add up to the whole.
        whole = await service.agents(asked, None, agent=report.agent_id, queue=None)
        one = whole[1][-1].whole
        assert one.talking == pytest.approx(report.whole.talking)
        assert one.free == pytest.approx(report.whole.free)
        assert one.figures == report.whole.figures
