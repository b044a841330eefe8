"""`/schedules` and `/work-calendar`: opening hours. Anybody logged in reads, supervisors edit.

A change holds for the next caller: it raises the stamp callers' caches compare.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import AfterValidator, Field, StringConstraints
from starlette.convertors import StringConvertor, register_url_convertor

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.errors import InvalidField
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    IfMatchAtWill,
    Limit,
    Moment,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    number_of,
    set_etag,
    wanted_version,
)
from callcenter.schedules.hours import Why
from callcenter.schedules.model import Schedule, ScheduleEdit, plain
from callcenter.schedules.service import CalendarService, ScheduleService
from callcenter.schedules.store import ScheduleRow, Source
from callcenter.schedules.work_calendar import FIRST_YEAR, LAST_YEAR, MAX_NAME, DayKind, NamedDay

_DATE: Final = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class _DateShaped(StringConvertor):
    """So that `/work-calendar/years` is no day, whatever the method."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


register_url_convertor("date_shaped", _DateShaped())

Name = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
DayInPath = Annotated[
    str, InPath(alias="date", pattern=_DATE, json_schema_extra={"format": "date"})
]
Year = Annotated[Whole, Field(ge=FIRST_YEAR, le=LAST_YEAR)]
YearInPath = Annotated[int, InPath(ge=FIRST_YEAR, le=LAST_YEAR)]


class ScheduleView(Schedule):
    """A schedule."""

    version: int
    edited_at: datetime
    edited_by: str


class ScheduleItem(Schema):
    """A schedule in a list."""

    name: str
    title: str
    time_zone: str
    follow_work_calendar: bool
    version: int
    edited_at: datetime
    edited_by: str


class StateView(Schema):
    """What a schedule says at a moment.

    `why`: the rule that decided; `reason`: the exception's, or the name of the day. `holiday`: the
    day is a public holiday by the work calendar, whatever decided. `next_change_at`: when `open`
    changes next; null if not within 400 days, or if that depends on a year without data. `alarm`:
    the work calendar has no data for that year, so the weekly hours hold.
    """

    at: datetime
    open: bool
    why: Why
    reason: str | None
    holiday: bool
    next_change_at: datetime | None
    alarm: bool


class DayFields(Schema):
    """What a day is in the work calendar."""

    kind: DayKind
    name: Annotated[
        str,
        StringConstraints(min_length=1, max_length=MAX_NAME),
        AfterValidator(plain(most=MAX_NAME, least=1)),
    ]


class DayView(Schema):
    """A listed day; `edited_by` is null where it came with the package."""

    day: date
    kind: DayKind
    name: str
    source: Source
    version: int
    edited_at: datetime | None
    edited_by: str | None


class NewYear(Schema):
    """A year to be loaded from the package, or (`manual`) whose days were entered by hand."""

    year: Year
    source: Source = Source.PACKAGE


class YearView(Schema):
    """A year known in full; `holidays` and `makeups` count its listed days."""

    year: int
    source: Source
    seeded_at: datetime
    seeded_by: str
    holidays: int
    makeups: int


def router(schedules: ScheduleService, calendar: CalendarService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(responses=PROBLEM_RESPONSES)
    routes.include_router(_schedule_routes(schedules, guard))
    routes.include_router(_calendar_routes(calendar, guard))
    return routes


def _schedule_routes(service: ScheduleService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/schedules", tags=["schedules"])

    @routes.get("")
    async def list_schedules(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[ScheduleItem]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.schedules(after, limit + 1)
        return Page(
            items=[ScheduleItem.model_validate(row) for row in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @routes.post("", status_code=201)
    async def create_schedule(
        body: Schedule, response: Response, who: Principal = Depends(guard.supervisor)
    ) -> ScheduleView:
        return _reply(await service.create(body.name, body, by=who.name), response)

    @routes.get("/{name}")
    async def read_schedule(
        name: Name, response: Response, _who: Principal = Depends(guard.agent)
    ) -> ScheduleView:
        return _reply(await service.schedule(name), response)

    @routes.put("/{name}")
    async def change_schedule(
        if_match: IfMatch,
        name: Name,
        body: ScheduleEdit,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> ScheduleView:
        based_on = wanted_version(if_match)
        return _reply(await service.change(name, body, based_on=based_on, by=who.name), response)

    @routes.delete("/{name}", status_code=204, response_model=None)
    async def remove_schedule(
        name: Name, if_match: IfMatch, _who: Principal = Depends(guard.supervisor)
    ) -> None:
        """409 `schedule-in-use` names the flows that use it."""
        await service.remove(name, based_on=wanted_version(if_match))

    @routes.get("/{name}/state")
    async def read_state(
        name: Name,
        at: Annotated[
            Moment | None,
            Query(description=f"With its offset, {FIRST_YEAR} to {LAST_YEAR}; absent: now."),
        ] = None,
        _who: Principal = Depends(guard.agent),
    ) -> StateView:
        if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise InvalidField("at", f"a time in the years {FIRST_YEAR} to {LAST_YEAR}")
        moment, hours = await service.state(name, at)
        return StateView(
            at=moment,
            open=hours.open,
            why=hours.why,
            reason=hours.reason,
            holiday=hours.holiday,
            next_change_at=hours.next_change_at,
            alarm=hours.alarm,
        )

    return routes


def _calendar_routes(service: CalendarService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/work-calendar", tags=["work calendar"])

    @routes.get("")
    async def list_days(
        year: Annotated[int | None, Query(ge=FIRST_YEAR, le=LAST_YEAR)] = None,
        limit: Limit = 500,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[DayView]:
        """Holidays and make-up workdays; a day that is not listed is an ordinary one."""
        after = _date("cursor", decode_cursor(cursor, 1)[0]) if cursor else None
        found = await service.days(year, after, limit + 1)
        return Page(
            items=[DayView.model_validate(row) for row in found[:limit]],
            next_cursor=(
                encode_cursor(found[limit - 1].day.isoformat()) if len(found) > limit else None
            ),
        )

    @routes.get("/years")
    async def list_years(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[YearView]:
        """The years known in full. Any other is an alarm once it is needed."""
        found = await service.years(number_of(cursor, 4) or 0, limit + 1)
        return Page(
            items=[YearView.model_validate(row) for row in found[:limit]],
            next_cursor=encode_cursor(str(found[limit - 1].year)) if len(found) > limit else None,
        )

    @routes.post("/years", status_code=201)
    async def add_year(body: NewYear, who: Principal = Depends(guard.supervisor)) -> YearView:
        """Days that are listed already stay as they are."""
        return YearView.model_validate(await service.add_year(body.year, body.source, by=who.name))

    @routes.delete("/years/{year}", status_code=204, response_model=None)
    async def remove_year(year: YearInPath, _who: Principal = Depends(guard.supervisor)) -> None:
        """The year is not known in full: an alarm until it is loaded again. Its days stay."""
        await service.remove_year(year)

    @routes.get("/{date:date_shaped}")
    async def read_day(
        day: DayInPath, response: Response, _who: Principal = Depends(guard.agent)
    ) -> DayView:
        row = await service.day(_date("date", day))
        set_etag(response, row.version)
        return DayView.model_validate(row)

    @routes.put("/{date:date_shaped}")
    async def set_day(
        day: DayInPath,
        body: DayFields,
        response: Response,
        if_match: IfMatchAtWill = None,
        who: Principal = Depends(guard.supervisor),
    ) -> DayView:
        """List a day or change it. `If-Match` may be left out: a new day has no ETag."""
        row = await service.set_day(
            _date("date", day),
            NamedDay(body.kind, body.name),
            based_on=None if if_match is None else wanted_version(if_match),
            by=who.name,
        )
        set_etag(response, row.version)
        return DayView.model_validate(row)

    @routes.delete("/{date:date_shaped}", status_code=204, response_model=None)
    async def remove_day(
        day: DayInPath,
        if_match: IfMatchAtWill = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> None:
        """The day is an ordinary one again."""
        based_on = None if if_match is None else wanted_version(if_match)
        await service.remove_day(_date("date", day), based_on=based_on)

    return routes


def _reply(row: ScheduleRow, response: Response) -> ScheduleView:
    set_etag(response, row.version)
    return ScheduleView(
        **row.schedule.model_dump(),
        version=row.version,
        edited_at=row.edited_at,
        edited_by=row.edited_by,
    )


def _date(field: str, value: str) -> date:
    try:
        found = date.fromisoformat(value)
    except ValueError as exc:
        raise InvalidField(field, "there is no such date") from exc
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise InvalidField(field, f"a date in the years {FIRST_YEAR} to {LAST_YEAR}")
    return found
