"""The files faxes are: TIFF with one group-4 strip a page (T.6), as libtiff and spandsp like them.

Pillow compresses and reads; the file itself is written here, because Pillow writes white as 1
(photometric 1), which fax software reads as a page of black or inverts by its own taste.
Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image, ImageChops, TiffImagePlugin

#: T.4: 1728 picture elements on 215 mm, "fine" 7.7 lines a millimetre: 2287 lines on A4's 297 mm.
WIDTH: Final = 1728
HEIGHT: Final = 2287
X_DPI: Final = 204
Y_DPI: Final = 196
#: Of a fax that comes in: what a page and a file may have at most. A page of T.4 has no end.
MOST_LINES: Final = 20_000
MOST_PAGES_IN: Final = 200

#: How Pillow says that a file is broken or a bomb (a warning, where warnings are errors).
_BROKEN: Final = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    struct.error,
    UserWarning,
    Image.DecompressionBombError,
)
_SHORT, _LONG, _RATIONAL = 3, 4, 5


class UnreadableFax(Exception):
    """The file holds no page that can be read."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on the disk."""

    pages: int
    bytes: int
    sha256: str


def write_tiff(path: Path, pages: Iterable[Image.Image]) -> Written:
    """Write pages (mode `1`, white is True) as they come; whole or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            count = _write(file, pages)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Written(count, path.stat().st_size, hash_of(path))


def _write(file: BinaryIO, pages: Iterable[Image.Image]) -> int:
    file.write(b"II*\0\0\0\0\0")
    link = 4  # where the place of the next page's directory is to be written
    count = 0
    for page in pages:
        strip = _group4(page)
        start = file.tell()
        file.write(strip + b"\0" * (len(strip) % 2))
        directory = file.tell()
        file.write(_directory(page, directory, start, len(strip), count))
        file.seek(link)
        file.write(struct.pack("<I", directory))
        file.seek(0, os.SEEK_END)
        count, link = count + 1, file.tell() - 20
    if not count:
        raise ValueError("a fax has at least one page")
    return count


def _group4(page: Image.Image) -> bytes:
    """The page's T.6 code: black is 1 in it, as in every fax."""
    out = io.BytesIO()
    ImageChops.invert(page).save(out, "TIFF", compression="group4", strip_size=1 << 24)
    out.seek(0)
    with Image.open(out) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)
        (offset,), (length,) = image.tag_v2[273], image.tag_v2[279]
    return out.getvalue()[offset : offset + length]


def _directory(page: Image.Image, at: int, strip: int, length: int, number: int) -> bytes:
    width, height = page.size
    entries = [
        (254, _LONG, 2),  # one page of several
        (256, _LONG, width),
        (257, _LONG, height),
        (258, _SHORT, 1),
        (259, _SHORT, 4),  # T.6
        (262, _SHORT, 0),  # white is 0
        (266, _SHORT, 1),
        (273, _LONG, strip),
        (277, _SHORT, 1),
        (278, _LONG, height),
        (279, _LONG, length),
        (282, _RATIONAL, 0),
        (283, _RATIONAL, 1),
        (296, _SHORT, 2),  # inches
    ]
    entries.append((297, _SHORT, number))  # of how many (the upper half): 0, not known yet
    values = at + 2 + 12 * len(entries) + 4
    body = struct.pack("<H", len(entries))
    for tag, kind, value in entries:
        number_of = 2 if tag == 297 else 1
        field = values + 8 * value if kind == _RATIONAL else value
        body += struct.pack("<HHII", tag, kind, number_of, field)
    # The link to the next directory, then the two resolutions: 20 bytes behind the entries.
    return body + struct.pack("<IIIII", 0, X_DPI, 1, Y_DPI, 1)


def read_pages(path: Path, *, most: int = MOST_PAGES_IN) -> Iterator[tuple[Image.Image, int]]:
    """Pages as 1-bit pictures with their lines per inch. A file that breaks off gives what is
    whole of it. Raises `UnreadableFax` where that is nothing."""
    count = 0
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            for number in range(most):
                image.seek(number)
                width, height = image.size
                if width > 4096 or height > MOST_LINES:
                    break
                dpi = image.info.get("dpi", (X_DPI, Y_DPI))
                page = image.convert("1")
                count += 1
                yield page, round(float(dpi[1])) or Y_DPI
    except EOFError:
        pass  # behind the last page
    except FileNotFoundError:
        raise
    except _BROKEN as exc:
        if not count:
            raise UnreadableFax(type(exc).__name__) from exc
    if not count:
        raise UnreadableFax("no page")


def pdf_of(path: Path, target: Path) -> Written:
    """The PDF of a fax file, page for page in its true size; whole or not at all.

    Raises `UnreadableFax`, OSError.
    """
    temporary = target.with_name(f".{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    try:
        # One page at a time: a fax of a hundred pages is not held in memory.
        for page, lines_per_inch in read_pages(path):
            upright = page
            if lines_per_inch < X_DPI * 3 // 4:  # standard resolution: half the lines
                upright = page.resize((page.width, round(page.height * Y_DPI / lines_per_inch)))
            upright.save(temporary, "PDF", dpi=(X_DPI, Y_DPI), append=count > 0)
            count += 1
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Written(count, target.stat().st_size, hash_of(target))


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
