"""How many people a hotline needs: Erlang B (who finds all taken is lost), Erlang C (all wait) and
Erlang A (some do not wait for long).

Pure. Arrivals are Poisson, talks and patience exponential: what a real day does is measured
(`figures`), this is for planning. `load` is in erlangs: calls a second × seconds of work a call.
Formulas and reference values: Erlang 1917; Palm 1957; Garnett, Mandelbaum, Reiman 2002.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from callcenter.platform.errors import InvalidField

#: More seats than this are no hotline's.
MOST_AGENTS: Final = 5_000
#: … and nobody computes a queue longer than this (calls that come in one patience).
MOST_WAITING: Final = 50_000

#: Where the tail of the birth-death chain is cut: what is left out is smaller than a float's grain.
_NEGLIGIBLE: Final = 1e-16


def blocking(load: float, trunks: int) -> float:
    """Erlang B: the share of calls that find all trunks taken."""
    lost = 1.0
    for busy in range(1, trunks + 1):
        lost = load * lost / (busy + load * lost)
    return lost


def trunks_needed(load: float, most_blocked: float) -> int:
    """The fewest trunks at which no more than that share of calls is blocked.

    Raises `InvalidField` where more than `MOST_AGENTS` were needed.
    """
    lost = 1.0
    for trunks in range(MOST_AGENTS + 1):
        if trunks:
            lost = load * lost / (trunks + load * lost)
        if lost <= most_blocked:
            return trunks
    raise InvalidField("calls", f"this would need more than {MOST_AGENTS} trunks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What callers meet, on the average.

    `answered_within`: the share of all calls answered within the threshold. `waits`: the share that
    does not reach a person at once. `mean_wait`: of all calls, those given up included.
    """

    agents: int
    answered_within: float
    waits: float
    mean_wait: timedelta
    abandoned: float
    occupancy: float


def with_endless_patience(
    load: float, handling: timedelta, agents: int, threshold: timedelta
) -> Service | None:
    """Erlang C. None where the agents cannot keep up: the queue grows for ever."""
    if agents <= load:
        return None
    lost = blocking(load, agents)
    waits = agents * lost / (agents - load * (1 - lost))
    spare = agents - load
    return Service(
        agents=agents,
        answered_within=1 - waits * math.exp(-spare * (threshold / handling)),
        waits=waits,
        mean_wait=waits / spare * handling,
        abandoned=0.0,
        occupancy=load / agents,
    )


def with_patience(
    load: float,
    handling: timedelta,
    agents: int,
    threshold: timedelta,
    patience: timedelta,
) -> Service:
    """Erlang A: callers wait for `patience` on the average, and then go.

    The number of calls in the hotline is a birth-death chain: with k of them one ends at rate
    min(k, n)μ + max(k - n, 0)θ. A caller who finds j waiting is served after j + 1 ends, at rates
    nμ, nμ + θ, … nμ + jθ; the sum of these is -ln(X)/θ with X of a Beta(nμ/θ, j + 1) distribution.

    Raises `InvalidField` where more than `MOST_WAITING` calls come within one patience.
    """
    mu, theta = 1 / handling.total_seconds(), 1 / patience.total_seconds()
    arrivals = load * mu
    if arrivals > MOST_WAITING * theta:
        raise InvalidField("patience_seconds", f"more than {MOST_WAITING} calls come in that time")
    states = list(_states(arrivals, mu, theta, agents))
    total = math.fsum(states)
    states = [weight / total for weight in states]
    waiting = math.fsum((k - agents) * p for k, p in enumerate(states) if k > agents)
    busy = math.fsum(min(k, agents) * p for k, p in enumerate(states))
    waits = math.fsum(states[agents:])
    in_time = math.fsum(states[:agents])
    a = agents * mu / theta
    later = _tails(a + 1, theta * threshold.total_seconds())
    for j, p in enumerate(states[agents:]):
        # Still there when it is their turn: E[X], and then in time.
        in_time += p * a / (a + j + 1) * (1 - next(later))
    return Service(
        agents=agents,
        answered_within=in_time,
        waits=waits,
        mean_wait=timedelta(seconds=waiting / arrivals),
        abandoned=theta * waiting / arrivals,
        occupancy=busy / agents,
    )


def _states(arrivals: float, mu: float, theta: float, agents: int) -> Iterator[float]:
    """Weights of 0, 1, 2 … calls, scaled so that the largest is near 1."""
    top = min(agents, int(arrivals / mu))
    logs = [0.0]
    peak = 0.0
    k = 0
    while k <= top or logs[-1] - peak > math.log(_NEGLIGIBLE):
        k += 1
        leaving = min(k, agents) * mu + max(k - agents, 0) * theta
        logs.append(logs[-1] + math.log(arrivals / leaving))
        peak = max(peak, logs[-1])
    # With few calls and many agents the chain may end before all agents are busy.
    logs += [-math.inf] * (agents + 1 - len(logs))
    return (math.exp(value - peak) for value in logs)


def _tails(a: float, gone: float) -> Iterator[float]:
    """P(-ln X > gone) for X of Beta(a, 1), Beta(a, 2), …: the share that waits longer than the
    threshold (`gone` is how many patiences long that is), by how many were found waiting."""
    # In logarithms: with hundreds of agents the first terms are smaller than any float.
    log_term = -a * gone
    rest = math.log(-math.expm1(-gone)) if gone > 0 else -math.inf
    tail = 0.0
    j = 0
    while True:
        tail += math.exp(log_term)
        yield min(1.0, tail)
        j += 1
        log_term += math.log((a + j - 1) / j) + rest


def agents_needed(
    service: Callable[[int], Service | None], answered_within: float, *, most_busy: float = 1.0
) -> Service:
    """The fewest agents at which that share is answered in time and nobody is busy for more than
    `most_busy` of the time. `service` tells what callers meet with n agents, None: not to be
    borne. Raises `InvalidField` where more than `MOST_AGENTS` were needed.
    """

    def enough(agents: int) -> Service | None:
        found = service(agents)
        if found is None or found.answered_within < answered_within:
            return None
        return found if found.occupancy <= most_busy else None

    high = 1
    while (found := enough(high)) is None:
        if high == MOST_AGENTS:
            raise InvalidField("calls", f"this would need more than {MOST_AGENTS} agents")
        high = min(2 * high, MOST_AGENTS)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        better = enough(middle)
        low, high = (low, middle) if better else (middle, high)
        found = better or found
    return found


def seats(agents: int, away: float) -> int:
    """How many must be on the roster where each is away (breaks, training) for that share."""
    return math.ceil(round(agents / (1 - away), 9))
