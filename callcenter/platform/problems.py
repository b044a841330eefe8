"""How refusals and faults leave: problem documents (RFC 9457), with the status of their kind."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from callcenter.platform import errors
from callcenter.platform.errors import HotlineError, InvalidField
from callcenter.platform.web import PROBLEM, FieldProblem, Problem

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
