"""How long a caller will wait, told as the caller comes: the estimate, its error, and whether it is
good enough to be spoken.

Pure: what is known of the queue at that moment goes in, a `timedelta` comes out.

The estimate is that of a queue whose callers lose patience (Whitt 1999, "Predicting queueing
delays"): with `n` agents at work one becomes free every `handling / n`, and each caller ahead may
give up as well. It aims at the median, for that is what is told: as often too long as too short.

For how long each agent has been talking already was tried as well, with the lengths of the last
talks; on simulated days it made the error no smaller, and is left out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

#: Fewer talks than these tell nothing about how long the next one takes.
FEWEST_TALKS: Final = 5
#: So many of a queue's last talks are looked at.
TALKS: Final = 200
#: What lies beyond the longest and the shortest of this share counts as that: one talk of three
#: hours, or ten that fell silent at once, do not move an estimate.
TRIMMED: Final = 0.05
#: No estimate says more: nobody would stay that long, and the row takes no more.
LONGEST: Final = timedelta(hours=4)


#: A shorter wait is not worth the words.
SHORTEST_TOLD: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a queue's last calls showed.

    `handling`: for how long a call takes an agent, from the first ring to the end of the wrap-up.
    `answering`: the part of it in which the phone rings. `patience`: how long was waited for each
    caller who gave up; None: nobody did. `talks`: how many it is drawn from.
    """

    handling: timedelta
    answering: timedelta
    talks: int
    patience: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A queue as a caller is about to enter it.

    `ahead`: those waiting who are served before this caller, without those an agent is being rung
    for. `elsewhere`: callers of other queues whom the same agents serve before, each by the share
    of agents that is shared. `free`: agents who would be rung at once; `busy`: those at work.
    `overtaking`: callers a second who come later and are served before (higher priority).
    """

    ahead: int
    free: int
    busy: int
    elsewhere: float = 0.0
    overtaking: float = 0.0

    @property
    def position(self) -> int:
        """The caller's place, from 1."""
        return self.ahead + 1


def estimate(standing: Standing, pace: Pace | None) -> timedelta | None:
    """How long this caller will wait for the answer, at most `LONGEST`. None: nobody can know,
    because no agent is at work, or because too few talks are known.

    No more callers ahead than free agents: the phone rings at once.
    """
    agents = standing.free + standing.busy
    if agents == 0 or pace is None or pace.talks < FEWEST_TALKS:
        return None
    ahead = standing.ahead + standing.elsewhere
    if standing.free > ahead:
        return min(LONGEST, pace.answering)
    work = agents / max(1.0, pace.handling.total_seconds())
    impatience = 0.0 if pace.patience is None else 1 / max(1.0, pace.patience.total_seconds())
    wait = _until_served(ahead - standing.free, work, impatience)
    # Those of higher priority take their share of the work for as long as this caller waits.
    left = 1 - min(0.9, standing.overtaking / work)
    return min(LONGEST, timedelta(seconds=wait / left) + pace.answering)


def _until_served(ahead: float, work: float, impatience: float) -> float:
    """Seconds until all ahead are gone and one more agent is free: the median of a sum of
    exponential times, by its mean and variance."""
    mean = variance = 0.0
    whole = math.floor(ahead)
    for still in range(whole, -1, -1):
        step = 1 / (work + still * impatience)
        mean += step
        variance += step * step
    part = (ahead - whole) / (work + whole * impatience)
    # The median of a gamma distribution of this mean and shape (Wilson and Hilferty 1931).
    shape = mean * mean / variance
    return (mean + part) * (1 - 1 / (9 * shape)) ** 3


def typical(lengths: Sequence[timedelta]) -> timedelta:
    """The mean of lengths, the outermost on both sides drawn in (`TRIMMED`).

    Raises ValueError for none.
    """
    if not lengths:
        raise ValueError("no lengths, no mean")
    seconds = sorted(length.total_seconds() for length in lengths)
    cut = int(len(seconds) * TRIMMED)
    low, high = seconds[cut], seconds[len(seconds) - 1 - cut]
    return timedelta(seconds=statistics.fmean(min(max(low, one), high) for one in seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateError:
    """|told - waited| of answered calls."""

    median: timedelta
    p90: timedelta
    calls: int


def error_of(errors: Sequence[timedelta]) -> EstimateError | None:
    """None for none. The percentile is the nearest rank: nine of ten are no larger."""
    if not errors:
        return None
    ranked = sorted(errors)
    half = len(ranked) // 2
    median = ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2
    p90 = ranked[math.ceil(0.9 * len(ranked)) - 1]
    return EstimateError(median=median, p90=p90, calls=len(ranked))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenRule:
    """When an estimate may be told to callers: `fewest` answered calls for whom one of at least
    `SHORTEST_TOLD` was made, and nine of ten of them off by no more than `allowed`, or than
    `share` of what is told where that is more.
    """

    fewest: int = 30
    allowed: timedelta = timedelta(seconds=60)
    share: float = 0.5

    def why_not(self, told: timedelta | None, error: EstimateError | None) -> str | None:
        """Why this estimate is not spoken; None: it is. For whoever reads it, not for callers."""
        if told is None:
            return "The wait cannot be known: no agent is at work, or too few talks are known."
        if told < SHORTEST_TOLD:
            return f"Waits under {SHORTEST_TOLD.seconds} s are not told."
        calls = 0 if error is None else error.calls
        if error is None or calls < self.fewest:
            return (
                f"Measured for {calls} answered calls that had to wait; {self.fewest} are needed."
            )
        most = max(self.allowed, told * self.share)
        if error.p90 > most:
            off, limit = (round(one.total_seconds()) for one in (error.p90, most))
            return f"One in ten was off by more than {off} s; {limit} s are allowed."
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What is known as a caller comes. `why_not`: why the wait is not spoken; None: it is."""

    position: int | None = None
    wait: timedelta | None = None
    why_not: str | None = "Nothing is known."

    @property
    def spoken(self) -> bool:
        return self.why_not is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWait:
    """A wait that is over: answered, with how long the phone rang and the call took the agent
    (None: nobody knows yet), or given up. `told`: what was estimated as the caller came."""

    waited: timedelta
    answered: bool
    told: timedelta | None = None
    ringing: timedelta | None = None
    handling: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What the last waits of a queue showed: its pace (None: too little is known), the error of all
    estimates, and of those that foretold at least `SHORTEST_TOLD`."""

    pace: Pace | None
    error: EstimateError | None
    error_when_waiting: EstimateError | None


def draw(waits: Sequence[PastWait]) -> Drawn:
    """From a queue's last waits."""
    handlings = [one.handling for one in waits if one.handling is not None]
    rings = [one.ringing for one in waits if one.ringing is not None]
    given_up = sum(1 for one in waits if not one.answered)
    pace = None
    if handlings:
        waited = sum((one.waited for one in waits), timedelta())
        pace = Pace(
            handling=typical(handlings),
            answering=typical(rings) if rings else timedelta(),
            talks=len(handlings),
            patience=waited / given_up if given_up else None,
        )
    told = [
        (one.told, abs(one.waited - one.told))
        for one in waits
        if one.answered and one.told is not None
    ]
    return Drawn(
        pace=pace,
        error=error_of([error for _told, error in told]),
        error_when_waiting=error_of([error for told, error in told if told >= SHORTEST_TOLD]),
    )
