"""REST: `/cases`. A state is never patched: each act is a sub-resource."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.cases.model import (
    MOST_CATEGORY,
    MOST_NOTE,
    MOST_REASON,
    MOST_TITLE,
    MOST_WORDS,
    Case,
    CaseAct,
    CaseFile,
    CaseFilter,
    CaseState,
    EventKind,
    Relation,
)
from callcenter.cases.number import parse_case_number
from callcenter.cases.service import CaseService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    IfMatchAtWill,
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

#: The model has the rule, the check digit too, and its words: here it is only told.
Number = Annotated[
    str, InPath(json_schema_extra={"pattern": "^[0-9]{10}$", "example": "2600000011"})
]


class CaseReply(Schema):
    """A case without what hangs on it."""

    case_number: str
    title: str
    citizen_words: str
    category: str
    state: CaseState
    origin_call_id: UUID | None
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    version: int
    due_at: datetime | None = Field(None, description="When it must have been dealt with.")


class HistoryEntry(Schema):
    """Who did what when; `detail` says from what to what."""

    seq: int
    at: datetime
    actor: str
    kind: EventKind
    detail: dict[str, Any]


class NoteReply(Schema):
    seq: int
    at: datetime
    actor: str
    text: str


class LinkedCallReply(Schema):
    call_id: UUID
    relation: Relation
    linked_at: datetime


class CaseFileReply(CaseReply):
    """A case with its history, calls and notes, oldest first, and the acts it allows now."""

    history: list[HistoryEntry]
    calls: list[LinkedCallReply]
    notes: list[NoteReply]
    attachments: list[Any] = Field(default_factory=list)
    allowed: list[CaseAct]


class NewCase(Schema):
    # Lengths are told to readers of OpenAPI; the model holds to them and names the rule.
    title: str = Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})
    citizen_words: str = Field("", json_schema_extra={"maxLength": MOST_WORDS})
    category: str = Field("", json_schema_extra={"maxLength": MOST_CATEGORY})
    call_id: UUID | None = None


class CaseChange(Schema):
    """What may be edited; a field that is not sent stays as it is."""

    title: str = Field("", json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})
    citizen_words: str = Field("", json_schema_extra={"maxLength": MOST_WORDS})
    category: str = Field("", json_schema_extra={"maxLength": MOST_CATEGORY})


class NewNote(Schema):
    text: str = Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NOTE})


class NewLink(Schema):
    call_id: UUID


class Reason(Schema):
    reason: str = Field(json_schema_extra={"minLength": 1, "maxLength": MOST_REASON})


def router(service: CaseService, guard: Guard) -> APIRouter:
    """`/cases…`, for everybody who is logged in."""
    api = APIRouter(prefix="/cases", tags=["cases"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_cases(
        state: CaseState | None = None,
        category: str | None = None,
        opened_after: Moment | None = None,
        opened_before: Moment | None = None,
        call_id: UUID | None = None,
        q: str | None = Query(None, description="Looked for in title and words."),
        limit: Limit = 50,
        cursor: Cursor = None,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[CaseReply]:
        """Newest first. `opened_after` is included, `opened_before` is not."""
        wanted = CaseFilter(
            state=state,
            category=category,
            opened_after=opened_after,
            opened_before=opened_before,
            call_id=call_id,
            text=q,
        )
        found = await service.list(
            wanted, before=position_of(cursor, a_moment, str), limit=limit + 1
        )
        last = found[limit - 1] if len(found) > limit else None
        return Page(
            items=[CaseReply(**_fields(case)) for case in found[:limit]],
            next_cursor=encode_cursor(last.opened_at.isoformat(), last.number) if last else None,
        )

    @api.post("", status_code=201)
    async def open_case(
        body: NewCase, response: Response, principal: Principal = Depends(guard.agent)
    ) -> CaseFileReply:
        """With `call_id` the call is linked; the first case of a call has it as its origin."""
        opened = await service.open(
            title=body.title,
            citizen_words=body.citizen_words,
            category=body.category,
            call_id=body.call_id,
            by=principal.name,
        )
        return _reply(opened, response)

    @api.get("/{case_number}")
    async def get_case(
        case_number: Number, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> CaseFileReply:
        return _reply(await service.get(parse_case_number(case_number)), response)

    @api.patch("/{case_number}")
    async def edit_case(
        if_match: IfMatch,
        case_number: Number,
        body: CaseChange,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> CaseFileReply:
        """Title, words and category of an open case."""
        edited = await service.edit(
            parse_case_number(case_number),
            body.model_dump(exclude_unset=True),
            by=principal.name,
            expected=wanted_version(if_match),
        )
        return _reply(edited, response)

    @api.post("/{case_number}/notes", status_code=201)
    async def add_note(
        case_number: Number,
        body: NewNote,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> CaseFileReply:
        noted = await service.add_note(parse_case_number(case_number), body.text, by=principal.name)
        return _reply(noted, response)

    @api.post("/{case_number}/calls", status_code=201)
    async def link_call(
        case_number: Number,
        body: NewLink,
        response: Response,
        principal: Principal = Depends(guard.agent),
    ) -> CaseFileReply:
        """A call that is linked already changes nothing."""
        linked = await service.link_call(
            parse_case_number(case_number), body.call_id, by=principal.name
        )
        return _reply(linked, response)

    @api.post("/{case_number}/close")
    async def close_case(
        case_number: Number,
        body: Reason,
        response: Response,
        if_match: IfMatchAtWill = None,
        principal: Principal = Depends(guard.agent),
    ) -> CaseFileReply:
        """`If-Match` may be left out: the state itself refuses a second closing."""
        closed = await service.close(
            parse_case_number(case_number),
            body.reason,
            by=principal.name,
            expected=wanted_version(if_match or "*"),
        )
        return _reply(closed, response)

    @api.post("/{case_number}/reopen")
    async def reopen_case(
        case_number: Number,
        body: Reason,
        response: Response,
        if_match: IfMatchAtWill = None,
        principal: Principal = Depends(guard.agent),
    ) -> CaseFileReply:
        """`If-Match` may be left out: the state itself refuses a second reopening."""
        reopened = await service.reopen(
            parse_case_number(case_number),
            body.reason,
            by=principal.name,
            expected=wanted_version(if_match or "*"),
        )
        return _reply(reopened, response)

    return api


def _fields(case: Case) -> dict[str, Any]:
    return {
        "case_number": case.number,
        "title": case.title,
        "citizen_words": case.citizen_words,
        "category": case.category,
        "state": case.state,
        "origin_call_id": case.origin_call_id,
        "opened_at": case.opened_at,
        "opened_by": case.opened_by,
        "closed_at": case.closed_at,
        "version": case.version,
        "due_at": case.due_at,
    }


def _reply(file: CaseFile, response: Response) -> CaseFileReply:
    set_etag(response, file.case.version)
    return CaseFileReply(
        **_fields(file.case),
        history=[HistoryEntry.model_validate(event) for event in file.history],
        calls=[LinkedCallReply.model_validate(call) for call in file.calls],
        notes=[
            NoteReply(seq=e.seq, at=e.at, actor=e.actor, text=e.detail["text"]) for e in file.notes
        ],
        allowed=list(file.case.allowed()),
    )
