"""English from pieces, as it is spoken in Britain (one hundred and five).

Choices, where the language has more than one good way:

- 0 is zero in digits, oh in times and years (two oh five, nineteen oh five).
- Dates: the twenty-fourth of November, twenty twenty-six; 2000 to 2009 as two thousand and five.
- Times: 12 hours with a.m. and p.m.; noon and midnight.
- Durations: all units that are not zero, singular and plural.
- Money: yuan and fen (fifty fen, not five jiao).
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final

from callcenter.prompts.pieces.values import case_number_groups, digit_groups

AND, OH = "w_and", "w_oh"
_HUNDRED, _THOUSAND = "n_100", "n_1000"
_SIZES: Final = (
    (10**9, "n_1000000000"),
    (10**6, "n_1000000"),
    (10**3, _THOUSAND),
)
_SIGNS: Final = {"*": "w_star", "#": "w_hash", "+": "w_plus"}
_TENS: Final = range(20, 100, 10)

#: Every name the functions below can yield.
VOCABULARY: Final = frozenset(
    {f"n_{n}" for n in (*range(20), *_TENS)}
    | {f"n_{n}_p" for n in range(10)}
    | {_HUNDRED, *(name for _, name in _SIZES), AND, OH}
    | {f"o_{n}" for n in (*range(1, 20), *_TENS, 100, 1000)}
    | {*_SIGNS.values(), "w_in_line", "w_the", "w_of"}
    | {f"month_{n}" for n in range(1, 13)}
    | {"w_am", "w_pm", "w_noon", "w_midnight", "w_yuan", "w_fen"}
    | {f"w_{unit}{plural}" for unit in ("hour", "minute", "second") for plural in ("", "s")}
)


def digits(value: str) -> list[str]:
    return _one_by_one(digit_groups(value))


def case_number(value: str) -> list[str]:
    return _one_by_one(case_number_groups(value))


def _one_by_one(groups: list[str]) -> list[str]:
    pieces = []
    for group in groups[:-1]:
        pieces += [_SIGNS.get(key, f"n_{key}") for key in group]
        pieces[-1] += "_p"
    return pieces + [_SIGNS.get(key, f"n_{key}") for key in groups[-1]]


def count(number: int) -> list[str]:
    """0 ≤ n < 10^12."""
    if number == 0:
        return ["n_0"]
    pieces: list[str] = []
    for size, name in _SIZES:
        group = number // size % 1000
        if group:
            pieces += [*_below_thousand(group), name]
    rest = number % 1000
    if pieces and 0 < rest < 100:
        pieces.append(AND)
    return pieces + _below_thousand(rest)


def _below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    pieces = [f"n_{hundreds}", _HUNDRED] if hundreds else []
    if hundreds and rest:
        pieces.append(AND)
    return pieces + _below_hundred(rest)


def _below_hundred(number: int) -> list[str]:
    if number < 20:
        return [f"n_{number}"] if number else []
    tens, ones = number - number % 10, number % 10
    return [f"n_{tens}", f"n_{ones}"] if ones else [f"n_{tens}"]


def ordinal(number: int) -> list[str]:
    """1 ≤ n < 10^6."""
    *most, last = count(number)
    return [*most, "o_" + last.removeprefix("n_")]


def position(number: int) -> list[str]:
    return [*ordinal(number), "w_in_line"]


def day(value: date) -> list[str]:
    month = f"month_{value.month}"
    return ["w_the", *ordinal(value.day), "w_of", month, *_year(value.year)]


def _year(year: int) -> list[str]:
    if 2000 <= year <= 2009:
        return count(year)
    century, rest = divmod(year, 100)
    if rest == 0:
        return [*_below_hundred(century), _HUNDRED]
    return [*_below_hundred(century), *([OH] if rest < 10 else []), *_below_hundred(rest)]


def clock_time(value: time) -> list[str]:
    if value.minute == 0 and value.hour % 12 == 0:
        return ["w_noon" if value.hour else "w_midnight"]
    pieces = _below_hundred(value.hour % 12 or 12)
    if 0 < value.minute < 10:
        pieces.append(OH)
    return [*pieces, *_below_hundred(value.minute), "w_pm" if value.hour >= 12 else "w_am"]


def duration(value: timedelta) -> list[str]:
    seconds = round(value.total_seconds())
    told = [
        [*count(number), f"w_{unit}" if number == 1 else f"w_{unit}s"]
        for number, unit in (
            (seconds // 3600, "hour"),
            (seconds // 60 % 60, "minute"),
            (seconds % 60, "second"),
        )
        if number
    ]
    if not told:
        return ["n_0", "w_seconds"]
    *before, last = told
    return [piece for part in before for piece in part] + ([AND] if before else []) + last


def money(value: Decimal) -> list[str]:
    yuan, fen = divmod(int(value * 100), 100)
    pieces = [*count(yuan), "w_yuan"] if yuan or not fen else []
    if fen:
        pieces += [*([AND] if pieces else []), *count(fen), "w_fen"]
    return pieces


def is_hyphenated(first: str, second: str) -> bool:
    """Whether two pieces are written as one word: twenty-four, twenty-fourth."""
    return first in {f"n_{n}" for n in _TENS} and second in (
        {f"{kind}_{n}" for kind in "no" for n in range(1, 10)}
    )
