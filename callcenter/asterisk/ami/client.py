"""The management link to one Asterisk: kept up, watched, and honest about its state."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from panoramisk.manager import Manager

from callcenter.asterisk.ami.delivery import Delivery
from callcenter.asterisk.ami.link import AmiCounters, AmiSettings, DeadPeer, Link
from callcenter.asterisk.ami.messages import AmiMessage, HeaderValue, parse
from callcenter.asterisk.errors import ActionRefused, AmiError, LinkLost
from callcenter.platform.clock import Clock
from callcenter.platform.errors import HotlineError

log = logging.getLogger(__name__)

_EVENT: Final = b"Event: "
_ACTION_ID: Final = b"\r\nActionID: "
_SEQUENCE: Final = b"\r\nSequenceNumber: "


class LinkState(StrEnum):
    """How the link stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOGIN_REFUSED = "login_refused"
    LOST = "lost"
    DEAD_PEER = "dead_peer"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The state, since when, and a sentence for whoever has to mend it."""

    state: LinkState
    since: datetime
    detail: str


#: Called with the last number before and the first number after a gap. `after <= before` means
#: that Asterisk began to count anew, so it was restarted.
GapHook = Callable[[int, int], None]
ConnectedHook = Callable[["AmiClient"], Awaitable[None]]


class AmiClient(Manager):
    """A client of one manager user that reconnects by itself and never sends an action twice.

    `await start()` begins, `await close()` ends every task. `on_connected` is awaited after each
    (re)connect and may use `action()`; events that arrive meanwhile are delivered after it returns.
    When it fails the link is dropped and taken anew. Events go to one queue for one consumer
    (`events()` or `get()`). Without a consumer give `wanted=frozenset()`.
    """

    def __init__(
        self,
        settings: AmiSettings,
        *,
        clock: Clock,
        uniform: Callable[[float, float], float],
        on_connected: ConnectedHook | None = None,
        on_gap: GapHook | None = None,
    ) -> None:
        super().__init__(host=settings.host, port=settings.port)
        self.settings = settings
        self.counters = AmiCounters()
        self._clock = clock
        self._uniform = uniform
        self._on_connected = on_connected
        self._on_gap = on_gap
        self._delivery = Delivery(settings.queue_size)
        self._link: Link | None = None
        self._links = 0
        self._was_connected = False
        self._stood = False
        self._sequence: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._status = LinkStatus(LinkState.CONNECTING, clock(), "not started")

    @property
    def status(self) -> LinkStatus:
        return self._status

    async def start(self) -> None:
        """Begins to connect; returns at once (see `wait_ready`)."""
        if self._task is None:
            name = f"ami-link {self.settings.host}:{self.settings.port}"
            self._task = asyncio.create_task(self._keep(), name=name)

    async def wait_ready(self, timeout: timedelta) -> None:
        """Returns once logged in and `on_connected` is through; else `LinkLost` with the reason."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self._ready.wait()
        except TimeoutError:
            raise LinkLost(self._status.detail) from None

    async def close(self) -> None:
        """Ends the link, every task and every waiting action; the queue can still be read out."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._set(LinkState.LOST, "closed by us")
        self._delivery.close()

    async def action(
        self,
        action: str,
        headers: Mapping[str, HeaderValue] | None = None,
        *,
        timeout: timedelta | None = None,
    ) -> AmiMessage:
        """Sends one action once and returns Asterisk's response.

        Raises `ActionRefused` (Asterisk said no), `ActionTimedOut` and `LinkLost` (in both of which
        nobody knows whether it took effect), `UnsafeValue` (nothing was sent).
        """
        answer = await self._ask(action, headers, timeout, is_list=False, complete_event=None)
        return answer[0]

    async def list_action(
        self,
        action: str,
        headers: Mapping[str, HeaderValue] | None = None,
        *,
        complete_event: str | None = None,
        timeout: timedelta | None = None,
    ) -> list[AmiMessage]:
        """Sends an action that is answered by a list of events; returns them without the last.

        The list ends at `EventList: Complete` or at an event named `complete_event`. A list that
        is cut is never returned in part. Raises as `action()`.
        """
        return await self._ask(
            action, headers, timeout, is_list=True, complete_event=complete_event
        )

    async def get(self) -> AmiMessage:
        """The next event in the order of the wire; `LinkLost` when closed and read out."""
        event = await self._delivery.get()
        self._relieve()
        if event is None:
            raise LinkLost(self._status.detail)
        return event

    async def events(self) -> AsyncIterator[AmiMessage]:
        """The events in the order of the wire, over reconnects, until `close()`."""
        while (event := await self._delivery.get()) is not None:
            self._relieve()
            yield event

    # panoramisk's own ways to send are closed: they resend after a reconnect and have no limits.

    def connect(self, *_: object, **__: object) -> None:
        """Not here: see `start`."""
        raise TypeError("use AmiClient.start()")

    def send_action(self, *_: object, **__: object) -> None:
        """Not here: see `action`."""
        raise TypeError("use AmiClient.action(): panoramisk's send_action() may send twice")

    send_command = send_agi_command = send_action

    async def send_awaiting_actions(self, *_: object) -> None:
        """Nothing awaits to be sent again, ever."""

    async def _ask(
        self,
        action: str,
        headers: Mapping[str, HeaderValue] | None,
        timeout: timedelta | None,
        *,
        is_list: bool,
        complete_event: str | None,
    ) -> list[AmiMessage]:
        link = self._link
        if link is None:
            raise LinkLost(f"{action} was not sent: {self._status.detail}")
        limit = self.settings.action_timeout if timeout is None else timeout
        return await link.ask(
            action, headers or {}, limit, is_list=is_list, complete_event=complete_event
        )

    # The life of the link.

    async def _keep(self) -> None:
        """Connects, serves, reconnects, until cancelled."""
        first = self.settings.backoff_first.total_seconds()
        last = self.settings.backoff_last.total_seconds()
        delay = first
        while True:
            self._links += 1
            link = Link(self.settings, self.counters, self._links, self._take, self._dropped)
            self._delivery.hold()
            try:
                await link.open()
                self._link = link
                self.counters.reconnects += self._was_connected
                self._was_connected = True
                self._set(LinkState.CONNECTED, f"connected to {self.settings.address}")
                await link.serve(self._welcome())
            except ActionRefused as refused:
                self.counters.logins_refused += 1
                self._set(LinkState.LOGIN_REFUSED, f"{self.settings.address}: {refused.reason}")
            except DeadPeer as dead:
                self._set(LinkState.DEAD_PEER, f"{self.settings.address}: {dead}")
            except TimeoutError:
                self._set(LinkState.LOST, f"{self.settings.address}: no answer to the login")
            except (HotlineError, OSError) as failure:
                self._set(LinkState.LOST, f"{self.settings.address}: {failure}")
            except Exception as fault:
                # A fault of ours must not end the task that keeps the link up.
                self._set(LinkState.LOST, f"{self.settings.address}: {type(fault).__name__}")
                log.exception("the AMI link failed by a fault of ours")
            finally:
                if self._stood:
                    delay = first
                self._stood = False
                self._ready.clear()
                self._link = None
                link.end()
                self.counters.late_answers += link.pending.late
                # Whether or not the snapshot was taken, what arrived is delivered, in its order.
                self._delivery.release()
            log.warning("AMI link %s: %s", self._status.state, self._status.detail)
            # Jitter in the upper half: several nodes do not knock together.
            await asyncio.sleep(delay * self._uniform(0.5, 1.0))
            delay = min(delay * 2, last)

    def _dropped(self, link: Link, reason: Exception) -> None:
        """From this moment on nobody is told that the link stands."""
        if link is self._link:
            self._link = None
            self._ready.clear()
            state = LinkState.DEAD_PEER if isinstance(reason, DeadPeer) else LinkState.LOST
            self._set(state, f"{self.settings.address}: {reason}")

    async def _welcome(self) -> None:
        """What the old link brought is read out, then the snapshot, then the new link's events."""
        await self._delivery.drained()
        if self._on_connected is not None:
            try:
                await self._on_connected(self)
            except AmiError:
                raise
            except Exception as fault:
                self.counters.hook_failures += 1
                raise LinkLost(f"taking the snapshot failed ({type(fault).__name__})") from fault
        self._delivery.release()
        self._stood = True
        self._ready.set()

    def _take(self, raw: bytes, link: Link) -> None:
        """One message off the wire: an answer, an event, or a name to be counted."""
        if raw.startswith(_EVENT):
            self._number(raw)
            wanted = self.settings.wanted
            if wanted is not None:
                end = raw.find(b"\r\n")
                name = raw[len(_EVENT) : end if end >= 0 else len(raw)].decode("ascii", "replace")
                if name not in wanted and not (link.pending.expects_lists and _ACTION_ID in raw):
                    self.counters.unwanted += 1
                    return
        message = parse(raw)
        if message is None:
            self.counters.rejects += 1
            return
        if link.pending.take(message):
            return
        if self.settings.wanted is not None and message.name not in self.settings.wanted:
            self.counters.unwanted += 1
        elif not self._delivery.put(message):
            self.counters.overflows += 1
            link.lose(LinkLost("the consumer of events fell too far behind; taking a new snapshot"))
        else:
            self.counters.events += 1
            # While the snapshot is taken reading must go on: its answers come the same way.
            crowded = len(self._delivery) >= self.settings.high_water
            if crowded and not link.is_paused() and not self._delivery.holding:
                self.counters.pauses += 1
                link.pause()

    def _number(self, raw: bytes) -> None:
        """Finds events that never reached us (Asterisk numbers them before anything is lost)."""
        at = raw.find(_SEQUENCE)
        if at < 0:
            return
        at += len(_SEQUENCE)
        end = raw.find(b"\r\n", at)
        digits = raw[at : end if end >= 0 else len(raw)]
        if not digits.isdigit():
            return
        number, before = int(digits), self._sequence
        self._sequence = number
        if before is None or number == before + 1:
            return
        self.counters.gaps += 1
        self.counters.gap_events += max(0, number - before - 1)
        if self._on_gap is not None:
            try:
                self._on_gap(before, number)
            except Exception as fault:  # the event itself must not be lost with the hook
                self.counters.hook_failures += 1
                log.error("the gap hook failed: %s", type(fault).__name__)

    def _relieve(self) -> None:
        if len(self._delivery) <= self.settings.high_water // 2 and self._link is not None:
            self._link.resume()

    def _set(self, state: LinkState, detail: str) -> None:
        if state is not self._status.state or detail != self._status.detail:
            self._status = LinkStatus(state, self._clock(), detail)
