"""Cursors: what a client sends back is what we gave it, or a 422."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.platform.web import a_moment, a_number, encode_cursor, number_of, position_of

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
KEY = UUID(int=7)


def sealed(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def test_a_cursor_of_ours_is_read_as_it_was_written() -> None:
    cursor = encode_cursor(AT.isoformat(), str(KEY), "12")
    assert position_of(cursor, a_moment, UUID, a_number) == (AT, KEY, 12)
    assert number_of(encode_cursor("12")) == 12


@pytest.mark.parametrize("cursor", [None, ""])
def test_without_a_cursor_a_list_begins_at_its_first_row(cursor: str | None) -> None:
    assert position_of(cursor, a_moment, UUID) is None
    assert number_of(cursor) is None


@pytest.mark.parametrize(
    "parts",
    [
        (AT.isoformat(),),
        (AT.isoformat(), str(KEY), "1"),
        (AT.isoformat(), "no uuid"),
        (AT.isoformat(), 7),
        ("2026-11-24T10:00:00", str(KEY)),
        ("2026-11-24", str(KEY)),
        # Shifted to UTC these leave what can be computed: the database would answer with a fault.
        ("0001-01-01T00:00:00+14:00", str(KEY)),
        ("9999-12-31T23:59:59-14:00", str(KEY)),
        ("tomorrow", str(KEY)),
    ],
)
def test_a_place_in_time_that_the_database_could_not_compare_is_refused(
    parts: tuple[object, ...],
) -> None:
    with pytest.raises(InvalidField):
        position_of(sealed(*parts), a_moment, UUID)


@pytest.mark.parametrize("number", ["", "-1", "1.5", "٣", "²", " 1", "1" * 10])
def test_a_number_is_digits_and_fits_its_column(number: str) -> None:
    with pytest.raises(InvalidField):
        number_of(sealed(number))


def test_a_column_of_64_bits_takes_18_digits_and_no_more() -> None:
    assert number_of(sealed("9" * 18), digits=18) == 10**18 - 1
    with pytest.raises(InvalidField):
        number_of(sealed("9" * 19), digits=18)


@given(st.text(max_size=60))
def test_no_text_makes_anything_but_a_position_or_a_refusal(cursor: str) -> None:
    with suppress(InvalidField):
        position_of(cursor, a_moment, UUID)
