"""The port of the ivr room: one caller on one channel, for as long as a flow holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from callcenter.asterisk.dialplan import Exit


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the caller's phone: 0-9, `*` or `#`."""

    value: str


class CallSession(Protocol):
    """What a flow can do with a call. Every method ends with CallerHungUp when the caller does."""

    call_id: UUID
    line: str
    resume_node: str | None

    async def ask(
        self, prompts: Sequence[Path], *, timeout: timedelta, max_digits: int = 1
    ) -> str | None:
        """Plays prompts one after another, any key interrupts; the keys pressed, or None when
        nothing was pressed within timeout. One AGI round trip."""

    async def play(self, prompts: Sequence[Path]) -> str | None:
        """Plays with barge-in: the key that interrupted, or None when all was heard. One round
        trip."""

    async def entered(self, node: str, *, flow: str, version: int, key: str = "") -> None:
        """Writes to the journal which node the caller entered and what was pressed before (one
        round trip: AGI GOSUB to sub-ivr-step)."""

    async def set_language(self, language: str) -> None:
        """What the caller hears from now on (`zh`, `en`)."""

    async def leave(self, exit: Exit, *, queue: str | None = None) -> None:
        """SET VARIABLE CC_QUEUE if given; SET VARIABLE CC_NEXT is the very last command."""
