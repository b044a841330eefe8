"""What a caller hears of the wait before entering a queue, as names of prompts in their order."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Protocol

from callcenter.prompts.pieces.say import say_value
from callcenter.queues.estimates.model import Foretold

#: More ahead are not counted out to the caller.
_MOST_AHEAD: Final = 99


class WaitPort(Protocol):
    """Foretells waits. Never raises, and takes no longer than a caller may wait for it."""

    async def foretell(self, queue: str, priority: int) -> Foretold: ...


class NobodyKnows:
    """No estimate at all."""

    async def foretell(self, queue: str, priority: int) -> Foretold:
        return Foretold()


def wait_parts(foretold: Foretold, language: str) -> list[str]:
    """The place (told as those ahead in Chinese, as the place itself in English), and the wait in
    whole minutes, at least one. Nothing where the wait is not to be spoken.

    Raises `Unspeakable` where the language has no pieces.
    """
    if not foretold.spoken or foretold.wait is None:
        return []
    parts = []
    ahead = (foretold.position or 1) - 1
    if 1 <= ahead <= _MOST_AHEAD:
        number = ahead if language == "zh" else ahead + 1
        parts = ["wait_ahead", *say_value("count", str(number), language), "wait_ahead_end"]
    minutes = max(1, round(foretold.wait / timedelta(minutes=1)))
    return [*parts, "wait_about", *say_value("duration", str(minutes * 60), language)]
