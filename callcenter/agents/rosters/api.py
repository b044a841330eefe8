"""`/shifts`, `/cover-rules`, `/rosters`: who is on duty, and where too few are.

Anybody logged in reads, supervisors plan, admins say how many there must be.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import AfterValidator, Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.model import AGENT_ID
from callcenter.agents.rosters.model import (
    MINUTES_A_DAY,
    MOST_AT_LEAST,
    MOST_NOTE,
    MOST_TITLE,
    CoverRule,
    DayHours,
)
from callcenter.agents.rosters.service import RosterService
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Flag,
    IfMatch,
    Limit,
    Moment,
    Page,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
    set_etag,
    wanted_version,
)

_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
_DATE: Final = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_TIME: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
Name = Annotated[str, Field(pattern=_NAME)]
NameInPath = Annotated[str, InPath(pattern=_NAME)]
AgentId = Annotated[str, Field(pattern=f"^{AGENT_ID}$")]
Note = Annotated[str, Field(json_schema_extra={"maxLength": MOST_NOTE})]
Clock = Annotated[str, Field(pattern=_TIME, description="HH:MM on the city's clock.")]


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[
    str, Field(pattern=_DATE, json_schema_extra={"format": "date"}), AfterValidator(_day)
]


class NewShift(Schema):
    """A time on duty, at most 16 hours."""

    agent_id: AgentId
    starts_at: Moment
    ends_at: Moment
    note: Note = ""


class ShiftChange(Schema):
    starts_at: Moment
    ends_at: Moment
    note: Note = ""


class ShiftView(Schema):
    shift_id: UUID
    agent_id: str
    starts_at: datetime
    ends_at: datetime
    note: str
    version: int


class WeekHours(Schema):
    """Hours of one weekday, 1 Monday … 7 Sunday; `to` not after `from`: it is on the next day."""

    weekday: Annotated[Whole, Field(ge=1, le=7)]
    from_: Annotated[Clock, Field(alias="from")]
    to: Clock

    model_config = Schema.model_config | {"populate_by_name": True}


class Plan(Schema):
    """Shifts by the week, from `first_day` to `last_day`, for each of `agents`: all or none."""

    agents: Annotated[list[AgentId], Field(min_length=1, max_length=200)]
    week: Annotated[list[WeekHours], Field(min_length=1, max_length=50)]
    first_day: Day
    last_day: Day
    workdays_only: Flag = False


class Planned(Schema):
    """How many shifts a plan made."""

    made: int


class RuleFields(Schema):
    """How many must be on duty; no hours: day and night."""

    title: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    at_least: Annotated[Whole, Field(ge=1, le=MOST_AT_LEAST)]
    queue: Name | None = None
    skill: Name | None = None
    language: Name | None = None
    hours: list[WeekHours] = Field(default_factory=list, max_length=50)


class NewRule(RuleFields):
    name: Name


class RuleView(NewRule):
    version: int


class OnDutyView(Schema):
    """Whose shift it is; `missing`: on duty, and the phone is not there."""

    agent_id: str
    shift_id: UUID
    starts_at: datetime
    ends_at: datetime
    state: str | None
    missing: bool
    skills: list[str]
    languages: list[str]


class OnDutyList(Schema):
    items: list[OnDutyView]


class HoleView(Schema):
    """Fewer are on duty than a rule wants."""

    rule: str
    starts_at: datetime
    ends_at: datetime
    there: int
    wanted: int


class Cover(Schema):
    """`covered`: no rule has a hole, and there is a rule. `rules`: how many were looked at."""

    covered: bool
    rules: int
    holes: list[HoleView]


def router(service: RosterService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(responses=PROBLEM_RESPONSES)
    routes.include_router(_shift_routes(service, guard))
    routes.include_router(_rule_routes(service, guard))
    routes.include_router(_roster_routes(service, guard))
    return routes


def _shift_routes(service: RosterService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/shifts", tags=["rosters"])

    @routes.get("")
    async def list_shifts(
        begin: Annotated[Moment, Query(alias="from")],
        end: Annotated[Moment, Query(alias="to")],
        agent_id: Annotated[str | None, Query(pattern=f"^{AGENT_ID}$")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ShiftView]:
        found = await service.shifts(
            begin,
            end,
            agent_id=agent_id,
            after=position_of(cursor, a_moment, UUID),
            limit=limit + 1,
        )
        last = found[limit - 1] if len(found) > limit else None
        return Page(
            items=[ShiftView.model_validate(shift) for shift in found[:limit]],
            next_cursor=encode_cursor(last.starts_at.isoformat(), str(last.shift_id))
            if last
            else None,
        )

    @routes.post("", status_code=201)
    async def add_shift(body: NewShift, who: Principal = Depends(guard.supervisor)) -> ShiftView:
        return ShiftView.model_validate(
            await service.add(body.agent_id, body.starts_at, body.ends_at, body.note, by=who.name)
        )

    @routes.get("/{shift_id}")
    async def read_shift(
        shift_id: UUID, response: Response, _who: Principal = Depends(guard.agent)
    ) -> ShiftView:
        shift = await service.shift(shift_id)
        set_etag(response, shift.version)
        return ShiftView.model_validate(shift)

    @routes.put("/{shift_id}")
    async def change_shift(
        shift_id: UUID,
        body: ShiftChange,
        response: Response,
        if_match: IfMatch,
        _who: Principal = Depends(guard.supervisor),
    ) -> ShiftView:
        shift = await service.change(
            shift_id,
            body.starts_at,
            body.ends_at,
            body.note,
            version=wanted_version(if_match),
        )
        set_etag(response, shift.version)
        return ShiftView.model_validate(shift)

    @routes.delete("/{shift_id}", status_code=204)
    async def remove_shift(shift_id: UUID, _who: Principal = Depends(guard.supervisor)) -> None:
        await service.remove(shift_id)

    return routes


def _rule_routes(service: RosterService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/cover-rules", tags=["rosters"])

    @routes.get("")
    async def list_rules(_who: Principal = Depends(guard.agent)) -> Page[RuleView]:
        return Page(items=[_rule_view(rule) for rule in await service.rules()])

    @routes.post("", status_code=201)
    async def add_rule(
        body: NewRule, response: Response, _who: Principal = Depends(guard.admin)
    ) -> RuleView:
        rule = await service.add_rule(_rule(body.name, body))
        set_etag(response, rule.version)
        return _rule_view(rule)

    @routes.get("/{name}")
    async def read_rule(
        name: NameInPath, response: Response, _who: Principal = Depends(guard.agent)
    ) -> RuleView:
        rule = await service.rule(name)
        set_etag(response, rule.version)
        return _rule_view(rule)

    @routes.put("/{name}")
    async def change_rule(
        name: NameInPath,
        body: RuleFields,
        response: Response,
        if_match: IfMatch,
        _who: Principal = Depends(guard.admin),
    ) -> RuleView:
        rule = await service.change_rule(_rule(name, body), version=wanted_version(if_match))
        set_etag(response, rule.version)
        return _rule_view(rule)

    @routes.delete("/{name}", status_code=204)
    async def remove_rule(name: NameInPath, _who: Principal = Depends(guard.admin)) -> None:
        await service.remove_rule(name)

    return routes


def _roster_routes(service: RosterService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/rosters", tags=["rosters"])

    @routes.post("/plans", status_code=201)
    async def make_plan(body: Plan, who: Principal = Depends(guard.supervisor)) -> Planned:
        made = await service.plan(
            body.agents,
            [_day_hours(one) for one in body.week],
            date.fromisoformat(body.first_day),
            date.fromisoformat(body.last_day),
            workdays_only=body.workdays_only,
            by=who.name,
        )
        return Planned(made=len(made))

    @routes.get("/on-duty")
    async def who_is_on_duty(
        at: Moment | None = None, _who: Principal = Depends(guard.agent)
    ) -> OnDutyList:
        return OnDutyList(
            items=[
                OnDutyView(
                    agent_id=one.shift.agent_id,
                    shift_id=one.shift.shift_id,
                    starts_at=one.shift.starts_at,
                    ends_at=one.shift.ends_at,
                    state=one.state,
                    missing=one.is_missing,
                    skills=sorted(one.skills),
                    languages=sorted(one.languages),
                )
                for one in await service.on_duty(at)
            ]
        )

    @routes.get("/cover")
    async def find_holes(
        begin: Annotated[Moment, Query(alias="from")],
        end: Annotated[Moment, Query(alias="to")],
        _who: Principal = Depends(guard.agent),
    ) -> Cover:
        found = await service.holes(begin, end)
        rules = len(await service.rules())
        return Cover(
            covered=not found and rules > 0,
            rules=rules,
            holes=[HoleView.model_validate(hole) for hole in found],
        )

    return routes


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _clock(minutes: int) -> str:
    minutes = minutes if minutes <= MINUTES_A_DAY else minutes - MINUTES_A_DAY
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _day_hours(hours: WeekHours) -> DayHours:
    start, end = _minutes(hours.from_), _minutes(hours.to)
    return DayHours(
        weekday=hours.weekday, start=start, end=end if end > start else end + MINUTES_A_DAY
    )


def _rule(name: str, body: RuleFields) -> CoverRule:
    return CoverRule(
        name=name,
        title=body.title,
        at_least=body.at_least,
        queue=body.queue,
        skill=body.skill,
        language=body.language,
        hours=tuple(_day_hours(one) for one in body.hours),
    )


def _rule_view(rule: CoverRule) -> RuleView:
    return RuleView(
        name=rule.name,
        title=rule.title,
        at_least=rule.at_least,
        queue=rule.queue,
        skill=rule.skill,
        language=rule.language,
        hours=[
            WeekHours.model_validate(
                {"weekday": one.weekday, "from": _clock(one.start), "to": _clock(one.end)}
            )
            for one in rule.hours
        ],
        version=rule.version,
    )
