"""The case: a citizen's matter from its opening to its closing.

Each act is a method that changes the case and returns the event that goes into its history, or
None where nothing changed. Every event raises `version` by one; an event's `seq` is the version it
made. What may follow what stands in one table, `_NEXT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from callcenter.cases.number import CaseNumber
from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: Longest texts, in characters. The same bounds stand in SQL.
MOST_TITLE: Final = 200
MOST_WORDS: Final = 4000
MOST_CATEGORY: Final = 100
MOST_NOTE: Final = 4000
MOST_REASON: Final = 1000
MOST_ACTOR: Final = 80


class CaseState(StrEnum):
    """Where a case stands. The dispatch lifecycle adds its states here."""

    OPEN = "open"
    CLOSED = "closed"


class CaseAct(StrEnum):
    """What can be done to a case."""

    EDIT = "edit"
    ADD_NOTE = "add_note"
    LINK_CALL = "link_call"
    CLOSE = "close"
    REOPEN = "reopen"


#: state → act → next state. An act that is not listed is not allowed there.
_NEXT: Final[Mapping[CaseState, Mapping[CaseAct, CaseState]]] = {
    CaseState.OPEN: {
        CaseAct.EDIT: CaseState.OPEN,
        CaseAct.ADD_NOTE: CaseState.OPEN,
        CaseAct.LINK_CALL: CaseState.OPEN,
        CaseAct.CLOSE: CaseState.CLOSED,
    },
    # A closed case keeps its words; what the citizen says later is a note, a call, or a reopening.
    CaseState.CLOSED: {
        CaseAct.ADD_NOTE: CaseState.CLOSED,
        CaseAct.LINK_CALL: CaseState.CLOSED,
        CaseAct.REOPEN: CaseState.OPEN,
    },
}


class EventKind(StrEnum):
    """Kinds of history entries."""

    OPENED = "opened"
    EDITED = "edited"
    NOTE_ADDED = "note_added"
    CALL_LINKED = "call_linked"
    CLOSED = "closed"
    REOPENED = "reopened"


class Relation(StrEnum):
    """How a call belongs to a case."""

    ORIGIN = "origin"  #: the case came of this call
    LINKED = "linked"  #: somebody linked it
    CALLBACK = "callback"  #: in it we called the citizen back


class NoSuchCase(NotFound):
    """There is no case of this number."""

    slug = "no-such-case"


class NoSuchCall(NotFound):
    """There is no such call."""

    slug = "no-such-call"


class IllegalTransition(Conflict):
    """The case does not allow that in the state it is in."""

    slug = "illegal-transition"

    def __init__(self, state: CaseState, act: CaseAct) -> None:
        self.state = state
        self.act = act
        self.allowed = tuple(_NEXT[state])
        super().__init__(
            f"A case that is {state} does not allow {act}; now allowed: {', '.join(self.allowed)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One entry of the history: who, when, what, and from what to what."""

    seq: int
    at: datetime
    actor: str
    kind: EventKind
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Case:
    """A case as it stands. `origin_call_id` is the call it came of, if it came of one."""

    number: CaseNumber
    title: str
    citizen_words: str
    category: str
    state: CaseState
    origin_call_id: UUID | None
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None = None
    version: int = 0
    #: When somebody must have dealt with it; None: no deadline was set.
    due_at: datetime | None = None

    #: The fields `edit` takes, with their longest length and whether they may hold line ends.
    EDITABLE: ClassVar[Mapping[str, tuple[int, int, bool]]] = {
        "title": (1, MOST_TITLE, False),
        "citizen_words": (0, MOST_WORDS, True),
        "category": (0, MOST_CATEGORY, False),
    }

    @classmethod
    def open(
        cls,
        number: CaseNumber,
        *,
        title: str,
        citizen_words: str = "",
        category: str = "",
        origin_call_id: UUID | None = None,
        by: str,
        at: datetime,
    ) -> tuple[Self, CaseEvent]:
        """A new case and its first event. Raises `InvalidField`."""
        case = cls(
            number=number,
            title=_clean("title", title),
            citizen_words=_clean("citizen_words", citizen_words),
            category=_clean("category", category),
            state=CaseState.OPEN,
            origin_call_id=origin_call_id,
            opened_at=at,
            opened_by=plain_text("opened_by", by, least=1, most=MOST_ACTOR),
        )
        detail = {"call_id": str(origin_call_id)} if origin_call_id else {}
        return case, case._event(EventKind.OPENED, by=by, at=at, detail=detail)

    def edit(self, changes: Mapping[str, str], *, by: str, at: datetime) -> CaseEvent | None:
        """Change `title`, `citizen_words`, `category`; None where all are as they were.

        Raises `InvalidField`, `IllegalTransition`.
        """
        cleaned = {name: _clean(name, value) for name, value in changes.items()}
        self._move(CaseAct.EDIT)
        detail = {
            name: {"from": getattr(self, name), "to": value}
            for name, value in cleaned.items()
            if getattr(self, name) != value
        }
        if not detail:
            return None
        for name, change in detail.items():
            setattr(self, name, change["to"])
        return self._event(EventKind.EDITED, by=by, at=at, detail=detail)

    def set_due(self, due_at: datetime | None, *, by: str, at: datetime) -> CaseEvent | None:
        """Set or lift the deadline; None where it is that already, and on a closed case."""
        if self.state is CaseState.CLOSED or due_at == self.due_at:
            return None
        said = {
            "from": self.due_at.isoformat() if self.due_at else None,
            "to": due_at.isoformat() if due_at else None,
        }
        self.due_at = due_at
        return self._event(EventKind.EDITED, by=by, at=at, detail={"due_at": said})

    def add_note(self, text: str, *, by: str, at: datetime) -> CaseEvent:
        """Raises `InvalidField`."""
        text = plain_text("text", text, least=1, most=MOST_NOTE, lines=True)
        self._move(CaseAct.ADD_NOTE)
        return self._event(EventKind.NOTE_ADDED, by=by, at=at, detail={"text": text})

    def link_call(
        self, call_id: UUID, linked: frozenset[UUID], *, by: str, at: datetime
    ) -> CaseEvent | None:
        """Link a call; None where it is among the `linked` already."""
        self._move(CaseAct.LINK_CALL)
        if call_id in linked:
            return None
        return self._event(EventKind.CALL_LINKED, by=by, at=at, detail={"call_id": str(call_id)})

    def close(self, reason: str, *, by: str, at: datetime) -> CaseEvent:
        """Raises `InvalidField`, `IllegalTransition`."""
        detail = self._transition(CaseAct.CLOSE, reason)
        # Two machines' clocks may differ by a little: no case ends before it began.
        self.closed_at = max(at, self.opened_at)
        return self._event(EventKind.CLOSED, by=by, at=at, detail=detail)

    def reopen(self, reason: str, *, by: str, at: datetime) -> CaseEvent:
        """Raises `InvalidField`, `IllegalTransition`."""
        detail = self._transition(CaseAct.REOPEN, reason)
        self.closed_at = None
        return self._event(EventKind.REOPENED, by=by, at=at, detail=detail)

    def allowed(self) -> tuple[CaseAct, ...]:
        """The acts this case allows now."""
        return tuple(_NEXT[self.state])

    def _transition(self, act: CaseAct, reason: str) -> dict[str, Any]:
        reason = plain_text("reason", reason, least=1, most=MOST_REASON, lines=True)
        before = self.state
        self._move(act)
        return {"state": {"from": str(before), "to": str(self.state)}, "reason": reason}

    def _move(self, act: CaseAct) -> None:
        wanted = _NEXT[self.state].get(act)
        if wanted is None:
            raise IllegalTransition(self.state, act)
        self.state = wanted

    def _event(
        self, kind: EventKind, *, by: str, at: datetime, detail: Mapping[str, Any]
    ) -> CaseEvent:
        actor = plain_text("actor", by, least=1, most=MOST_ACTOR)
        self.version += 1
        return CaseEvent(seq=self.version, at=at, actor=actor, kind=kind, detail=detail)


def _clean(name: str, value: str) -> str:
    if name not in Case.EDITABLE:
        raise InvalidField(name, f"cannot be edited; these can: {', '.join(Case.EDITABLE)}")
    least, most, lines = Case.EDITABLE[name]
    return plain_text(name, value, least=least, most=most, lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedCall:
    """A call that belongs to a case."""

    call_id: UUID
    relation: Relation
    linked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A case with all that hangs on it, oldest first."""

    case: Case
    history: tuple[CaseEvent, ...]
    calls: tuple[LinkedCall, ...]

    @property
    def notes(self) -> tuple[CaseEvent, ...]:
        """The notes, which are part of the history."""
        return tuple(event for event in self.history if event.kind is EventKind.NOTE_ADDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases a list wants; None: any. `text` is looked for in title and words."""

    state: CaseState | None = None
    category: str | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    call_id: UUID | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        """Raises `InvalidField`."""
        for name, value, most in (
            ("category", self.category, MOST_CATEGORY),
            ("q", self.text, 200),
        ):
            if value is not None:
                plain_text(name, value, most=most)
        for name, moment in (
            ("opened_after", self.opened_after),
            ("opened_before", self.opened_before),
        ):
            # Beyond these years a shift of the time zone leaves what can be computed.
            if moment is not None and not 1900 <= moment.year <= 9000:
                raise InvalidField(name, "a time between the years 1900 and 9000")
