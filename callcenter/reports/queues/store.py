"""SQL of the figures of queues.

A figure is a pair of conditions over the same rows (`rows`), so that the number and the calls
behind it cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Subquery,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Moment
from callcenter.queues.tables import queues
from callcenter.reports.model import (
    FOLLOW_UP,
    SECOND_THRESHOLD,
    Asked,
    Figure,
    Part,
    Ratio,
    Span,
)
from callcenter.reports.queues.rows import journeys, visits


@dataclass(frozen=True, slots=True)
class _Definition:
    """Which rows a figure counts; `weight`: what of each makes the numerator, None: one."""

    numerator: ColumnElement[bool]
    denominator: ColumnElement[bool]
    weight: ColumnElement[Any] | None = None


def _definitions(waited: Subquery, asked: Asked) -> Mapping[Figure, _Definition]:
    row = waited.c
    threshold, second = asked.threshold.total_seconds(), SECOND_THRESHOLD.total_seconds()
    short = asked.short.total_seconds()
    offered = row.decided
    answered = row.answered

    def gave_up_at_once(wait: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(row.abandoned, wait <= short)

    def waiting(wait: ColumnElement[Any]) -> ColumnElement[bool]:
        return and_(offered, not_(gave_up_at_once(wait)))

    def answered_in(wait: ColumnElement[Any], within: float) -> ColumnElement[bool]:
        return and_(answered, wait <= within)

    missed = and_(row.abandoned, row.wait > short, row.has_number)
    in_time = row.followed_up_at <= row.left_at + FOLLOW_UP
    handled = and_(answered, row.handling.is_not(None))
    return {
        Figure.ANSWERED_WITHIN: _Definition(answered_in(row.wait, threshold), waiting(row.wait)),
        Figure.ANSWERED_WITHIN_20: _Definition(answered_in(row.wait, second), waiting(row.wait)),
        Figure.ANSWERED_WITHIN_OF_ANSWERED: _Definition(answered_in(row.wait, threshold), answered),
        Figure.CONNECTION: _Definition(answered, offered),
        Figure.ABANDONMENT: _Definition(and_(row.abandoned, row.wait > short), waiting(row.wait)),
        Figure.SPEED_OF_ANSWER: _Definition(answered, answered, row.wait),
        Figure.HANDLING_TIME: _Definition(handled, handled, row.handling),
        Figure.FOLLOW_UP: _Definition(
            and_(missed, func.coalesce(in_time, false())),
            and_(
                missed,
                or_(row.left_at + FOLLOW_UP <= asked.now, func.coalesce(in_time, false())),
            ),
        ),
        Figure.ANSWERED_WITHIN_FROM_RING: _Definition(
            answered_in(row.wait_from_ring, threshold), waiting(row.wait_from_ring)
        ),
        Figure.ANSWERED_WITHIN_20_FROM_RING: _Definition(
            answered_in(row.wait_from_ring, second), waiting(row.wait_from_ring)
        ),
        Figure.ABANDONMENT_FROM_RING: _Definition(
            and_(row.abandoned, row.wait_from_ring > short), waiting(row.wait_from_ring)
        ),
        Figure.SPEED_OF_ANSWER_FROM_RING: _Definition(answered, answered, row.wait_from_ring),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One queue (None: all calls together) in one part of the time, by number of the part from 0.

    `offered` has every wait that is over; `undecided` are still going on; `other`: neither answered
    nor given up (too long, too many, nobody there, moved on, chose something else, broke off).
    """

    queue: str | None
    part: int
    offered: int
    answered: int
    abandoned: int
    abandoned_at_once: int
    undecided: int
    figures: Mapping[Figure, Ratio]

    @property
    def other(self) -> int:
        return self.offered - self.answered - self.abandoned


def _all_of(asked: Asked) -> list[Span]:
    return [Span(asked.begin, asked.end)]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


async def counted(
    connection: AsyncConnection,
    asked: Asked,
    parts: Sequence[Span],
    *,
    by_queue: bool,
    queue: str | None = None,
    within: Sequence[Span] | None = None,
) -> list[Counted]:
    """Every part in which anything happened. `by_queue`: a row for each queue, waits counted one by
    one; else the calls, once each. `within`: only what of the time lies in these spans."""
    within = _all_of(asked) if within is None else within
    waited = visits(within, queue) if by_queue else journeys(within)
    row = waited.c
    edges = literal([span.begin for span in parts], ARRAY(Moment))
    part = func.width_bucket(row.entered_at, edges).label("part")
    columns: list[ColumnElement[Any]] = [
        part,
        _count(row.decided).label("offered"),
        _count(row.answered).label("answered"),
        _count(row.abandoned).label("abandoned"),
        _count(and_(row.abandoned, row.wait <= asked.short.total_seconds())).label("at_once"),
        _count(not_(row.decided)).label("undecided"),
    ]
    for figure, definition in _definitions(waited, asked).items():
        top = (
            _count(definition.numerator)
            if definition.weight is None
            else func.coalesce(func.sum(definition.weight).filter(definition.numerator), 0)
        )
        columns.append(top.label(f"{figure}_n"))
        columns.append(_count(definition.denominator).label(f"{figure}_d"))
    keys = [row.queue, part] if by_queue else [part]
    if by_queue:
        columns.append(row.queue)
    found = await connection.execute(select(*columns).group_by(*keys).order_by(*keys))
    return [
        Counted(
            queue=one["queue"] if by_queue else None,
            part=one["part"] - 1,
            offered=one["offered"],
            answered=one["answered"],
            abandoned=one["abandoned"],
            abandoned_at_once=one["at_once"],
            undecided=one["undecided"],
            figures={
                figure: Ratio(float(one[f"{figure}_n"]), float(one[f"{figure}_d"]))
                for figure in Figure
            },
        )
        for one in found.mappings()
    ]


async def calls_of(
    connection: AsyncConnection,
    asked: Asked,
    figure: Figure,
    part: Part,
    *,
    queue: str | None,
    behind: tuple[datetime, UUID, int] | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """The waits (of one queue) or calls (`queue` None) a figure counts, in order of coming."""
    within = _all_of(asked)
    waited = visits(within, queue) if queue is not None else journeys(within)
    definition = _definitions(waited, asked)[figure]
    place = (waited.c.entered_at, waited.c.call_id, waited.c.visit)
    wanted = select(waited).where(
        definition.numerator if part is Part.NUMERATOR else definition.denominator
    )
    if behind is not None:
        wanted = wanted.where(tuple_(*place) > tuple_(*behind))
    found = await connection.execute(wanted.order_by(*place).limit(limit))
    return [dict(row) for row in found.mappings()]


async def plan_for_values(connection: AsyncConnection) -> None:
    """Until the end of the transaction, every statement is planned for the time it asks for.

    After five runs PostgreSQL would make one plan for all, for a day and for a year the same: it
    reads every wait there ever was. Compiling statements takes longer than reading the rows.
    """
    for setting in ("plan_cache_mode = force_custom_plan", "jit = off"):
        await connection.execute(text(f"SET LOCAL {setting}"))


async def queue_names(connection: AsyncConnection) -> list[str]:
    found = await connection.execute(select(queues.c.name).order_by(queues.c.name))
    return [row.name for row in found]
