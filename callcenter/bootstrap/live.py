"""The live state in the `api` process: its room put together, its tasks, and its sockets."""

from __future__ import annotations

import logging
import socket
from asyncio.transports import BaseTransport
from collections.abc import Coroutine
from typing import Any, Final

from fastapi import APIRouter
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from callcenter.access.guard import Guard
from callcenter.access.service import AccessService
from callcenter.live.api import ABORT, LARGEST_MESSAGE
from callcenter.live.api import router as live_router
from callcenter.live.screen.service import ScreenService
from callcenter.live.service import LiveService
from callcenter.platform.clock import system_clock
from callcenter.platform.db import Database
from callcenter.platform.settings import Settings

#: What the kernel keeps for a client that does not read, beside 64 KiB of the transport's. Linux
#: grows it to megabytes of old news by itself, and only what is unsent can be left out.
_SEND_BUFFER: Final = 64 * 1024


#: uvicorn tells each connection with its whole address, where somebody may have written a token.
_log = logging.getLogger(f"{__name__}.socket")
_log.setLevel(logging.WARNING)


class EventsProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket with a small send buffer, a way to cut off who takes nothing, and no word
    of what is said in any log.

    uvicorn's own close waits for ever until a peer has read what was written before.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _log
        # At level `debug` websockets would log every header and every frame.
        self.conn.logger, self.conn.debug = _log, False

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)  # none where the handshake was refused
        if scope is not None:
            scope["extensions"][ABORT] = self.transport.abort


#: For `uvicorn.Config`. Not compressed: each client's state would cost 64 KiB, and a millisecond a
#: message. Who answers no ping within 20 s is gone.
WEBSOCKETS: Final[dict[str, Any]] = {
    "ws": EventsProtocol,
    "ws_max_size": LARGEST_MESSAGE,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,
}


def live_service(settings: Settings, database: Database, access: AccessService) -> LiveService:
    return LiveService(database, access, system_clock, zone=settings.zone)


def live_routes(
    settings: Settings, database: Database, live: LiveService, access: AccessService, guard: Guard
) -> APIRouter:
    """REST and the WebSocket."""
    return live_router(
        live, ScreenService(database), access, guard, origins=settings.events_origins
    )


def live_tasks(live: LiveService) -> dict[str, Coroutine[Any, Any, None]]:
    """What runs as long as the process."""
    return {
        "live picture": live.keep_picture(),
        "live news": live.follow_news(),
        "live tokens": live.watch_tokens(),
    }
