"""Text into lines and pages: where a line may break, where a page may end. Pure; it knows no font.

Chinese breaks between any two characters, except that some punctuation may not begin a line and
some may not end one (GB/T 15834 §5.1.10); Latin breaks at spaces.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Width of a text in pixels.
Measure = Callable[[str], float]

_NEVER_FIRST: Final = frozenset("。，、；：？！）〕］】》〉」』”’…—～·％‰℃.,;:?!)]}%")
_NEVER_LAST: Final = frozenset("（〔［【《〈「『“‘([{￥$")


class Style(StrEnum):
    """How a line is drawn."""

    TITLE = "title"
    HEADING = "heading"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Line:
    """A line that fits the page's width."""

    text: str
    style: Style


def clean(text: str) -> str:
    """Without what cannot be drawn: control, format and surrogate characters; tabs are spaces."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(
        character
        for character in text
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
    )


def wrap(text: str, width: float, measure: Measure) -> list[str]:
    """The lines of `text`, none wider than `width`; line ends in it are kept."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _wrap_paragraph(paragraph, width, measure)
    return lines


def _wrap_paragraph(text: str, width: float, measure: Measure) -> Iterator[str]:
    line, used = "", 0.0
    for piece in _pieces(text):
        size = measure(piece)
        # A space that would only stand at a line's end takes no room there.
        if line and used + measure(piece.rstrip(" ")) > width:
            yield line.rstrip(" ")
            piece = piece.lstrip(" ")
            line, used, size = "", 0.0, measure(piece)
        if size > width:  # a word longer than a line: broken wherever it must be
            *full, piece = _broken(piece, width, measure)
            yield from full
            size = measure(piece)
        line += piece
        used += size
    yield line.rstrip(" ")


def _pieces(text: str) -> Iterator[str]:
    """Parts that no line breaks within: a word with the spaces behind it, a character with the
    punctuation that belongs to it."""
    piece = ""
    for character in text:
        if piece and _may_break(piece[-1], character):
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    if after == " " or after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    return before == " " or _is_wide(before) or _is_wide(after)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _broken(word: str, width: float, measure: Measure) -> list[str]:
    parts, part = [], ""
    for character in word:
        if part and measure(part + character) > width:
            parts.append(part)
            part = ""
        part += character
    return [*parts, part]


@dataclass(frozen=True, slots=True)
class Placed:
    """A line and where its top is, pixels from the top of the page."""

    line: Line
    top: int


def paginate(
    blocks: Sequence[tuple[Sequence[Line], int]],
    heights: dict[Style, int],
    *,
    first_top: int,
    top: int,
    bottom: int,
) -> list[list[Placed]]:
    """Lines onto pages. A block is lines that follow each other and the space above them.

    A heading is never the last line of a page: it moves to the next with what it is about.
    """
    pages: list[list[Placed]] = [[]]
    at = first_top
    for lines, above in blocks:
        at += above if pages[-1] else 0
        for number, line in enumerate(lines):
            needed = heights[line.style]
            following = lines[number + 1] if number + 1 < len(lines) else None
            if line.style is Style.HEADING and following is not None:
                needed += heights[following.style]
            if at + needed > bottom and pages[-1]:
                pages.append([])
                at = top
            pages[-1].append(Placed(line, at))
            at += heights[line.style]
    return pages
