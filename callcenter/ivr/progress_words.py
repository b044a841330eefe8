"""What a caller hears about a case, as names of prompts in their order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Final

from callcenter.cases.model import CaseState
from callcenter.cases.progress_model import Progress
from callcenter.prompts.pieces.say import say_value

#: State → what is said about it, and what the date that follows is of.
WORDS: Final[Mapping[CaseState, tuple[str, str]]] = {
    CaseState.OPEN: ("case_state_open", "case_since_open"),
    CaseState.CLOSED: ("case_state_closed", "case_since_closed"),
}


def progress_parts(progress: Progress, language: str, zone: tzinfo) -> list[str]:
    """State and since when; the date is the hotline's own, in `zone`.

    Raises `Unspeakable` where the language has no pieces.
    """
    state, since = WORDS[progress.state]
    day = progress.since.astimezone(zone).date()
    return [state, since, *say_value("date", day.isoformat(), language)]
