"""`/callbacks`: who is to be called back, longest waiting first. Agents work it off."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
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
from callcenter.queues.callbacks.model import (
    MOST_NOTE,
    CallbackState,
    Kind,
    Outcome,
    TryOutcome,
    TryState,
)
from callcenter.queues.callbacks.service import CallbackFilter, CallbackService
from callcenter.queues.callbacks.service import CallbackView as Found

Note = Annotated[str, Field(max_length=MOST_NOTE)]
QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class TryView(Schema):
    """One attempt to reach the citizen; `by`: who wrote it down, absent for our own dialling."""

    number: int
    state: TryState
    call_id: UUID | None
    placed_at: datetime
    dialled_at: datetime | None
    ended_at: datetime | None
    outcome: TryOutcome | None
    by: str | None
    note: str


class CallbackView(Schema):
    """A citizen to be called back. `position` is told by a single callback only; `moved_from`: the
    queue it was asked for in, where that one was removed."""

    callback_id: UUID
    kind: Kind
    call_id: UUID | None
    further_calls: list[UUID]
    case_number: str | None
    queue: str
    moved_from: str | None
    line: str | None
    number: str
    language: str
    wanted_at: datetime
    place_at: datetime
    position: int | None
    due_at: datetime | None
    overdue: bool
    next_try_at: datetime | None
    tries: list[TryView]
    state: CallbackState
    outcome: Outcome | None
    note: str
    done_at: datetime | None
    done_by: str | None


class NewCallback(Schema):
    """A call that an agent promises a citizen."""

    queue: QueueName
    number: Annotated[str, Field(pattern=r"^[+]?[0-9]{5,16}$")]
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "zh"
    case_number: Annotated[str, Field(pattern=r"^[0-9]{10}$")] | None = None
    note: Note = ""


class Attempt(Schema):
    """An attempt made by hand: reached, busy, no_answer, failed or machine."""

    outcome: TryOutcome
    note: Note = ""


class MachineAnswered(Schema):
    """What was heard, where that says more."""

    note: Note = ""


class Finished(Schema):
    """What came of it."""

    outcome: Outcome
    note: Note = ""


class Withdrawn(Schema):
    """Why the citizen wants it no more."""

    note: Note = ""


def router(service: CallbackService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/callbacks", tags=["callbacks"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_callbacks(
        state: CallbackState | None = None,
        kind: Kind | None = None,
        queue: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = None,
        overdue: Literal["true", "false"] = "false",
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[CallbackView]:
        wanted = CallbackFilter(state=state, kind=kind, queue=queue, overdue=overdue == "true")
        rows = await service.list(
            wanted, after=position_of(cursor, a_moment, UUID), limit=limit + 1
        )
        last = rows[limit - 1].callback if len(rows) > limit else None
        return Page(
            items=[_view(row) for row in rows[:limit]],
            next_cursor=encode_cursor(last.wanted_at.isoformat(), str(last.callback_id))
            if last
            else None,
        )

    @routes.post("", status_code=201)
    async def create_callback(
        body: NewCallback, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        """One that waits for that number already is returned instead."""
        made = await service.create(
            queue=body.queue,
            number=body.number,
            language=body.language,
            case_number=body.case_number,
            note=body.note,
            by=who.name,
        )
        return _view(made)

    @routes.get("/{callback_id}")
    async def read_callback(
        callback_id: UUID, _who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        return _view(await service.get(callback_id))

    @routes.post("/{callback_id}/attempts", status_code=201)
    async def document_attempt(
        callback_id: UUID, body: Attempt, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        """Write down an attempt made by hand; one that reached the citizen closes the callback."""
        return _view(await service.document(callback_id, body.outcome, body.note, by=who.name))

    @routes.post("/{callback_id}/not-reached")
    async def machine_answered(
        callback_id: UUID, body: MachineAnswered, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        """The last attempt reached a machine, not the citizen: it counts as one in vain, and the
        callback is open again until the attempts suffice. 409 where none is said to have reached
        anybody, or the citizen waits for another callback."""
        return _view(await service.not_reached(callback_id, body.note, by=who.name))

    @routes.post("/{callback_id}/done")
    async def finish_callback(
        callback_id: UUID, body: Finished, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        """`not_reached` takes as many attempts in vain as CALLBACK_TRIES says: else 409."""
        return _view(await service.finish(callback_id, body.outcome, body.note, by=who.name))

    @routes.post("/{callback_id}/withdraw")
    async def withdraw_callback(
        callback_id: UUID, body: Withdrawn, who: Principal = Depends(guard.agent)
    ) -> CallbackView:
        """The citizen wants it no more. A missed call cannot be withdrawn: 409."""
        return _view(await service.finish(callback_id, Outcome.WITHDRAWN, body.note, by=who.name))

    return routes


def _view(found: Found) -> CallbackView:
    callback = found.callback
    return CallbackView(
        further_calls=list(found.joined),
        overdue=found.overdue,
        position=found.position,
        tries=[TryView.model_validate(one) for one in found.tries],
        **{
            name: getattr(callback, name)
            for name in CallbackView.model_fields
            if hasattr(callback, name)
        },
    )
