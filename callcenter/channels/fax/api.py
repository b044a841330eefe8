"""`/fax-documents`: what can be faxed; `/faxes`: what was, goes, and came.

Anybody logged in reads and orders for a caller; supervisors cancel and send again; admins decide
what callers get.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.channels.fax.documents import DocumentService
from callcenter.channels.fax.model import (
    DOCUMENT_NAME,
    Direction,
    DocumentSource,
    FaxState,
    FaxTryState,
    Way,
)
from callcenter.channels.fax.pdf import MOST_BYTES
from callcenter.channels.fax.service import FaxService, FaxView
from callcenter.channels.fax.store import Row
from callcenter.platform.body_limit import RouteLimit
from callcenter.platform.errors import InvalidField, TooMany
from callcenter.platform.web import (
    PROBLEM,
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Page,
    Problem,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
    set_etag,
    wanted_version,
)

_NAME: Final = f"^{DOCUMENT_NAME}$"
_LANGUAGE: Final = r"^[a-z]{2}$"

Name = Annotated[str, InPath(pattern=_NAME)]
Language = Annotated[str, InPath(pattern=_LANGUAGE)]
Number = Annotated[
    str,
    Field(pattern=r"^[+]?[0-9]{3,20}$", description="E.164, or as it is dialled in the country."),
]
Title = Annotated[str, Field(min_length=1, max_length=200)]

_PDF: Final[dict[str, Any]] = {"content": {"application/pdf": {}}, "description": "The pages"}
_TIFF: Final[dict[str, Any]] = {
    "content": {"image/tiff": {}},
    "description": "The pages as they are sent: 1728 wide, group 4",
}
_MANY: Final[dict[str, Any]] = {
    "model": Problem,
    "content": {PROBLEM: {}},
    "description": TooMany.__doc__,
}
_LARGE: Final[dict[str, Any]] = _MANY | {"description": "The request is too large."}
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        # What the client calls it is not looked at: the bytes say whether it is a PDF.
        "content": {"application/pdf": _BINARY, "application/octet-stream": _BINARY},
    }
}


class ArticleDocument(Schema):
    """Draw the document from a published article; `title`: unless it is the article's."""

    article: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: Title | None = None


class DocumentView(Schema):
    """A document that can be faxed. `sha256` and `bytes` are of its TIFF."""

    document: str
    language: str
    title: str
    source: DocumentSource
    article: str | None
    article_version: int | None
    pages: int
    bytes: int
    sha256: str
    version: int
    updated_at: datetime
    updated_by: str


class NewFax(Schema):
    """A fax for a caller. Without `number` it goes out in the call itself, when the flow or an
    agent sends the call there."""

    call_id: UUID
    document: Annotated[str, Field(pattern=_NAME)]
    language: Annotated[str, Field(pattern=_LANGUAGE)]
    number: Number | None = None


class Again(Schema):
    """Where to send it this time; null: where it was to go."""

    number: Number | None = None


class FaxTryView(Schema):
    """One call of ours to deliver a fax."""

    attempt: int
    number: str
    call_id: UUID
    state: FaxTryState
    due_at: datetime
    dialled_at: datetime | None
    ended_at: datetime | None
    pages: int
    error: str | None


class FaxOut(Schema):
    """A fax. `pages`: of the document, or that came in; `pages_done`: went over whole; `mode`:
    audio (G.711) or T38; `station`: what the other machine calls itself; `sha256`: of the sealed
    PDF of one that came in. `partial`: it broke off, and the pages that came are kept."""

    fax_id: UUID
    direction: Direction
    way: Way
    call_id: UUID
    case_number: str | None
    document: str | None
    language: str | None
    title: str
    number: str | None
    station: str | None
    state: FaxState
    pages: int | None
    pages_done: int
    mode: str | None
    error: str | None
    sha256: str | None
    bytes: int | None
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    tries: list[FaxTryView]


#: Uploads that are larger than other bodies.
FAX_BODIES: Final = (RouteLimit("PUT", r"/fax-documents/[^/]+/[^/]+/pdf", MOST_BYTES),)


def router(service: FaxService, documents: DocumentService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(tags=["fax"], responses=PROBLEM_RESPONSES)
    _documents(routes, documents, guard)
    _faxes(routes, service, guard)
    return routes


def _documents(routes: APIRouter, service: DocumentService, guard: Guard) -> None:
    @routes.get("/fax-documents")
    async def list_fax_documents(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[DocumentView]:
        """By name and language."""
        rows = await service.documents(position_of(cursor, str, str), limit + 1)
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[_document(row) for row in rows[:limit]],
            next_cursor=encode_cursor(last["document"], last["language"]) if last else None,
        )

    @routes.get("/fax-documents/{document}/{language}")
    async def read_fax_document(
        document: Name,
        language: Language,
        response: Response,
        _who: Principal = Depends(guard.agent),
    ) -> DocumentView:
        row = await service.document(document, language)
        set_etag(response, row["version"])
        return _document(row)

    @routes.put("/fax-documents/{document}/{language}")
    async def draw_fax_document(
        if_match: IfMatch,
        document: Name,
        language: Language,
        body: ArticleDocument,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> DocumentView:
        """From an article; `If-Match: *` for a new one too."""
        row = await service.put_article(
            document,
            language,
            article=body.article,
            title=body.title,
            by=who.name,
            based_on=wanted_version(if_match),
        )
        set_etag(response, row["version"])
        return _document(row)

    @routes.put(
        "/fax-documents/{document}/{language}/pdf",
        openapi_extra=_UPLOAD,
        responses={413: _LARGE},
    )
    async def upload_fax_document(
        if_match: IfMatch,
        document: Name,
        language: Language,
        title: Annotated[str, Query(min_length=1, max_length=200)],
        request: Request,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> DocumentView:
        """From a PDF: at most 20 MB and 50 pages; `If-Match: *` for a new one too."""
        content = await _body(request)
        row = await service.put_pdf(
            document,
            language,
            content,
            title=title,
            by=who.name,
            based_on=wanted_version(if_match),
        )
        set_etag(response, row["version"])
        return _document(row)

    @routes.delete("/fax-documents/{document}/{language}", status_code=204)
    async def delete_fax_document(
        if_match: IfMatch,
        document: Name,
        language: Language,
        _who: Principal = Depends(guard.admin),
    ) -> None:
        """Not while a flow offers it. Faxes ordered before keep their pages."""
        await service.delete_document(document, language, based_on=wanted_version(if_match))

    @routes.get(
        "/fax-documents/{document}/{language}/tiff",
        response_class=Response,
        responses={200: _TIFF},
    )
    async def read_fax_document_tiff(
        document: Name, language: Language, _who: Principal = Depends(guard.agent)
    ) -> Response:
        content = await service.document_tiff(document, language)
        return _file(content, f"{document}.{language}.tif", "image/tiff")

    @routes.get(
        "/fax-documents/{document}/{language}/pdf",
        response_class=Response,
        responses={200: _PDF},
    )
    async def preview_fax_document(
        document: Name, language: Language, _who: Principal = Depends(guard.agent)
    ) -> Response:
        """As it will look on paper."""
        content = await service.document_pdf(document, language)
        return _file(content, f"{document}.{language}.pdf", "application/pdf")


def _faxes(routes: APIRouter, service: FaxService, guard: Guard) -> None:
    @routes.get("/faxes")
    async def list_faxes(
        direction: Direction | None = None,
        state: FaxState | None = None,
        call_id: UUID | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[FaxOut]:
        """Youngest first, out and in."""
        found = await service.faxes(
            direction=direction,
            state=state,
            call_id=call_id,
            behind=position_of(cursor, a_moment, UUID),
            limit=limit + 1,
        )
        further = None
        if len(found) > limit:
            last = found[limit - 1].row
            further = encode_cursor(last["created_at"].isoformat(), str(last["fax_id"]))
        return Page(items=[_fax(view) for view in found[:limit]], next_cursor=further)

    @routes.post("/faxes", status_code=201, responses={429: _MANY})
    async def order_fax(body: NewFax, who: Principal = Depends(guard.agent)) -> FaxOut:
        """Fax a document to a caller; its case says so."""
        fax_id = await service.order(
            body.call_id, body.document, body.language, body.number, by=who.name
        )
        return _fax(await service.fax(fax_id))

    @routes.get("/faxes/{fax_id}")
    async def read_fax(fax_id: UUID, _who: Principal = Depends(guard.agent)) -> FaxOut:
        return _fax(await service.fax(fax_id))

    @routes.get("/faxes/{fax_id}/pdf", response_class=Response, responses={200: _PDF})
    async def read_fax_pdf(fax_id: UUID, _who: Principal = Depends(guard.agent)) -> Response:
        """The pages. 409 with the reason where there are none."""
        return _file(await service.pdf(fax_id), f"{fax_id}.pdf", "application/pdf")

    @routes.post("/faxes/{fax_id}/cancel")
    async def cancel_fax(fax_id: UUID, who: Principal = Depends(guard.supervisor)) -> FaxOut:
        """No further try."""
        return _fax(await service.cancel(fax_id, by=who.name))

    @routes.post("/faxes/{fax_id}/retry")
    async def send_fax_again(
        fax_id: UUID, body: Again, who: Principal = Depends(guard.supervisor)
    ) -> FaxOut:
        """Send one that failed or was cancelled once more."""
        return _fax(await service.retry(fax_id, body.number, by=who.name))


def _document(row: Row) -> DocumentView:
    return DocumentView.model_validate({name: row[name] for name in DocumentView.model_fields})


def _fax(view: FaxView) -> FaxOut:
    values = {name: view.row[name] for name in FaxOut.model_fields if name != "tries"}
    return FaxOut.model_validate(values | {"tries": _tries(view.tries)})


def _tries(rows: Sequence[Row]) -> list[FaxTryView]:
    return [
        FaxTryView.model_validate({name: row[name] for name in FaxTryView.model_fields})
        for row in rows
    ]


async def _body(request: Request) -> bytes:
    """The upload. Raises `InvalidField` for none, and as soon as it is too large."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            raise InvalidField("body", f"at most {MOST_BYTES // 1024**2} MB")
    if not content:
        raise InvalidField("body", "send the PDF as the body of the request")
    return bytes(content)


def _file(content: bytes, name: str, kind: str) -> Response:
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type=kind, headers=headers)
