"""The screen pop: what an agent wants to know while the phone rings. Never written to a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from callcenter.live.model import Item
from callcenter.platform.errors import NotFound

#: Earlier calls and cases told, newest first; `more_…` says that there are others.
MOST_EARLIER: Final = 10
#: Cases are looked for among so many of the number's latest calls: a company's number has
#: thousands.
MOST_SEARCHED: Final = 200
#: The last steps of the path are told.
MOST_STEPS: Final = 50


class NotAnAgent(NotFound):
    """You are no agent: no agent names your user."""

    slug = "not-an-agent"


@dataclass(frozen=True, kw_only=True)
class CaseBrief(Item):
    """A case, as far as a glance goes."""

    case_number: str
    title: str
    category: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class CallBrief(Item):
    """An earlier call of the same number."""

    call_id: UUID
    started_at: datetime
    line: str | None
    disposition: str | None
    queue: str | None
    agent: str | None
    case_number: str | None


@dataclass(frozen=True, kw_only=True)
class ScreenPop(Item):
    """The call at an agent's phone. `position` and `estimate_seconds` are what was foreseen when
    the caller began to wait. A withheld number has no history: `earlier_…` are empty."""

    call_id: UUID
    line: str | None
    dialled_number: str | None
    direction: str
    state: str
    queue: str | None
    caller_number: str | None
    caller_name: str | None
    caller_withheld: bool
    language: str | None
    priority: int | None
    priority_reason: str | None
    started_at: datetime
    queued_at: datetime | None
    position: int | None
    estimate_seconds: int | None
    path: tuple[Mapping[str, Any], ...]
    case: CaseBrief | None
    earlier_calls: tuple[CallBrief, ...]
    more_calls: bool
    earlier_cases: tuple[CaseBrief, ...]
    more_cases: bool
