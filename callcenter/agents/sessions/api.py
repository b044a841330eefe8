"""REST: states of agents, their log-ins, and the reasons of pauses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.audit import MOST_REASON
from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.api import AgentId
from callcenter.agents.sessions import model
from callcenter.agents.sessions.model import Record
from callcenter.agents.sessions.reasons import (
    LONGEST_LIMIT,
    MOST_TITLE,
    NAME,
    SHORTEST_LIMIT,
    ChosenBy,
    PauseReason,
    PauseReasonService,
)
from callcenter.agents.sessions.service import SessionService
from callcenter.agents.sessions.store import Span
from callcenter.platform.clock import Clock
from callcenter.platform.errors import InvalidField
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
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)
from callcenter.switch.model import SwitchOutcome

_REASON: Final = {"pattern": f"^{NAME}$"}
ReasonName = Annotated[str, InPath(json_schema_extra=_REASON)]
QueueName = Annotated[str, InPath(json_schema_extra={"pattern": f"^{NAME}$"})]
_States = Literal["offline", "ready", "paused", "ringing", "talking", "holding", "wrap_up"]


class StateReply(Schema):
    """How an agent is. `state` is what is true now; `logged_in` and `wanted_pause` are what is
    wanted: a pause that is wished for in a talk comes after it. `in_force`: Asterisk was seen to
    follow the last wish. `allowed`: what can be asked for now."""

    agent_id: str
    state: _States
    reason: str | None
    since: datetime
    until_at: datetime | None = Field(
        description="When the wrap-up ends by itself, or the pause is over its limit."
    )
    over_limit: bool
    logged_in: bool
    wanted_pause: str | None
    phone: Literal["unknown", "away", "there"]
    call_id: UUID | None
    queue: str | None
    in_force: bool
    allowed: list[str]
    version: int


class OwnStateReply(StateReply):
    """`queues`: logged in to now; `out_of`: belongs to, and is logged out of."""

    queues: list[str]
    out_of: list[str]


class WantedState(Schema):
    """`reason` is a pause reason; `queues`: log in to these, out of the others; `reason_text` goes
    into the audit where a supervisor acts on somebody else's agent."""

    state: _States
    reason: Annotated[str | None, Field(json_schema_extra=_REASON)] = None
    queues: Annotated[list[str] | None, Field(max_length=100)] = None
    reason_text: Annotated[str, Field(json_schema_extra={"maxLength": MOST_REASON})] = ""


class SpanReply(Schema):
    """Some time in one state; the one that goes on has no end."""

    state: _States
    reason: str | None
    call_id: UUID | None
    queue: str | None
    began_at: datetime
    ended_at: datetime | None


class Title(Schema):
    zh: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    en: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]


_LimitSeconds = Annotated[
    Whole | None,
    Field(
        json_schema_extra={"minimum": SHORTEST_LIMIT, "maximum": LONGEST_LIMIT},
        description="A longer pause is shown as over its limit; null: none is too long.",
    ),
]
_Digit = Annotated[
    str | None,
    Field(json_schema_extra={"pattern": "^[0-9]$"}, description="Behind *47 on any phone."),
]


class ReasonBody(Schema):
    """`productive`: work without calls."""

    title: Title
    productive: Flag
    limit_seconds: _LimitSeconds = None
    digit: _Digit = None


class NewReason(ReasonBody):
    name: Annotated[str, Field(json_schema_extra=_REASON)]
    chosen_by: Literal["agent", "supervisor"] = "agent"


class ReasonReply(Schema):
    name: str
    title: Title
    productive: bool
    limit_seconds: int | None
    digit: str | None
    chosen_by: Literal["agent", "supervisor", "system"]
    version: int


class ReasonChanged(ReasonReply):
    """`in_force`: Asterisk was seen to know the code."""

    in_force: bool
    detail: str | None


class RemovedReply(Schema):
    name: str
    in_force: bool
    detail: str | None


def router(service: SessionService, guard: Guard, clock: Clock) -> APIRouter:
    """States: read by everybody who is logged in; changed by the agent's own user (linked with the
    agent) and by supervisors."""
    api = APIRouter(tags=["agent states"], responses=PROBLEM_RESPONSES)

    @api.get("/agent-states")
    async def list_states(
        limit: Limit = 50,
        cursor: Cursor = None,
        state: Annotated[_States | None, Query()] = None,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[StateReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1, state=state)
        more = len(found) > limit
        return Page(
            items=[StateReply.model_validate(_shown(record)) for record in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].session.agent_id) if more else None,
        )

    @api.get("/agents/{agent_id}/state")
    async def get_state(
        agent_id: AgentId, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> OwnStateReply:
        return _own(response, *await service.get(agent_id))

    @api.put("/agents/{agent_id}/state")
    @api.post("/agents/{agent_id}/state")
    async def set_state(
        agent_id: AgentId,
        body: WantedState,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> OwnStateReply:
        """`ready`, `paused` with a reason, or `offline`; 409 tells what is `allowed` instead."""
        found = await service.set_state(
            agent_id,
            body.state,
            by=principal,
            reason=body.reason,
            queues=body.queues,
            because=body.reason_text,
        )
        return _own(response, *found)

    @api.post("/agents/{agent_id}/wrap-up/done")
    async def end_wrap_up(
        agent_id: AgentId, response: Response, principal: Principal = Depends(guard.agent)
    ) -> OwnStateReply:
        """The wrap-up is over before its limit. Saving the call's case ends it too."""
        return _own(response, *await service.end_wrap_up(agent_id, by=principal))

    @api.post("/agents/{agent_id}/queues/{queue}/login")
    async def log_in(
        agent_id: AgentId,
        queue: QueueName,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> OwnStateReply:
        """Take calls of this queue again."""
        return _own(
            response, *await service.set_queue(agent_id, queue, logged_in=True, by=principal)
        )

    @api.delete("/agents/{agent_id}/queues/{queue}/login")
    async def log_out(
        agent_id: AgentId,
        queue: QueueName,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> OwnStateReply:
        """Take no calls of this queue; the agent still belongs to it."""
        return _own(
            response, *await service.set_queue(agent_id, queue, logged_in=False, by=principal)
        )

    @api.get("/agents/{agent_id}/activity")
    async def list_activity(
        agent_id: AgentId,
        since: Annotated[Moment | None, Query(description="Absent: a day before `until`.")] = None,
        until: Annotated[Moment | None, Query(description="Absent: now.")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[SpanReply]:
        """The states that overlap the time, oldest first."""
        end = until or clock()
        begin = since or end - timedelta(days=1)
        if begin >= end:
            raise InvalidField("since", "before `until`")
        found = await service.activity(
            agent_id, since=begin, until=end, after=_after(cursor), limit=limit + 1
        )
        more = len(found) > limit
        return Page(
            items=[_span(span) for span in found[:limit]],
            next_cursor=encode_cursor(
                found[limit - 1].began_at.isoformat(), str(found[limit - 1].activity_id)
            )
            if more
            else None,
        )

    return api


def reasons_router(service: PauseReasonService, guard: Guard) -> APIRouter:
    """`/pause-reasons`: read by everybody who is logged in, kept by supervisors."""
    api = APIRouter(prefix="/pause-reasons", tags=["agent states"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_reasons(
        limit: Limit = 50, cursor: Cursor = None, _principal: Principal = Depends(guard.agent)
    ) -> Page[ReasonReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1)
        return Page(
            items=[ReasonReply.model_validate(_reason(reason)) for reason in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.post("", status_code=201)
    async def add_reason(
        body: NewReason, response: Response, _principal: Principal = Depends(guard.supervisor)
    ) -> ReasonChanged:
        reason, outcome = await service.add(
            _wanted(body.name, body, chosen_by=ChosenBy(body.chosen_by))
        )
        set_etag(response, reason.version)
        return _changed(reason, outcome)

    @api.get("/{name}")
    async def get_reason(
        name: ReasonName, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> ReasonReply:
        reason = await service.get(name)
        set_etag(response, reason.version)
        return ReasonReply.model_validate(_reason(reason))

    @api.put("/{name}")
    async def change_reason(
        name: ReasonName,
        body: ReasonBody,
        response: Response,
        if_match: IfMatch,
        _principal: Principal = Depends(guard.supervisor),
    ) -> ReasonChanged:
        # Whether there is such a reason comes before the version it was read in.
        await service.get(name)
        reason, outcome = await service.change(
            _wanted(name, body), expected=wanted_version(if_match)
        )
        set_etag(response, reason.version)
        return _changed(reason, outcome)

    @api.delete("/{name}")
    async def remove_reason(
        name: ReasonName, _principal: Principal = Depends(guard.supervisor)
    ) -> RemovedReply:
        """Not one that the system gives, nor one that an agent is paused with now."""
        outcome = await service.remove(name)
        return RemovedReply(name=name, in_force=outcome.in_force, detail=outcome.detail)

    return api


def _shown(record: Record) -> dict[str, object]:
    session = record.session
    return {
        "agent_id": session.agent_id,
        "state": record.state.value,
        "reason": record.reason,
        "since": record.since,
        "until_at": record.until_at,
        "over_limit": record.over_limit,
        "logged_in": session.logged_in,
        "wanted_pause": session.paused_for,
        "phone": session.phone.value,
        "call_id": session.call_id,
        "queue": session.queue,
        "in_force": record.in_force,
        "allowed": list(model.allowed(record.session)),
        "version": record.version,
    }


def _span(span: Span) -> SpanReply:
    return SpanReply.model_validate({name: getattr(span, name) for name in SpanReply.model_fields})


def _own(response: Response, record: Record, theirs: frozenset[str]) -> OwnStateReply:
    set_etag(response, record.version)
    out_of = record.session.out_of & theirs
    logged_in = theirs - out_of if record.session.logged_in else frozenset()
    return OwnStateReply.model_validate(
        _shown(record) | {"queues": sorted(logged_in), "out_of": sorted(theirs - logged_in)}
    )


def _after(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    began_at, activity_id = decode_cursor(cursor, 2)
    try:
        moment = datetime.fromisoformat(began_at)
    except ValueError:
        moment = None
    if (
        moment is None
        or moment.tzinfo is None
        or not activity_id.isascii()
        or not activity_id.isdigit()
        or len(activity_id) > 18
    ):
        raise InvalidField("cursor", "must be the next_cursor of an earlier page")
    return moment.astimezone(UTC), int(activity_id)


def _reason(reason: PauseReason) -> dict[str, object]:
    return {
        "name": reason.name,
        "title": Title(zh=reason.title_zh, en=reason.title_en),
        "productive": reason.productive,
        "limit_seconds": reason.limit_seconds,
        "digit": reason.digit,
        "chosen_by": reason.chosen_by.value,
        "version": reason.version,
    }


def _changed(reason: PauseReason, outcome: SwitchOutcome) -> ReasonChanged:
    return ReasonChanged.model_validate(
        _reason(reason) | {"in_force": outcome.in_force, "detail": outcome.detail}
    )


def _wanted(name: str, body: ReasonBody, *, chosen_by: ChosenBy = ChosenBy.AGENT) -> PauseReason:
    return PauseReason(
        name=name,
        title_zh=body.title.zh,
        title_en=body.title.en,
        productive=body.productive,
        limit_seconds=body.limit_seconds,
        digit=body.digit,
        chosen_by=chosen_by,
    )
