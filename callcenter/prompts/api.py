"""`/prompts`: what the hotline says, by name. Anybody logged in reads and listens, supervisors edit
texts, admins decide what callers hear (audio, deleting).

An upload is the raw body, or one file of a form; what it is, its first bytes say. Every refusal has
a `type` of its own: `audio-silent`, `audio-clipped`, `audio-too-short`, `audio-too-long`,
`audio-cut-off`, `not-audio`, `decompression-bomb` (422), `too-large` (413, over 20 MB).
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi import Path as InPath
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.body_limit import RouteLimit
from callcenter.platform.errors import InvalidField, Refused, TooLarge
from callcenter.platform.problems import no_such_part
from callcenter.platform.ranges import RangeNotSatisfiable, names_etag, part_of
from callcenter.platform.web import (
    PROBLEM,
    PROBLEM_RESPONSES,
    TOO_MANY,
    Cursor,
    IfMatch,
    Limit,
    Page,
    Problem,
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)
from callcenter.prompts.convert import MOST_UPLOADED
from callcenter.prompts.model import (
    LANGUAGE,
    NAME,
)
from callcenter.prompts.schemas import (
    JobView,
    NewPrompt,
    Preview,
    PromptFields,
    PromptSummary,
    PromptView,
    RenderWish,
)
from callcenter.prompts.service import PromptSeen, PromptService

#: What a form adds around its one file.
_FORM_BYTES: Final = 64 * 1024
BODY_LIMITS: Final = (
    RouteLimit("PUT", r"/prompts/[^/]+/audio/[^/]+", MOST_UPLOADED + _FORM_BYTES),
)

Name = Annotated[str, InPath(pattern=NAME)]
Language = Annotated[str, InPath(pattern=LANGUAGE)]
JobId = Annotated[int, InPath(ge=1, le=2**63 - 1)]
_WAV: Final[dict[str, Any]] = {
    "audio/wav": {"schema": {"type": "string", "format": "binary"}},
}
_FILE: Final = {"type": "string", "format": "binary"}
#: The body is read by hand, for its size: OpenAPI is told of it here.
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "WAV, MP3, M4A, Ogg (Vorbis, Opus) or FLAC, at most 20 MB and 15 minutes.",
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _FILE},
                }
            },
        },
    }
}


def router(service: PromptService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/prompts", tags=["prompts"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_prompts(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[PromptSummary]:
        """Prompts by name."""
        after = decode_cursor(cursor, 1)[0] if cursor else None
        rows = await service.prompts(after, limit + 1)
        return Page(
            items=[PromptSummary.of_prompt(row) for row in rows[:limit]],
            next_cursor=encode_cursor(rows[limit - 1].name) if len(rows) > limit else None,
        )

    @routes.post("", status_code=201)
    async def create_prompt(
        body: NewPrompt, response: Response, who: Principal = Depends(guard.supervisor)
    ) -> PromptView:
        """A prompt without audio yet: render or upload it."""
        return _reply(await service.create(body.name, body.edit(), by=who.name), response)

    @routes.post(
        "/preview",
        response_class=Response,
        responses={200: {"content": _WAV, "description": "8 kHz, as callers hear it"}, **TOO_MANY},
    )
    async def preview(body: Preview, _who: Principal = Depends(guard.supervisor)) -> Response:
        """A text in the hotline's voice; nothing is kept."""
        sound = await service.preview(body.text, body.language)
        return Response(sound, media_type="audio/wav", headers={"Cache-Control": "no-store"})

    @routes.get("/jobs/{job_id}")
    async def read_job(job_id: JobId, _who: Principal = Depends(guard.agent)) -> JobView:
        """How far a job is."""
        return JobView.model_validate(await service.job(job_id))

    @routes.get("/{name}")
    async def read_prompt(
        name: Name, response: Response, _who: Principal = Depends(guard.agent)
    ) -> PromptView:
        """A prompt, its audio as it lies on the disk now, and who plays it."""
        return _reply(await service.prompt(name), response)

    @routes.put("/{name}")
    async def edit_prompt(
        if_match: IfMatch,
        name: Name,
        body: PromptFields,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> PromptView:
        """Other title and texts. The audio stays as it is until it is rendered or uploaded."""
        based_on = wanted_version(if_match)
        return _reply(
            await service.edit(name, body.edit(), based_on=based_on, by=who.name), response
        )

    @routes.delete("/{name}", status_code=204, response_class=Response)
    async def delete_prompt(
        name: Name, if_match: IfMatch, who: Principal = Depends(guard.admin)
    ) -> Response:
        """409 while flows play it, and for the prompts the hotline plays by itself."""
        await service.delete(name, based_on=wanted_version(if_match), by=who.name)
        return Response(status_code=204)

    @routes.put(
        "/{name}/audio/{language}",
        openapi_extra=_UPLOAD,
        responses={
            413: {"model": Problem, "description": "Over 20 MB", "content": {PROBLEM: {}}},
            **TOO_MANY,
        },
    )
    async def upload_audio(
        name: Name,
        language: Language,
        request: Request,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> PromptView:
        """Callers hear this file from the reply on; who hears the old one hears it to its end."""
        with tempfile.NamedTemporaryFile(prefix="cc-upload-") as file:
            await _receive(request, file)
            path = Path(file.name)
            return _reply(await service.record(name, language, path, by=who.name), response)

    @routes.post("/{name}/render", status_code=202)
    async def render(
        name: Name,
        response: Response,
        body: RenderWish | None = None,
        who: Principal = Depends(guard.admin),
    ) -> JobView:
        """Have the texts spoken by a job: `GET /prompts/jobs/{job_id}` tells how far it is."""
        languages = body.languages if body is not None else None
        job = await service.render(name, languages, by=who.name)
        response.headers["Location"] = f"/api/v1/prompts/jobs/{job.job_id}"
        return JobView.model_validate(job)

    @routes.get(
        "/{name}/audio/{language}",
        response_class=Response,
        responses={
            200: {"content": _WAV, "description": "The whole file"},
            206: {"content": _WAV, "description": "The part asked for"},
            304: {"description": "The client has it"},
            416: {"model": Problem, "description": "The part asked for lies behind the end"},
        },
    )
    async def read_audio(
        name: Name,
        language: Language,
        rate: Literal["8000", "16000"] = "8000",
        byte_range: Annotated[str | None, Header(alias="Range")] = None,
        if_range: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
        _who: Principal = Depends(guard.agent),
    ) -> Response:
        """What callers hear, as WAV. A single Range is served."""
        sound = await service.sound(name, language, int(rate))
        etag = f'"{sound.sha256}"'
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": etag,
            "Cache-Control": "private, no-cache",
            "Content-Disposition": f'inline; filename="{name}_{language}.wav"',
        }
        if if_none_match is not None and names_etag(if_none_match, etag):
            return Response(status_code=304, headers=headers)
        wanted = None if if_range not in (None, etag) else byte_range
        return _part(sound.content, wanted, headers)

    return routes


async def _receive(request: Request, file: BinaryIO | Any) -> None:
    """The upload into `file`, never more of it than is taken. Raises `TooLarge`, `InvalidField`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    came = 0
    try:
        if kind == "multipart/form-data":
            async with request.form(max_files=1, max_fields=4) as form:
                uploads = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
                if not uploads:
                    raise InvalidField("file", "the form has no file")
                while piece := await uploads[0].read(1 << 20):
                    came = await _add(file, piece, came)
        else:
            async for piece in request.stream():
                came = await _add(file, piece, came)
    except ClientDisconnect as exc:
        raise Refused("The upload broke off.") from exc
    await asyncio.to_thread(file.flush)


async def _add(file: BinaryIO | Any, piece: bytes, came: int) -> int:
    came += len(piece)
    if came > MOST_UPLOADED:
        raise TooLarge(f"An upload has at most {MOST_UPLOADED:,} bytes.")
    await asyncio.to_thread(file.write, piece)
    return came


def _part(content: bytes, byte_range: str | None, headers: dict[str, str]) -> Response:
    """All of it, or the one part a Range header asks for."""
    try:
        part = part_of(byte_range, len(content))
    except RangeNotSatisfiable:
        return no_such_part(len(content))
    if part is None:
        return Response(content, headers=headers, media_type="audio/wav")
    first, last = part
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(content[first : last + 1], 206, headers, media_type="audio/wav")


def _reply(seen: PromptSeen, response: Response) -> PromptView:
    set_etag(response, seen.prompt.version)
    return PromptView.of(seen)
