"""The one bounded queue between the link and the consumer of events.

Order is kept over reconnects: what the old link brought is handed out first, then the snapshot is
taken (`on_connected`), then what arrived on the new link meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import deque

from callcenter.asterisk.ami.messages import AmiMessage


class Delivery:
    """Events in the order of the wire, at most `capacity` of them, for one consumer."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ready: deque[AmiMessage] = deque()
        self._held: deque[AmiMessage] = deque()
        #: Whether events wait until `release`.
        self.holding = False
        self._closed = False
        self._arrived = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._ready) + len(self._held)

    @property
    def full(self) -> bool:
        return len(self) >= self._capacity

    def put(self, event: AmiMessage) -> bool:
        """False when there is no room: an alarm for the caller, never a silent loss."""
        if self.full:
            return False
        if self.holding:
            self._held.append(event)
        else:
            self._ready.append(event)
            self._drained.clear()
            self._arrived.set()
        return True

    def hold(self) -> None:
        """From now on events wait until `release`."""
        self.holding = True

    def release(self) -> None:
        """Hands out what was held, behind what is still to be read."""
        self.holding = False
        if self._held:
            self._ready.extend(self._held)
            self._held.clear()
            self._drained.clear()
            self._arrived.set()

    async def drained(self) -> None:
        """Returns when the consumer has finished with everything that may be handed out."""
        await self._drained.wait()

    def close(self) -> None:
        """No more will come; what is there can still be read."""
        self.release()
        self._closed = True
        self._arrived.set()

    async def get(self) -> AmiMessage | None:
        """The next event, or None once closed and empty. Asking says: done with the one before."""
        if not self._ready:
            self._drained.set()
        while not self._ready:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._ready.popleft()
