"""A day of Poisson arrivals through a real Asterisk, beside Erlang A: `python -m bench.day`.

2,000 callers (`--calls`) come to a queue of 30 agents at exponential gaps, on a whole instance
started by its real command; SIPp is at both ends. What the hotline's own figures say of service
level, speed of answer and abandonment must lie in the 95 % interval of Erlang A.

**Time is compressed**: a call takes 12 s in the mean (`--service`), patience is 30 s, and 4 s stand
for the 15 of a real day. A caller hangs up at an exponential time after coming, waiting or talking,
and an agent at another one after answering. An exponential time that is not over yet begins anew at
any moment, so a call takes an exponential time of both rates together: this is Erlang A exactly,
without anybody at the SIP end having to know when an agent answered.

**What Asterisk adds** is known and part of the compared model, not explained away afterwards: a
waiting caller looks for a free agent once a second (app_queue.c, RECHECK), and it takes a moment
(measured from callers who found an agent free) until the two hear each other, in which
the agent is taken. In a call of 12 s these weigh twenty times what they do in one of 4 minutes. The
table has both: Erlang A as it stands in the books and with Asterisk's look, and the same arrivals,
patience and talks simulated. The measured figures must lie in both intervals.

The interval is that of 200 simulated days of as many calls; with three figures, one in seven runs
has one outside by chance alone.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from bench.floor import CITIZENS, PHONES, QUEUE, agents, party, register, table_of
from callcenter.reports.staffing.erlang import with_patience
from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import free_udp_port

RECHECK = 1.0
DAYS = 200


@dataclass(frozen=True)
class Plan:
    calls: int
    agents: int
    load: float
    seed: int
    service: float

    @property
    def patience(self) -> float:
        """Mean, in seconds."""
        return self.service * 2.5

    @property
    def threshold(self) -> int:
        """Seconds within which an answer counts as soon."""
        return max(1, round(self.service / 3))

    @property
    def gap(self) -> float:
        return self.service / (self.load * self.agents)

    @property
    def agent_hangs_up(self) -> float:
        """Mean time of the agent's own hang-up: with the caller's it makes `service`."""
        return 1 / (1 / self.service - 1 / self.patience)


@dataclass(frozen=True)
class Draws:
    arrivals: Sequence[float]
    patience: Sequence[float]
    talks: Sequence[float]


def draw(plan: Plan, random: Random) -> Draws:
    gaps = [random.expovariate(1 / plan.gap) for _ in range(plan.calls)]
    return Draws(
        list(itertools.accumulate(gaps)),
        [random.expovariate(1 / plan.patience) for _ in range(plan.calls)],
        [random.expovariate(1 / plan.agent_hangs_up) for _ in range(plan.calls)],
    )


@dataclass(frozen=True)
class Seen:
    """Figures of a day: service level, mean wait of the answered, share that gave up."""

    level: float
    speed: float
    abandoned: float
    calls: int = 0


def of_waits(waits: Sequence[tuple[float, bool]], threshold: int) -> Seen:
    answered = [wait for wait, is_answered in waits if is_answered]
    return Seen(
        sum(wait <= threshold for wait in answered) / len(waits),
        statistics.fmean(answered),
        1 - len(answered) / len(waits),
        len(waits),
    )


def simulate(plan: Plan, draws: Draws, *, recheck: float, setup: float) -> Seen:
    """One day. `recheck`: how often a waiting caller looks (0: always); `setup`: from being given
    an agent to hearing one."""
    order = itertools.count()
    events: list[tuple[float, int, Callable[[float], None]]] = []
    waiting: list[int] = []
    free = plan.agents
    talks = iter(draws.talks)
    waits: list[tuple[float, bool]] = []
    served: set[int] = set()

    def at(when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (when, next(order), what))

    def ring(call: int, now: float) -> None:
        nonlocal free
        free -= 1
        waiting.remove(call)
        served.add(call)
        answered = now + setup
        came, gone = draws.arrivals[call], draws.arrivals[call] + draws.patience[call]
        if gone <= answered:
            waits.append((gone - came, False))
            at(gone, released)
            return
        waits.append((answered - came, True))
        at(min(gone, answered + next(talks)), released)

    def released(now: float) -> None:
        nonlocal free
        free += 1
        if not recheck and waiting:
            ring(waiting[0], now)

    def looks(call: int) -> Callable[[float], None]:
        def look(now: float) -> None:
            if call not in waiting:
                return
            if waiting.index(call) < free:
                ring(call, now)
            elif recheck:
                at(now + recheck, look)

        return look

    def leaves(call: int) -> Callable[[float], None]:
        def leave(now: float) -> None:
            if call in waiting:
                waiting.remove(call)
                waits.append((draws.patience[call], False))

        return leave

    def comes(call: int) -> Callable[[float], None]:
        def come(now: float) -> None:
            waiting.append(call)
            at(now + draws.patience[call], leaves(call))
            looks(call)(now)

        return come

    for call, came in enumerate(draws.arrivals):
        at(came, comes(call))
    while events:
        now, _, what = heapq.heappop(events)
        what(now)
    return of_waits(waits, plan.threshold)


def interval(values: Sequence[float]) -> tuple[float, float]:
    ranked = sorted(values)
    edge = round(0.025 * len(ranked))
    return ranked[edge], ranked[-1 - edge]


async def hold_the_day(plan: Plan, draws: Draws) -> tuple[list[tuple[float, bool]], dict[str, Any]]:
    """Put the calls through; each wait as the hotline's report has it, and the report."""
    with tempfile.TemporaryDirectory(prefix="cc-day-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        settings = {"SHORT_ABANDON": "PT0S", "QUEUE_WAIT": "600", "LOG_LEVEL": "warning"}
        async with Instance(home / "hotline", settings) as hotline:
            secrets = await agents(hotline, plan.agents)
            began = datetime.now(UTC)
            port = free_udp_port(PHONES)
            await register(hotline, home, secrets, port)
            talks, callers = home / "talks.csv", home / "callers.csv"
            table_of(talks, ([f"{talk * 1000:.0f}"] for talk in draws.talks))
            lead = 3.0  # all of SIPp's calls are set up before the first one comes
            rows = zip(draws.arrivals, draws.patience, strict=True)
            table_of(
                callers,
                ([f"{(lead + came) * 1000:.0f}", f"{left * 1000:.0f}"] for came, left in rows),
            )
            length = draws.arrivals[-1] + max(draws.patience) + 60
            print(f"{plan.calls} calls in {draws.arrivals[-1]:.0f} s …", flush=True)
            phones = party(hotline, "day_agents.xml", PHONES, talks, None, length, port=port)
            citizens = party(hotline, "day_caller.xml", CITIZENS, callers, plan.calls, length)
            async with phones, citizens:
                result = await citizens.result()
            print(f"SIPp: {result.code} {result.output[-200:] if result.code > 1 else ''}")
            return await _waits(hotline, began, plan)


async def _waits(
    hotline: Instance, began: datetime, plan: Plan
) -> tuple[list[tuple[float, bool]], dict[str, Any]]:
    asked = {
        "from": began.isoformat(),
        "to": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        "queue": QUEUE,
        "threshold_seconds": str(plan.threshold),
    }

    last: dict[str, Any] = {}

    async def report() -> dict[str, Any]:
        nonlocal last
        assert await hotline.channels() == 0, "calls are still going on"
        (item,) = (await hotline.get("/reports/queues", **asked))["items"]
        before, last = last, item["whole"]
        counts = ("offered", "answered", "undecided")
        now = [last[name] for name in counts]
        # Who hung up before the queue was entered never waited: a few.
        assert now[2] == 0, f"of {plan.calls} calls: {now}"
        assert now[0] >= plan.calls * 0.9, f"of {plan.calls} calls: {now}"
        assert now == [before.get(name) for name in counts], f"still coming: {now}"
        await asyncio.sleep(2)  # a bench: nothing tells that the journal was read to its end
        return last

    whole = await eventually(report, "every wait is in the figures", within=timedelta(seconds=90))
    waits: list[tuple[float, bool]] = []
    cursor = None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = await hotline.get(
            "/reports/queues/calls",
            figure="connection_rate",
            part="denominator",
            limit="500",
            **asked,
            **more,
        )
        waits += [(row["wait_seconds"], row["outcome"] == "answered") for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return waits, whole


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("--calls", type=int, default=2000)
    options.add_argument("--agents", type=int, default=30)
    options.add_argument("--load", type=float, default=0.97, help="erlangs for each agent")
    options.add_argument("--service", type=float, default=12.0, help="mean talk, seconds")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    plan = Plan(asked.calls, asked.agents, asked.load, asked.seed, asked.service)
    draws = draw(plan, Random(plan.seed))  # noqa: S311 - a seeded day
    waits, report = asyncio.run(hold_the_day(plan, draws))
    measured = of_waits(waits, plan.threshold)
    # Callers who found an agent free: what lies between coming and hearing each other.
    setup = statistics.median(wait for wait, answered in waits[:15] if answered)
    return compare(plan, draws, measured, report, setup)


def compare(plan: Plan, draws: Draws, measured: Seen, report: dict[str, Any], setup: float) -> int:
    """Print the table; 1 where a figure lies outside its interval."""
    figures = report["figures"]
    # Figures count a wait of nothing as no wait; here everybody counts.
    assert abs(figures["average_speed_of_answer"]["value"] - measured.speed) < 1e-6
    assert abs(figures["answered_within_threshold"]["value"] - measured.level) < 1e-2
    random = Random(plan.seed + 1)  # noqa: S311
    days = [draw(plan, random) for _ in range(DAYS)]
    pure = [simulate(plan, day, recheck=0, setup=0) for day in days]
    real = [simulate(plan, day, recheck=RECHECK, setup=setup) for day in days]
    same = simulate(plan, draws, recheck=RECHECK, setup=setup)
    erlang = with_patience(
        plan.load * plan.agents,
        timedelta(seconds=plan.service),
        plan.agents,
        timedelta(seconds=plan.threshold),
        timedelta(seconds=plan.patience),
    )
    print(
        f"{measured.calls} waits, {plan.agents} agents, {plan.load:.2f} erlangs each; set-up"
        f" {setup * 1000:.0f} ms, look every {RECHECK:.0f} s, talks"
        f" {figures['average_handling_time']['value']:.2f} s (drawn: {plan.service:.2f} s)"
    )
    head = ("measured", "95 % interval", "same draws", "pure Erlang A", "95 % interval")
    print(f"{'':26}" + "".join(f"{text:>20}" for text in head))
    outside = 0
    formula = {"level": erlang.answered_within, "abandoned": erlang.abandoned}
    names = {
        "level": f"answered within {plan.threshold} s",
        "speed": "speed of answer, s",
        "abandoned": "abandoned",
    }
    for name, title in names.items():
        value = getattr(measured, name)
        low, high = interval([getattr(day, name) for day in real])
        pure_low, pure_high = interval([getattr(day, name) for day in pure])
        pure_value = formula.get(name, statistics.fmean(getattr(day, name) for day in pure))
        inside = low <= value <= high and pure_low <= value <= pure_high
        outside += not inside
        cells = (
            f"{value:.3f}{'' if inside else ' !'}",
            f"{low:.3f} - {high:.3f}",
            f"{getattr(same, name):.3f}",
            f"{pure_value:.3f}",
            f"{pure_low:.3f} - {pure_high:.3f}",
        )
        print(f"{title:26}" + "".join(f"{cell:>20}" for cell in cells))
    print("inside" if not outside else f"{outside} of 3 outside")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
