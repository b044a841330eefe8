"""A wish to be called back: taken down in a flow, worked off by a person. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField
from callcenter.platform.text import plain_text

MOST_NOTE: Final = 1000
#: E.164, or what the city's own network dials.
_NUMBER: Final = re.compile(r"[+]?[0-9]{5,16}")


class CallbackState(StrEnum):
    """Where a wish stands."""

    WAITING = "waiting"
    DONE = "done"


class Outcome(StrEnum):
    """What came of it."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    WITHDRAWN = "withdrawn"


class AlreadyDone(Conflict):
    """That callback was dealt with already."""

    slug = "callback-done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One wish; `number` is personal data and never logged."""

    callback_id: UUID
    call_id: UUID
    queue: str
    number: str
    language: str
    wanted_at: datetime
    state: CallbackState = CallbackState.WAITING
    outcome: Outcome | None = None
    note: str = ""
    done_at: datetime | None = None
    done_by: str | None = None

    def finish(self, outcome: Outcome, note: str, *, by: str, at: datetime) -> Callback:
        """Dealt with. Raises `AlreadyDone`, `InvalidField`."""
        if self.state is CallbackState.DONE:
            raise AlreadyDone
        return replace(
            self,
            state=CallbackState.DONE,
            outcome=outcome,
            note=plain_text("note", note, most=MOST_NOTE, lines=True),
            # Two machines' clocks may differ by a little.
            done_at=max(at, self.wanted_at),
            done_by=by,
        )


def callable_number(number: str) -> str:
    """A number a citizen can be called back at. Raises `InvalidField`."""
    if not _NUMBER.fullmatch(number):
        raise InvalidField("number", "5 to 16 digits, with a + before them or not")
    return number
