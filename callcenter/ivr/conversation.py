"""What goes on with one caller in a flow: the language, the pace, keys pressed ahead, what was
keyed; and the few ways of speaking and asking that every node is made of.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from callcenter.ivr.desk import DESK_LIMIT, ClosedDesk, Desk
from callcenter.ivr.library import EMPTY, Library, SpokenArticle
from callcenter.ivr.model import Flow
from callcenter.ivr.session import CallSession, Step
from callcenter.ivr.spoken import AnySpoken, OnePart, PromptRef, ValueRef, parts_of
from callcenter.platform.clock import Clock, system_clock
from callcenter.platform.deadline import at_most

#: What led to a step besides a key, as the journal tells it.
TIMED_OUT: Final = "t"
INVALID: Final = "i"
RESUMED: Final = "r"
#: Several digits were keyed; the journal never tells which.
KEYED: Final = "#"

INVALID_KEY: Final = "invalid"  #: the shipped prompt after a key the menu does not have

T = TypeVar("T")


class Voice(Protocol):
    """Where the audio of a text or a prompt lies. Nothing is read or made while a caller waits."""

    def text(self, text: str, language: str) -> Path: ...

    def prompt(self, name: str, language: str) -> Path: ...

    def value(self, kind: str, value: str, language: str) -> Sequence[Path]:
        """The pieces a value is spoken from; none where it cannot be spoken."""

    def slow(self, path: Path) -> Path:
        """The same at 0.8 of its speed."""


@dataclass(frozen=True)
class Plan:
    """What a line does with its next caller."""

    flow: str
    version: int
    definition: Flow
    queue: str  #: where a person is found when the flow does not say
    language: str
    library: Library = EMPTY


@dataclass(frozen=True, slots=True)
class Around:
    """What a flow runs with beside the caller: other rooms, and the time."""

    desk: Desk = field(default_factory=ClosedDesk)
    clock: Clock = system_clock


@dataclass(frozen=True, slots=True)
class Frame:
    """A flow that is being run; `back_to` is where `.return` goes in the one that ran it."""

    flow: str
    version: int
    definition: Flow
    back_to: str | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """Where the flow goes on, and what led there (see `Step.key`)."""

    target: str
    key: str = ""


class Conversation:
    """One caller in one flow. Raises what `CallSession` raises."""

    def __init__(self, plan: Plan, call: CallSession, voice: Voice, around: Around) -> None:
        self.plan = plan
        self.call = call
        self.desk = around.desk
        self.clock = around.clock
        self.language = plan.language
        self.is_slow = False
        #: A key pressed while something was read: whatever asks next takes it.
        self.ahead: str | None = None
        #: What the flow remembers of this call. Keyed digits too: never to be logged.
        self.values: dict[str, str] = {}
        self.last_article: SpokenArticle | None = None
        self.frames = [Frame(plan.flow, plan.version, plan.definition)]
        self._voice = voice

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def value_of(self, name: str) -> str:
        """A variable; empty where nobody set it."""
        match name:
            case "language":
                return self.language
            case "line":
                return self.call.line
            case "caller":
                return "known" if self.call.caller else "withheld"
            case "pace":
                return "slow" if self.is_slow else "normal"
            case _:
                return self.values.get(name, "")

    # What is heard -------------------------------------------------------------------------------

    def files(self, spoken: AnySpoken | None) -> list[Path]:
        """The audio of what is spoken, in this caller's language and pace."""
        return self._paced([path for part in parts_of(spoken) for path in self._of_part(part)])

    def prompts(self, *names: str) -> list[Path]:
        """The audio of shipped prompts, by name."""
        return self._paced([self._voice.prompt(name, self.language) for name in names])

    def digits(self, keyed: str) -> list[Path]:
        """Digits read back one by one."""
        return self._paced(list(self._voice.value("digits", keyed, self.language)))

    def title(self, article: SpokenArticle) -> list[Path]:
        """The title of an article; of the line's language where this caller's is missing."""
        for language in self._languages(article.titles):
            return self._paced([self._voice.text(article.titles[language], language)])
        return []

    def article(self, article: SpokenArticle) -> list[Path]:
        """The article as it is read: its recording where there is one."""
        for language in self._languages({**article.spoken, **article.recorded}):
            recorded = article.recorded.get(language)
            if recorded is not None:
                return self._paced([self._voice.prompt(recorded, language)])
            return self._paced([self._voice.text(article.spoken[language], language)])
        return []

    def _of_part(self, part: OnePart) -> Sequence[Path]:
        match part:
            case PromptRef():
                return [self._voice.prompt(part.prompt, self.language)]
            case ValueRef():
                value = self.value_of(part.value)
                return self._voice.value(part.kind, value, self.language) if value else []
            case _:
                for language in self._languages(part):
                    return [self._voice.text(part[language], language)]
                return []

    def _languages(self, there: Any) -> list[str]:
        """Those there are, best first: this caller's, the line's, any other."""
        wanted = dict.fromkeys((self.language, self.plan.language, *sorted(there)))
        return [language for language in wanted if language in there]

    def _paced(self, paths: list[Path]) -> list[Path]:
        return [self._voice.slow(path) for path in paths] if self.is_slow else paths

    # Speaking and asking -------------------------------------------------------------------------

    def step(self, node: str, key: str = "", about: str = "") -> Step:
        return Step(node, self.frame.flow, self.frame.version, key, about)

    async def entered(self, node: str, key: str = "", about: str = "") -> None:
        await self.call.entered(self.step(node, key, about))

    async def read(self, files: Sequence[Path]) -> None:
        """Play, unless the caller has already pressed a key to get past it."""
        if files and self.ahead is None:
            self.ahead = await self.call.play(files) or None

    async def one_key(
        self, entering: Step | None, files: Sequence[Path], timeout_seconds: float
    ) -> str | None:
        """Ask for one key; the one pressed ahead where there is one. None: silence."""
        if self.ahead is not None:
            pressed, self.ahead = self.ahead, None
            if entering is not None:
                await self.call.entered(entering)
            return pressed
        keys = await self.call.ask(
            files,
            timeout=timedelta(seconds=timeout_seconds),
            max_digits=1,
            entering=entering,
        )
        return keys[0] if keys else None

    async def several_keys(
        self, entering: Step | None, files: Sequence[Path], timeout_seconds: float, most: int
    ) -> str | None:
        """Ask for up to `most` digits, ended by `#`; `#` alone for none, None for silence."""
        first, self.ahead = self.ahead, None
        if first is not None and (most == 1 or first == "#"):
            if entering is not None:
                await self.call.entered(entering)
            return first
        keys = await self.call.ask(
            [] if first else files,
            timeout=timedelta(seconds=timeout_seconds),
            max_digits=most - 1 if first else most,
            entering=entering,
        )
        if first is None:
            return keys
        return first + (keys or "").removesuffix("#")

    async def at_desk(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Ask another room, for no longer than a caller may wait. Raises TimeoutError too."""
        return await at_most(DESK_LIMIT, work, name=f"ivr-{name}")
