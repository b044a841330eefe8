"""Where the lowest 24 hours of a report can begin, from the numbers of its quarters.

Looking at every moment at which 24 hours can begin means reading every wait twice. From how many
came and were answered in each quarter it is known how low the rate of a window that begins in a
certain quarter can be at most; nearly all of them cannot be the lowest.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, islice
from typing import Final, NamedTuple

#: Quarters in 24 hours.
A_DAY: Final = 96


class Bound(NamedTuple):
    """Windows that begin in quarter number `quarter` have this rate at least."""

    answered: float
    quarter: int


def bounds(offered: Sequence[int], answered: Sequence[int], last: int) -> list[Bound]:
    """For each quarter from 0 to `last` in which a window can begin, those with nobody in them left
    out. `offered` and `answered` by quarter of the report, only what lies within it.

    A window that begins within quarter q has all of q+1 … q+95 in it and something of q and q+96.
    """
    came, served = _sums(offered), _sums(answered)
    touched = zip(came, came[A_DAY + 1 :], served, served[A_DAY + 1 :], strict=False)
    covered = zip(served[1:], served[A_DAY:], strict=False)
    found = []
    for quarter, ((before, came_by, good_before, good_by), (first, behind)) in enumerate(
        zip(islice(touched, last + 1), covered, strict=False)
    ):
        if came_by == before:
            continue
        good = behind - first
        least = good + (came_by - before) - (good_by - good_before)
        found.append(Bound(good / least if least else 1.0, quarter))
    return found


def _sums(numbers: Sequence[int]) -> list[int]:
    """Of all before each; a day longer, in which nobody came."""
    sums = [0, *accumulate(numbers)]
    return sums + [sums[-1]] * (A_DAY + 1)


def at_edges(
    offered: Sequence[int], answered: Sequence[int], first: int, last: int
) -> Bound | None:
    """The lowest rate of the windows that begin exactly with quarters `first` … `last`, the first
    such; None: nobody came in any."""
    came = [0, *accumulate(offered)]
    served = [0, *accumulate(answered)]
    size = len(offered)
    return min(
        (
            Bound((served[behind] - served[quarter]) / (came[behind] - came[quarter]), quarter)
            for quarter in range(first, last + 1)
            if came[behind := min(quarter + A_DAY, size)] > came[quarter]
        ),
        default=None,
    )


def runs(found: Sequence[Bound], best: Bound | None) -> list[tuple[int, int]]:
    """Quarters that may have a window lower than `best`, or as low and earlier: first and last of
    each run, the most promising run first."""
    open_ = sorted(bound.quarter for bound in found if best is None or bound <= best)
    lowest = {bound.quarter: bound.answered for bound in found}
    grouped: list[list[int]] = []
    for quarter in open_:
        if grouped and grouped[-1][-1] == quarter - 1:
            grouped[-1].append(quarter)
        else:
            grouped.append([quarter])
    grouped.sort(key=lambda run: (min(lowest[quarter] for quarter in run), run[0]))
    return [(run[0], run[-1]) for run in grouped]
