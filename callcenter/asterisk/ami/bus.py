"""AMI's events handed to those parts of the node that want them, in the order of the wire.

One consumer, so that nobody sees a later event before an earlier one. Listeners are plain functions
that note what they need and return at once; whoever has work to do wakes a task of its own. Events
are hints: state comes from snapshots (`on_snapshot`), which are taken at each connect and after
each gap.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage

log = logging.getLogger(__name__)

Listener = Callable[[AmiMessage], None]
SnapshotTaker = Callable[[AmiClient], Awaitable[None]]

#: Events any part of the node may ask for; what is not here never leaves the wire's buffer.
WANTED: Final = frozenset(
    {
        "AgentCalled",
        "AgentComplete",
        "AgentConnect",
        "AgentRingNoAnswer",
        "AttendedTransfer",
        "BlindTransfer",
        "ConfbridgeJoin",
        "ConfbridgeLeave",
        "ContactStatus",
        "DeviceStateChange",
        "Hangup",
        "Hold",
        "MixMonitorMute",
        "OriginateResponse",
        "QueueCallerAbandon",
        "QueueCallerJoin",
        "QueueCallerLeave",
        "QueueMemberAdded",
        "QueueMemberPause",
        "QueueMemberPenalty",
        "QueueMemberRemoved",
        "QueueMemberStatus",
        "Unhold",
        "UserEvent",
    }
)


class AmiBus:
    """Listeners by event name. `serve` is the one consumer, to be supervised."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        self._snapshot: list[SnapshotTaker] = []
        self.faults = 0

    def on(self, name: str, listener: Listener) -> None:
        """Call `listener` at each event `name`. Raises KeyError for one that is not in WANTED."""
        if name not in WANTED:
            raise KeyError(f"{name} is not in WANTED: add it there")
        self._listeners.setdefault(name, []).append(listener)

    def on_snapshot(self, taker: SnapshotTaker) -> None:
        """Await `taker` after each connect and each gap, before later events are handed out where
        the link is new. What it raises drops the link."""
        self._snapshot.append(taker)

    async def snapshot(self, ami: AmiClient) -> None:
        for taker in self._snapshot:
            await taker(ami)

    async def serve(self, ami: AmiClient) -> None:
        """Until the client is closed."""
        async for event in ami.events():
            for listener in self._listeners.get(event.name, ()):
                try:
                    listener(event)
                except Exception:
                    # One part's fault takes no news from the others.
                    self.faults += 1
                    log.exception("a listener to %s failed", event.name)
