"""The invariant of waiting: nobody waits while an agent who could serve them is free. Pure.

app_queue looks again once a second, so a second or two of it is its way of working. More is a
fault: of ours (a queue that blocks another one's callers) or of Asterisk's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

#: Longer than this is a fault.
LIMIT = timedelta(seconds=3)
#: While the first in line is being spoken to, app_queue offers them to nobody.
SPEAKS = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Look:
    """One queue of Asterisk with callers, at a moment: who is first in line (any name of the call
    that stays), and which of its agents are free: there, not paused, without a call.
    """

    queue: str
    first: str
    free: frozenset[str]


@dataclass(slots=True)
class _Since:
    began: float
    free: frozenset[str]
    told: bool = False


@dataclass(slots=True)
class QueueWatch:
    """Remembers since when each queue has been so. `stuck_ever` counts each time once; `stuck_now`
    are the queues that are at this look.
    """

    stuck_ever: int = 0
    stuck_now: tuple[str, ...] = ()
    _since: dict[tuple[str, str], _Since] = field(default_factory=dict)

    def note(self, looks: Iterable[Look], speaking: Collection[str], at: float) -> list[str]:
        """Take in a look at every queue with callers, at `at` seconds of a steady clock; the queues
        that have just been found stuck. `speaking`: queues that say comfort messages or places.
        """
        before, self._since = self._since, {}
        new: list[str] = []
        now: list[str] = []
        for look in looks:
            if not look.free:
                continue
            key = (look.queue, look.first)
            since = before.get(key)
            # The same agent all the time: others may have come and gone with calls of their own.
            free = look.free if since is None else since.free & look.free
            if since is None or not free:
                since, free = _Since(at, look.free), look.free
            since.free = free
            self._since[key] = since
            limit = LIMIT + (SPEAKS if look.queue in speaking else timedelta())
            if at - since.began > limit.total_seconds():
                now.append(look.queue)
                if not since.told:
                    since.told = True
                    self.stuck_ever += 1
                    new.append(look.queue)
        self.stuck_now = tuple(sorted(set(now)))
        return new
