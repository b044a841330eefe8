"""A document to be faxed: what it is made of, and its pages as pictures.

Everything that draws blocks: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from PIL import Image, ImageDraw, ImageFont

from callcenter.channels.fax.layout import Line, Placed, Style, clean, paginate, wrap
from callcenter.channels.fax.tiff import HEIGHT, WIDTH
from callcenter.platform.errors import InvalidField, Unavailable

MOST_PAGES: Final = 50
MOST_CHARACTERS: Final = 100_000
MOST_SECTIONS: Final = 200

#: Pixels. A millimetre is 8.04 pixels wide and 7.7 high, so letters come out 4 % taller: T.4's way.
_MARGIN: Final = 110  # 13.7 mm: machines do not print to the edge of the sheet
_TOP: Final = 120
_BOTTOM: Final = HEIGHT - 170
_FOOT: Final = HEIGHT - 130
_SIZE: Final = {Style.TITLE: 56, Style.HEADING: 42, Style.BODY: 36}  # 36 pixels: 4.5 mm, 13 points
_HEIGHT: Final = {Style.TITLE: 76, Style.HEADING: 64, Style.BODY: 54}
_FOOT_SIZE: Final = 28
_ABOVE: Final = 30  # between two sections


class NoFont(Unavailable):
    """No font to draw with: run `callcenter asterisk install`, or set CALLCENTER_FAX_FONT."""

    slug = "no-font"


class Printable(Protocol):
    """What can be made into a fax: a title, sections of (heading, text), a footer (version, date).

    Headings and footer may be empty. `knowledge` gives an article in this form.
    """

    @property
    def title(self) -> str: ...

    @property
    def sections(self) -> Sequence[tuple[str, str]]: ...

    @property
    def footer(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Document:
    """The plainest `Printable`."""

    title: str
    sections: Sequence[tuple[str, str]]
    footer: str = ""


def check(document: Printable) -> None:
    """Raises `InvalidField` for a document beyond the limits, before anything is drawn."""
    size = len(document.title) + len(document.footer)
    size += sum(len(heading) + len(text) for heading, text in document.sections)
    if size > MOST_CHARACTERS or len(document.sections) > MOST_SECTIONS:
        rule = f"at most {MOST_CHARACTERS:,} characters in {MOST_SECTIONS} sections can be faxed"
        raise InvalidField("document", rule)


def pages_of(document: Printable, language: str, font: Path) -> Iterator[Image.Image]:
    """The pages (1728 × 2287, 1 bit) one after the other, so that only one is in memory.

    Raises `InvalidField` for a document of more than 50 pages, `NoFont`.
    """
    check(document)
    pages = compose(document, font)
    if len(pages) > MOST_PAGES:
        rule = f"it takes {len(pages)} pages, at most {MOST_PAGES} can be faxed"
        raise InvalidField("document", rule)
    for number, page in enumerate(pages, start=1):
        yield _draw(page, document, _numbered(language, number, len(pages)), number, font)


def compose(document: Printable, font: Path) -> list[list[Placed]]:
    """Which line stands where on which page."""
    width = WIDTH - 2 * _MARGIN

    def lines(text: str, style: Style) -> list[Line]:
        face = _face(font, _SIZE[style])
        return [Line(part, style) for part in wrap(clean(text).strip(), width, face.getlength)]

    blocks = [(lines(document.title, Style.TITLE), 0)]
    for heading, text in document.sections:
        head = lines(heading, Style.HEADING) if heading.strip() else []
        body = lines(text, Style.BODY) if text.strip() else []
        if head or body:
            blocks.append(([*head, *body], _ABOVE))
    return paginate(blocks, _HEIGHT, first_top=_TOP, top=_TOP, bottom=_BOTTOM)


def _draw(
    placed: Sequence[Placed], document: Printable, numbered: str, number: int, font: Path
) -> Image.Image:
    page = Image.new("1", (WIDTH, HEIGHT), 255)
    draw = ImageDraw.Draw(page)
    for item in placed:
        face = _face(font, _SIZE[item.line.style])
        left = float(_MARGIN)
        if item.line.style is Style.TITLE:
            left = (WIDTH - face.getlength(item.line.text)) / 2
        draw.text((left, item.top), item.line.text, fill=0, font=face)
    foot = _face(font, _FOOT_SIZE)
    draw.line((_MARGIN, _FOOT - 14, WIDTH - _MARGIN, _FOOT - 14), fill=0, width=2)
    right = WIDTH - _MARGIN - foot.getlength(numbered)
    draw.text((right, _FOOT), numbered, fill=0, font=foot)
    left_part = clean(document.footer).replace("\n", " ").strip()
    if number > 1 and not left_part:
        left_part = clean(document.title).replace("\n", " ").strip()
    draw.text((_MARGIN, _FOOT), _cut(left_part, right - _MARGIN - 40, foot), fill=0, font=foot)
    return page


def _numbered(language: str, number: int, total: int) -> str:
    return f"第 {number} 页 共 {total} 页" if language == "zh" else f"Page {number} of {total}"


def _cut(text: str, width: float, face: ImageFont.FreeTypeFont) -> str:
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=16)
def _face(font: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(font), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as exc:
        raise NoFont from exc
