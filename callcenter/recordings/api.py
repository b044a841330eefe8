"""GET /recordings, /recordings/{recording_id}, /recordings/{recording_id}/audio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.problems import no_such_part
from callcenter.platform.ranges import RangeNotSatisfiable, names_etag, part_of
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Page,
    Problem,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
)
from callcenter.recordings.service import RecordingService, Sound

_PIECE: Final = 64 * 1024
#: What a route that serves a recording may answer.
AUDIO_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"audio/wav": {}}, "description": "The whole file"},
    206: {"content": {"audio/wav": {}}, "description": "The part asked for"},
    304: {"description": "The client has it"},
    416: {"model": Problem, "description": "The part asked for lies behind the end"},
}


class PauseOut(Schema):
    """A span that holds silence in place of what was said, and why."""

    began_at: datetime
    began_by: str
    reason: str
    ended_at: datetime | None
    ended_by: str | None


class RecordingOut(Schema):
    """A recording. `reason` says why there is nothing to hear, `note` what a listener should know.

    `peak` is 0 to 1 of full scale; `silence_ratio` the share of 20 ms frames below −50 dBFS.
    """

    recording_id: UUID
    call_id: UUID
    kind: Literal["conversation", "voicemail"]
    state: Literal["recording", "pending", "ready", "missing", "damaged"]
    reason: str | None
    note: str | None
    started_at: datetime
    duration_ms: int | None
    sample_rate: int | None
    channels: int | None
    bytes: int | None
    peak: float | None
    silence_ratio: float | None
    sha256: str | None
    repaired: bool
    sealed_at: datetime | None
    verified_at: datetime | None
    pauses: list[PauseOut]


def _out(row: Mapping[str, Any]) -> RecordingOut:
    values = {name: row[name] for name in RecordingOut.model_fields}
    values["pauses"] = [
        PauseOut.model_validate({name: pause[name] for name in PauseOut.model_fields})
        for pause in row["pauses"]
    ]
    return RecordingOut.model_validate(values)


def router(service: RecordingService, guard: Guard) -> APIRouter:
    """The routes of this room. Whoever is logged in sees what there is; supervisors hear it."""
    routes = APIRouter(tags=["recordings"], responses=PROBLEM_RESPONSES)

    @routes.get("/recordings")
    async def list_recordings(
        call_id: UUID | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[RecordingOut]:
        """Recordings, youngest first."""
        rows = await service.list(
            call_id=call_id, behind=position_of(cursor, a_moment, UUID), limit=limit + 1
        )
        further = None
        if len(rows) > limit:
            last = rows[limit - 1]
            further = encode_cursor(last["started_at"].isoformat(), str(last["recording_id"]))
        return Page(items=[_out(row) for row in rows[:limit]], next_cursor=further)

    @routes.get("/recordings/{recording_id}")
    async def read_recording(
        recording_id: UUID, _principal: Principal = Depends(guard.agent)
    ) -> RecordingOut:
        """One recording."""
        return _out(await service.get(recording_id))

    @routes.get(
        "/recordings/{recording_id}/audio",
        response_class=Response,
        responses=AUDIO_RESPONSES,
    )
    async def read_audio(
        recording_id: UUID,
        byte_range: Annotated[str | None, Header(alias="Range")] = None,
        if_range: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
        _principal: Principal = Depends(guard.supervisor),
    ) -> Response:
        """The sound (left agent, right citizen; a message is mono). A single Range is served."""
        return audio_reply(
            await service.sound(recording_id), recording_id, byte_range, if_range, if_none_match
        )

    return routes


def audio_reply(
    sound: Sound,
    recording_id: UUID,
    byte_range: str | None,
    if_range: str | None,
    if_none_match: str | None,
) -> Response:
    """A finished file, or the part of it that the headers ask for."""
    etag = f'"{sound.sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{recording_id}.wav"',
    }
    if if_none_match is not None and names_etag(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    wanted = None if if_range not in (None, etag) else byte_range
    try:
        part = part_of(wanted, sound.bytes)
    except RangeNotSatisfiable:
        return no_such_part(sound.bytes)
    first, last = part or (0, sound.bytes - 1)
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{sound.bytes}"
    status = 200 if part is None else 206
    headers["Content-Length"] = str(last - first + 1)
    return StreamingResponse(
        _pieces(sound.path, first, last), status, headers, media_type="audio/wav"
    )


def _pieces(path: Path, first: int, last: int) -> Iterator[bytes]:
    """The file's bytes; Starlette reads a plain iterator in a thread."""
    with path.open("rb") as file:
        file.seek(first)
        left = last - first + 1
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
