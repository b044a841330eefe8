"""A simulated day of one queue: callers come, wait, give up, are served by agents with breaks.

Pure and seeded: the same day for everybody who wants to foretell waits in it. What an estimator
sees is what it could know at that moment and nothing else.

As app_queue with `autofill` and a strategy that spreads: callers of higher priority first, then by
the time they came; a free agent is rung at once, and is busy while the phone rings.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0

#: Calls an hour as shares of the busiest hour, by hour of the day: a morning and an afternoon peak.
PROFILE: Final = (
    *(0.06, 0.04, 0.03, 0.03, 0.04, 0.08, 0.18, 0.45),
    *(0.85, 1.00, 1.00, 0.90, 0.60, 0.65, 0.85, 0.95),
    *(0.90, 0.75, 0.55, 0.45, 0.35, 0.25, 0.15, 0.10),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """What is simulated. Times in seconds; `busiest_hour`: calls in it. `handling` is the mean,
    `spread` the standard deviation of its logarithm (0: exponential instead of lognormal).
    `priority_share` of the callers come before the others. `on_duty`: agents by hour of the day.
    """

    hours: tuple[int, int] = (0, 24)
    busiest_hour: float = 400.0
    profile: Sequence[float] = PROFILE
    agents: int = 30
    on_duty: Sequence[float] = (0.15,) * 7 + (0.6,) + (1.0,) * 10 + (0.6,) * 3 + (0.3,) * 3
    handling: float = 240.0
    spread: float = 0.8
    wrap_up: float = 25.0
    ring: tuple[float, float] = (1.5, 6.0)
    patience: float = 420.0
    priority_share: float = 0.05
    break_every: float = 2 * _HOUR
    break_for: float = 12 * _MINUTE


@dataclass(slots=True)
class SimulatedCall:
    """One caller; times in seconds of the day. `answered_at` None: gave up at `left_at`."""

    number: int
    came_at: float
    priority: int
    patience: float
    rung_at: float | None = None
    answered_at: float | None = None
    left_at: float = math.inf
    #: What each estimator said as the caller came; None: it could not know.
    told: dict[str, float | None] = field(default_factory=dict)
    #: Whether an agent was free as the caller came.
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What can be known as a caller comes: who waits (priority, came at), how many agents are busy
    and how many are free."""

    at: float
    priority: int
    waiting: Sequence[tuple[int, float]]
    busy: int
    free: int


class Watcher:
    """An estimator that follows the day: told of what ends, asked as callers come."""

    name = ""

    def foretell(self, seen: Seen) -> float | None:
        """Seconds the caller will wait for the answer; None: cannot be known."""
        raise NotImplementedError

    def answered(self, at: float, waited: float, ring: float) -> None:
        """A caller was answered."""

    def gave_up(self, at: float, waited: float) -> None:
        """A caller hung up, waiting."""

    def handled(self, at: float, seconds: float) -> None:
        """An agent is done with a call: ring, talk and wrap-up took so long."""

    def came(self, at: float, priority: int) -> None:
        """A caller entered the queue."""


class AppQueue(Watcher):
    """What app_queue announces (app_queue.c: recalc_holdtime, say_position): an exponential
    average of the waits of callers who were answered, whatever the caller's place.

    The average is of whole seconds and rounds down. The 30 s that say_position adds round its
    minutes and are left out here: in its favour.
    """

    name = "app_queue"

    def __init__(self) -> None:
        self.holdtime = 0
        self._ended = 0

    def foretell(self, seen: Seen) -> float | None:
        return float(self.holdtime)

    def answered(self, at: float, waited: float, ring: float) -> None:
        whole = int(waited)
        self.holdtime = (3 * self.holdtime + whole) >> 2 if self._ended else whole
        self._ended += 1

    def gave_up(self, at: float, waited: float) -> None:
        self._ended += 1


def simulate(
    plan: DayPlan, random: Random, watchers: Sequence[Watcher] = ()
) -> list[SimulatedCall]:
    """The day, call by call in order of coming."""
    return _Day(plan, random, watchers).run()


class _Day:
    def __init__(self, plan: DayPlan, random: Random, watchers: Sequence[Watcher]) -> None:
        self._plan = plan
        self._random = random
        self._watchers = watchers
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._calls: list[SimulatedCall] = []
        self._waiting: list[SimulatedCall] = []
        #: Agents that can be rung, longest idle first.
        self._free: deque[int] = deque()
        self._busy: set[int] = set()
        self._on_break: set[int] = set()
        self._wants_break: set[int] = set()
        self._now = 0.0

    def run(self) -> list[SimulatedCall]:
        plan = self._plan
        begin, end = (hour * _HOUR for hour in plan.hours)
        self._now = begin
        for agent in range(plan.agents):
            self._on_break.add(agent)
        for hour in range(*plan.hours):
            self._at(hour * _HOUR, lambda hour=hour: self._staff(hour))  # type: ignore[misc]
        for agent in range(plan.agents):
            self._at(begin + self._random.uniform(0, plan.break_every), self._break_due(agent))
        for came_at in self._arrivals(begin, end):
            self._at(came_at, lambda came_at=came_at: self._comes(came_at))  # type: ignore[misc]
        while self._events:
            self._now, _, happens = heapq.heappop(self._events)
            if self._now > end + 2 * _HOUR:
                break
            happens()
        return self._calls

    def _at(self, when: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happens))

    def _arrivals(self, begin: float, end: float) -> Iterator[float]:
        """Poisson, thinned to the profile of the day."""
        most = self._plan.busiest_hour / _HOUR
        at = begin
        while True:
            at += self._random.expovariate(most)
            if at >= end:
                return
            if self._random.random() < self._plan.profile[int(at // _HOUR) % 24]:
                yield at

    def _staff(self, hour: int) -> None:
        wanted = round(self._plan.agents * self._plan.on_duty[hour % 24])
        for agent in range(self._plan.agents):
            if agent < wanted and agent in self._on_break:
                self._on_break.discard(agent)
                self._becomes_free(agent)
            elif agent >= wanted and agent not in self._on_break:
                self._leaves(agent)

    def _break_due(self, agent: int) -> Callable[[], None]:
        def due() -> None:
            every = self._plan.break_every
            self._at(self._now + every * self._random.uniform(0.7, 1.3), due)
            if agent in self._on_break:
                return
            self._leaves(agent)
            length = self._random.expovariate(1 / self._plan.break_for)
            self._at(self._now + length, lambda: self._returns(agent))

        return due

    def _leaves(self, agent: int) -> None:
        if agent in self._busy:
            self._wants_break.add(agent)
        elif agent in self._free:
            self._free.remove(agent)
            self._on_break.add(agent)

    def _returns(self, agent: int) -> None:
        hour = int(self._now // _HOUR) % 24
        self._wants_break.discard(agent)
        if agent in self._on_break and agent < round(self._plan.agents * self._plan.on_duty[hour]):
            self._on_break.discard(agent)
            self._becomes_free(agent)

    def _comes(self, at: float) -> None:
        priority = 1 if self._random.random() < self._plan.priority_share else 0
        call = SimulatedCall(
            len(self._calls), at, priority, self._random.expovariate(1 / self._plan.patience)
        )
        self._calls.append(call)
        seen = Seen(
            at=at,
            priority=priority,
            waiting=[(one.priority, one.came_at) for one in self._waiting],
            busy=len(self._busy),
            free=len(self._free),
        )
        call.at_once = bool(self._free)
        for watcher in self._watchers:
            call.told[watcher.name] = watcher.foretell(seen)
            watcher.came(at, priority)
        self._waiting.append(call)
        self._waiting.sort(key=lambda one: (-one.priority, one.came_at))
        self._at(at + call.patience, lambda: self._gives_up(call))
        self._serve()

    def _gives_up(self, call: SimulatedCall) -> None:
        if call.answered_at is not None or call.rung_at is not None:
            return
        call.left_at = self._now
        self._waiting.remove(call)
        for watcher in self._watchers:
            watcher.gave_up(self._now, self._now - call.came_at)

    def _serve(self) -> None:
        while self._waiting and self._free:
            self._ring(self._waiting.pop(0), self._free.popleft())

    def _ring(self, call: SimulatedCall, agent: int) -> None:
        plan, random = self._plan, self._random
        call.rung_at = self._now
        ring = random.uniform(*plan.ring)
        talk = (
            random.lognormvariate(math.log(plan.handling) - plan.spread**2 / 2, plan.spread)
            if plan.spread
            else random.expovariate(1 / plan.handling)
        )
        wrap_up = random.expovariate(1 / plan.wrap_up) if plan.wrap_up else 0.0
        self._busy.add(agent)
        whole = ring + talk + wrap_up

        def answered() -> None:
            call.answered_at = call.left_at = self._now
            for watcher in self._watchers:
                watcher.answered(self._now, self._now - call.came_at, ring)

        def done() -> None:
            self._busy.discard(agent)
            for watcher in self._watchers:
                watcher.handled(self._now, whole)
            if agent in self._wants_break:
                self._wants_break.discard(agent)
                self._on_break.add(agent)
            else:
                self._becomes_free(agent)

        self._at(self._now + ring, answered)
        self._at(self._now + whole, done)

    def _becomes_free(self, agent: int) -> None:
        self._free.append(agent)
        self._serve()
