"""Case numbers: 10 digits a citizen can key, the last of them a check digit.

Two digits of the year, seven of a serial, one check digit by ISO/IEC 7064 MOD 11,10: every single
wrong digit is noticed, and of swapped neighbours all but about one pair in fifty. The same rule
stands in SQL as `case_number_is_valid`.
"""

from __future__ import annotations

import re
from typing import Final, NewType

from callcenter.platform.errors import InvalidField

#: A number whose check digit was seen to be right.
CaseNumber = NewType("CaseNumber", str)

LAST_SERIAL: Final = 9_999_999

_SHAPE = re.compile(r"[0-9]{10}", re.ASCII)


def check_digit(digits: str) -> str:
    """The check digit behind `digits` (ASCII digits, any length)."""
    product = 10
    for digit in digits:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def case_number(year: int, serial: int) -> CaseNumber:
    """The number of the `serial`-th case (1 … 9,999,999) in `year` (four digits)."""
    if not 1 <= serial <= LAST_SERIAL:
        raise ValueError("serial: 1 to 9999999")
    digits = f"{year % 100:02d}{serial:07d}"
    return CaseNumber(digits + check_digit(digits))


def is_case_number(text: str) -> bool:
    """Whether `text` is ten digits with the right check digit."""
    return _SHAPE.fullmatch(text) is not None and check_digit(text[:9]) == text[9]


def parse_case_number(text: str) -> CaseNumber:
    """`text` as a case number. Raises `InvalidField` naming the rule it breaks."""
    if not _SHAPE.fullmatch(text):
        raise InvalidField("case_number", "ten digits")
    if not is_case_number(text):
        raise InvalidField(
            "case_number", "the check digit (the last one) does not fit the nine before it"
        )
    return CaseNumber(text)
