"""Parts of a file over HTTP (RFC 9110 §13.1.2, §14). Pure."""

from __future__ import annotations

import re
from typing import Final

_SINGLE_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class RangeNotSatisfiable(Exception):
    """The part that was asked for lies behind the end."""


def part_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for (RFC 9110 §14); None: the whole file.

    Several ranges, other units and malformed ones are ignored, as the RFC allows. Raises
    `RangeNotSatisfiable`.
    """
    match = _SINGLE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise RangeNotSatisfiable
        return size - length, size - 1
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise RangeNotSatisfiable
    return first, min(int(match[2]), size - 1) if match[2] else size - 1


def names_etag(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match header names this ETag: the client has what it would get."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
