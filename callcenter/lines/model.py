"""A hotline number and what it does with its callers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How a line answers."""

    MENU = "menu"  #: its flow speaks first
    DIRECT = "direct"  #: straight to a person


@dataclass(frozen=True, slots=True)
class LineEdit:
    """What may be edited of a line."""

    title: str
    flow: str
    queue: str
    language: str
    mode: Mode = Mode.MENU


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is kept. `in_force_version`: the version Asterisk was seen to have loaded."""

    number: str
    title: str
    flow: str
    queue: str
    language: str
    mode: Mode
    version: int
    in_force_version: int | None

    @property
    def in_force(self) -> bool:
        return self.in_force_version == self.version
