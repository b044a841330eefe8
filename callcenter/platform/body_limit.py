"""How large a request may be: refused before it is held in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callcenter.platform.problems import problem_response
from callcenter.platform.web import Problem


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
