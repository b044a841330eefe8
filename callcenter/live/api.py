"""The WebSocket `/events`; `/live`, `/events/schema` and `/agents/{agent_id}/screen-pop`.

A browser cannot set headers on a WebSocket, and an address is written to logs of every proxy on
the way: so the token comes by header, by sub-protocol or in the first message, never in the query.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Collection
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, WebSocket
from fastapi import Path as InPath
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Session
from callcenter.access.service import AccessService
from callcenter.agents.model import AGENT_ID
from callcenter.live.clients import Client, ConnectionOver, End, Wanted
from callcenter.live.model import LISTS, Topic
from callcenter.live.schemas import (
    EventSchemas,
    LiveReply,
    QueueName,
    ScreenReply,
    SubscribeMessage,
    TeamName,
    ViewOut,
    event_schemas,
)
from callcenter.live.screen.service import ScreenService
from callcenter.live.service import LiveService
from callcenter.platform.db import DatabaseUnavailable
from callcenter.platform.errors import HotlineError, NotAllowed, NotAuthenticated, TooMany
from callcenter.platform.web import PROBLEM_RESPONSES

log = logging.getLogger(__name__)

#: Our sub-protocol, and what a token is offered as beside it.
PROTOCOL: Final = "callcenter.v1"
_BEARER: Final = "bearer."

#: Close codes. 4400 … are the statuses of HTTP plus 4000; 1013 and 1009 are RFC 6455's.
BAD_MESSAGE: Final = 4400
NOT_AUTHENTICATED: Final = 4401
NOT_ALLOWED: Final = 4403
TOO_SLOW: Final = 4408
TOO_MANY: Final = 4429
TRY_LATER: Final = 1013
_CODES: Final = {
    End.REVOKED: NOT_AUTHENTICATED,
    End.EXPIRED: NOT_AUTHENTICATED,
    End.ROLE_CHANGED: NOT_ALLOWED,
}

#: Bytes of a client's message; uvicorn closes with 1009 beyond it.
LARGEST_MESSAGE: Final = 16 * 1024
#: How long the first message may take where no header carried the token, and how many may be
#: waited for at once.
FIRST_MESSAGE: Final = timedelta(seconds=5)
MOST_UNKNOWN: Final = 200
#: How long one message to a client may take.
SEND_LIMIT: Final = timedelta(seconds=10)
#: Messages of a client within a `_WINDOW`.
MOST_MESSAGES: Final = 10
_WINDOW: Final = 10.0

#: In the ASGI scope's extensions: cuts the connection, whatever is still to be sent on it.
ABORT: Final = "callcenter.abort"

AgentOrMe = Annotated[str, InPath(pattern=f"^(me|{AGENT_ID})$")]
_Queues = Annotated[list[QueueName] | None, Query(min_length=1, max_length=100)]
_Topics = Annotated[list[Topic] | None, Query(min_length=1, max_length=4)]
_Team = Annotated[TeamName | None, Query()]


class _Refused(Exception):
    """The connection is closed with this code; the reason is for a person."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        # A control frame has 125 bytes, two of them the code.
        self.reason = reason.encode()[:120].decode("utf-8", "ignore")
        super().__init__(self.reason)


def router(
    live: LiveService,
    screens: ScreenService,
    access: AccessService,
    guard: Guard,
    *,
    origins: Collection[str] = (),
) -> APIRouter:
    """`origins`: pages that may connect besides those of this very host (`https://desk.city`)."""
    api = APIRouter(tags=["live"], responses=PROBLEM_RESPONSES)
    door = _Door(access, frozenset(origins))

    @api.get("/live")
    async def read_live(
        topic: _Topics = None,
        queue: _Queues = None,
        team: _Team = None,
        principal: Principal = Depends(guard.agent),
    ) -> LiveReply:
        """Queues, agents and calls now, read anew: what a snapshot of `/events` would say."""
        wanted = Wanted(
            topics=frozenset(topic or Topic),
            queues=frozenset(queue) if queue else None,
            team=team,
        )
        shown, view, own = await live.now(principal, wanted)
        lists = {
            str(name): [
                json.loads(item.text if view.numbers else item.open_text)
                for item in shown.items.get(name, {}).values()
            ]
            for name in LISTS
        }
        return LiveReply.model_validate(
            {
                "at": shown.at,
                "view": ViewOut(
                    role=principal.role,
                    topics=sorted(view.topics),
                    every_team=view.every_team,
                    team=view.team,
                    queues=None if view.queues is None else sorted(view.queues),
                ),
                **lists,
                "own": json.loads(own),
            }
        )

    @api.get("/events/schema")
    async def schema() -> EventSchemas:
        """The messages of the WebSocket `/api/v1/events` (docs/live.md) as JSON Schema."""
        return event_schemas()

    @api.get("/agents/{agent_id}/screen-pop")
    async def screen_pop(
        agent_id: AgentOrMe, principal: Principal = Depends(guard.agent)
    ) -> ScreenReply:
        """What the call at an agent's phone is about; `me`: at the asker's own."""
        agent_id, screen = await screens.at_phone(agent_id, principal)
        return ScreenReply.model_validate(
            {"agent_id": agent_id, "screen": screen.document() if screen else None}
        )

    @api.websocket("/events")
    async def events(websocket: WebSocket) -> None:
        try:
            session, wanted = await door.let_in(websocket)
            with live.admitted(session, wanted) as client:
                await _serve(websocket, client)
        except WebSocketDisconnect:
            pass
        except _Refused as refusal:
            await _close(websocket, refusal.code, refusal.reason)
        except HotlineError as exc:
            await _close(websocket, _code_of(exc), _Refused(0, exc.message).reason)

    return api


def _code_of(error: HotlineError) -> int:
    match error:
        case ConnectionOver():
            return _CODES[error.end]
        case NotAuthenticated():
            return NOT_AUTHENTICATED
        case NotAllowed():
            return NOT_ALLOWED
        case TooMany():
            return TOO_MANY
        case DatabaseUnavailable():
            return TRY_LATER
    return 1011


class _Door:
    """Who may come in, and for what."""

    def __init__(self, access: AccessService, origins: frozenset[str]) -> None:
        self._access = access
        self._origins = origins
        self._unknown = 0

    async def let_in(self, websocket: WebSocket) -> tuple[Session, Wanted]:
        """Accept, and find out who it is and what they want to follow."""
        origin = websocket.headers.get("origin")
        if origin is not None and not self._is_ours(origin, websocket.headers.get("host", "")):
            # Not accepted yet: the handshake is answered with 403.
            raise _Refused(NOT_ALLOWED, "This page may not connect here.")
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
        wish = _from_query(websocket)
        token = _from_header(websocket) or _from_protocols(offered)
        if token is None:
            wish = await self._first_message(websocket)
            token = wish.token
        if token is None:
            raise NotAuthenticated
        return await self._access.session(token), wish.wanted()

    def _is_ours(self, origin: str, host: str) -> bool:
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            return False
        return origin in self._origins or (bool(netloc) and netloc == host)

    async def _first_message(self, websocket: WebSocket) -> SubscribeMessage:
        if self._unknown >= MOST_UNKNOWN:
            raise _Refused(TRY_LATER, "Too many have not said yet who they are.")
        self._unknown += 1
        try:
            async with asyncio.timeout(FIRST_MESSAGE.total_seconds()):
                return _read(await _receive(websocket))
        except TimeoutError:
            raise _Refused(NOT_AUTHENTICATED, "No token came in the first message.") from None
        finally:
            self._unknown -= 1


def _from_header(websocket: WebSocket) -> str | None:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _from_protocols(offered: Collection[str]) -> str | None:
    for name in offered:
        if name.startswith(_BEARER):
            return name.removeprefix(_BEARER)
    return None


_QUERY: Final = {"topic": "topics", "queue": "queues", "team": "team"}


def _from_query(websocket: WebSocket) -> SubscribeMessage:
    """`?topic=…&topic=…&queue=…&team=…`: the same words as the first message's."""
    wish: dict[str, object] = {}
    for name in websocket.query_params:
        if name not in _QUERY:
            told = (
                "The token must not stand in the address, which is written to logs."
                if re.fullmatch(r"(access_)?token|bearer", name)
                else "In the address may stand: topic, queue, team."
            )
            raise _Refused(BAD_MESSAGE, told)
        values = websocket.query_params.getlist(name)
        wish[_QUERY[name]] = values[-1] if name == "team" else values
    try:
        return SubscribeMessage.model_validate(wish)
    except ValidationError as exc:
        raise _bad(exc) from None


def _read(text: str) -> SubscribeMessage:
    try:
        return SubscribeMessage.model_validate_json(text)
    except ValidationError as exc:
        raise _bad(exc) from None


def _bad(exc: ValidationError) -> _Refused:
    first = exc.errors(include_input=False, include_url=False)[0]
    # Names of unknown fields are the client's words.
    where = ".".join(str(part) for part in first["loc"] if str(part).isidentifier())
    return _Refused(BAD_MESSAGE, f"{where}: {first['msg']}" if where else str(first["msg"]))


async def _receive(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if not isinstance(text, str):
        raise _Refused(BAD_MESSAGE, "Send text, not bytes.")
    return text


async def _serve(websocket: WebSocket, client: Client) -> None:
    """Tell and hear, until one side ends it."""
    tasks = [
        asyncio.create_task(_tell(websocket, client), name="live: tell"),
        asyncio.create_task(_hear(websocket, client), name="live: hear"),
        asyncio.create_task(client.over(), name="live: over"),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _tell(websocket: WebSocket, client: Client) -> None:
    async with aclosing(client.messages()) as texts:
        async for text in texts:
            try:
                async with asyncio.timeout(SEND_LIMIT.total_seconds()):
                    await websocket.send_text(text)
            except TimeoutError:
                raise _Refused(TOO_SLOW, "Nothing was taken for 10 seconds.") from None


async def _hear(websocket: WebSocket, client: Client) -> None:
    loop = asyncio.get_running_loop()
    came: list[float] = []
    while True:
        text = await _receive(websocket)
        now = loop.time()
        came = [at for at in came if at > now - _WINDOW]
        if len(came) >= MOST_MESSAGES:
            raise _Refused(TOO_MANY, "Too many messages.")
        came.append(now)
        wish = _read(text)
        if wish.token is not None:
            raise _Refused(BAD_MESSAGE, "token: in the first message only")
        client.want(wish.wanted())


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    """Say goodbye; who does not take it within a second is cut off."""
    if websocket.application_state is WebSocketState.DISCONNECTED:
        return
    try:
        async with asyncio.timeout(1):
            await websocket.close(code, reason)
    except (TimeoutError, RuntimeError, OSError):
        abort = websocket.scope.get("extensions", {}).get(ABORT)
        if abort is not None:
            abort()
