"""`/directory`: numbers of other units. Anybody logged in reads, admins decide what can be called.

A reply says `in_force: true` only when Asterisk was seen to have it loaded; 202 otherwise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.directory.model import (
    MOST_NAME,
    NUMBER,
    NUMBER_DIALLED,
    Entry,
    EntryEdit,
    UnitKind,
)
from callcenter.agents.directory.service import Changed, DirectoryService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Flag,
    IfMatch,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)

Number = Annotated[str, InPath(pattern=f"^{NUMBER}$")]
# The model has these rules and their words: here they are only told.
_NAME: Final = {"minLength": 1, "maxLength": MOST_NAME}
_MAYBE: Final = {"maxLength": MOST_NAME}


class Names(Schema):
    """What the number is called."""

    zh: Annotated[str, Field(json_schema_extra=_NAME)]
    en: Annotated[str, Field(json_schema_extra=_MAYBE)] = ""


class EntryFields(Schema):
    """What may be edited. `number_dialled`: what the trunk is asked for, absent: the number. An
    `emergency` number sees the citizen's own number, the others our line's. Who is not `active`
    cannot be called."""

    name: Names
    department: Annotated[str, Field(json_schema_extra=_MAYBE)] = ""
    kind: UnitKind = UnitKind.DEPARTMENT
    number_dialled: Annotated[str, Field(pattern=f"^({NUMBER_DIALLED})?$")] = ""
    active: Flag = True

    def edit(self) -> EntryEdit:
        return EntryEdit(
            name_zh=self.name.zh,
            name_en=self.name.en,
            department=self.department,
            kind=self.kind,
            number_dialled=self.number_dialled,
            active=self.active,
        )


class NewEntry(EntryFields):
    """`number`: what an agent dials or names."""

    number: Annotated[str, Field(pattern=f"^{NUMBER}$")]


class EntryView(EntryFields):
    """A number of the directory."""

    number: str
    created_at: datetime
    version: int


class ChangedEntry(EntryView):
    """After a change; `in_force`: agents' phones reach it so."""

    in_force: bool
    detail: str | None


class RemovedEntry(Schema):
    """A removed number Asterisk may still know."""

    number: str
    in_force: bool
    detail: str | None


def router(service: DirectoryService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/directory", tags=["directory"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_numbers(
        kind: UnitKind | None = None,
        active: Annotated[bool | None, Query()] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[EntryView]:
        """By number."""
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.entries(after=after, limit=limit + 1, kind=kind, active=active)
        return Page(
            items=[_view(entry) for entry in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].number) if len(found) > limit else None,
        )

    @routes.post("", status_code=201, responses={202: {"model": ChangedEntry}})
    async def add_number(
        body: NewEntry, response: Response, who: Principal = Depends(guard.admin)
    ) -> ChangedEntry:
        return _reply(await service.add(body.number, body.edit(), by=who.name), response)

    @routes.get("/{number}")
    async def read_number(
        number: Number, response: Response, _who: Principal = Depends(guard.agent)
    ) -> EntryView:
        entry = await service.entry(number)
        set_etag(response, entry.version)
        return _view(entry)

    @routes.put("/{number}", responses={202: {"model": ChangedEntry}})
    async def change_number(
        if_match: IfMatch,
        number: Number,
        body: EntryFields,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> ChangedEntry:
        changed = await service.change(
            number, body.edit(), based_on=wanted_version(if_match), by=who.name
        )
        return _reply(changed, response)

    @routes.delete(
        "/{number}", status_code=204, response_model=None, responses={202: {"model": RemovedEntry}}
    )
    async def remove_number(
        if_match: IfMatch,
        number: Number,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> RemovedEntry | Response:
        outcome = await service.remove(number, based_on=wanted_version(if_match), by=who.name)
        if outcome.in_force:
            return Response(status_code=204)
        response.status_code = 202
        return RemovedEntry(number=number, in_force=False, detail=outcome.detail)

    return routes


def _view(entry: Entry) -> EntryView:
    return EntryView.model_validate(_fields(entry))


def _fields(entry: Entry) -> dict[str, object]:
    return {
        "number": entry.number,
        "name": {"zh": entry.name_zh, "en": entry.name_en},
        "department": entry.department,
        "kind": entry.kind,
        "number_dialled": entry.number_dialled,
        "active": entry.active,
        "created_at": entry.created_at,
        "version": entry.version,
    }


def _reply(changed: Changed, response: Response) -> ChangedEntry:
    set_etag(response, changed.entry.version)
    if not changed.in_force:
        response.status_code = 202
    return ChangedEntry.model_validate(
        {**_fields(changed.entry), "in_force": changed.in_force, "detail": changed.detail}
    )
