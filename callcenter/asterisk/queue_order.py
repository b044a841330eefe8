"""In which order app_queue serves callers: what QUEUE_PRIO says, shared with dialplan/.

Pure. sub-queue-prio (dialplan/extensions_queue.conf) reckons the same; tests/contract holds both
to it.
"""

from __future__ import annotations

from typing import Final

#: Asterisk's own: what Queue() takes a caller's priority from.
QUEUE_PRIO: Final = "QUEUE_PRIO"

#: QUEUE_PRIO of a caller: who first waited earlier has more of it, and a step of the hotline's
#: priority outweighs all of that. app_queue then orders by it in each queue and across queues, and
#: a caller who is moved keeps the place.
#: 21 steps fill the 31 bits app_queue has for it, so that a step is 115 days of tenths of a second:
#: places are counted from a moment that moves on (Global.PLACES_FROM) whenever nobody waits.
PRIORITY_STEP: Final = 100_000_000
HIGHEST_PRIORITY: Final = 20
#: In tenths of a second: who waits first after the move may have waited so long before (30 days:
#: a callback), and after so long again the moment moves on.
PLACES_BACK: Final = 25_920_000


def places_from(counted_from: int | None, now: int, waiting: int) -> int:
    """The moment places are counted from, as somebody begins to wait at `now` beside `waiting`
    others; tenths of a second since 1970. None: none was counted yet since Asterisk started.

    It moves only while nobody waits, so that those who wait at once are counted from one moment.
    Where somebody always waits for 85 days on end it stays, and who comes later than that is
    served in the order of app_queue's own clock.
    """
    if counted_from is None:
        return now - PLACES_BACK
    is_old = not 0 <= now - counted_from <= 2 * PLACES_BACK
    return now - PLACES_BACK if is_old and not waiting else counted_from


def queue_prio(priority: int, since: int, counted_from: int) -> int:
    """QUEUE_PRIO for a priority of 0 to 20 and the first wait, in tenths of a second since 1970."""
    place = min(max(since - counted_from, 0), PRIORITY_STEP - 1)
    return (priority + 1) * PRIORITY_STEP - place


def priority_of(prio: int) -> int:
    """The hotline's priority in what Asterisk calls a caller's priority (QueueEntry)."""
    return max(0, -(-prio // PRIORITY_STEP) - 1)


def with_priority(prio: int, priority: int) -> int:
    """The same caller's QUEUE_PRIO at another priority: the place among equals is kept."""
    return prio + (priority - priority_of(prio)) * PRIORITY_STEP
