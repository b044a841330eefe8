"""A hotline number and what it does with its callers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callcenter.ivr.door import PERSON_KEY, ClosedTo
from callcenter.ivr.spoken import PromptRef
from callcenter.platform.errors import InvalidField

#: What a line can say at its door: words per language, or a prompt.
Said = dict[str, str] | PromptRef


class Mode(StrEnum):
    """How a line answers."""

    MENU = "menu"  #: its flow speaks first
    DIRECT = "direct"  #: straight to a person
    FAX = "fax"  #: straight to a fax machine


@dataclass(frozen=True, slots=True)
class LineEdit:
    """What may be edited of a line. `schedule`: its hours, None: always open; `welcome` is said
    once, before the flow; `recording_notice` names what callers are told before that, None: the
    flow says so itself; `emergency_key` gets a blocked caller in.
    """

    title: str
    flow: str
    queue: str
    language: str
    mode: Mode = Mode.MENU
    schedule: str | None = None
    closed_to: ClosedTo = ClosedTo.VOICEMAIL
    closed_say: Said | None = None
    welcome: Said | None = None
    recording_notice: str | None = None
    emergency_key: str = PERSON_KEY

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        if self.closed_to is ClosedTo.HANGUP and self.closed_say is None:
            raise InvalidField("closed_say", "nobody is hung up on without a word")
        if self.closed_to is ClosedTo.FLOW and self.closed_say is not None:
            raise InvalidField("closed_say", "the flow itself speaks to callers outside the hours")

    @property
    def known_to_asterisk(self) -> tuple[str, str, Mode]:
        """What of it stands in the dialplan: the rest is read anew for each call."""
        return self.queue, self.language, self.mode


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is kept. `in_force_version`: the version the next caller meets; for what
    Asterisk must know, the one it was seen to have loaded.
    """

    number: str
    title: str
    flow: str
    queue: str
    language: str
    mode: Mode
    version: int
    in_force_version: int | None
    schedule: str | None = None
    closed_to: ClosedTo = ClosedTo.VOICEMAIL
    closed_say: Said | None = None
    welcome: Said | None = None
    recording_notice: str | None = None
    emergency_key: str = PERSON_KEY

    @property
    def in_force(self) -> bool:
        return self.in_force_version == self.version

    @property
    def known_to_asterisk(self) -> tuple[str, str, Mode]:
        """As of `LineEdit`."""
        return self.queue, self.language, self.mode
