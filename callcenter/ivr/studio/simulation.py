"""A call without a telephone: the runner the phone uses, with a caller whose keys are written down
and a clock that only the prompts and the waiting move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from callcenter.ivr.conversation import Around, Plan, Voice
from callcenter.ivr.desk import FaxWish
from callcenter.ivr.exits import (
    CallBack,
    EnterQueue,
    FlowExit,
    HangUp,
    LeaveMessage,
    Refuse,
    SendFax,
    Transfer,
)
from callcenter.ivr.runner import run_flow
from callcenter.ivr.session import CallerHungUp, Step

_NOBODY: Final = UUID(int=0)


class Gone(Enum):
    """The caller hangs up instead of answering."""

    HANG_UP = "hang_up"


#: What a caller does when something is asked: keys, nothing (None), or hang up.
Press = str | None | Gone


@dataclass(slots=True)
class SimulatedStep:
    """A node the caller came to, what was heard there, and how long the caller stayed."""

    node: str
    flow: str
    version: int
    key: str
    about: str
    heard: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of the call. `exit` None: the caller hung up."""

    path: tuple[SimulatedStep, ...]
    exit: FlowExit | None
    seconds: float
    presses_left: int
    is_fault: bool


@dataclass(frozen=True)
class Hearing:
    """A voice that knows what its files say: `words` fills as the runner asks for files."""

    voice: Voice
    #: Text of a prompt in a language; None where nobody wrote it down.
    prompt_text: Callable[[str, str], str | None]
    words: dict[Path, str] = field(default_factory=dict)

    def text(self, text: str, language: str) -> Path:
        return self._known(self.voice.text(text, language), text)

    def prompt(self, name: str, language: str) -> Path:
        path = self.voice.prompt(name, language)
        return self._known(path, self.prompt_text(name, language) or f"[{name}]")

    def value(self, kind: str, value: str, language: str) -> Sequence[Path]:
        paths = list(self.voice.value(kind, value, language))
        for path in paths:
            self._known(path, self.prompt_text(path.stem, language) or f"[{path.stem}]")
        return paths

    def slow(self, path: Path) -> Path:
        return self._known(self.voice.slow(path), self.words.get(path, ""))

    def _known(self, path: Path, words: str) -> Path:
        self.words[path] = words
        return path


class SimulatedCaller:
    """Implements `CallSession`. Keys are pressed when the last word is over: the times are those of
    a caller who listens to the end.
    """

    def __init__(
        self,
        presses: Sequence[Press],
        *,
        hearing: Hearing,
        seconds_of: Callable[[Path, str], float],
        line: str,
        caller: str | None,
    ) -> None:
        self.call_id = _NOBODY
        self.line = line
        self.caller = caller
        self.resume_node: str | None = None
        self.resume_flow: str | None = None
        self.language: str | None = None
        self.elapsed = 0.0
        self.path: list[SimulatedStep] = []
        self.presses = list(presses)
        self._hearing = hearing
        self._seconds_of = seconds_of

    async def ask(
        self,
        prompts: Sequence[Path],
        *,
        timeout: timedelta,
        max_digits: int = 1,
        entering: Step | None = None,
    ) -> str | None:
        if entering is not None:
            await self.entered(entering)
        self._hear(prompts)
        press = self.presses.pop(0) if self.presses else None
        if isinstance(press, Gone):
            raise CallerHungUp
        if press is None:
            self._pass(timeout.total_seconds())
            return None
        keys = press[: max_digits + 1]
        return keys if keys == "#" else keys.removesuffix("#")[:max_digits]

    async def play(self, prompts: Sequence[Path]) -> str | None:
        self._hear(prompts)
        return None

    async def entered(self, step: Step) -> None:
        self.path.append(SimulatedStep(step.node, step.flow, step.version, step.key, step.about))

    async def set_language(self, language: str) -> None:
        self.language = language

    async def leave(self, exit: FlowExit) -> None:
        """Nothing to do: whoever simulates has the exit."""

    def _hear(self, prompts: Sequence[Path]) -> None:
        for path in prompts:
            words = self._hearing.words.get(path, "")
            if self.path:
                self.path[-1].heard.append(words)
            self._pass(self._seconds_of(path, words))

    def _pass(self, seconds: float) -> None:
        self.elapsed += seconds
        if self.path:
            self.path[-1].seconds += seconds


@dataclass(frozen=True, slots=True)
class PretendDesk:
    """Other rooms in a simulation: no citizen's case is read, nothing is ordered or written."""

    #: What a caller is told of a case; None: nothing matches.
    case_told: Sequence[str] | None

    async def case_progress(
        self, call_id: UUID, case_number: str, last_four: str, *, caller: str | None, language: str
    ) -> Sequence[str] | None:
        return self.case_told

    async def order_fax(self, call_id: UUID, line: str, wish: FaxWish) -> UUID:
        return _NOBODY

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        """Nobody is called back."""


async def simulate(
    plan: Plan,
    presses: Sequence[Press],
    *,
    at: datetime,
    line: str,
    caller: str | None,
    hearing: Hearing,
    seconds_of: Callable[[Path, str], float],
    case_told: Sequence[str] | None = None,
) -> Simulated:
    """One call through `plan`, begun at `at` (aware)."""
    call = SimulatedCaller(
        presses, hearing=hearing, seconds_of=seconds_of, line=line, caller=caller
    )
    faults: list[Exception] = []
    around = Around(PretendDesk(case_told), lambda: at + timedelta(seconds=call.elapsed))
    try:
        exit: FlowExit | None = await run_flow(plan, call, hearing, around, on_fault=faults.append)
    except CallerHungUp:
        exit = None
    return Simulated(tuple(call.path), exit, call.elapsed, len(call.presses), bool(faults))


def exit_document(exit: FlowExit | None) -> Mapping[str, Any]:
    """An exit as the API tells it: `type` is the word the dialplan acts on."""
    match exit:
        case None:
            return {"type": "hung_up"}
        case EnterQueue():
            return {
                "type": "queue",
                "queue": exit.queue,
                "why": exit.why,
                "priority": exit.priority,
            }
        case LeaveMessage():
            return {"type": "voicemail", "why": exit.why}
        case SendFax():
            return {"type": "fax"}
        case CallBack():
            return {"type": "callback", "queue": exit.queue}
        case Transfer():
            return {"type": "transfer", "to": exit.to, "queue": exit.queue}
        case Refuse():
            return {"type": "blocked"}
        case HangUp():
            return {"type": "hangup"}
