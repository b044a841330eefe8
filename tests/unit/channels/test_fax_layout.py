"""Where lines and pages of a fax end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.channels.fax.layout import Line, Style, clean, paginate, wrap

pytestmark = pytest.mark.unit


def em(text: str) -> float:
    """A font whose Chinese letters are 2 wide and whose Latin ones are 1."""
    return sum(1 if ord(character) < 0x2E80 and character not in "“”" else 2 for character in text)


def test_chinese_breaks_between_any_two_characters() -> None:
    assert wrap("公民离开常住户口所在地", 8, em) == ["公民离开", "常住户口", "所在地"]


def test_no_line_begins_with_closing_punctuation() -> None:
    assert wrap("公民离开。常住，户口", 8, em) == ["公民离", "开。常", "住，户口"]


def test_no_line_ends_with_an_opening_bracket() -> None:
    assert wrap("公民离（开常）住", 8, em) == ["公民离", "（开常）", "住"]


def test_latin_words_stay_whole_and_spaces_at_the_end_take_no_room() -> None:
    assert wrap("the hall is open", 8, em) == ["the hall", "is open"]


def test_chinese_and_latin_side_by_side_break_between_them() -> None:
    assert wrap("请看www.example", 12, em) == ["请看", "www.example"]


def test_a_word_longer_than_a_line_is_broken_where_it_must_be() -> None:
    assert wrap("https://example.gov.cn/a", 10, em) == ["https://ex", "ample.gov.", "cn/a"]


def test_line_ends_in_the_text_are_kept() -> None:
    assert wrap("一\n\n二", 10, em) == ["一", "", "二"]


@given(
    st.text(st.sampled_from("公民。，（）、“”ab .,19\n"), max_size=80),
    st.integers(min_value=6, max_value=30),
)
def test_nothing_is_lost_and_no_line_is_too_wide(text: str, width: int) -> None:
    lines = wrap(text, width, em)
    assert "".join(lines).replace(" ", "") == text.replace("\n", "").replace(" ", "")
    assert all(em(line) <= width for line in lines)


@given(st.text(max_size=60))
def test_what_is_cleaned_can_be_drawn(text: str) -> None:
    clean(text).replace("\n", "").encode()  # no half of a surrogate pair
    assert all(
        character == "\n"
        or character.isprintable()
        or character == "\u2028"
        or not character.isascii()
        for character in clean(text)
    )


HEIGHTS = {Style.TITLE: 20, Style.HEADING: 15, Style.BODY: 10}


def lines(style: Style, count: int) -> list[Line]:
    return [Line(f"{style} {number}", style) for number in range(count)]


def test_pages_are_as_many_as_the_lines_need() -> None:
    pages = paginate([(lines(Style.BODY, 25), 0)], HEIGHTS, first_top=0, top=0, bottom=100)
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [placed.top for placed in pages[1]] == list(range(0, 100, 10))


def test_a_heading_goes_to_the_page_of_what_it_is_about() -> None:
    blocks = [
        (lines(Style.BODY, 8), 0),
        ([*lines(Style.HEADING, 1), *lines(Style.BODY, 2)], 0),
    ]
    pages = paginate(blocks, HEIGHTS, first_top=0, top=0, bottom=100)
    assert [len(page) for page in pages] == [8, 3]
    assert pages[1][0].line.style is Style.HEADING
