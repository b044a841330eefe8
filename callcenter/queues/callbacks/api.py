"""`/callbacks`: who wants to be called back, longest waiting first. Agents work it off."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.errors import InvalidField
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
)
from callcenter.queues.callbacks.model import MOST_NOTE, Callback, CallbackState, Outcome
from callcenter.queues.callbacks.service import CallbackService


class CallbackView(Schema):
    """A wish to be called back."""

    callback_id: UUID
    call_id: UUID
    queue: str
    number: str
    language: str
    wanted_at: datetime
    state: CallbackState
    outcome: Outcome | None
    note: str
    done_at: datetime | None
    done_by: str | None


class Finished(Schema):
    """What came of it."""

    outcome: Outcome
    note: Annotated[str, Field(max_length=MOST_NOTE)] = ""


def router(service: CallbackService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/callbacks", tags=["callbacks"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_callbacks(
        state: CallbackState | None = None,
        queue: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[CallbackView]:
        rows = await service.list(state=state, queue=queue, after=_after(cursor), limit=limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[CallbackView.model_validate(row) for row in rows[:limit]],
            next_cursor=encode_cursor(last.wanted_at.isoformat(), str(last.callback_id))
            if last
            else None,
        )

    @routes.get("/{callback_id}")
    async def read_callback(
        callback_id: UUID, _who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        return _view(await service.get(callback_id))

    @routes.post("/{callback_id}/done")
    async def finish_callback(
        callback_id: UUID, body: Finished, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        return _view(await service.finish(callback_id, body.outcome, body.note, by=who.name))

    return routes


def _view(callback: Callback) -> CallbackView:
    return CallbackView.model_validate(callback)


def _after(cursor: str | None) -> tuple[datetime, UUID] | None:
    if not cursor:
        return None
    at, callback_id = decode_cursor(cursor, 2)
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 1990 <= moment.year <= 2200:
            raise ValueError
        return moment, UUID(callback_id)
    except ValueError as exc:
        raise InvalidField("cursor", "must be the next_cursor of an earlier page") from exc
