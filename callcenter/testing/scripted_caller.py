"""A caller whose keys are written down beforehand: a `CallSession` without a telephone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from pathlib import Path
from uuid import UUID

from callcenter.ivr.exits import FlowExit
from callcenter.ivr.session import CallerHungUp, Step


class Gone(Enum):
    """The caller puts the receiver down."""

    HANG_UP = "hang up"


HANG_UP = Gone.HANG_UP


@dataclass(frozen=True, slots=True)
class Early:
    """A key pressed while something is read, not when it is asked for."""

    key: str


@dataclass(frozen=True, slots=True)
class PathEntry:
    """What the journal was told: which node, and what led there."""

    node: str
    key: str
    about: str = ""


_A_CALL = UUID(int=1)

Press = str | Early | Gone | None


class ScriptedCaller:
    """Presses `presses`, one for each time a key is asked for; None waits for the time-out, and so
    does a caller whose script is at its end.

    `Early("1")` is pressed during the next thing that is read (or asked); `HANG_UP` hangs up at the
    next thing that is read or asked. `hang_up_at` hangs up at that round trip, counted from 0.
    """

    def __init__(
        self,
        presses: Sequence[Press] = (),
        *,
        line: str = "12345",
        call_id: UUID = _A_CALL,
        resume_node: str | None = None,
        resume_flow: str | None = None,
        language: str | None = None,
        hang_up_at: int | None = None,
        caller: str | None = None,
    ) -> None:
        self.call_id = call_id
        self.line = line
        self.resume_node = resume_node
        self.resume_flow = resume_flow
        self.language = language
        self.caller = caller
        self.hang_up_at = hang_up_at
        #: Files that were played, in order, also when a key cut them short.
        self.heard: list[Path] = []
        self.path: list[PathEntry] = []
        self.languages: list[str] = []
        self.exit: FlowExit | None = None
        self.round_trips = 0
        #: Round trips since a node was last entered, for each entry of `path`.
        self.trips_per_step: list[int] = []
        self._presses = list(presses)

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        # As over AGI: the step is one round trip, the question another, however many prompts.
        if entering is not None:
            await self.entered(entering)
        self._round_trip()
        self.heard += prompts
        press = self._presses.pop(0) if self._presses else None
        if isinstance(press, Gone):
            raise CallerHungUp
        return press.key if isinstance(press, Early) else press

    async def play(self, prompts: Sequence[Path]) -> str | None:
        self._round_trip()
        self.heard += prompts
        if not self._presses or not isinstance(self._presses[0], Early | Gone):
            return None
        press = self._presses.pop(0)
        if isinstance(press, Early):
            return press.key
        raise CallerHungUp

    async def entered(self, step: Step) -> None:
        self.trips_per_step.append(0)
        self._round_trip()
        self.path.append(PathEntry(step.node, step.key, step.about))

    async def set_language(self, language: str) -> None:
        self._round_trip()
        self.languages.append(language)
        self.language = language

    async def leave(self, exit: FlowExit) -> None:
        self._round_trip()
        self.exit = exit

    def _round_trip(self) -> None:
        if self.hang_up_at == self.round_trips:
            raise CallerHungUp
        self.round_trips += 1
        if self.trips_per_step:
            self.trips_per_step[-1] += 1
