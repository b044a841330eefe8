"""What a flow may use while it runs, all of it in memory before the caller hears the first word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callcenter.ivr.model import Flow


@dataclass(frozen=True, slots=True)
class OpenState:
    """What a schedule says of a moment."""

    is_open: bool
    is_holiday: bool = False


#: What a schedule says of an aware moment. Pure.
Hours = Callable[[datetime], OpenState]


@dataclass(frozen=True, slots=True)
class SpokenArticle:
    """A published article as callers hear it. `spoken` and `titles` are texts by language;
    `recorded` names a prompt of the library to play instead, by language.
    """

    name: str
    version: int
    titles: Mapping[str, str]
    spoken: Mapping[str, str]
    recorded: Mapping[str, str] = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None  #: exclusive

    def is_valid(self, at: datetime) -> bool:
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_until is None or at < self.valid_until
        )


@dataclass(frozen=True)
class Library:
    """Flows run by other flows (with their active version), schedules, articles, categories."""

    flows: Mapping[str, tuple[int, Flow]] = field(default_factory=dict)
    hours: Mapping[str, Hours] = field(default_factory=dict)
    articles: Mapping[str, SpokenArticle] = field(default_factory=dict)
    categories: Mapping[str, Sequence[SpokenArticle]] = field(default_factory=dict)


EMPTY = Library()
