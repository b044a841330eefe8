"""`/on-call` and `/alerts`: who answers for rapid response, and what waits for them.

Anybody logged in raises, acknowledges and closes alerts; supervisors keep the turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.agents.model import AGENT_ID
from callcenter.agents.on_call.model import (
    HIGHEST_LEVEL,
    LONGEST_ACK,
    MOST_NOTE,
    MOST_TITLE,
    MOST_WORDS,
    SHORTEST_ACK,
    Alert,
    AlertState,
    Rota,
    Step,
    StepKind,
)
from callcenter.agents.on_call.ringing import AlertCall, CallOutcome
from callcenter.agents.on_call.service import OnCallService
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
_SECOND: Final = timedelta(seconds=1)
NameInPath = Annotated[str, InPath(pattern=_NAME)]
Level = Annotated[Whole, Field(ge=1, le=HIGHEST_LEVEL)]


class RotaFields(Schema):
    """`ack_within_seconds`: how long each level has to say "I have it". `rings`: whoever an alert
    is given to is called, and may say so by key 1."""

    title: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    ack_within_seconds: Annotated[
        Whole, Field(ge=SHORTEST_ACK // _SECOND, le=LONGEST_ACK // _SECOND)
    ] = 600
    rings: Flag = True


class NewRota(RotaFields):
    name: Annotated[str, Field(pattern=_NAME)]


class RotaView(NewRota):
    version: int


class NewTurn(Schema):
    """Level 1 is asked first. `phone_number`: where alerts call the agent in this turn, over the
    trunk; absent: at the agent's own phone."""

    agent_id: Annotated[str, Field(pattern=f"^{AGENT_ID}$")]
    level: Level = 1
    starts_at: Moment
    ends_at: Moment
    phone_number: Annotated[
        str | None, Field(json_schema_extra={"minLength": 3, "maxLength": 21})
    ] = None


class TurnView(Schema):
    """`phone_number` is told to supervisors only."""

    turn_id: UUID
    level: int
    agent_id: str
    starts_at: datetime
    ends_at: datetime
    phone_number: str | None


class Turns(Schema):
    items: list[TurnView]


class OnTurn(Schema):
    level: int
    agent_id: str


class OnCallView(Schema):
    """Who is on call; nobody on level 1: an alert begins on the next level that has somebody."""

    items: list[OnTurn]


class NewAlert(Schema):
    """Something that cannot wait."""

    words: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_WORDS})]
    case_number: Annotated[str | None, Field(pattern=r"^[0-9]{8,20}$")] = None


class Closing(Schema):
    """What was done."""

    note: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NOTE})]


class StepView(Schema):
    at: datetime
    level: int
    what: StepKind
    agent_id: str | None


class AlertItem(Schema):
    alert_id: UUID
    rota: str
    words: str
    case_number: str | None
    raised_at: datetime
    raised_by: str
    level: int
    level_since: datetime
    state: AlertState
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    note: str


class CallView(Schema):
    """A call that tells, or told, somebody of the alert. `over`: the agent's `phone`, or their
    number over the `trunk`."""

    call_id: UUID
    attempt: int
    agent_id: str
    level: int
    over: Literal["phone", "trunk"]
    placed_at: datetime
    heard_at: datetime | None
    ended_at: datetime | None
    outcome: CallOutcome | None


class AlertView(AlertItem):
    """With whom it was given to, and when; and by which calls they were told."""

    steps: list[StepView]
    calls: list[CallView]


def router(service: OnCallService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(responses=PROBLEM_RESPONSES)
    routes.include_router(_rota_routes(service, guard))
    routes.include_router(_alert_routes(service, guard))
    return routes


def _rota_routes(service: OnCallService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/on-call", tags=["on call"])
    view = _viewer(service)

    @routes.get("")
    async def list_rotas(_who: Principal = Depends(guard.agent)) -> Page[RotaView]:
        return Page(items=[_rota_view(rota) for rota in await service.rotas()])

    @routes.post("", status_code=201)
    async def add_rota(
        body: NewRota, response: Response, _who: Principal = Depends(guard.supervisor)
    ) -> RotaView:
        rota = await service.add_rota(_rota(body.name, body))
        set_etag(response, rota.version)
        return _rota_view(rota)

    @routes.get("/{name}")
    async def read_rota(
        name: NameInPath, response: Response, _who: Principal = Depends(guard.agent)
    ) -> RotaView:
        rota = await service.rota(name)
        set_etag(response, rota.version)
        return _rota_view(rota)

    @routes.put("/{name}")
    async def change_rota(
        name: NameInPath,
        body: RotaFields,
        response: Response,
        if_match: IfMatch,
        _who: Principal = Depends(guard.supervisor),
    ) -> RotaView:
        rota = await service.change_rota(_rota(name, body), version=wanted_version(if_match))
        set_etag(response, rota.version)
        return _rota_view(rota)

    @routes.delete("/{name}", status_code=204)
    async def remove_rota(name: NameInPath, _who: Principal = Depends(guard.supervisor)) -> None:
        await service.remove_rota(name)

    @routes.get("/{name}/now")
    async def who_is_on_call(
        name: NameInPath, at: Moment | None = None, _who: Principal = Depends(guard.agent)
    ) -> OnCallView:
        return OnCallView(
            items=[
                OnTurn(level=level, agent_id=agent_id)
                for level, agent_id in await service.on_call(name, at)
            ]
        )

    @routes.get("/{name}/turns")
    async def list_turns(
        name: NameInPath,
        begin: Annotated[Moment, Query(alias="from")],
        end: Annotated[Moment, Query(alias="to")],
        who: Principal = Depends(guard.agent),
    ) -> Turns:
        found = await service.turns(name, begin, end)
        may_see = who.reaches(Role.SUPERVISOR)
        return Turns(
            items=[
                TurnView.model_validate(turn if may_see else replace(turn, phone_number=None))
                for turn in found
            ]
        )

    @routes.post("/{name}/turns", status_code=201)
    async def add_turn(
        name: NameInPath, body: NewTurn, _who: Principal = Depends(guard.supervisor)
    ) -> TurnView:
        turn = await service.add_turn(
            name, body.agent_id, body.level, body.starts_at, body.ends_at, body.phone_number
        )
        return TurnView.model_validate(turn)

    @routes.delete("/{name}/turns/{turn_id}", status_code=204)
    async def remove_turn(
        name: NameInPath, turn_id: UUID, _who: Principal = Depends(guard.supervisor)
    ) -> None:
        await service.remove_turn(name, turn_id)

    @routes.post("/{name}/alerts", status_code=201)
    async def raise_alert(
        name: NameInPath, body: NewAlert, who: Principal = Depends(guard.agent)
    ) -> AlertView:
        return await view(
            *await service.raise_alert(name, body.words, body.case_number, by=who.name)
        )

    return routes


def _alert_routes(service: OnCallService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/alerts", tags=["on call"])
    view = _viewer(service)

    @routes.get("")
    async def list_alerts(
        rota: Annotated[str | None, Query(pattern=_NAME)] = None,
        state: AlertState | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[AlertItem]:
        found = await service.alerts(
            rota=rota, state=state, before=position_of(cursor, a_moment, UUID), limit=limit + 1
        )
        last = found[limit - 1] if len(found) > limit else None
        return Page(
            items=[AlertItem.model_validate(alert) for alert in found[:limit]],
            next_cursor=encode_cursor(last.raised_at.isoformat(), str(last.alert_id))
            if last
            else None,
        )

    @routes.get("/{alert_id}")
    async def read_alert(alert_id: UUID, _who: Principal = Depends(guard.agent)) -> AlertView:
        return await view(*await service.alert(alert_id))

    @routes.post("/{alert_id}/acknowledge")
    async def acknowledge(alert_id: UUID, who: Principal = Depends(guard.agent)) -> AlertView:
        return await view(*await service.acknowledge(alert_id, who=who.name))

    @routes.post("/{alert_id}/close")
    async def close(
        alert_id: UUID, body: Closing, who: Principal = Depends(guard.agent)
    ) -> AlertView:
        return await view(*await service.close(alert_id, body.note, who=who.name))

    return routes


def _rota(name: str, body: RotaFields) -> Rota:
    return Rota(
        name=name,
        title=body.title,
        ack_within=body.ack_within_seconds * _SECOND,
        rings=body.rings,
    )


def _rota_view(rota: Rota) -> RotaView:
    return RotaView(
        name=rota.name,
        title=rota.title,
        ack_within_seconds=rota.ack_within // _SECOND,
        rings=rota.rings,
        version=rota.version,
    )


def _viewer(
    service: OnCallService,
) -> Callable[[Alert, Sequence[Step]], Awaitable[AlertView]]:
    async def view(alert: Alert, steps: Sequence[Step]) -> AlertView:
        return AlertView(
            **AlertItem.model_validate(alert).model_dump(),
            steps=[StepView.model_validate(step) for step in steps],
            calls=[_call_view(call) for call in await service.calls(alert.alert_id)],
        )

    return view


def _call_view(call: AlertCall) -> CallView:
    return CallView(
        call_id=call.call_id,
        attempt=call.attempt,
        agent_id=call.agent_id,
        level=call.level,
        over="phone" if call.phone_number is None else "trunk",
        placed_at=call.placed_at,
        heard_at=call.heard_at,
        ended_at=call.ended_at,
        outcome=call.outcome,
    )
