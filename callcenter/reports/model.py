"""The figures of queues and agents: their names, units, targets' definitions and the intervals they
are told for. What each counts in rows stands in `store`; docs/figures.md says it in words.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from callcenter.platform.errors import InvalidField

#: What a figure without anything to count says; never 100 %.
NONE_DUE: Final = "none due"
#: DOMAIN.md §5.1: the second service level, beside the one that is asked for.
SECOND_THRESHOLD: Final = timedelta(seconds=20)
#: A message is to be taken up within this (DOMAIN.md §5.1: by day).
MESSAGE_TURN_ROUND: Final = timedelta(minutes=30)
#: A missed call is to be followed up within this.
FOLLOW_UP: Final = timedelta(minutes=30)
DAY: Final = timedelta(hours=24)
#: Roll-ups of queues are of these, counted from a full hour of UTC.
QUARTER: Final = timedelta(minutes=15)

#: No report is longer: a leap year and the day the clocks change.
LONGEST: Final = timedelta(days=367)
MOST_INTERVALS: Final = 1_000


class Interval(StrEnum):
    """The parts a report is told in. Months, days and hours are the city's, also where clocks
    change."""

    QUARTER_HOUR = "15min"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Unit(StrEnum):
    SHARE = "share"  #: 0 to 1
    SECONDS = "seconds"


class Figure(StrEnum):
    """Figures of queues. Waits are counted from when the caller entered the queue; those that end
    in `_from_ring` from the first ring of the call."""

    ANSWERED_WITHIN = "answered_within_threshold"
    ANSWERED_WITHIN_20 = "answered_within_20_seconds"
    ANSWERED_WITHIN_OF_ANSWERED = "answered_within_threshold_of_answered"
    CONNECTION = "connection_rate"
    ABANDONMENT = "abandonment"
    SPEED_OF_ANSWER = "average_speed_of_answer"
    HANDLING_TIME = "average_handling_time"
    FOLLOW_UP = "missed_call_follow_up"
    ANSWERED_WITHIN_FROM_RING = "answered_within_threshold_from_ring"
    ANSWERED_WITHIN_20_FROM_RING = "answered_within_20_seconds_from_ring"
    ABANDONMENT_FROM_RING = "abandonment_from_ring"
    SPEED_OF_ANSWER_FROM_RING = "average_speed_of_answer_from_ring"


class AgentFigure(StrEnum):
    """Figures of agents."""

    HANDLING_TIME = "average_handling_time"
    TALK_TIME = "average_talk_time"
    OCCUPANCY = "occupancy"


class ChannelFigure(StrEnum):
    """Figures of what is done without an agent on the line."""

    SELF_SERVICE = "self_service_containment"
    FAX_PAGES = "fax_pages_delivered"
    MESSAGE_TAKEN = "message_taken_in_time"


class Part(StrEnum):
    """Of a figure."""

    NUMERATOR = "numerator"
    DENOMINATOR = "denominator"


AnyFigure = Figure | AgentFigure | ChannelFigure

_SECONDS: Final = frozenset(
    {
        Figure.SPEED_OF_ANSWER,
        Figure.HANDLING_TIME,
        Figure.SPEED_OF_ANSWER_FROM_RING,
        AgentFigure.HANDLING_TIME,
        AgentFigure.TALK_TIME,
    }
)


def unit_of(figure: AnyFigure) -> Unit:
    return Unit.SECONDS if figure in _SECONDS else Unit.SHARE


#: DOMAIN.md §5.1: what a figure is to reach; the others are to be known only.
_AT_LEAST: Final[Mapping[AnyFigure, float]] = {
    Figure.CONNECTION: 0.95,
    Figure.ANSWERED_WITHIN: 0.9,
    Figure.ANSWERED_WITHIN_20: 0.95,
    Figure.ANSWERED_WITHIN_OF_ANSWERED: 0.8,
    Figure.FOLLOW_UP: 1.0,
    ChannelFigure.FAX_PAGES: 0.95,
    ChannelFigure.MESSAGE_TAKEN: 0.95,
}
_AT_MOST: Final[Mapping[AnyFigure, float]] = {
    Figure.ABANDONMENT: 0.05,
    Figure.SPEED_OF_ANSWER: 15.0,
    AgentFigure.OCCUPANCY: 0.85,
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to reach. `met` None: nothing is due."""

    value: float
    met: bool | None


def target_of(figure: AnyFigure, value: float | None) -> Target | None:
    """None: a figure without a target."""
    if (least := _AT_LEAST.get(figure)) is not None:
        return Target(least, None if value is None else value >= least)
    if (most := _AT_MOST.get(figure)) is not None:
        return Target(most, None if value is None else value <= most)
    return None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure as it is kept: never the rate alone. Numerators of `seconds` are seconds."""

    numerator: float = 0.0
    denominator: float = 0.0

    @property
    def value(self) -> float | None:
        """None where there is nothing to count."""
        return self.numerator / self.denominator if self.denominator else None

    def __add__(self, other: Ratio) -> Ratio:
        return Ratio(self.numerator + other.numerator, self.denominator + other.denominator)

    def text(self, unit: Unit) -> str:
        """For whoever reads it: `93.3 % (28 of 30)`, `12.4 s (30)`, or `none due`."""
        value = self.value
        if value is None:
            return NONE_DUE
        if unit is Unit.SECONDS:
            return f"{value:.1f} s ({self.denominator:.0f})"
        if float(self.numerator).is_integer() and float(self.denominator).is_integer():
            return f"{value:.1%} ({self.numerator:.0f} of {self.denominator:.0f})".replace(
                "%", " %"
            )
        return f"{value:.1%} ({self.numerator:.0f} s of {self.denominator:.0f} s)".replace(
            "%", " %"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a report is asked for. `begin` and `end` aware, `end` left out.

    `threshold`: within it an answer is in time. `short`: who gives up within it was not waiting yet
    (DOMAIN.md §5.1: s). `now`: what was due by then counts as due.
    """

    begin: datetime
    end: datetime
    now: datetime
    threshold: timedelta = timedelta(seconds=15)
    short: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        if self.end <= self.begin:
            raise InvalidField("to", "must be after from")
        if self.end - self.begin > LONGEST:
            raise InvalidField("to", f"a report is of {LONGEST.days} days at most")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a report's time; `end` is left out of it."""

    begin: datetime
    end: datetime


def spans(begin: datetime, end: datetime, interval: Interval | None, zone: tzinfo) -> list[Span]:
    """The parts of a report, cut at the city's quarters, hours, days or months; the first and the
    last may be shorter. None: one part.

    Hours and quarters follow each other in real time: the day clocks go back has one hour more.

    Raises `InvalidField` for more than `MOST_INTERVALS`.
    """
    if interval is None:
        return [Span(begin, end)]
    found: list[Span] = []
    at = begin
    while at < end:
        edge = min(_next_edge(at, interval, zone), end)
        found.append(Span(at, edge))
        at = edge
        if len(found) > MOST_INTERVALS:
            rule = f"more than {MOST_INTERVALS} parts: ask for a shorter time or longer parts"
            raise InvalidField("interval", rule)
    return found


def _next_edge(at: datetime, interval: Interval, zone: tzinfo) -> datetime:
    utc = at.astimezone(UTC)
    if interval in (Interval.DAY, Interval.MONTH):
        local = at.astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0, tzinfo=None)
        following = (midnight + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
        if interval is Interval.MONTH:
            # 31 days behind the first of a month lies in the next one.
            inside = midnight.replace(day=1) + timedelta(days=31)
            following = inside.replace(day=1, tzinfo=zone).astimezone(UTC)
        # Where midnight itself is skipped or comes twice, the part still ends after `at`.
        return following if following > utc else utc + DAY
    # By the zone's offset: it may be of half an hour, and of seconds in old years.
    step = timedelta(hours=1) if interval is Interval.HOUR else timedelta(minutes=15)
    offset = at.astimezone(zone).utcoffset() or timedelta()
    into = (utc + offset - _EPOCH) % step
    return utc - into + step


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowest:
    """The lowest connection rate of any 24 hours that lie within a report."""

    ratio: Ratio
    span: Span


def total(ratios: Iterable[Mapping[Figure, Ratio]]) -> dict[Figure, Ratio]:
    """The figures of several parts together."""
    found = dict.fromkeys(Figure, Ratio())
    for one in ratios:
        for figure, ratio in one.items():
            found[figure] += ratio
    return found
