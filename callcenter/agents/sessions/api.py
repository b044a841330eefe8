"""REST: states of agents, their log-ins, and the reasons of pauses."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.api import AgentId
from callcenter.agents.sessions.model import Record
from callcenter.agents.sessions.reasons import NAME, ChosenBy, PauseReasonService
from callcenter.agents.sessions.schemas import (
    REASON_PATTERN,
    NewReason,
    OwnStateReply,
    PauseReasonRemoved,
    ReasonBody,
    ReasonChanged,
    ReasonReply,
    SpanReply,
    StateReply,
    States,
    WantedState,
)
from callcenter.agents.sessions.service import SessionService
from callcenter.platform.clock import Clock
from callcenter.platform.errors import InvalidField
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Moment,
    Page,
    a_moment,
    a_number,
    decode_cursor,
    encode_cursor,
    position_of,
    set_etag,
    wanted_version,
)

ReasonName = Annotated[str, InPath(json_schema_extra=REASON_PATTERN)]
QueueName = Annotated[str, InPath(json_schema_extra={"pattern": f"^{NAME}$"})]


def router(service: SessionService, guard: Guard, clock: Clock) -> APIRouter:
    """States: read by everybody who is logged in; changed by the agent's own user (linked with the
    agent) and by supervisors."""
    api = APIRouter(tags=["agent states"], responses=PROBLEM_RESPONSES)

    @api.get("/agent-states")
    async def list_states(
        limit: Limit = 50,
        cursor: Cursor = None,
        state: Annotated[States | None, Query()] = None,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[StateReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1, state=state)
        more = len(found) > limit
        return Page(
            items=[StateReply.of_record(record) for record in found[:limit]],
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
            agent_id,
            since=begin,
            until=end,
            after=position_of(cursor, a_moment, partial(a_number, digits=18)),
            limit=limit + 1,
        )
        more = len(found) > limit
        return Page(
            items=[SpanReply.model_validate(span) for span in found[:limit]],
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
            items=[ReasonReply.of_reason(reason) for reason in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.post("", status_code=201)
    async def add_reason(
        body: NewReason, response: Response, _principal: Principal = Depends(guard.supervisor)
    ) -> ReasonChanged:
        reason, outcome = await service.add(
            body.wanted(body.name, chosen_by=ChosenBy(body.chosen_by))
        )
        set_etag(response, reason.version)
        return ReasonChanged.of(reason, outcome)

    @api.get("/{name}")
    async def get_reason(
        name: ReasonName, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> ReasonReply:
        reason = await service.get(name)
        set_etag(response, reason.version)
        return ReasonReply.of_reason(reason)

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
        reason, outcome = await service.change(body.wanted(name), expected=wanted_version(if_match))
        set_etag(response, reason.version)
        return ReasonChanged.of(reason, outcome)

    @api.delete("/{name}")
    async def remove_reason(
        name: ReasonName, _principal: Principal = Depends(guard.supervisor)
    ) -> PauseReasonRemoved:
        """Not one that the system gives, nor one that an agent is paused with now."""
        outcome = await service.remove(name)
        return PauseReasonRemoved(name=name, in_force=outcome.in_force, detail=outcome.detail)

    return api


def _own(response: Response, record: Record, theirs: frozenset[str]) -> OwnStateReply:
    set_etag(response, record.version)
    return OwnStateReply.of(record, theirs)
