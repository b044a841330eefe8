"""On call: who answers for rapid response now, and what happens when nobody says "I have it".

Pure. A rota has turns on levels 1 to 5. An alert is given to whoever has the turn on level 1; not
acknowledged in time it goes on to the next level, after the last to the first again, until somebody
acknowledges it. It is never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

HIGHEST_LEVEL: Final = 5
MOST_TITLE: Final = 100
MOST_WORDS: Final = 500
MOST_NOTE: Final = 1000
SHORTEST_ACK: Final = timedelta(seconds=10)
LONGEST_ACK: Final = timedelta(hours=4)
LONGEST_TURN: Final = timedelta(days=31)


class NoSuchRota(NotFound):
    """There is no such rota."""

    slug = "no-such-rota"


class RotaExists(Conflict):
    """There is a rota of this name already."""

    slug = "rota-exists"


class RotaHasAlerts(Conflict):
    """Alerts refer to this rota: it stays. Take its turns out instead."""

    slug = "rota-has-alerts"


class NoSuchTurn(NotFound):
    """There is no such turn."""

    slug = "no-such-turn"


class NoSuchAlert(NotFound):
    """There is no such alert."""

    slug = "no-such-alert"


class WrongAlertState(Conflict):
    """That cannot be done with the alert now."""

    slug = "wrong-alert-state"


class AlertState(StrEnum):
    """How far an alert is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class StepKind(StrEnum):
    """What happened to an alert."""

    GIVEN = "given"  #: to the one whose turn it is
    ESCALATED = "escalated"  #: nobody acknowledged in time, or nobody is on that level
    EXHAUSTED = "exhausted"  #: the last level did not either: it begins again
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """`ack_within`: how long each level has; `rings`: alerts call people."""

    name: str
    title: str
    ack_within: timedelta = timedelta(minutes=10)
    rings: bool = True
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose turn it is on a level, from `starts_at` up to, not including, `ends_at`.

    `phone_number` (E.164): where they are called in it; None: at their own phone.
    """

    turn_id: UUID
    rota: str
    level: int
    agent_id: str
    starts_at: datetime
    ends_at: datetime
    phone_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Never changed. `agent_id` None: nobody had the turn."""

    at: datetime
    level: int
    what: StepKind
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that cannot wait. `level_since`: when the present level got it."""

    alert_id: UUID
    rota: str
    words: str
    case_number: str | None
    raised_at: datetime
    raised_by: str
    level: int = 1
    level_since: datetime
    state: AlertState = AlertState.OPEN
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    note: str = ""
    version: int = 1

    def acknowledge(self, who: str, at: datetime) -> tuple[Alert, Step]:
        """Raises `WrongAlertState`."""
        if self.state is not AlertState.OPEN:
            raise WrongAlertState(f"The alert is {self.state}: only an open one is acknowledged.")
        changed = replace(
            self,
            state=AlertState.ACKNOWLEDGED,
            acknowledged_at=at,
            acknowledged_by=who,
            version=self.version + 1,
        )
        return changed, Step(at=at, level=self.level, what=StepKind.ACKNOWLEDGED)

    def close(self, who: str, note: str, at: datetime) -> tuple[Alert, Step]:
        """Only what somebody acknowledged is closed. Raises `WrongAlertState`, `InvalidField`."""
        if self.state is not AlertState.ACKNOWLEDGED:
            raise WrongAlertState(f"The alert is {self.state}: only an acknowledged one is closed.")
        changed = replace(
            self,
            state=AlertState.CLOSED,
            closed_at=at,
            closed_by=who,
            note=plain_text("note", note, least=1, most=MOST_NOTE, lines=True),
            version=self.version + 1,
        )
        return changed, Step(at=at, level=self.level, what=StepKind.CLOSED)


def checked_rota(rota: Rota) -> Rota:
    """Raises `InvalidField`."""
    if not SHORTEST_ACK <= rota.ack_within <= LONGEST_ACK:
        raise InvalidField("ack_within_seconds", "10 seconds to 4 hours")
    return replace(rota, title=plain_text("title", rota.title, least=1, most=MOST_TITLE))


def checked_turn(turn: Turn) -> Turn:
    """Raises `InvalidField`."""
    if not 1 <= turn.level <= HIGHEST_LEVEL:
        raise InvalidField("level", f"1 to {HIGHEST_LEVEL}")
    if not timedelta() < turn.ends_at - turn.starts_at <= LONGEST_TURN:
        raise InvalidField("ends_at", f"after starts_at, by at most {LONGEST_TURN.days} days")
    return turn


def on_turn(turns: Sequence[Turn], level: int, at: datetime) -> list[str]:
    """Who has the turn on a level; several where turns overlap, the longest in it first."""
    now = [turn for turn in turns if turn.level == level and turn.starts_at <= at < turn.ends_at]
    return [turn.agent_id for turn in sorted(now, key=lambda turn: (turn.starts_at, turn.agent_id))]


def given(alert: Alert, turns: Sequence[Turn], at: datetime) -> tuple[Alert, list[Step]]:
    """Give the alert to its level, or to the next one that has somebody; to nobody where no level
    has: then it stays on the first, for the next round."""
    steps: list[Step] = []
    for level in range(alert.level, HIGHEST_LEVEL + 1):
        people = on_turn(turns, level, at)
        if people:
            steps += [
                Step(at=at, level=level, what=StepKind.GIVEN, agent_id=agent_id)
                for agent_id in people
            ]
            return replace(alert, level=level, level_since=at), steps
        if level == alert.level:
            steps.append(Step(at=at, level=level, what=StepKind.ESCALATED))
    steps.append(Step(at=at, level=alert.level, what=StepKind.EXHAUSTED))
    return replace(alert, level=1, level_since=at), steps


def escalated(
    alert: Alert, rota: Rota, turns: Sequence[Turn], at: datetime
) -> tuple[Alert, list[Step]] | None:
    """What becomes of an open alert at `at`; None: its level still has time."""
    if alert.state is not AlertState.OPEN or at - alert.level_since < rota.ack_within:
        return None
    steps = [Step(at=at, level=alert.level, what=StepKind.ESCALATED)]
    above = [
        level for level in range(alert.level + 1, HIGHEST_LEVEL + 1) if on_turn(turns, level, at)
    ]
    if not above:
        steps.append(Step(at=at, level=alert.level, what=StepKind.EXHAUSTED))
    changed, more = given(replace(alert, level=above[0] if above else 1), turns, at)
    return replace(changed, version=alert.version + 1), steps + more
