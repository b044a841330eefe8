"""`python -m callcenter.channels.fax.rasterise <in.pdf> <out.tif>`: a PDF's pages as fax pages.

A process of its own, because PDFium reads what strangers made: it may use so much memory and CPU
and no more, and whoever started it kills it when it takes too long. Prints one line of JSON:
`{"pages": n}`, or `{"refused": "<rule>"}`.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pypdfium2
from PIL import Image

from callcenter.channels.fax.document import MOST_PAGES
from callcenter.channels.fax.tiff import HEIGHT, WIDTH, write_tiff

_MEMORY_BYTES: Final = 2 * 1024**3
_CPU_SECONDS: Final = 40
_FILE_BYTES: Final = 64 * 1024**2
#: A side of a page, in points (72 to the inch): from a stamp to the largest PDF 1.x allows.
_LEAST_POINTS, _MOST_POINTS = 20.0, 14_400.0
_A4_MM: Final = (215.0, 297.0)
#: Grey is text's edge where there is little of it, and a photograph where there is much.
_PHOTOGRAPH: Final = 0.15


class Refused(Exception):
    """The file cannot be faxed; the argument says why."""


def rasterise(source: Path, target: Path) -> int:
    """How many pages were written. Raises `Refused`."""
    try:
        document = pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as exc:
        locked = "password" in str(exc).lower()
        raise Refused(
            "is locked by a password" if locked else "is not a PDF that can be read"
        ) from exc
    with document:
        count = len(document)
        if not 1 <= count <= MOST_PAGES:
            raise Refused(f"has {count} pages; 1 to {MOST_PAGES} can be faxed")
        # All before any is drawn: a hundred good pages do not hide a bad one.
        for number in range(count):
            for side in document.get_page_size(number):
                if not math.isfinite(side) or not _LEAST_POINTS <= side <= _MOST_POINTS:
                    raise Refused(f"page {number + 1} has a size no sheet of paper has")
        return write_tiff(target, _pages(document)).pages


def _pages(document: pypdfium2.PdfDocument) -> Iterator[Image.Image]:
    for number in range(len(document)):
        try:
            yield _page(document[number])
        except (pypdfium2.PdfiumError, MemoryError) as exc:
            raise Refused(f"page {number + 1} cannot be drawn") from exc


def _page(page: pypdfium2.PdfPage) -> Image.Image:
    """Fitted into A4, upright, in true proportions: fax pixels are not square."""
    turned = 90 if page.get_width() > page.get_height() else 0
    wide, high = sorted((page.get_width(), page.get_height()))
    fit = min(_A4_MM[0] / wide, _A4_MM[1] / high)  # millimetres a point
    size = (
        max(1, min(WIDTH, round(wide * fit * WIDTH / _A4_MM[0]))),
        max(1, min(HEIGHT, round(high * fit * HEIGHT / _A4_MM[1]))),
    )
    bitmap = page.render(scale=size[0] / wide, rotation=turned, grayscale=True)
    grey = bitmap.to_pil().convert("L").resize(size)
    histogram = grey.histogram()
    between = sum(histogram[40:216]) / (size[0] * size[1])
    black = grey.convert("1") if between > _PHOTOGRAPH else grey.point(_threshold).convert("1")
    sheet = Image.new("1", (WIDTH, HEIGHT), 255)
    sheet.paste(black, ((WIDTH - size[0]) // 2, 0))
    return sheet


def _threshold(value: int) -> int:
    return 255 if value > 150 else 0


def main() -> None:
    """For `python -m`."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    try:
        said: dict[str, object] = {"pages": rasterise(Path(sys.argv[1]), Path(sys.argv[2]))}
    except Refused as exc:
        said = {"refused": str(exc)}
    except MemoryError:
        said = {"refused": "needs more memory than a document may"}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
