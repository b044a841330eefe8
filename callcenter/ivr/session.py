"""The port a flow speaks through: one caller on one line.

`asterisk/agi` implements it over FastAGI, `testing.ScriptedCaller` for tests and simulation.

Prompts are paths of files with their `.wav`; the adapter cuts the suffix where Asterisk wants none.
Every method raises `CallerHungUp` when the caller is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from callcenter.ivr.exits import FlowExit


class CallerHungUp(Exception):
    """The caller hung up: an outcome, not a failure. Passes through every flow."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node a caller enters.

    `key` is what led there: what was pressed; `t` nothing, `i7` the key 7 the menu does not have,
    `r` gone on after a lost process, empty where the flow went on by itself. `about` names what is
    heard there beside the flow's own words: `article/<name>/<version>`, `notice/<name>/<version>`.
    """

    node: str
    flow: str
    version: int
    key: str = ""
    about: str = ""


class CallSession(Protocol):
    """One caller, for as long as a flow holds the call."""

    #: Our UUID of the call.
    call_id: UUID
    #: The hotline number that was dialled.
    line: str
    #: The node last entered, when an `agi` process before us died in the middle of this call.
    resume_node: str | None
    #: The flow that node belongs to; None or empty: the line's own.
    resume_flow: str | None
    #: What the channel speaks; at first, after a lost process, what the caller had chosen before.
    language: str | None
    #: The caller's number in E.164, None where it is withheld or unknown. Never to be logged.
    caller: str | None

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        """Play prompts one after another, any key interrupts; the keys pressed, or None when
        nothing was pressed within `timeout` after the last word.

        With `entering` the step is journalled first. Two round trips at most, all together.
        """

    async def play(self, prompts: Sequence[Path]) -> str | None:
        """Play with barge-in: the key that interrupted, or None when all was heard. One round
        trip.
        """

    async def entered(self, step: Step) -> None:
        """Write to the journal which node the caller entered and what led there. One round trip."""

    async def set_language(self, language: str) -> None:
        """From here on prompts of the switch too are in this language."""

    async def leave(self, exit: FlowExit) -> None:
        """The flow's decision, as the last command: the dialplan acts on it."""
