"""`/recording-notices`: what callers are told before they are recorded.

Anybody logged in reads, admins decide what callers hear. The newest version is the one in force; a
call's record names the version that was played. Nothing is deleted: old calls refer to it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.ivr.spoken import Title, Words
from callcenter.lines.notices.model import MOST_COMMENT, MOST_WORDS, NoticeVersion, RecordingNotice
from callcenter.lines.notices.service import NoticeService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    number_of,
    set_etag,
    wanted_version,
)

_NAME = r"^[a-z][a-z0-9_-]{0,62}$"

NoticeName = Annotated[str, InPath(pattern=_NAME)]
VersionNumber = Annotated[int, InPath(ge=1, le=1_000_000_000)]
#: Lengths are told to readers of OpenAPI; the model holds to them and names the rule.
Comment = Annotated[str, Field(json_schema_extra={"maxLength": MOST_COMMENT})]


class NoticeWords(Schema):
    """What is said, per language: at most 300 characters each."""

    words: Annotated[Words, Field(description=f"At most {MOST_WORDS} characters per language.")]
    comment: Comment = ""


class NewNotice(NoticeWords):
    """A notice to be made; its words become version 1."""

    name: Annotated[str, Field(pattern=_NAME)]
    title: Title


class NoticeView(Schema):
    """A notice with the version callers hear; `lines`: whose callers."""

    name: str
    title: str
    version: int
    words: dict[str, str]
    published_at: datetime
    published_by: str
    lines: list[str]


class PublishedNotice(NoticeView):
    """A notice after a publication; `in_force`: the next caller hears it."""

    in_force: bool


class NoticeVersionView(Schema):
    """One version, as it will always be."""

    version: int
    words: dict[str, str]
    comment: str
    published_at: datetime
    published_by: str


def router(service: NoticeService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(
        prefix="/recording-notices", tags=["recording-notices"], responses=PROBLEM_RESPONSES
    )

    async def shown(notice: RecordingNotice) -> dict[str, object]:
        playing = await service.lines_playing([notice.name])
        return _fields(notice, list(playing[notice.name]))

    @routes.get("")
    async def list_notices(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[NoticeView]:
        after = decode_cursor(cursor, 1)[0] if cursor else None
        found = await service.notices(after, limit + 1)
        page = found[:limit]
        playing = await service.lines_playing([notice.name for notice in page])
        return Page(
            items=[
                NoticeView.model_validate(_fields(notice, list(playing[notice.name])))
                for notice in page
            ],
            next_cursor=encode_cursor(page[-1].name) if len(found) > limit else None,
        )

    @routes.post("", status_code=201)
    async def create_notice(
        body: NewNotice, response: Response, who: Principal = Depends(guard.admin)
    ) -> PublishedNotice:
        made = await service.create(
            body.name, body.title, body.words, comment=body.comment, by=who.name
        )
        set_etag(response, made.latest.version)
        return PublishedNotice.model_validate(await shown(made) | {"in_force": True})

    @routes.get("/{name}")
    async def read_notice(
        name: NoticeName, response: Response, _who: Principal = Depends(guard.agent)
    ) -> NoticeView:
        notice = await service.notice(name)
        set_etag(response, notice.latest.version)
        return NoticeView.model_validate(await shown(notice))

    @routes.post("/{name}/versions", status_code=201)
    async def publish_notice(
        if_match: IfMatch,
        name: NoticeName,
        body: NoticeWords,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> PublishedNotice:
        """The newest version is the one in force: to go back, publish the old words again."""
        published = await service.publish(
            name,
            body.words,
            comment=body.comment,
            based_on=wanted_version(if_match),
            by=who.name,
        )
        set_etag(response, published.latest.version)
        return PublishedNotice.model_validate(await shown(published) | {"in_force": True})

    @routes.get("/{name}/versions")
    async def list_versions(
        name: NoticeName,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[NoticeVersionView]:
        """Newest first."""
        found = await service.versions(name, number_of(cursor), limit + 1)
        return Page(
            items=[_version_view(version) for version in found[:limit]],
            next_cursor=(
                encode_cursor(str(found[limit - 1].version)) if len(found) > limit else None
            ),
        )

    @routes.get("/{name}/versions/{version}")
    async def read_version(
        name: NoticeName, version: VersionNumber, _who: Principal = Depends(guard.agent)
    ) -> NoticeVersionView:
        return _version_view(await service.version(name, version))

    return routes


def _fields(notice: RecordingNotice, lines: list[str]) -> dict[str, object]:
    latest = notice.latest
    return {
        "name": notice.name,
        "title": notice.title,
        "version": latest.version,
        "words": dict(latest.words),
        "published_at": latest.published_at,
        "published_by": latest.published_by,
        "lines": lines,
    }


def _version_view(version: NoticeVersion) -> NoticeVersionView:
    return NoticeVersionView(
        version=version.version,
        words=dict(version.words),
        comment=version.comment,
        published_at=version.published_at,
        published_by=version.published_by,
    )
