"""GET /calls, /calls/{call_id}, /calls/{call_id}/timeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.calls.model import CallState, Disposition, LedBy
from callcenter.calls.service import CallFilter, CallService, CallView
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Moment,
    Page,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
)


class PathStepOut(Schema):
    """A node of the flow the caller came to. `key` is what was pressed before, null for nothing;
    `led_by` says what that meant. A node that begins with a dot is no node of the flow but a step
    of the door. `about` names what was heard beside the flow's own words, such as
    `notice/<name>/<version>`. `flow` and `version`: of another flow that the line's own
    one runs."""

    node: str
    key: str | None
    led_by: LedBy = LedBy.FLOW
    at: datetime
    about: str = ""
    flow: str | None = None
    version: int | None = None


class LegOut(Schema):
    """One channel of the call."""

    uniqueid: str
    channel: str
    role: Literal["citizen", "agent", "other"]
    agent: str | None
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    hangup_cause: int | None
    moved_to: UUID | None  # the call a transfer took it to


class CallRecordingOut(Schema):
    """A recording of the call; `/recordings/{recording_id}` has the rest."""

    recording_id: UUID
    kind: Literal["conversation", "voicemail"]
    state: Literal["recording", "pending", "ready", "missing", "damaged"]
    reason: str | None
    duration_ms: int | None


class CallOut(Schema):
    """A call, from first ring to last word.

    `recording_notice` is what was played before anything was recorded, null where the line has none
    of its own (its flow says so itself). `priority`: with it the caller waited in the queue, null:
    as all; `priority_reason` is the priority list's, or names the flow.
    """

    call_id: UUID
    linkedid: str
    node: str
    line: str | None
    caller_number: str | None
    caller_name: str | None
    caller_withheld: bool
    caller_number_source: Literal["pai", "from", "withheld", "unknown"]
    dialled_number: str | None
    direction: Literal["inbound", "internal", "outbound"]
    language: str | None
    state: CallState
    disposition: Disposition | None
    started_at: datetime
    answered_at: datetime | None
    queued_at: datetime | None
    agent_answered_at: datetime | None
    ended_at: datetime | None
    hangup_by: Literal["caller", "agent", "system"] | None
    queue: str | None
    agent: str | None
    case_number: str | None
    recordings: list[CallRecordingOut]
    ivr_flow: str | None
    ivr_version: int | None
    ivr_path: list[PathStepOut]
    recording_notice: str | None
    recording_notice_version: int | None
    priority: int | None
    priority_reason: str | None
    legs: list[LegOut]


class TimelineItemOut(Schema):
    """`kind` is stable, `detail` is for reading."""

    at: datetime
    kind: str
    detail: str


class TimelineOut(Schema):
    """What mattered in the call, by time."""

    items: list[TimelineItemOut]


def _out(view: CallView) -> CallOut:
    known: Mapping[str, Any] = {
        **view.row,
        "case_number": view.case_number,
        "priority_reason": view.priority_reason,
    }
    fields = {name: known[name] for name in CallOut.model_fields if name in known}
    return CallOut.model_validate(
        {
            **fields,
            "recordings": [_only(CallRecordingOut, row) for row in view.recordings],
            "legs": [_only(LegOut, row) for row in view.legs],
        }
    )


def _only(schema: type[Schema], row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in schema.model_fields}


_Text = Annotated[str | None, Query(max_length=64)]


def router(service: CallService, guard: Guard) -> APIRouter:
    """The routes of this room."""
    routes = APIRouter(tags=["calls"], responses=PROBLEM_RESPONSES)

    @routes.get("/calls")
    async def list_calls(
        state: CallState | None = None,
        disposition: Disposition | None = None,
        line: _Text = None,
        queue: _Text = None,
        agent: _Text = None,
        caller_number: _Text = None,
        started_after: Moment | None = None,
        started_before: Moment | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[CallOut]:
        """Calls, youngest first. `caller_number` may be written as it is dialled here."""
        views = await service.list(
            CallFilter(
                state=state,
                disposition=disposition,
                line=line,
                queue=queue,
                agent=agent,
                caller_number=caller_number,
                started_after=started_after,
                started_before=started_before,
            ),
            behind=position_of(cursor, a_moment, UUID),
            limit=limit + 1,
        )
        page = views[:limit]
        further = None
        if len(views) > limit:
            last = page[-1].row
            further = encode_cursor(last["started_at"].isoformat(), str(last["call_id"]))
        return Page(items=[_out(view) for view in page], next_cursor=further)

    @routes.get("/calls/{call_id}")
    async def read_call(call_id: UUID, _principal: Principal = Depends(guard.agent)) -> CallOut:
        """One call."""
        return _out(await service.get(call_id))

    @routes.get("/calls/{call_id}/timeline")
    async def read_timeline(
        call_id: UUID, _principal: Principal = Depends(guard.agent)
    ) -> TimelineOut:
        """The call in words."""
        items = await service.timeline(call_id)
        return TimelineOut(items=[TimelineItemOut.model_validate(item) for item in items])

    return routes
