"""`/calls/{id}/abuse`, `/calls/{id}/flags`, `/call-flags`: what agents say of calls.

Whoever keeps the nuisance list (`/callers/blocked`) reads here whom agents met.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.lines.flags.model import MOST_REASON, CallFlag, FlagKind
from callcenter.lines.flags.service import FlagService
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


class Flagging(Schema):
    """Why."""

    reason: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_REASON})]


class FlagOut(Schema):
    """A flag of a call."""

    call_id: UUID
    kind: FlagKind
    flagged_by: str
    flagged_at: datetime
    reason: str


class FlagList(Schema):
    items: list[FlagOut]


def router(service: FlagService, guard: Guard) -> APIRouter:
    """The routes of this room."""
    routes = APIRouter(tags=["calls"], responses=PROBLEM_RESPONSES)

    @routes.post("/calls/{call_id}/abuse", status_code=201)
    async def flag_abuse(
        call_id: UUID, body: Flagging, who: Principal = Depends(guard.agent)
    ) -> FlagOut:
        """While the agent and the caller talk. Such a caller is not asked how it was."""
        return _out(await service.abuse(call_id, body.reason, by=who.name))

    @routes.get("/calls/{call_id}/flags")
    async def read_flags(call_id: UUID, _who: Principal = Depends(guard.agent)) -> FlagList:
        return FlagList(items=[_out(flag) for flag in await service.flags(call_id)])

    @routes.get("/call-flags")
    async def list_flags(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.supervisor)
    ) -> Page[FlagOut]:
        """Newest first."""
        behind = position_of(cursor, a_moment, UUID)
        found = await service.newest(behind=behind, limit=limit + 1)
        further = None
        if len(found) > limit:
            last = found[limit - 1]
            further = encode_cursor(last.flagged_at.isoformat(), str(last.call_id))
        return Page(items=[_out(flag) for flag in found[:limit]], next_cursor=further)

    return routes


def _out(flag: CallFlag) -> FlagOut:
    return FlagOut(
        call_id=flag.call_id,
        kind=flag.kind,
        flagged_by=flag.flagged_by,
        flagged_at=flag.flagged_at,
        reason=flag.reason,
    )
