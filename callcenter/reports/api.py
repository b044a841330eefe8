"""REST: what the routes of `/reports` have in common. Figures with numerator and denominator, each
with the calls it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query

from callcenter.platform.errors import InvalidField
from callcenter.platform.web import Moment, Schema, decode_cursor, encode_cursor
from callcenter.reports.model import AnyFigure, Asked, Part, Ratio, Unit, target_of, unit_of
from callcenter.reports.service import ReportService

_PREFIX: Final = "/api/v1/reports"

From = Annotated[Moment, Query(alias="from")]
To = Annotated[Moment, Query(alias="to", description="Left out of the report.")]
Queue = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Agent = Annotated[str | None, Query(pattern=r"^[1-9][0-9]{2,5}$")]
Threshold = Annotated[
    int | None,
    Query(ge=1, le=3600, description="Seconds within which an answer is in time; 15 by default."),
]


class FigureOut(Schema):
    """A figure: never the rate alone. `value` is null and `text` says `none due` where there is
    nothing to count. In `seconds`, the numerator is seconds and the value an average. `target` is
    what the figure is to reach, null: it is only to be known; `met` is null where nothing is due.
    `calls` and `calls_of_denominator` lead to exactly the calls that are counted."""

    value: float | None
    numerator: float
    denominator: float
    unit: Unit
    text: str
    target: float | None
    met: bool | None
    calls: str
    calls_of_denominator: str


def asked_for(
    service: ReportService, begin: datetime, end: datetime, threshold: int | None
) -> Asked:
    return service.asked(
        begin, end, threshold=None if threshold is None else timedelta(seconds=threshold)
    )


def link(path: str, **values: object) -> str:
    return f"{_PREFIX}{path}?" + urlencode(
        {name: value for name, value in values.items() if value is not None}
    )


def figure_of(figure: AnyFigure, ratio: Ratio, links: Mapping[Part, str]) -> dict[str, Any]:
    unit, target = unit_of(figure), target_of(figure, ratio.value)
    return {
        "value": ratio.value,
        "numerator": ratio.numerator,
        "denominator": ratio.denominator,
        "unit": unit,
        "text": ratio.text(unit),
        "target": None if target is None else target.value,
        "met": None if target is None else target.met,
        "calls": links[Part.NUMERATOR],
        "calls_of_denominator": links[Part.DENOMINATOR],
    }


_T = TypeVar("_T")


def place(cursor: str | None, made: Callable[[datetime, UUID, str], _T]) -> _T | None:
    if cursor is None:
        return None
    at, call_id, last = decode_cursor(cursor, 3)
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is not None and 1900 <= moment.year <= 9000:
            return made(moment, UUID(call_id), last)
    except ValueError:
        pass
    raise InvalidField("cursor", "must be the next_cursor of an earlier page")


def next_cursor(rows: Sequence[Mapping[str, Any]], limit: int, at: str, last: str) -> str | None:
    if len(rows) <= limit:
        return None
    row = rows[limit - 1]
    return encode_cursor(row[at].isoformat(), str(row["call_id"]), str(row[last]))
