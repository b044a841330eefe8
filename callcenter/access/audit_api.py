"""`/audit`: who did what to whom and why. Read by supervisors and admins; nobody writes here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from callcenter.access.audit import AuditFilter, AuditRecord, AuditService
from callcenter.access.guard import Guard
from callcenter.access.model import Principal
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

_Subject = Annotated[
    str | None,
    Query(max_length=200, pattern=r"^[\w./:-]+$", description="Such as `agent/1001`, `call/<id>`."),
]
_Word = Annotated[str | None, Query(max_length=80, pattern=r"^[\w.:-]+$")]


class AuditOut(Schema):
    """A record. `who` is a user's name or `system:<part>`."""

    record_id: int
    at: datetime
    who: str
    act: str
    subject: str
    reason: str
    detail: dict[str, Any]


def router(service: AuditService, guard: Guard) -> APIRouter:
    """The one route of the audit."""
    routes = APIRouter(tags=["audit"], responses=PROBLEM_RESPONSES)

    @routes.get("/audit")
    async def list_records(
        subject: _Subject = None,
        who: _Word = None,
        act: Annotated[_Word, Query(description="Such as `supervision.listen`.")] = None,
        after: Moment | None = None,
        before: Moment | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[AuditOut]:
        """Newest first; `after` inclusive, `before` exclusive."""
        found = await service.search(
            AuditFilter(subject=subject, who=who, act=act, after=after, before=before),
            behind=number_of(cursor, digits=18),
            limit=limit + 1,
        )
        further = encode_cursor(str(found[limit - 1].record_id)) if len(found) > limit else None
        return Page(items=[_out(one) for one in found[:limit]], next_cursor=further)

    return routes


def _out(record: AuditRecord) -> AuditOut:
    return AuditOut.model_validate({n: getattr(record, n) for n in AuditOut.model_fields})
