"""REST: `/messages`, the list to be worked off. Each act is a sub-resource."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.channels.messages.model import (
    MOST_NOTE,
    MessageFilter,
    MessageOutcome,
    MessageReason,
    MessageState,
)
from callcenter.channels.messages.service import MessageService
from callcenter.channels.messages.store import MessageView
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Page,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
)
from callcenter.recordings.api import AUDIO_RESPONSES, audio_reply


class MessageRecording(Schema):
    """What was said: `reason` says why there is nothing to hear, `audio` where it is heard."""

    recording_id: UUID
    state: str
    reason: str | None
    audio: str


class MessageReply(Schema):
    """A message; `length_ms` is null until its recording is finished."""

    call_id: UUID
    case_number: str
    line: str | None
    queue: str | None
    language: str | None
    reason: MessageReason
    caller_number: str | None
    caller_withheld: bool
    left_at: datetime
    length_ms: int | None
    due_at: datetime
    state: MessageState
    taken_by: str | None
    taken_at: datetime | None
    done_by: str | None
    done_at: datetime | None
    outcome: MessageOutcome | None
    note: str | None
    recording: MessageRecording


class DoneRequest(Schema):
    """What became of it."""

    outcome: MessageOutcome
    # Told to readers of OpenAPI; the model holds to it and names the rule.
    note: str = Field("", json_schema_extra={"maxLength": MOST_NOTE})


Queue = Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def router(service: MessageService, guard: Guard) -> APIRouter:
    """`/messages…`, for everybody who is logged in; supervisors act on others' messages too."""
    api = APIRouter(prefix="/messages", tags=["messages"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_messages(
        state: Annotated[
            MessageState | None, Query(description="Absent: what is to be worked off (new, taken).")
        ] = None,
        queue: Queue = None,
        overdue: Annotated[
            bool | None, Query(description="Whether it should have been done by now.")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[MessageReply]:
        """Those that are due first come first."""
        wanted = MessageFilter(state=state, queue=queue, overdue=overdue)
        found = await service.list(
            wanted, behind=position_of(cursor, a_moment, UUID), limit=limit + 1
        )
        last = found[limit - 1].message if len(found) > limit else None
        return Page(
            items=[_reply(view) for view in found[:limit]],
            next_cursor=encode_cursor(last.due_at.isoformat(), str(last.call_id)) if last else None,
        )

    @api.get("/{call_id}")
    async def read_message(
        call_id: UUID, _principal: Principal = Depends(guard.agent)
    ) -> MessageReply:
        """The message that the call left."""
        return _reply(await service.get(call_id))

    @api.post("/{call_id}/take")
    async def take_message(
        call_id: UUID, principal: Principal = Depends(guard.agent)
    ) -> MessageReply:
        """Nobody else works on it from now on. What somebody else has taken is refused (409)."""
        return _reply(await service.take(call_id, by=principal.name))

    @api.post("/{call_id}/release")
    async def release_message(
        call_id: UUID, principal: Principal = Depends(guard.agent)
    ) -> MessageReply:
        """Give it back to the list; a supervisor gives back anybody's."""
        may = principal.reaches(Role.SUPERVISOR)
        return _reply(await service.release(call_id, by=principal.name, may_override=may))

    @api.post("/{call_id}/done")
    async def finish_message(
        call_id: UUID, body: DoneRequest, principal: Principal = Depends(guard.agent)
    ) -> MessageReply:
        """Worked off, by who has taken it."""
        may = principal.reaches(Role.SUPERVISOR)
        return _reply(
            await service.done(
                call_id, body.outcome, body.note, by=principal.name, may_override=may
            )
        )

    @api.get("/{call_id}/audio", response_class=Response, responses=AUDIO_RESPONSES)
    async def hear_message(
        call_id: UUID,
        byte_range: Annotated[str | None, Header(alias="Range")] = None,
        if_range: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
        principal: Principal = Depends(guard.agent),
    ) -> Response:
        """What was said, for who has taken the message, and for supervisors."""
        recording_id, sound = await service.sound(
            call_id, by=principal.name, may_override=principal.reaches(Role.SUPERVISOR)
        )
        return audio_reply(sound, recording_id, byte_range, if_range, if_none_match)

    return api


def _reply(view: MessageView) -> MessageReply:
    message = view.message
    return MessageReply(
        **{
            name: getattr(message, name)
            for name in MessageReply.model_fields
            if hasattr(message, name)
        },
        caller_number=view.caller_number,
        caller_withheld=view.caller_withheld,
        recording=MessageRecording(
            recording_id=message.recording_id,
            state=view.recording_state,
            reason=view.recording_reason,
            audio=f"/api/v1/messages/{message.call_id}/audio",
        ),
    )
