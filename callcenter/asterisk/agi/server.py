"""The FastAGI server: one listening port, one task per session, nothing a stranger can stop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from panoramisk.fast_agi import Application

from callcenter.asterisk.agi.request import AgiRequest
from callcenter.asterisk.agi.wire import MAX_REPLY
from callcenter.asterisk.dialplan import (
    SAFE,
    Route,
)
from callcenter.ivr.session import CallerHungUp

log = logging.getLogger(__name__)

Handler = Callable[[AgiRequest], Awaitable[None]]

_BLANK_LINE: Final = b"\n\n"
#: Seconds a closing connection may take to send its last bytes.
_CLOSING: Final = 1.0


@dataclass(frozen=True, slots=True)
class AgiSettings:
    """Limits of one server process."""

    #: FastAGI knows no authentication: whoever reaches the port can pose as Asterisk.
    host: str = "127.0.0.1"
    port: int = 4573
    #: A burst of calls connects within milliseconds, and Asterisk gives up after 2 s.
    backlog: int = 1024
    #: Several processes on one port (SO_REUSEPORT).
    reuse_port: bool = False
    header_timeout: timedelta = timedelta(seconds=5)
    max_header: int = 64 * 1024
    max_sessions: int = 2000


@dataclass(slots=True)
class AgiCounters:
    """What came to the port since the process began."""

    connections: int = 0
    sessions: int = 0  #: had a route and were handled
    pings: int = 0
    hung_up: int = 0  #: sessions that ended because the caller hung up
    failed: int = 0  #: sessions whose handler raised
    closed_early: int = 0  #: closed before the header was whole
    header_too_long: int = 0
    header_too_slow: int = 0
    header_garbled: int = 0  #: no UTF-8, or no script in it
    no_route: int = 0
    too_many: int = 0  #: over max_sessions
    prompts_missing: int = 0  #: prompt files that were not on disk


class AgiServer(Application):
    """Serves `agi://host:port/<route>`; `add_route` first, then `serve`, at the end `close`."""

    def __init__(self, settings: AgiSettings | None = None) -> None:
        # Not panoramisk's __init__: it asks for an event loop before there is one.
        dict.__init__(self)
        self.default_encoding = "utf-8"
        self._route: OrderedDict[str, Handler] = OrderedDict()
        self.settings = settings or AgiSettings()
        self.counters = AgiCounters()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._active = 0
        self.add_route(Route.PING, self._pong)

    # A dict by inheritance only: two empty servers are not the same server.
    __hash__ = object.__hash__

    @property
    def active(self) -> int:
        """Sessions being served now."""
        return self._active

    def add_route(self, path: str, endpoint: Handler) -> None:
        """Serves `agi://…/<path>` with an `async def` function or method of one argument.

        Raises TypeError for anything else, ValueError for a path that has a route.
        """
        if not inspect.iscoroutinefunction(endpoint):
            raise TypeError(f"the handler of AGI route {path!r} must be an 'async def' function")
        if path in self._route:
            raise ValueError(f"AGI route {path!r} has a handler already")
        self._route[path] = endpoint

    async def serve(self) -> int:
        """Begins to listen and returns the port (which tells when `settings.port` is 0)."""
        settings = self.settings
        self._server = await asyncio.start_server(
            self._accept,
            settings.host,
            settings.port,
            limit=max(settings.max_header, MAX_REPLY),
            backlog=settings.backlog,
            reuse_port=settings.reuse_port or None,
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Stops listening, lets sessions end for `grace`, then cancels what is left."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = set(self._connections)
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=grace.total_seconds())
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: the one asyncio would make for a coroutine ends with a logged error
        # when it is cancelled (3.11).
        self.counters.connections += 1
        name = f"agi-{self.counters.connections}"
        task = asyncio.create_task(self.handler(reader, writer), name=name)
        self._connections.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("an AGI connection ended by %s at %s", type(fault).__name__, _where(fault))

    async def handler(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its closing."""
        try:
            headers = await self._headers(reader)
            if headers is not None:
                await self._session(headers, reader, writer)
            await self._finish(writer)
        finally:
            # After a cancellation or a fault nothing is worth waiting for.
            writer.transport.abort()

    async def _headers(self, reader: asyncio.StreamReader) -> Mapping[str, str] | None:
        """The `agi_*` lines, or None for a connection that is not worth a session (counted why)."""
        counters = self.counters
        try:
            async with asyncio.timeout(self.settings.header_timeout.total_seconds()):
                # Takes the header and nothing behind it: an early HANGUP stays in the reader.
                raw = await reader.readuntil(_BLANK_LINE)
        except TimeoutError:  # before OSError, of which it is one
            counters.header_too_slow += 1
            return None
        except (asyncio.IncompleteReadError, OSError):
            counters.closed_early += 1
            return None
        except asyncio.LimitOverrunError:
            counters.header_too_long += 1
            return None
        if len(raw) > self.settings.max_header:
            counters.header_too_long += 1
            return None
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            counters.header_garbled += 1
            log.warning("an AGI header that is no UTF-8 was refused")
            return None
        headers: dict[str, str] = {}
        for line in text.split("\n"):
            name, colon, value = line.partition(": ")
            if colon:
                headers.setdefault(name, value)
            elif line.endswith(":"):
                headers.setdefault(line[:-1], "")
        if "agi_network_script" not in headers:
            counters.header_garbled += 1
            return None
        return headers

    async def _session(
        self,
        headers: Mapping[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        path = headers["agi_network_script"].partition("?")[0].strip("/")
        handler = self._route.get(path)
        if handler is None:
            self.counters.no_route += 1
            log.error("no AGI route %s", path if SAFE.fullmatch(path) else "(unprintable)")
            return
        if path == Route.PING:
            # A full house still answers its watchdog: being full is no reason to be killed.
            await handler(AgiRequest(self, headers, reader, writer))
            return
        if self._active >= self.settings.max_sessions:
            self.counters.too_many += 1
            log.error("AGI session refused: %d are being served", self._active)
            return
        request = AgiRequest(self, headers, reader, writer)
        self._active += 1
        self.counters.sessions += 1
        try:
            await handler(request)
        except CallerHungUp:
            self.counters.hung_up += 1
        except Exception as fault:
            self.counters.failed += 1
            log.error(
                "AGI route %s, call %s: %s at %s",
                path,
                request.call_id,
                type(fault).__name__,
                _where(fault),
            )
        finally:
            self._active -= 1

    async def _finish(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSING):
                writer.close()
                await writer.wait_closed()

    async def _pong(self, request: AgiRequest) -> None:
        """Answers the watchdog with one line: `NOOP`, which Asterisk too would understand."""
        self.counters.pings += 1
        request.writer.write(b"NOOP\n")


def _where(fault: BaseException) -> str:
    """The places the exception came through. Not its text: that may hold a caller's digits."""
    frames = traceback.extract_tb(fault.__traceback__)[-5:]
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames))


async def answers_ping(host: str, port: int, timeout: timedelta) -> bool:
    """Whether the AGI server there still turns its loop; the watchdog's question."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"agi_network_script: {Route.PING}\n\n".encode())
                return await reader.readline() == b"NOOP\n"
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False
