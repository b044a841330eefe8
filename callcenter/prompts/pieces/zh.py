"""Mandarin from pieces, one syllable or word each.

Choices, where the language has more than one good way:

- Digits and case numbers are told the telephone way: 1 is 幺 (yāo, never heard as 七), 0 is 零.
- In numbers 2 is 两 alone (before a measure word: 两个) and before 百 千 万 亿 (两百, 两万两千); 二
  before and after 十. Ordinals and dates have 二 throughout (第二, 第二百).
- 10 to 19 begin with 十 where they begin the number (十二), with 一十 inside (一百一十二). Skipped
  places are one 零 (一百零二, 一万零二十).
- Times: 12 hours behind 凌晨 (0-5), 上午 (6-11), 中午 (12), 下午 (13-17), 晚上 (18-23), as
  hotlines say their hours; 三十分 rather than 半; full hours without 整.
- Durations: 一小时三十分钟, all units that are not zero, 零 before a single digit or a skipped
  unit.
- Money: 元角分, 零 for a skipped 角; the first amount has 两 (两元二角), the next ones 二.
- Years digit by digit, 0 as 零 (what 〇 is read as).
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from typing import Final

from callcenter.prompts.pieces.values import case_number_groups, digit_groups

TEN, HUNDRED, THOUSAND = "n_10", "n_100", "n_1000"
WAN, YI = "n_10000", "n_100000000"
LIANG, YAO, ZERO = "n_liang", "n_yao", "n_0"

_TELEPHONE: Final = {
    **{str(n): f"n_{n}" for n in range(10)},
    "1": YAO,
    "*": "w_star",
    "#": "w_hash",
    "+": "w_plus",
}
_MYRIADS: Final = ((10**8, YI), (10**4, WAN), (1, ""))
_PLACES: Final = ((1000, THOUSAND), (100, HUNDRED), (10, TEN), (1, ""))
#: First hour → the part of the day it begins.
_DAY_PARTS: Final = (
    (18, "w_evening"),
    (13, "w_afternoon"),
    (12, "w_midday"),
    (6, "w_morning"),
    (0, "w_night"),
)

#: Every name the functions below can yield.
VOCABULARY: Final = frozenset(
    {f"n_{n}" for n in range(10)}
    | {f"n_{n}_p" for n in range(10) if n != 1}
    | {TEN, HUNDRED, THOUSAND, WAN, YI, LIANG, YAO, f"{YAO}_p"}
    | {"w_plus", "w_star", "w_hash", "w_nth", "w_place"}
    | {"w_year", "w_month", "w_day", "w_oclock", "w_minute"}
    | {part for _, part in _DAY_PARTS}
    | {"w_hours", "w_minutes", "w_seconds", "w_yuan", "w_jiao", "w_fen"}
)


def digits(value: str) -> list[str]:
    return _telephone(digit_groups(value))


def case_number(value: str) -> list[str]:
    return _telephone(case_number_groups(value))


def _telephone(groups: list[str]) -> list[str]:
    pieces = []
    for group in groups[:-1]:
        pieces += [_TELEPHONE[key] for key in group]
        pieces[-1] += "_p"
    return pieces + [_TELEPHONE[key] for key in groups[-1]]


def count(number: int) -> list[str]:
    """两 where it belongs: also fit for 两个."""
    return [LIANG] if number == 2 else _cardinal(number, LIANG)


def ordinal(number: int) -> list[str]:
    return ["w_nth", *_cardinal(number, "n_2")]


def position(number: int) -> list[str]:
    return [*ordinal(number), "w_place"]


def day(value: date) -> list[str]:
    year = [f"n_{figure}" for figure in f"{value.year:04d}"]
    month, days = _cardinal(value.month, LIANG), _cardinal(value.day, LIANG)
    return [*year, "w_year", *month, "w_month", *days, "w_day"]


def clock_time(value: time) -> list[str]:
    part = next(name for begins, name in _DAY_PARTS if value.hour >= begins)
    hour = value.hour - 12 if value.hour > 12 else value.hour
    pieces = [part, *count(hour), "w_oclock"]
    if value.minute:
        zero = [ZERO] if value.minute < 10 else []
        pieces += [*zero, *_cardinal(value.minute, LIANG), "w_minute"]
    return pieces


def duration(value: timedelta) -> list[str]:
    seconds = round(value.total_seconds())
    units = ((seconds // 3600, "w_hours"), (seconds // 60 % 60, "w_minutes"))
    pieces: list[str] = []
    skipped = False
    for number, unit in (*units, (seconds % 60, "w_seconds")):
        if number:
            if pieces and (skipped or number < 10):
                pieces.append(ZERO)
            pieces += [*count(number), unit]
        skipped = not number
    return pieces or [ZERO, "w_seconds"]


def money(value: Decimal) -> list[str]:
    yuan, hundredths = divmod(int(value * 100), 100)
    jiao, fen = divmod(hundredths, 10)
    pieces = [*count(yuan), "w_yuan"] if yuan else []
    if jiao:
        pieces += [*_amount(jiao, first=not pieces), "w_jiao"]
    if fen:
        if yuan and not jiao:
            pieces.append(ZERO)
        pieces += [*_amount(fen, first=not pieces), "w_fen"]
    return pieces or [ZERO, "w_yuan"]


def _amount(number: int, *, first: bool) -> list[str]:
    return count(number) if first else _cardinal(number, LIANG)


def _cardinal(number: int, two: str) -> list[str]:
    """The number; `two` is said before 百 千 万 亿, 二 elsewhere. 0 ≤ n < 10^12."""
    if number == 0:
        return [ZERO]
    pieces: list[str] = []
    skipped = False
    for size, unit in _MYRIADS:
        group = number // size % 10**4
        if group:
            if pieces and (skipped or group < 1000):
                pieces.append(ZERO)
            lone_two = group == 2 and unit
            pieces += [two] if lone_two else _below_ten_thousand(group, two)
            pieces += [unit] if unit else []
        # A group that is all zeros leaves a hole, told by one 零 if anything follows.
        skipped = bool(pieces) and not group
    return pieces[1:] if pieces[:2] == ["n_1", TEN] else pieces


def _below_ten_thousand(number: int, two: str) -> list[str]:
    pieces: list[str] = []
    skipped = False
    for size, unit in _PLACES:
        figure = number // size % 10
        if not figure:
            skipped = bool(pieces)
            continue
        if skipped:
            pieces.append(ZERO)
            skipped = False
        pieces.append(two if figure == 2 and unit in (HUNDRED, THOUSAND) else f"n_{figure}")
        if unit:
            pieces.append(unit)
    return pieces
