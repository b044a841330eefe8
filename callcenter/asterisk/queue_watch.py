"""Watches over AMI that nobody waits beside a free agent; see `callcenter.queues.watch`.

A summary of the queues every two seconds, one event a queue; members and callers are asked for only
where somebody waits and somebody is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.dialplan import (
    QUEUE_PREFIX,
    our_queue,
)
from callcenter.asterisk.errors import AsteriskError
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.queues.store import speaking_queues
from callcenter.queues.watch import Look, QueueWatch

log = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 2.0
#: Device state `not in use` as QueueMember tells it.
_NOT_IN_USE: Final = "1"


class AmiQueueWatch:
    """One for each node; `run` is to be supervised, `watch` tells what was seen. `dials`: callbacks
    can be dialled, so that they are offered to who waits."""

    def __init__(self, database: Database, ami: AmiClient, *, dials: bool) -> None:
        self._database = database
        self._ami = ami
        self._dials = dials
        self.watch = QueueWatch()

    async def run(self) -> None:
        """Look, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            if self._ami.status.state is not LinkState.CONNECTED:
                self.watch.note(
                    (), (), loop.time()
                )  # what was not seen all the time does not count
                continue
            try:
                looks = await self._look()
                speaking = await self._speaking(looks) if looks else frozenset()
            except (AsteriskError, DatabaseUnavailable) as exc:
                log.warning("the queues are not watched now: %s", exc.message)
                continue
            for queue in self.watch.note(looks, speaking, loop.time()):
                log.error("queue %s: somebody waits though an agent of it is free", queue)

    async def _look(self) -> list[Look]:
        summary = await self._ami.list_action("QueueSummary")
        wanted = [
            event["Queue"]
            for event in summary
            if event.name == "QueueSummary"
            and event["Queue"].startswith(QUEUE_PREFIX)
            and event.get("Callers", "0") != "0"
            and event.get("Available", "0") != "0"
        ]
        looks = []
        for queue in wanted:
            events = await self._ami.list_action("QueueStatus", {"Queue": queue})
            look = look_of(queue, (dict(event.pairs) for event in events))
            if look is not None:
                looks.append(look)
        return looks

    async def _speaking(self, looks: Iterable[Look]) -> frozenset[str]:
        async with self._database.transaction() as connection:
            names = await speaking_queues(connection, dials=self._dials)
        return frozenset(look.queue for look in looks if our_queue(look.queue) in names)


def look_of(queue: str, events: Iterable[Mapping[str, str]]) -> Look | None:
    """From the events of QueueStatus for one queue; None where nobody waits any more."""
    first, free = None, set()
    for event in events:
        if event.get("Queue") != queue:
            continue
        if event.get("Event") == "QueueEntry" and event.get("Position") == "1":
            first = event.get("Uniqueid")
        elif event.get("Event") == "QueueMember":
            is_free = event.get("Status") == _NOT_IN_USE and event.get("InCall", "0") == "0"
            if is_free and event.get("Paused") == "0":
                free.add(event.get("Name", ""))
    return None if first is None else Look(queue, first, frozenset(free))
