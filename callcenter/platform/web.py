"""What every `api.py` shares: bodies, documented problems, pages of a list, edit versions (ETag).

Only `api.py` and `schemas.py` files import this; the rooms' other modules know no HTTP.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar, overload

from fastapi import Header, Query, Response
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
)

from callcenter.platform.errors import InvalidField, Stale

PROBLEM: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """One field and the rule it breaks."""

    field: str
    rule: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    #: Of a state that cannot be left that way: what can be done instead.
    allowed: list[str] | None = None


#: Documented replies of every endpoint.
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "model": Problem,
        "description": text,
        "content": {PROBLEM: {}},
    }
    for status, text in {
        400: "Refused",
        401: "No valid token",
        403: "The role does not reach this",
        404: "There is no such thing",
        409: "Contradicts what is true now",
        412: "Edited by somebody else meanwhile",
        413: "Too large",
        422: "A field breaks a rule",
        503: "Something beside us is away",
    }.items()
}

#: … and of those that are asked too often.
TOO_MANY: Final[dict[int | str, dict[str, Any]]] = {
    429: {"model": Problem, "description": "Too much at once", "content": {PROBLEM: {}}}
}


class Schema(BaseModel):
    """Base of every request and reply body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


Item = TypeVar("Item")
First = TypeVar("First")
Second = TypeVar("Second")
Third = TypeVar("Third")


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="`next_cursor` of the page before.")
]

_ETAG = Header(
    alias="If-Match",
    pattern=r'^(\*|(W/)?"[!#-~]{0,64}")$',
    description="The ETag you read, or `*` for any version.",
)
#: An edit says what it is based on; without the header it is refused.
IfMatch = Annotated[str, _ETAG]
#: Where an edit may also be based on nothing.
IfMatchAtWill = Annotated[str | None, _ETAG]


def _written_out(value: object) -> object:
    # Pydantic would take a number, or a string of digits, for seconds since 1970.
    if not isinstance(value, datetime) and not (isinstance(value, str) and "T" in value.upper()):
        raise ValueError("write a time as ISO 8601 with offset: 2026-10-01T09:00:00+08:00")
    return value


def _sane(moment: datetime) -> datetime:
    # Beyond these years a shift of the time zone leaves what can be computed.
    if not 1900 <= moment.year <= 9000:
        raise ValueError("a time between the years 1900 and 9000")
    return moment


def _day_written_out(value: object) -> object:
    # Pydantic would take a number, or a string of digits, for seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise ValueError("write a day as ISO 8601: 2026-10-01")
    if not isinstance(value, str | date):
        raise ValueError("write a day as ISO 8601: 2026-10-01")
    return value


#: A day as a client writes it.
Day = Annotated[date, BeforeValidator(_day_written_out)]
#: A moment as a client writes it.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_sane)]
#: `true` or `false`: not 0, not "yes", which pydantic would take as well.
Flag = StrictBool


_NOT_OURS: Final = "must be the next_cursor of an earlier page"


def encode_cursor(*position: str) -> str:
    """An opaque cursor for the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """The position in a cursor. Raises `InvalidField` for one we did not make."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        # Printable: what is not (NUL, half a surrogate pair) the database cannot take.
        if len(position) == parts and all(
            isinstance(part, str) and part.isprintable() for part in position
        ):
            return tuple(position)
    except (ValueError, TypeError):
        pass
    raise InvalidField("cursor", _NOT_OURS)


@overload
def position_of(
    cursor: str | None, first: Callable[[str], First], second: Callable[[str], Second], /
) -> tuple[First, Second] | None: ...
@overload
def position_of(
    cursor: str | None,
    first: Callable[[str], First],
    second: Callable[[str], Second],
    third: Callable[[str], Third],
    /,
) -> tuple[First, Second, Third] | None: ...
def position_of(cursor: str | None, /, *readers: Callable[[str], Any]) -> tuple[Any, ...] | None:
    """The position behind which a page begins, each part as its reader gives it; None: no cursor.

    Readers are `a_moment`, `a_number`, `UUID`, `str`: they raise ValueError for what the database
    could not compare. Raises `InvalidField` for a cursor we did not make.
    """
    if not cursor:
        return None
    parts = decode_cursor(cursor, len(readers))
    try:
        return tuple(read(part) for read, part in zip(readers, parts, strict=True))
    except ValueError as exc:
        raise InvalidField("cursor", _NOT_OURS) from exc


def number_of(cursor: str | None, digits: int = 9) -> int | None:
    """The number behind which a page begins; a column of 64 bits takes 18 `digits`."""
    if not cursor:
        return None
    (number,) = decode_cursor(cursor, 1)
    try:
        return a_number(number, digits)
    except ValueError as exc:
        raise InvalidField("cursor", _NOT_OURS) from exc


def a_moment(text: str) -> datetime:
    """A moment as a cursor has it. Raises ValueError."""
    moment = _sane(datetime.fromisoformat(text))
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    return moment


def a_number(text: str, digits: int = 9) -> int:
    """A whole number as a cursor has it. Raises ValueError."""
    if not (text.isascii() and text.isdecimal()) or len(text) > digits:
        raise ValueError("no number, or too large a one")
    return int(text)


def set_etag(response: Response, version: int) -> None:
    """Tell the client which version it reads."""
    response.headers["ETag"] = f'"{version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version an edit is based on; None where the client means any (`*`).

    Raises `InvalidField` when the header is missing, `Stale` when it is none of our ETags.
    """
    if if_match is None:
        raise InvalidField("If-Match", "send the ETag you read, or * for any version")
    value = if_match.strip().removeprefix("W/").strip('"')
    if value == "*":
        return None
    if not value.isdecimal() or len(value) > 9:
        raise Stale
    return int(value)
