"""When a fax is tried again, at which hours, and to which numbers."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.channels.fax.model import Policy, attempt_call_id, fax_error
from callcenter.platform.errors import InvalidField
from callcenter.platform.settings import parse_hours

pytestmark = pytest.mark.unit

ZONE = ZoneInfo("Asia/Shanghai")
ALWAYS = Hours(time(), time(), ZONE)
DAY = Hours(time(8), time(21), ZONE)
NIGHT = Hours(time(21), time(6), ZONE)


def at(hour: int, minute: int = 0, day: int = 25) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE).astimezone(UTC)


def test_three_tries_with_their_pauses_then_it_is_given_up() -> None:
    policy = Policy(3, [timedelta(minutes=5), timedelta(minutes=15)], ALWAYS)
    assert policy.first(at(9)) == at(9)
    assert policy.after(1, at(9)) == at(9, 5)
    assert policy.after(2, at(9)) == at(9, 15)
    assert policy.after(3, at(9)) is None
    assert policy.after(7, at(9)) is None


def test_a_machine_is_not_called_at_night() -> None:
    policy = Policy(3, [timedelta(minutes=5)], DAY)
    assert policy.first(at(3)) == at(8)
    assert policy.first(at(21)) == at(8, day=26)
    assert policy.after(1, at(20, 58)) == at(8, day=26)


def test_hours_over_midnight() -> None:
    assert NIGHT.next_allowed(at(23)) == at(23)
    assert NIGHT.next_allowed(at(2)) == at(2)
    assert NIGHT.next_allowed(at(12)) == at(21)


@given(st.times(), st.times(), st.integers(min_value=0, max_value=366 * 86400))
def test_the_next_allowed_moment_is_allowed_and_within_a_day(
    begin: time, until: time, second: int
) -> None:
    moment = at(0) + timedelta(seconds=second)
    hours = Hours(begin.replace(second=0, microsecond=0, fold=0), until, ZONE)
    found = hours.next_allowed(moment)
    assert moment <= found <= moment + timedelta(days=1)
    assert hours.next_allowed(found) == found


def test_the_whole_day_can_be_written() -> None:
    assert parse_hours("00:00-24:00") == (time(), time())
    assert parse_hours("08:00-21:30") == (time(8), time(21, 30))
    for wrong in (
        "8-21",
        "08:00-25:00",
        "24:00-08:00",
        "08:00-24:30",
        "08:60-09:00",
        "٠٨:00-09:00",
    ):
        with pytest.raises(ValueError, match="begin-end"):
            parse_hours(wrong)


def test_a_try_has_the_same_call_however_often_it_is_asked() -> None:
    fax = UUID(int=1)
    assert attempt_call_id(fax, 1) == attempt_call_id(fax, 1) != attempt_call_id(fax, 2)


def test_what_the_other_machine_says_is_kept_harmless() -> None:
    assert fax_error("Timed out; <b>x</b>\n") == "Timed out bx/b"
    assert fax_error("") == "it broke off"
    assert len(fax_error("x" * 900)) == 200


RULE = NumberRule("CN")


@pytest.mark.parametrize(
    ("keyed", "number", "dialled"),
    [
        ("053188880001", "+8653188880001", "053188880001"),
        ("+8653188880001", "+8653188880001", "053188880001"),
        ("13800138000", "+8613800138000", "13800138000"),
    ],
)
def test_a_number_of_the_country_is_dialled_as_the_country_does(
    keyed: str, number: str, dialled: str
) -> None:
    assert RULE.allowed(keyed) == number
    assert RULE.dialled(number) == dialled
    assert NumberRule("CN", form="e164").dialled(number) == number[1:]
    assert NumberRule("CN", form="plus").dialled(number) == number


@pytest.mark.parametrize(
    "keyed",
    [
        *("110", "120", "12345", "95588", "4008001234", "16812345678"),
        *("+442071234567", "00442071234567", "+18765551234", "", "+", "0531 8888", "٠٥٣١٨٨٨٨٠٠٠١"),
        *("05318888000100000000000", "0531,8888", "053188880001&PJSIP/x", "053188880001\n"),
    ],
)
def test_emergency_premium_foreign_and_broken_numbers_are_refused(keyed: str) -> None:
    with pytest.raises(InvalidField):
        RULE.allowed(keyed)


def test_without_a_trunk_to_call_no_number_is_taken() -> None:
    with pytest.raises(InvalidField, match="TRUNK_HOST"):
        NumberRule("CN", dials=False).allowed("053188880001")


def test_a_list_of_prefixes_narrows_or_widens() -> None:
    narrow = NumberRule("CN", ("+86531", "+852"))
    assert narrow.allowed("053188880001") == "+8653188880001"
    assert narrow.allowed("+85221234567") == "+85221234567"
    assert narrow.dialled("+85221234567") == "85221234567"
    with pytest.raises(InvalidField, match="prefixes"):
        narrow.allowed("01088880001")


@given(st.text(max_size=25))
def test_whatever_is_keyed_is_digits_or_refused(keyed: str) -> None:
    try:
        number = RULE.allowed(keyed)
    except InvalidField:
        return
    assert number.startswith("+86")
    assert RULE.dialled(number).isdigit()
