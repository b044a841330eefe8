"""Case numbers."""

from __future__ import annotations

import random

import pytest

from callcenter.cases.number import (
    LAST_SERIAL,
    case_number,
    check_digit,
    is_case_number,
    parse_case_number,
)
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

SAMPLE = [
    case_number(2000 + year, serial)
    for year, serial in zip(
        random.Random(1).choices(range(100), k=400),
        [1, LAST_SERIAL, *random.Random(2).choices(range(1, LAST_SERIAL + 1), k=398)],
        strict=True,
    )
]


@pytest.mark.parametrize(("digits", "check"), [("79462", "3"), ("00200667308", "5")])
def test_the_check_digit_is_that_of_the_published_examples(digits: str, check: str) -> None:
    """The examples of python-stdnum, iso7064/mod_11_10.py: somebody else's reading of the norm."""
    assert check_digit(digits) == check


def test_every_number_we_make_is_ten_digits_and_valid() -> None:
    assert all(len(number) == 10 and is_case_number(number) for number in SAMPLE)


def test_every_single_wrong_digit_is_noticed() -> None:
    for number in SAMPLE:
        for place in range(10):
            for digit in "0123456789".replace(number[place], ""):
                assert not is_case_number(number[:place] + digit + number[place + 1 :])


def test_at_least_97_of_100_swapped_neighbours_are_noticed() -> None:
    swaps = [
        number[:p] + number[p + 1] + number[p] + number[p + 2 :]
        for number in SAMPLE
        for p in range(9)
        if number[p] != number[p + 1]
    ]
    noticed = sum(not is_case_number(swap) for swap in swaps)
    assert noticed / len(swaps) >= 0.97


@pytest.mark.parametrize(
    "text", ["", "123", "12345678901", "١٢٣٤٥٦٧٨٩٠", "123456789x", "1234567890\n"]
)
def test_what_is_not_ten_digits_is_refused_with_that_rule(text: str) -> None:
    with pytest.raises(InvalidField, match="case_number: ten digits"):
        parse_case_number(text)


def test_a_wrong_check_digit_is_refused_with_that_rule() -> None:
    good = case_number(2026, 1)
    bad = good[:9] + str((int(good[9]) + 1) % 10)
    with pytest.raises(InvalidField, match="check digit"):
        parse_case_number(bad)


@pytest.mark.parametrize("serial", [0, LAST_SERIAL + 1])
def test_a_serial_that_does_not_fit_seven_digits_makes_no_number(serial: int) -> None:
    with pytest.raises(ValueError, match="serial"):
        case_number(2026, serial)
