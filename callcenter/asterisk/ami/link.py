"""One connection to the manager port, from greeting to loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from callcenter.asterisk.ami.messages import AmiMessage, HeaderValue, encode_action
from callcenter.asterisk.ami.pending import PendingActions
from callcenter.asterisk.ami.protocol import AmiProtocol
from callcenter.asterisk.errors import ActionTimedOut, LinkLost


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """Where Asterisk's manager listens and how patient we are. Times are real durations."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    #: TCP connection, greeting and login together.
    connect_timeout: timedelta = timedelta(seconds=5)
    action_timeout: timedelta = timedelta(seconds=5)
    ping_every: timedelta = timedelta(seconds=1)
    ping_deadline: timedelta = timedelta(seconds=2)
    backoff_first: timedelta = timedelta(milliseconds=200)
    backoff_last: timedelta = timedelta(seconds=5)
    #: Events that may wait for the consumer; beyond it the link is dropped and taken anew.
    queue_size: int = 20_000
    #: Reading stops when this many wait, and goes on when half of it is left.
    high_water: int = 10_000
    #: Event names the consumer wants; None means all. Others are counted, not parsed.
    wanted: frozenset[str] | None = None
    #: Bytes of one message; a longer one is rejected by itself.
    max_message: int = 2 * 1024 * 1024

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(slots=True)
class AmiCounters:
    """What happened on the link since the process began."""

    events: int = 0  #: handed to the queue
    unwanted: int = 0  #: seen by name only
    rejects: int = 0  #: malformed or too long
    gaps: int = 0  #: breaks in SequenceNumber
    gap_events: int = 0  #: events missing in them
    reconnects: int = 0
    pings_missed: int = 0
    overflows: int = 0  #: the queue was full: alarm
    pauses: int = 0  #: the high-water mark was reached
    late_answers: int = 0  #: came after the time limit of their action
    logins_refused: int = 0
    hook_failures: int = 0


class DeadPeer(LinkLost):
    """Asterisk's manager does not answer a Ping although the connection stands."""


class Link:
    """One connection; used once. `number` makes its ActionIDs differ from every other link's."""

    def __init__(
        self,
        settings: AmiSettings,
        counters: AmiCounters,
        number: int,
        on_message: Callable[[bytes, Link], None],
        on_lost: Callable[[Link, Exception], None],
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._prefix = f"cc-{number}"
        self._on_message = on_message
        self._on_lost = on_lost
        self._actions = 0
        self._protocol: AmiProtocol | None = None
        # A result, not an exception: nobody may be left to retrieve it.
        self._lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.pending = PendingActions()

    def is_paused(self) -> bool:
        return self._protocol is not None and self._protocol.paused

    def pause(self) -> None:
        if self._protocol is not None:
            self._protocol.pause()

    def resume(self) -> None:
        if self._protocol is not None:
            self._protocol.resume()

    def lose(self, reason: Exception) -> None:
        """Gives the link up: everything in flight fails, `on_lost` is told, `serve` raises."""
        if self._lost.done():
            return
        self._lost.set_result(reason)
        self.pending.fail_all(str(reason))
        if self._protocol is not None:
            self._protocol.close()
        # Told at once, not when our task has its turn: until then the state would be a lie.
        self._on_lost(self, reason)

    async def open(self) -> None:
        """Connects, reads the greeting, logs in.

        Raises `ActionRefused` when the login is refused, `LinkLost` or OSError when there is no
        Asterisk, TimeoutError after `connect_timeout`.
        """
        settings = self._settings
        async with asyncio.timeout(settings.connect_timeout.total_seconds()):
            loop = asyncio.get_running_loop()
            _, self._protocol = await loop.create_connection(
                self._new_protocol, settings.host, settings.port
            )
            waits: set[asyncio.Future[Any]] = {self._protocol.greeted, self._lost}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.done():
                raise self._lost.result()
            await self.ask(
                "Login",
                {
                    "Username": settings.username,
                    "Secret": settings.secret,
                    "Events": "off" if settings.wanted == frozenset() else "on",
                },
                settings.connect_timeout,
            )

    def _new_protocol(self) -> AmiProtocol:
        return AmiProtocol(
            on_message=lambda raw: self._on_message(raw, self),
            on_lost=lambda reason: self.lose(reason or LinkLost("Asterisk closed the connection")),
            on_reject=self._count_rejects,
            max_message=self._settings.max_message,
        )

    def _count_rejects(self, number: int) -> None:
        self._counters.rejects += number

    async def serve(self, welcome: Coroutine[None, None, None]) -> None:
        """Watches the link until it is lost and raises why; runs `welcome` beside the watching."""
        tasks = {
            asyncio.create_task(self._watch(), name=f"ami-ping {self._prefix}"),
            asyncio.create_task(welcome, name=f"ami-on-connected {self._prefix}"),
        }
        try:
            while True:
                waits: set[asyncio.Future[Any]] = {self._lost, *tasks}
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if self._lost.done():
                    raise self._lost.result()
                for task in [task for task in tasks if task in done]:
                    tasks.remove(task)
                    fault = task.exception()
                    if isinstance(fault, Exception):
                        self.lose(fault)
                        raise fault
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """A connection that stands says nothing about the peer: only an answered Ping does."""
        settings = self._settings
        while True:
            await asyncio.sleep(settings.ping_every.total_seconds())
            try:
                await self.ask("Ping", {}, settings.ping_deadline)
            except ActionTimedOut:
                if self.is_paused():
                    # Nothing is read, so no answer can come; TCP itself holds Asterisk back.
                    continue
                self._counters.pings_missed += 1
                seconds = settings.ping_deadline.total_seconds()
                self.lose(DeadPeer(f"Asterisk has not answered a Ping for {seconds:g} s"))
                return

    async def ask(
        self,
        action: str,
        headers: Mapping[str, HeaderValue],
        timeout: timedelta,
        *,
        is_list: bool = False,
        complete_event: str | None = None,
    ) -> list[AmiMessage]:
        """Writes one action and waits for its answer; see `AmiClient.action` for what it raises."""
        if self._protocol is None or self._lost.done():
            raise LinkLost(f"{action} was not sent: the link is down")
        self._actions += 1
        action_id = f"{self._prefix}-{self._actions}"
        data = encode_action(action, action_id, headers)
        seconds = timeout.total_seconds()
        future = self.pending.expect(
            action_id, action, is_list=is_list, complete_event=complete_event
        )
        timer = asyncio.get_running_loop().call_later(
            seconds, self.pending.expire, action_id, seconds
        )
        try:
            self._protocol.write(data)
            return await future
        finally:
            timer.cancel()
            self.pending.forget(action_id)

    def end(self) -> None:
        """Closes the connection and fails whatever is left in flight; may be called twice."""
        self.lose(LinkLost("the link was closed"))
