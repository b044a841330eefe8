"""Fields of a journal record, read strictly: what breaks its rule is a `BrokenRule` that names it.

Text from strangers (names, keyed digits) stands in them: it is bounded here, and cleaned of what
hides or turns text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = re.compile(r"(\d{9,10})\.(\d{6})")
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,150}")
#: C0, C1, and what turns the reading direction or hides in it (bidi marks, zero width, BOM).
UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]"
)
#: Names of ours and of Asterisk's; may be empty.
WORD: Final = re.compile(r"[A-Za-z_]{0,40}")


class BrokenRule(ValueError):
    """A field of a journal line breaks the rule that the message names."""


def clean_name(text: str) -> str | None:
    """A name fit to be shown: no control or direction characters, at most 200; None if empty."""
    return " ".join(UNSEEN.sub(" ", text).split())[:200] or None


def moment(raw: str) -> datetime:
    """When Asterisk wrote it, aware, UTC."""
    match = _TIME.fullmatch(raw)
    if not match:
        raise BrokenRule("eventtime is not seconds.microseconds since 1970")
    return _EPOCH + timedelta(seconds=int(match[1]), microseconds=int(match[2]))


def identifier(row: Mapping[str, str], column: str) -> str:
    """A uniqueid or linkedid."""
    if not _ID.fullmatch(row[column]):
        raise BrokenRule(f"{column} is not one of Asterisk's identifiers")
    return row[column]


def extra_of(raw: str) -> dict[str, Any]:
    """`eventextra`: JSON of Asterisk's own, or our `key=value&…`, bare or under JSON's `extra`."""
    if not raw:
        return {}
    if raw.startswith("{"):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise BrokenRule("eventextra is not JSON") from exc
        if not isinstance(value, dict):  # pragma: no cover - starts with a brace
            raise BrokenRule("eventextra is not an object")
        inner = value.get("extra")
        return _pairs(inner) if isinstance(inner, str) else value
    return _pairs(raw)


def _pairs(raw: str) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for part in raw.split("&"):
        name, equals, value = part.partition("=")
        if not equals or name in pairs:
            raise BrokenRule("eventextra is not key=value&key=value")
        pairs[name] = value
    return pairs


def text(values: Mapping[str, Any], name: str, rule: re.Pattern[str], default: str = "") -> str:
    """A text of ours that keeps `rule`; `default` where there is none."""
    value = values.get(name) or default
    if not isinstance(value, str) or (value and not rule.fullmatch(value)):
        raise BrokenRule(f"{name} has a form we do not write")
    return value


def uuid(values: Mapping[str, Any], name: str) -> UUID:
    """A UUID of ours, which must be there."""
    try:
        return UUID(str(values.get(name)))
    except ValueError as exc:
        raise BrokenRule(f"{name} is not a UUID") from exc


def whole(values: Mapping[str, Any], name: str) -> int | None:
    """A small whole number, or None where there is none."""
    digits = str(values.get(name, ""))
    return int(digits) if re.fullmatch(r"[0-9]{1,9}", digits, re.ASCII) else None


def bounded(values: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number within these bounds (both included), else None."""
    value = whole(values, name)
    return value if value is not None and least <= value <= most else None


def one_of(values: Mapping[str, Any], name: str, words: frozenset[str]) -> str:
    """One of these words, which must be there."""
    word = text(values, name, WORD)
    if word not in words:
        raise BrokenRule(f"{name} has a form we do not write")
    return word
