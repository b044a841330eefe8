"""What a flow's variable must look like to be spoken as a kind of value.

Variables are text. What they hold may be keyed by callers: only ASCII digits and the listed signs
are taken, everything is bounded, and no error repeats the value.
"""

from __future__ import annotations

import itertools
import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final

from callcenter.platform.errors import Refused

#: Most keys read back one by one.
MOST_DIGITS: Final = 32
MOST_COUNT: Final = 10**12 - 1
MOST_ORDINAL: Final = 999_999
MOST_POSITION: Final = 9_999
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
LONGEST: Final = timedelta(hours=100) - timedelta(seconds=1)

_DIGITS: Final = re.compile(rf"\+?[0-9*#]{{1,{MOST_DIGITS}}}")
_CASE_NUMBER: Final = re.compile(r"[0-9]{10}")
_NUMBER: Final = re.compile(r"[0-9]{1,32}")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2})")
_MONEY: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,2})?")


class Unspeakable(Refused):
    """That value cannot be spoken."""

    slug = "unspeakable"

    def __init__(self, kind: str, rule: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {rule}")


def digits(value: str) -> str:
    """1 to 32 of `0`–`9`, `*`, `#`; a `+` may lead. Raises `Unspeakable`, as all of these do."""
    if not _DIGITS.fullmatch(value):
        raise Unspeakable("digits", f"1 to {MOST_DIGITS} of 0-9, * and #, with + at most in front")
    return value


def case_number(value: str) -> str:
    """Ten digits. The check digit is not looked at: what was keyed is read back as it was keyed."""
    if not _CASE_NUMBER.fullmatch(value):
        raise Unspeakable("case_number", "ten digits")
    return value


def count(value: str) -> int:
    """0 ≤ n < 10^12."""
    return _number("count", value, 0, MOST_COUNT)


def ordinal(value: str) -> int:
    """1 ≤ n ≤ 999,999."""
    return _number("ordinal", value, 1, MOST_ORDINAL)


def position(value: str) -> int:
    """A place in a queue, 1 ≤ n ≤ 9,999."""
    return _number("position", value, 1, MOST_POSITION)


def day(value: str) -> date:
    """An ISO date, `2026-11-24`, of the years 1900 to 2199."""
    rule = f"a date like 2026-11-24, of the years {FIRST_YEAR} to {LAST_YEAR}"
    match = _DATE.fullmatch(value)
    if match is None:
        raise Unspeakable("date", rule)
    try:
        found = date(*(int(part) for part in match.groups()))
    except ValueError:
        raise Unspeakable("date", rule) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unspeakable("date", rule)
    return found


def clock_time(value: str) -> time:
    """An ISO time, `00:00` to `23:59`."""
    match = _TIME.fullmatch(value)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise Unspeakable("time", "a time like 14:05, from 00:00 to 23:59")
    return time(int(match[1]), int(match[2]))


def duration(value: str) -> timedelta:
    """Whole seconds, less than 100 hours. Rounding is the asker's: all units are spoken."""
    most = round(LONGEST.total_seconds())
    return timedelta(seconds=_number("duration", value, 0, most))


def money(value: str) -> Decimal:
    """Yuan, `12` or `12.50`, 0 ≤ n < 10^12."""
    if not _MONEY.fullmatch(value):
        raise Unspeakable("money", "yuan like 12 or 12.50, less than 10^12")
    return Decimal(value)


def _number(kind: str, value: str, least: int, most: int) -> int:
    # Leading zeros are taken: the number may have been keyed.
    if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
        raise Unspeakable(kind, f"a whole number from {least} to {most}")
    return int(value)


def digit_groups(value: str) -> list[str]:
    """Keys in the groups they are told in: up to five in one go, more in groups of three and four,
    the short ones first (a mobile number is 3-4-4). `+86` is a group of its own. With `*` or `#`
    in it: one group.
    """
    country = "+86"
    if value.startswith(country) and len(value) > len(country):
        return [country, *digit_groups(value.removeprefix(country))]
    if len(value) <= 5 or not value.removeprefix("+").isdecimal():
        return [value]
    plus, keys = value[: value.startswith("+")], value.removeprefix("+")
    groups = -(-len(keys) // 4)
    short = groups * 4 - len(keys)
    ends = [0]
    for place in range(groups):
        ends.append(ends[-1] + (3 if place < short else 4))
    parts = [keys[start:end] for start, end in itertools.pairwise(ends)]
    return [plus + parts[0], *parts[1:]]


def case_number_groups(value: str) -> list[str]:
    """Year, then the serial with its check digit in two fours: 26 0000 0018."""
    return [value[:2], value[2:6], value[6:]]
