"""What every `api.py` shares: problem documents, edit versions (ETag), pages of a list.

Only `api.py` files and `bootstrap.py` import this; the rooms' other modules know no HTTP.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StrictBool,
)
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callcenter.platform import errors
from callcenter.platform.errors import HotlineError, InvalidField, Stale

log = logging.getLogger(__name__)

#: First match along the class tree decides.
_STATUS: Final[dict[type[HotlineError], int]] = {
    errors.InvalidField: 422,
    errors.NotFound: 404,
    errors.Stale: 412,
    errors.Conflict: 409,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.TooLarge: 413,
    errors.TooMany: 429,
    errors.Refused: 400,
    errors.Unavailable: 503,
    errors.Misconfigured: 500,
    errors.HotlineError: 500,
}

PROBLEM: Final = "application/problem+json"


class FieldProblem(BaseModel):
    """One field and the rule it breaks."""

    field: str
    rule: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []
    #: Of a state that cannot be left that way: what can be done instead.
    allowed: list[str] | None = None


class Schema(BaseModel):
    """Base of every request and reply body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A part of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="`next_cursor` of the page before.")
]

_ETAG = Header(
    alias="If-Match",
    pattern=r'^(\*|(W/)?"[!#-~]{0,64}")$',
    description="The ETag you read, or `*` for any version.",
)
#: An edit says what it is based on; without the header it is refused.
IfMatch = Annotated[str, _ETAG]
#: Where an edit may also be based on nothing.
IfMatchAtWill = Annotated[str | None, _ETAG]


def _written_out(value: object) -> object:
    # Pydantic would take a number, or a string of digits, for seconds since 1970.
    if not isinstance(value, datetime) and not (isinstance(value, str) and "T" in value.upper()):
        raise ValueError("write a time as ISO 8601 with offset: 2026-10-01T09:00:00+08:00")
    return value


def _sane(moment: datetime) -> datetime:
    # Beyond these years a shift of the time zone leaves what can be computed.
    if not 1900 <= moment.year <= 9000:
        raise ValueError("a time between the years 1900 and 9000")
    return moment


def _day_written_out(value: object) -> object:
    # Pydantic would take a number, or a string of digits, for seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        raise ValueError("write a day as ISO 8601: 2026-10-01")
    if not isinstance(value, str | date):
        raise ValueError("write a day as ISO 8601: 2026-10-01")
    return value


#: A day as a client writes it.
Day = Annotated[date, BeforeValidator(_day_written_out)]
#: A moment as a client writes it.
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_sane)]
#: `true` or `false`: not 0, not "yes", which pydantic would take as well.
Flag = StrictBool


def encode_cursor(*position: str) -> str:
    """An opaque cursor for the last row of a page."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """The position in a cursor. Raises `InvalidField` for one we did not make."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        # Printable: what is not (NUL, half a surrogate pair) the database cannot take.
        if len(position) == parts and all(
            isinstance(part, str) and part.isprintable() for part in position
        ):
            return tuple(position)
    except (ValueError, TypeError):
        pass
    raise InvalidField("cursor", "must be the next_cursor of an earlier page")


def decode_place(cursor: str) -> tuple[datetime, UUID]:
    """A place by time and UUID. Raises `InvalidField` for a cursor we did not make."""
    at, key = decode_cursor(cursor, 2)
    try:
        place = datetime.fromisoformat(at), UUID(key)
    except ValueError:
        place = None
    if place is None or place[0].tzinfo is None:
        raise InvalidField("cursor", "must be the next_cursor of an earlier page")
    return place


def set_etag(response: Response, version: int) -> None:
    """Tell the client which version it reads."""
    response.headers["ETag"] = f'"{version}"'


def wanted_version(if_match: str | None) -> int | None:
    """The version an edit is based on; None where the client means any (`*`).

    Raises `InvalidField` when the header is missing, `Stale` when it is none of our ETags.
    """
    if if_match is None:
        raise InvalidField("If-Match", "send the ETag you read, or * for any version")
    value = if_match.strip().removeprefix("W/").strip('"')
    if value == "*":
        return None
    if not value.isdecimal() or len(value) > 9:
        raise Stale
    return int(value)


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=problem.status,
        media_type=PROBLEM,
        headers=headers,
    )


def no_such_part(size: int) -> JSONResponse:
    """416: the part asked for lies behind the end of a file of `size` bytes."""
    problem = Problem(
        type="/problems/range-not-satisfiable",
        title="There is no such part of the file.",
        status=416,
        detail=f"The file has {size} bytes.",
    )
    return problem_response(problem, {"Content-Range": f"bytes */{size}"})


def problem_of(error: HotlineError) -> Problem:
    """The problem document of one of our errors."""
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    fields = (
        [FieldProblem(field=field, rule=rule) for field, rule in error.problems]
        if isinstance(error, InvalidField)
        else []
    )
    title = (type(error).__doc__ or "Error").strip().split("\n", 1)[0]
    return Problem(
        type=f"/problems/{error.slug}",
        title=title,
        status=status,
        detail=error.message,
        errors=fields,
        allowed=list(error.allowed) if error.allowed is not None else None,
    )


def _sendable(text: str) -> str:
    """Bounded and encodable: the name of an unknown field is whatever the client sent."""
    return text[:200].encode("utf-8", "replace").decode()


def _methods_of(app: FastAPI, request: Request) -> set[str]:
    methods: set[str] = set()
    for route in app.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return methods


def install_problem_handlers(app: FastAPI) -> None:
    """Every refusal and every fault leaves as a problem document."""

    async def on_hotline_error(_request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HotlineError)
        problem = problem_of(exc)
        headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
        if problem.status in (429, 503):
            headers["Retry-After"] = "5"
        return problem_response(problem, headers)

    async def on_bad_request(_request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        fields = [
            FieldProblem(
                # The first part says where the field stood: body, query, path, header.
                field=_sendable(".".join(str(part) for part in error["loc"][1:]))
                or str(error["loc"][0]),
                rule=_sendable(error["msg"].removeprefix("Value error, ")),
            )
            for error in exc.errors()
        ]
        return problem_response(
            Problem(
                type="/problems/invalid-field",
                title=(InvalidField.__doc__ or "").strip(),
                status=422,
                detail="; ".join(f"{f.field}: {f.rule}" for f in fields),
                errors=fields,
            )
        )

    async def on_http_error(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        headers = dict(exc.headers or {})
        if exc.status_code == 405:
            # Starlette names the methods of the first route of that path; there may be several.
            headers["Allow"] = ", ".join(sorted(_methods_of(app, request)))
        return problem_response(
            Problem(
                type=f"/problems/http-{exc.status_code}",
                title=str(exc.detail),
                status=exc.status_code,
                detail=str(exc.detail),
            ),
            headers,
        )

    async def on_client_gone(_request: Request, _exc: Exception) -> Response:
        # Nobody reads it; without it every broken upload would be logged as a fault of ours.
        return problem_response(
            Problem(
                type="/problems/client-gone",
                title="The request broke off.",
                status=400,
                detail="The client went away before it had sent the whole request.",
            )
        )

    async def on_fault(request: Request, exc: Exception) -> Response:
        log.error("fault while answering %s %s", request.method, request.url.path, exc_info=exc)
        return problem_response(
            Problem(
                type="/problems/fault",
                title="A fault of ours",
                status=500,
                detail="This is a fault of the server; its log has the details.",
            )
        )

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]] = [
        (HotlineError, on_hotline_error),
        (RequestValidationError, on_bad_request),
        (HTTPException, on_http_error),
        (ClientDisconnect, on_client_gone),
        (Exception, on_fault),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """A route that takes larger bodies than the others: an upload. Offered by a room's `api.py`."""

    method: str
    path: str  #: regular expression for the whole path below `/api/v1`
    most_bytes: int


class BodyLimit:
    """ASGI middleware: a request body over `most_bytes` is refused with 413, read no further.

    `routes` have limits of their own. Uvicorn has no such limit, and a body is held in memory
    before its schema can refuse it. FastAPI's own `max_body_size` answers an announced length in
    plain text, not as a problem.
    """

    def __init__(
        self, app: ASGIApp, most_bytes: int, routes: Sequence[RouteLimit] = (), prefix: str = ""
    ) -> None:
        self._app = app
        self._most = most_bytes
        self._routes = [
            (route.method, re.compile(re.escape(prefix) + route.path), route.most_bytes)
            for route in routes
        ]

    def _limit_of(self, scope: Scope) -> int:
        for method, path, most_bytes in self._routes:
            if scope["method"] == method and path.fullmatch(scope["path"]):
                return most_bytes
        return self._most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limit_of(scope)
        came = 0
        has_begun = False

        async def limited_receive() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > most:
                raise _TooLarge
            return message

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        announced = dict(scope["headers"]).get(b"content-length", b"")
        try:
            if announced.isdigit() and int(announced) > most:
                raise _TooLarge
            await self._app(scope, limited_receive, watched_send)
        except _TooLarge:
            if has_begun:
                raise
            problem = Problem(
                type="/problems/too-large",
                title="The request is too large.",
                status=413,
                detail=f"A request has at most {most:,} bytes.",
            )
            # The rest of the body stays unread: the connection cannot be used again.
            await problem_response(problem, {"Connection": "close"})(scope, receive, send)


class _TooLarge(Exception):
    """More came than is taken."""


#: Documented replies of every endpoint.
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "model": Problem,
        "description": text,
        "content": {PROBLEM: {}},
    }
    for status, text in {
        400: "Refused",
        401: "No valid token",
        403: "The role does not reach this",
        404: "There is no such thing",
        409: "Contradicts what is true now",
        412: "Edited by somebody else meanwhile",
        413: "Too large",
        422: "A field breaks a rule",
        503: "Something beside us is away",
    }.items()
}

#: … and of those that are asked too often.
TOO_MANY: Final[dict[int | str, dict[str, Any]]] = {
    429: {"model": Problem, "description": "Too much at once", "content": {PROBLEM: {}}}
}
