"""What callers are asked after a conversation, and the figures of their answers.

Pure: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

#: The key that means yes, and the one that means no, at either question.
YES: Final = "1"
NO: Final = "2"


class Question(StrEnum):
    """In the order they are asked."""

    SOLVED = "solved"  #: is the matter solved?
    SATISFIED = "satisfied"  #: is the caller content with the service?


class GroupBy(StrEnum):
    """What figures are told for."""

    ALL = "all"
    AGENT = "agent"
    LINE = "line"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSurvey:
    """Whether a line's callers are asked; version 0: nobody ever chose."""

    line: str
    enabled: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one caller answered; None: that was not answered."""

    call_id: UUID
    line: str
    agent: str
    queue: str | None
    case_number: str | None
    language: str
    asked_at: datetime
    solved: bool | None
    satisfied: bool | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFilter:
    """What a list is narrowed to; None does not narrow. `asked_before` is exclusive."""

    agent: str | None = None
    line: str | None = None
    queue: str | None = None
    asked_after: datetime | None = None
    asked_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of callers who were `asked`: how many `answered` anything, and yes by question of those who
    answered that question. `group` is an agent's id, a line …; None for all together."""

    group: str | None
    asked: int
    answered: int
    solved_yes: int
    solved_of: int
    satisfied_yes: int
    satisfied_of: int
