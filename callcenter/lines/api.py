"""`/lines`: the hotline numbers. Anybody logged in reads, supervisors edit.

A reply says `in_force: true` only when Asterisk was seen to have loaded the change; 202 with the
reason in `detail` otherwise.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.ivr.nodes import QueueName
from callcenter.ivr.spoken import Language, Title
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.lines.service import Changed, LineService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)

_NUMBER = r"^[+]?[0-9]{2,15}$"

Number = Annotated[str, InPath(pattern=_NUMBER)]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The ETag you read, or `*` for any version.")
]


class LineFields(Schema):
    """What may be edited of a line."""

    title: Title
    flow: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    queue: QueueName
    language: Language
    mode: Mode = Mode.MENU

    def edit(self) -> LineEdit:
        return LineEdit(self.title, self.flow, self.queue, self.language, self.mode)


class NewLine(LineFields):
    """A line to be opened."""

    number: Annotated[str, Field(pattern=_NUMBER)]


class LineView(LineFields):
    """A line; `in_force`: Asterisk has loaded this version."""

    number: str
    version: int
    in_force: bool


class ChangedLine(LineView):
    """A line after a change; `detail` says why it is not in force."""

    detail: str | None = None


class ClosedLine(Schema):
    """A closed line Asterisk may still know."""

    number: str
    in_force: bool
    detail: str | None


def router(service: LineService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/lines", tags=["lines"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_lines(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[LineView]:
        after = decode_cursor(cursor, 1)[0] if cursor else None
        rows = await service.lines(after, limit + 1)
        return Page(
            items=[LineView.model_validate(row) for row in rows[:limit]],
            next_cursor=encode_cursor(rows[limit - 1].number) if len(rows) > limit else None,
        )

    @routes.get("/{number}")
    async def read_line(
        number: Number, response: Response, _who: Principal = Depends(guard.agent)
    ) -> LineView:
        line = await service.line(number)
        set_etag(response, line.version)
        return LineView.model_validate(line)

    @routes.post("", status_code=201, responses={202: {"model": ChangedLine}})
    async def open_line(
        body: NewLine, response: Response, _who: Principal = Depends(guard.supervisor)
    ) -> ChangedLine:
        return _reply(await service.open(body.number, body.edit()), response)

    @routes.put("/{number}", responses={202: {"model": ChangedLine}})
    async def change_line(
        number: Number,
        body: LineFields,
        response: Response,
        if_match: IfMatch = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> ChangedLine:
        based_on = wanted_version(if_match)
        return _reply(await service.change(number, body.edit(), based_on=based_on), response)

    @routes.delete(
        "/{number}", status_code=204, response_model=None, responses={202: {"model": ClosedLine}}
    )
    async def close_line(
        number: Number,
        response: Response,
        if_match: IfMatch = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> ClosedLine | Response:
        outcome = await service.close(number, based_on=wanted_version(if_match))
        if outcome.in_force:
            return Response(status_code=204)
        response.status_code = 202
        return ClosedLine(number=number, in_force=False, detail=outcome.detail)

    return routes


def _reply(changed: Changed, response: Response) -> ChangedLine:
    set_etag(response, changed.line.version)
    if not changed.in_force:
        response.status_code = 202
    return ChangedLine(**_fields(changed.line), in_force=changed.in_force, detail=changed.detail)


def _fields(line: Line) -> dict[str, object]:
    return LineView.model_validate(line).model_dump(exclude={"in_force"})
