"""Holds by agents' phones. AMI is their only witness: what it tells becomes a record of ours in the
call.

A hold or its end that falls into a lost link is not told; the end of the phone's leg ends the span.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import blake2b
from typing import Final

from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.calls.events import CallEvent, PhoneHeld, PhoneRetrieved
from callcenter.calls.model import agent_of
from callcenter.platform.clock import Clock

log = logging.getLogger(__name__)

_MOST_WAITING: Final = 2_000
_READ_WITHIN: Final = timedelta(seconds=10)
_LOOK_EVERY_SECONDS: Final = 0.1

#: Folds a record of ours into its call.
Note = Callable[[CallEvent], Awaitable[None]]


class PhoneHolds:
    """`run`, to be supervised, folds what the bus tells. `note` is the journal consumer's, which
    knows the leg once the journal is read so far (`journal_is_read`)."""

    def __init__(
        self, bus: AmiBus, note: Note, clock: Clock, journal_is_read: Callable[[], bool]
    ) -> None:
        self._note = note
        self._clock = clock
        self._journal_is_read = journal_is_read
        self._told: asyncio.Queue[CallEvent] = asyncio.Queue(_MOST_WAITING)
        bus.on("Hold", self._on_hold)
        bus.on("Unhold", self._on_hold)

    def _on_hold(self, event: AmiMessage) -> None:
        channel = event.get("Channel") or ""
        uniqueid, linkedid = event.get("Uniqueid") or "", event.get("Linkedid") or ""
        if agent_of(channel) is None or not uniqueid or not linkedid:
            return
        at = self._clock()
        kind = PhoneHeld if event.name == "Hold" else PhoneRetrieved
        name = f"{kind.kind}/{uniqueid}/{at.isoformat()}".encode()
        key = blake2b(name, digest_size=16).digest()
        record = kind(key=key, at=at, uniqueid=uniqueid, linkedid=linkedid, channel=channel)
        try:
            self._told.put_nowait(record)
        except asyncio.QueueFull:
            log.error("too many holds at once: one of %s is not kept", uniqueid)

    async def run(self) -> None:
        """For ever."""
        while True:
            record = await self._told.get()
            await self._until_read()
            try:
                await self._note(record)
            except Exception:
                # One record takes no others along.
                log.exception("a hold on %s is not kept", record.uniqueid)

    async def _until_read(self) -> None:
        for _ in range(round(_READ_WITHIN.total_seconds() / _LOOK_EVERY_SECONDS)):
            if await asyncio.to_thread(self._journal_is_read):
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
