"""`/lines`: the hotline numbers. Anybody logged in reads, supervisors edit.

A reply says `in_force: true` only when the next caller meets the change: once it is written, or,
where Asterisk must know of it (number, mode, queue, language), once Asterisk was seen to have
loaded it; 202 with the reason in `detail` otherwise.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.ivr.door import PERSON_KEY, ClosedTo, Greeting
from callcenter.ivr.nodes import QueueName
from callcenter.ivr.spoken import Language, Title
from callcenter.lines.model import Line, LineEdit, Mode
from callcenter.lines.service import Changed, LineService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
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


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class LineFields(Schema):
    """What may be edited of a line.

    `mode`: `menu` (its flow speaks first), `direct` (straight to a person) or `fax` (straight to a
    fax machine). `schedule`: its hours, null: always open. Outside them a caller leaves a message
    (`closed_to` `voicemail`, after `closed_say` or the mailbox's own greeting), goes on into the
    flow (`flow`, which has a schedule node of its own) or hears `closed_say` and that is all
    (`hangup`). `recording_notice` and then `welcome` are said once, before all else; without a
    notice the flow says itself that the call is recorded. `emergency_key` gets a blocked caller in,
    and so does `0`.
    """

    title: Title
    flow: Name
    queue: QueueName
    language: Language
    mode: Mode = Mode.MENU
    schedule: Name | None = None
    closed_to: ClosedTo = ClosedTo.VOICEMAIL
    closed_say: Greeting | None = None
    welcome: Greeting | None = None
    recording_notice: Name | None = None
    emergency_key: Annotated[str, Field(pattern=r"^[0-9]$")] = PERSON_KEY

    def edit(self) -> LineEdit:
        """Raises `InvalidField`."""
        return LineEdit(
            title=self.title,
            flow=self.flow,
            queue=self.queue,
            language=self.language,
            mode=self.mode,
            schedule=self.schedule,
            closed_to=self.closed_to,
            closed_say=self.closed_say,
            welcome=self.welcome,
            recording_notice=self.recording_notice,
            emergency_key=self.emergency_key,
        )


class NewLine(LineFields):
    """A line to be opened."""

    number: Annotated[str, Field(pattern=_NUMBER)]


class LineView(LineFields):
    """A line; `in_force`: the next caller meets this version."""

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
        if_match: IfMatch,
        number: Number,
        body: LineFields,
        response: Response,
        _who: Principal = Depends(guard.supervisor),
    ) -> ChangedLine:
        based_on = wanted_version(if_match)
        return _reply(await service.change(number, body.edit(), based_on=based_on), response)

    @routes.delete(
        "/{number}", status_code=204, response_model=None, responses={202: {"model": ClosedLine}}
    )
    async def close_line(
        if_match: IfMatch,
        number: Number,
        response: Response,
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
