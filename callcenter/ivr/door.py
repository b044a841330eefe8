"""At the door of a line: what a caller is told before anything else, and who does not get in.

In this order: a number of the nuisance list is told so, and gets in by the emergency key; who is on
the priority list is noted; the recording notice and the welcome; and, outside the line's hours, a
last word. Each is journalled as a step whose name begins with a dot (`calls.model.DoorStep`), so
that another process goes on there when this one dies.

`lines.doors` finds the `Door` of a line for one caller. While the database is away nobody is kept
out and nobody comes first (`Door.unknown_caller`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from pydantic import Discriminator, Tag

from callcenter.calls.model import DoorStep
from callcenter.ivr.session import CallSession, Step
from callcenter.ivr.spoken import PromptRef, Words

if TYPE_CHECKING:
    from callcenter.ivr.runner import Voice

#: The key that reaches a person from every menu gets a blocked caller in too, on every line.
PERSON_KEY: Final = "0"
#: The door of a line of which nothing is known: the shipped words, so that nobody is recorded
#: without having been told.
SHIPPED_NOTICE: Final = "recording_notice"
#: How long a blocked caller has, after the last word, to press the emergency key.
EMERGENCY_WAIT: Final = timedelta(seconds=5)
#: A wrong key may be a shaking hand: the words are said once more.
_BLOCKED_TRIES: Final = 2

#: The shipped prompt of a line whose emergency key is `PERSON_KEY`.
BLOCKED_PROMPT: Final = "caller_blocked"
#: The same words for every other key, spoken when the line is saved.
_BLOCKED_WORDS: Final = {
    "zh": "您的号码暂时不能使用自助服务。如遇紧急情况，请按{key}。",
    "en": "Your number cannot use this service at present. In an emergency, press {key}.",
}


def _kind_of_greeting(value: object) -> str | None:
    if isinstance(value, PromptRef) or (isinstance(value, Mapping) and "prompt" in value):
        return "by_name"
    return "words" if isinstance(value, Mapping) else None


#: What is said at the door: words per language, or a prompt. No values: nothing is known yet.
Greeting = Annotated[
    Annotated[Words, Tag("words")] | Annotated[PromptRef, Tag("by_name")],
    Discriminator(
        _kind_of_greeting,
        custom_error_type="spoken",
        custom_error_message='write {"zh": "…", "en": "…"} or {"prompt": "name"}',
    ),
]


class ClosedTo(StrEnum):
    """What a line does with its callers outside its schedule."""

    VOICEMAIL = "voicemail"  #: they leave a message
    FLOW = "flow"  #: the flow leads them, it has a schedule node of its own
    HANGUP = "hangup"  #: they are told so, and that is all


@dataclass(frozen=True, slots=True)
class Notice:
    """A version of a recording notice, with its words per language."""

    name: str
    version: int
    words: Mapping[str, str]

    @property
    def about(self) -> str:
        """How the journal names it."""
        return f"notice/{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """The caller's number is on the nuisance list. `reason` is for us, never told."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Door:
    """What one caller of a line meets. `priority` 0 to 20: higher is served first;
    `priority_entry` names the row of the priority list it comes from.
    """

    welcome: dict[str, str] | PromptRef | None = None
    notice: Notice | None = None
    blocked: Blocked | None = None
    priority: int = 0
    priority_reason: str | None = None
    priority_entry: int | None = None
    emergency_key: str = PERSON_KEY
    is_open: bool = True
    closed_to: ClosedTo = ClosedTo.VOICEMAIL
    closed_say: dict[str, str] | PromptRef | None = None
    survey: bool = False  #: callers are asked after the conversation how it was

    def unknown_caller(self) -> Door:
        """The same door for somebody on no list: for when the lists cannot be asked."""
        return replace(self, blocked=None, priority=0, priority_reason=None, priority_entry=None)


@dataclass(frozen=True, slots=True)
class DoorRow:
    """A door as it is kept: `schedule` says by which hours it is open (None: always)."""

    door: Door
    schedule: str | None = None

    def at_hours(self, *, is_open: bool) -> Door:
        return replace(self.door, is_open=is_open)


class DoorPort(Protocol):
    """Who knows the doors; `lines.doors.Doors` does."""

    async def door_for(self, line: str, caller: str | None) -> Door:
        """The door this caller meets now (E.164 or None, as `CallSession.caller`).

        Never raises, and never makes a caller wait for longer than a moment.
        """


class Way(StrEnum):
    """Where a caller goes from the door."""

    ENTER = "enter"  #: on into the flow, or to a person on a line without one
    REFUSED = "refused"  #: blocked, and no emergency
    CLOSED = "closed"  #: outside the hours: `Door.closed_to` says where, never `flow`


@dataclass(frozen=True, slots=True)
class DoorOutcome:
    """`ahead`: a key pressed while the door spoke, for the first menu. `greeting`: what the mailbox
    says in place of its own greeting (a file, as `exits.LeaveMessage` wants its name).
    """

    way: Way
    ahead: str | None = None
    in_emergency: bool = False
    greeting: Path | None = None


async def at_the_door(
    door: Door,
    call: CallSession,
    voice: Voice,
    language: str,
    *,
    flow: str = "",
    version: int = 0,
) -> DoorOutcome:
    """Say what has to be said before the flow, and decide who gets in.

    What an `agi` process before us has said already is not said again (`call.resume_node`); what it
    broke off is. `flow` and `version` are for the journal; `language` is the line's.

    Round trips: none where there is nothing to say; two for notice and welcome together (the step,
    and all of it in one), two for a blocked caller. Raises `CallerHungUp`.
    """
    entrance = _Entrance(door, call, voice, language, flow, version)
    began = call.resume_node
    if began is not None and began not in list(DoorStep):
        return DoorOutcome(Way.ENTER)  # through the door already
    done = _BEFORE[DoorStep(began)] if began is not None else 0
    if done <= 0 and door.blocked is not None and not await entrance.emergency():
        return DoorOutcome(Way.REFUSED)
    if done <= 1 and door.priority_entry is not None:
        about = f"priority/{door.priority_entry}"
        await entrance.entered(DoorStep.PRIORITY, about=about)
    if done <= 2:
        await entrance.welcome()
    if not door.is_open and door.closed_to is not ClosedTo.FLOW:
        greeting = await entrance.closed()
        return DoorOutcome(Way.CLOSED, None, entrance.in_emergency, greeting)
    return DoorOutcome(Way.ENTER, entrance.ahead, entrance.in_emergency)


#: How many parts of the door lie behind a caller whose process was lost in this step.
_BEFORE: Final = {
    DoorStep.BLOCKED: 0,
    DoorStep.EMERGENCY: 1,
    DoorStep.PRIORITY: 2,
    DoorStep.NOTICE: 2,
    DoorStep.WELCOME: 2,
    DoorStep.CLOSED: 3,
}


class _Entrance:
    def __init__(
        self,
        door: Door,
        call: CallSession,
        voice: Voice,
        language: str,
        flow: str,
        version: int,
    ) -> None:
        self.door = door
        self.call = call
        self.voice = voice
        self.language = language
        self.flow = flow
        self.version = version
        self.ahead: str | None = None
        self.in_emergency = call.resume_node == DoorStep.EMERGENCY

    async def emergency(self) -> bool:
        """Tell a blocked caller; whether they pressed the emergency key."""
        key = ""
        for _ in range(_BLOCKED_TRIES):
            pressed = await self.call.ask(
                [_blocked_file(self.door.emergency_key, self.voice, self.language)],
                timeout=EMERGENCY_WAIT,
                entering=self._step(DoorStep.BLOCKED, key=key),
            )
            if pressed is None:
                return False
            if pressed in (self.door.emergency_key, PERSON_KEY):
                await self.entered(DoorStep.EMERGENCY, key=pressed)
                self.in_emergency = True
                return True
            key = f"i{pressed}"
        return False

    async def welcome(self) -> None:
        """The recording notice, then the welcome: all in one round trip after the step."""
        notice = self.door.notice
        files = [*self._files(notice.words if notice else None), *self._files(self.door.welcome)]
        if notice is not None:
            await self.entered(DoorStep.NOTICE, about=notice.about)
        elif files:
            await self.entered(DoorStep.WELCOME)
        if files:
            self.ahead = await self.call.play(files)

    async def closed(self) -> Path | None:
        """The line's own word for callers outside its hours: said, or left to the mailbox."""
        await self.entered(DoorStep.CLOSED)
        files = self._files(self.door.closed_say)
        if self.door.closed_to is ClosedTo.VOICEMAIL:
            return files[0] if files else None
        await self.call.play(files)
        return None

    async def entered(self, step: DoorStep, *, key: str = "", about: str = "") -> None:
        await self.call.entered(self._step(step, key=key, about=about))

    def _step(self, step: DoorStep, *, key: str = "", about: str = "") -> Step:
        return Step(step.value, self.flow, self.version, key, about)

    def _files(self, spoken: Mapping[str, str] | PromptRef | None) -> list[Path]:
        if spoken is None:
            return []
        if isinstance(spoken, PromptRef):
            return [self.voice.prompt(spoken.prompt, self.language)]
        for language in (self.language, *sorted(spoken)):
            if language in spoken:
                return [self.voice.text(spoken[language], language)]
        return []


def _blocked_file(emergency_key: str, voice: Voice, language: str) -> Path:
    spoken_in = language if language in _BLOCKED_WORDS else "en"
    if emergency_key == PERSON_KEY:
        return voice.prompt(BLOCKED_PROMPT, spoken_in)
    return voice.text(_BLOCKED_WORDS[spoken_in].format(key=emergency_key), spoken_in)


def texts_of_door(
    welcome: dict[str, str] | PromptRef | None,
    closed_say: dict[str, str] | PromptRef | None,
    emergency_key: str,
) -> list[tuple[str, str]]:
    """Every (language, text) that a line can say at its door, but for its recording notice."""
    texts = [
        pair for said in (welcome, closed_say) if isinstance(said, dict) for pair in said.items()
    ]
    if emergency_key != PERSON_KEY:
        texts += [(lang, said.format(key=emergency_key)) for lang, said in _BLOCKED_WORDS.items()]
    return texts
