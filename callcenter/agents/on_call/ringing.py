"""Calls that tell people on call of an alert: whom, when, and what becomes of each.

Pure. Whoever an alert was given to is called until the rota's clock hands it on, or somebody
acknowledges it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from callcenter.agents.on_call.model import Alert, AlertState, Step, StepKind

#: How long one phone rings.
RING: Final = timedelta(seconds=25)
#: Between a call that was not acknowledged and the next one to the same person.
PAUSE: Final = timedelta(seconds=30)


class CallOutcome(StrEnum):
    """What became of a call."""

    ACKNOWLEDGED = "acknowledged"  #: 1 was pressed
    TOO_LATE = "too_late"  #: 1 was pressed, after somebody else had acknowledged the alert
    HEARD = "heard"  #: picked up, and 1 was not pressed
    NO_ANSWER = "no_answer"  #: nobody picked up, or the line was engaged
    NOT_THERE = "not_there"  #: not called: no phone is registered, or it is in a call
    LOST = "lost"  #: neither Asterisk nor the journal knows of it


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCall:
    """`phone_number`: over the trunk; None: at the agent's own phone. `heard_at`: picked up."""

    call_id: UUID
    alert_id: UUID
    attempt: int
    agent_id: str
    level: int
    phone_number: str | None
    node: str
    placed_at: datetime
    heard_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: CallOutcome | None = None

    def picked_up(self, at: datetime) -> AlertCall:
        """Somebody is told of the alert."""
        return self if self.heard_at else replace(self, heard_at=max(at, self.placed_at))

    def over(self, outcome: CallOutcome, at: datetime) -> AlertCall:
        """The first outcome stays."""
        if self.outcome is not None:
            return self
        return replace(self, outcome=outcome, ended_at=max(at, self.heard_at or self.placed_at))


def alert_call_id(alert_id: UUID, attempt: int) -> UUID:
    """The UUID of the call of one attempt: the same whoever makes it, so that Asterisk refuses a
    second one."""
    return uuid5(alert_id, f"call {attempt}")


def to_be_called(
    alert: Alert, steps: Sequence[Step], calls: Sequence[AlertCall], now: datetime
) -> list[str]:
    """The people to be called at `now`: those the alert is with, who are not being called, and were
    not a moment ago."""
    if alert.state is not AlertState.OPEN:
        return []
    with_them = [
        step.agent_id
        for step in steps
        if step.what is StepKind.GIVEN and step.at == alert.level_since and step.agent_id
    ]
    left_alone = {
        call.agent_id for call in calls if call.ended_at is None or now - call.ended_at < PAUSE
    }
    return [agent_id for agent_id in with_them if agent_id not in left_alone]
