"""The rules of telling a caller how a case stands: what a try is, and what it comes to. Pure."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callcenter.cases.model import CaseState

#: Numbers of the case's calls that count, the origin's first, then the calls linked earliest. A
#: case that thousands of calls are linked to would otherwise answer to any four digits.
MOST_NUMBERS: Final = 20
#: Shorter numbers (an extension, a service) are nobody's own: their digits are public.
SHORTEST_NUMBER: Final = 7

_FOUR: Final = re.compile(r"[0-9]{4}")


class TryOutcome(StrEnum):
    """What became of a try. The same words stand in SQL."""

    TOLD = "told"
    FAILED = "failed"
    LOCKED = "locked"  #: right digits after too many failures: nothing told, and no failure either


@dataclass(frozen=True, slots=True)
class TryLimits:
    """Failed tries within `window`; from the limit on nothing is told."""

    window: timedelta = timedelta(hours=24)
    per_case: int = 6
    per_caller: int = 10
    #: All callers without a number together.
    withheld: int = 60


@dataclass(frozen=True, slots=True)
class Progress:
    """How a case stands: in which state since when (aware, UTC)."""

    state: CaseState
    since: datetime


@dataclass(frozen=True, slots=True)
class ProgressFacts:
    """What the rows say about one case number. All empty where there is no such case."""

    progress: Progress | None
    numbers: Sequence[str]  #: callers' numbers of its calls, at most `MOST_NUMBERS`


@dataclass(frozen=True, slots=True)
class FailedTries:
    """Failed tries within the window."""

    of_case: int
    of_caller: int


def judge(
    facts: ProgressFacts,
    last_four: str,
    *,
    caller: str | None,
    failed: FailedTries,
    limits: TryLimits,
) -> TryOutcome:
    """What a try comes to. Pure."""
    keyed = last_four.encode() if _FOUR.fullmatch(last_four) else b"----"
    # Every number is compared, whole: time tells nothing.
    matches = [
        hmac.compare_digest(number[-4:].encode(), keyed) for number in facts.numbers or ("....",)
    ]
    if not any(matches) or facts.progress is None:
        return TryOutcome.FAILED
    most_of_caller = limits.withheld if caller is None else limits.per_caller
    too_many = failed.of_case >= limits.per_case or failed.of_caller >= most_of_caller
    if too_many and caller not in facts.numbers:
        return TryOutcome.LOCKED
    return TryOutcome.TOLD
