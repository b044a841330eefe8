"""`/callers/blocked` and `/callers/priority`: numbers that are known at the door.

Anybody logged in reads, supervisors put numbers on a list and lift them. An entry counts from the
next call on, and is never deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.lines.callers.model import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    MOST_REASON,
    Entry,
    ListName,
    NewEntry,
)
from callcenter.lines.callers.service import CallerListService
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Moment,
    Page,
    Schema,
    encode_cursor,
    number_of,
)

_MOST_ID = 2**63 - 1

EntryId = Annotated[int, InPath(ge=1, le=_MOST_ID)]
Number = Annotated[
    str,
    Field(
        pattern=r"^[+]?[0-9(][0-9 ().-]{1,38}$",
        description="As it is dialled here, or E.164; kept as `caller_number` of a call.",
    ),
]
NumberFilter = Annotated[str | None, Query(min_length=2, max_length=40)]
Active = Annotated[
    bool | None, Query(description="true: what counts now; false: what is over or was lifted.")
]
#: The model names the rule; OpenAPI is told of it here.
Reason = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_REASON})]


class NewBlock(Schema):
    """A nuisance caller: kept out until `expires_at`, at most 366 days from now."""

    number: Number
    reason: Reason
    expires_at: Moment


class NewPriorityEntry(Schema):
    """A caller who comes first. `priority` 20 is served before 19, and 1 before everybody else."""

    number: Number
    priority: Annotated[Whole, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)]
    reason: Reason
    expires_at: Moment | None = None


class Lifting(Schema):
    """Why an entry ends before its time."""

    reason: Reason


class BlockView(Schema):
    """An entry of the nuisance list; `active`: it counts for a call that comes now."""

    id: int
    number: str
    reason: str
    listed_at: datetime
    listed_by: str
    expires_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None
    active: bool


class PriorityView(Schema):
    """An entry of the priority list; `active`: it counts for a call that comes now."""

    id: int
    number: str
    priority: int
    reason: str
    listed_at: datetime
    listed_by: str
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None
    lifted_reason: str | None
    active: bool


def router(service: CallerListService, guard: Guard) -> APIRouter:
    """The routes of both lists, below `/api/v1`."""
    routes = APIRouter(prefix="/callers", tags=["callers"], responses=PROBLEM_RESPONSES)

    def shown(entry: Entry) -> dict[str, object]:
        values = {name: getattr(entry, name) for name in BlockView.model_fields.keys() & _KEPT}
        return values | {"id": entry.entry_id, "active": entry.holds(service.now())}

    def block_view(entry: Entry) -> BlockView:
        return BlockView.model_validate(shown(entry))

    def priority_view(entry: Entry) -> PriorityView:
        return PriorityView.model_validate(shown(entry) | {"priority": entry.priority})

    @routes.get("/blocked")
    async def list_blocked(
        number: NumberFilter = None,
        active: Active = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[BlockView]:
        """Newest first."""
        found = await service.entries(
            ListName.BLOCKED,
            before=number_of(cursor, digits=18),
            number=number,
            active=active,
            limit=limit + 1,
        )
        return Page(
            items=[block_view(entry) for entry in found[:limit]], next_cursor=_next(found, limit)
        )

    @routes.post("/blocked", status_code=201)
    async def block(body: NewBlock, who: Principal = Depends(guard.supervisor)) -> BlockView:
        new = NewEntry(
            list=ListName.BLOCKED,
            number=body.number,
            reason=body.reason,
            expires_at=body.expires_at,
        )
        return block_view(await service.add(new, by=who.name))

    @routes.get("/blocked/{entry_id}")
    async def read_blocked(entry_id: EntryId, _who: Principal = Depends(guard.agent)) -> BlockView:
        return block_view(await service.entry(ListName.BLOCKED, entry_id))

    @routes.post("/blocked/{entry_id}/lift")
    async def lift_block(
        entry_id: EntryId, body: Lifting, who: Principal = Depends(guard.supervisor)
    ) -> BlockView:
        return block_view(await service.lift(ListName.BLOCKED, entry_id, body.reason, by=who.name))

    @routes.get("/priority")
    async def list_priority(
        number: NumberFilter = None,
        active: Active = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[PriorityView]:
        """Newest first."""
        found = await service.entries(
            ListName.PRIORITY,
            before=number_of(cursor, digits=18),
            number=number,
            active=active,
            limit=limit + 1,
        )
        return Page(
            items=[priority_view(entry) for entry in found[:limit]],
            next_cursor=_next(found, limit),
        )

    @routes.post("/priority", status_code=201)
    async def prioritise(
        body: NewPriorityEntry, who: Principal = Depends(guard.supervisor)
    ) -> PriorityView:
        new = NewEntry(
            list=ListName.PRIORITY,
            number=body.number,
            reason=body.reason,
            expires_at=body.expires_at,
            priority=body.priority,
        )
        return priority_view(await service.add(new, by=who.name))

    @routes.get("/priority/{entry_id}")
    async def read_priority(
        entry_id: EntryId, _who: Principal = Depends(guard.agent)
    ) -> PriorityView:
        return priority_view(await service.entry(ListName.PRIORITY, entry_id))

    @routes.post("/priority/{entry_id}/lift")
    async def lift_priority(
        entry_id: EntryId, body: Lifting, who: Principal = Depends(guard.supervisor)
    ) -> PriorityView:
        return priority_view(
            await service.lift(ListName.PRIORITY, entry_id, body.reason, by=who.name)
        )

    return routes


#: Fields an entry and its views have in common.
_KEPT = frozenset(Entry.__dataclass_fields__)


def _next(found: Sequence[Entry], limit: int) -> str | None:
    return encode_cursor(str(found[limit - 1].entry_id)) if len(found) > limit else None
