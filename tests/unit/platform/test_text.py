"""Texts that persons type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.platform.errors import InvalidField
from callcenter.platform.text import plain_text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("bad", ["a\0b", "a\x1bb", "a\x7fb", "a\x85b", "a\tb", "\ud800", "x\udfff"])
@pytest.mark.parametrize("lines", [False, True])
def test_control_characters_and_half_pairs_are_refused_by_name_of_the_field(
    bad: str, lines: bool
) -> None:
    with pytest.raises(InvalidField) as refusal:
        plain_text("words", bad, most=100, lines=lines)
    assert refusal.value.field == "words"
    assert "control characters" in refusal.value.rule
    assert bad not in str(refusal.value)


def test_line_ends_stand_only_where_lines_are_allowed_and_become_one_kind() -> None:
    assert plain_text("words", "a\r\nb\nc", most=10, lines=True) == "a\nb\nc"
    with pytest.raises(InvalidField):
        plain_text("title", "a\nb", most=10)


def test_blank_counts_as_empty_also_with_the_wide_space() -> None:
    with pytest.raises(InvalidField, match="1 to 10"):
        plain_text("title", " \u3000 ", least=1, most=10)


@pytest.mark.parametrize("length", [201, 10_000_000])
def test_too_long_is_refused_with_the_bound(length: int) -> None:
    with pytest.raises(InvalidField, match="at most 200"):
        plain_text("title", "长" * length, most=200)


@given(st.text(max_size=300))
def test_whatever_is_kept_is_bounded_encodable_and_stays_what_it_is(value: str) -> None:
    try:
        kept = plain_text("words", value, most=200, lines=True)
    except InvalidField:
        return
    kept.encode()
    assert len(kept) <= 200
    assert "\0" not in kept
    assert plain_text("words", kept, most=200, lines=True) == kept
