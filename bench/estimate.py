"""Our wait estimate beside app_queue's own, on the same simulated days: `python -m bench.estimate`.

Both see what they could know as each caller comes. The error is |told - waited| of the callers who
were answered. The seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from callcenter.queues.estimates.model import error_of
from callcenter.testing.queue_day import AppQueue, DayPlan, SimulatedCall, simulate
from callcenter.testing.watched_queue import OurEstimate

SEEDS = (1, 2, 3, 4, 5)

DAYS = {
    "30 agents, busy, lognormal": DayPlan(),
    "30 agents, busy, exponential": DayPlan(spread=0.0),
    "30 agents, overloaded": DayPlan(busiest_hour=470),
    "30 agents, well staffed": DayPlan(busiest_hour=320),
    "30 agents, a fifth of callers first": DayPlan(priority_share=0.2),
    "6 agents": DayPlan(agents=6, busiest_hour=80),
}


def errors(calls: Sequence[SimulatedCall], name: str, *, waited_only: bool) -> list[timedelta]:
    """|told - waited| of the answered; `waited_only`: of those for whom no agent was free."""
    found = []
    for call in calls:
        told = call.told[name]
        if call.answered_at is None or told is None or (waited_only and call.at_once):
            continue
        found.append(timedelta(seconds=abs(call.answered_at - call.came_at - told)))
    return found


def main() -> None:
    print("error of the wait estimate, seconds: median / 90th percentile, of answered calls")
    print(f"{'':37}{'all':^34}{'who had to wait':^34}")
    print(f"{'day':37}{'ours':>15}{'app_queue':>17}{'ours':>17}{'app_queue':>17}")
    for title, plan in DAYS.items():
        rows: dict[tuple[str, bool], list[timedelta]] = {}
        for seed in SEEDS:
            calls = simulate(plan, Random(seed), [OurEstimate(), AppQueue()])  # noqa: S311
            for name in ("ours", "app_queue"):
                for waited in (False, True):
                    rows.setdefault((name, waited), []).extend(
                        errors(calls, name, waited_only=waited)
                    )
        cells = ""
        for waited in (False, True):
            for name in ("ours", "app_queue"):
                found = error_of(rows[name, waited])
                cells += f"{found.median.total_seconds():>8.1f} /{found.p90.total_seconds():>7.1f}"
        share = len(rows["ours", True]) / len(rows["ours", False])
        print(f"{title:37}{cells}   {len(rows['ours', False]):,} calls, {share:.0%} waited")
    print(f"{len(SEEDS)} days each, seeds {SEEDS}; medians over all their calls")


if __name__ == "__main__":
    main()
