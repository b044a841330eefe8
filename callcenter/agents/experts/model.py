"""Expert groups: lawyers, agronomists …, whom agents hand a citizen on to.

Pure. An agent reaches a group by its extension, an asterisk and 7x. Whoever of the group is on duty
and free rings, by rank; where nobody takes the citizen, the group owes a call back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

EXTENSION: Final = "[*]7[0-9]{1,3}"
MOST_TITLE: Final = 100
MOST_MEMBERS: Final = 50
MOST_QUESTION: Final = 2000
MOST_NOTE: Final = 1000
SHORTEST_RING_SECONDS: Final = 5
LONGEST_RING_SECONDS: Final = 120
SHORTEST_PROMISE: Final = timedelta(minutes=5)
LONGEST_PROMISE: Final = timedelta(days=30)
#: How many phones ring at once at most.
MOST_RINGING: Final = 5

_EXTENSION: Final = re.compile(EXTENSION)


class NoSuchGroup(NotFound):
    """There is no such expert group."""

    slug = "no-such-expert-group"


class GroupExists(Conflict):
    """There is an expert group of this name, or with this extension, already."""

    slug = "expert-group-exists"


class GroupOwesAnswers(Conflict):
    """Citizens wait for a call of this group: work these tasks off first."""

    slug = "expert-group-owes-answers"


class NoSuchTask(NotFound):
    """There is no such task."""

    slug = "no-such-expert-task"


class TaskIsOver(Conflict):
    """The task is done already."""

    slug = "expert-task-is-over"


class TaskIsTaken(Conflict):
    """Somebody else has taken the task."""

    slug = "expert-task-is-taken"


class TaskState(StrEnum):
    """How far a task is."""

    OPEN = "open"
    TAKEN = "taken"
    DONE = "done"


class TaskOutcome(StrEnum):
    """What came of it."""

    REACHED = "reached"
    NOT_REACHED = "not_reached"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`members` by rank: the first ring first. `only_on_duty`: who has no shift now is left alone.
    `answer_within`: how soon the group calls back."""

    name: str
    title: str
    extension: str
    ring_seconds: int = 20
    only_on_duty: bool = True
    answer_within: timedelta = timedelta(days=1)
    members: tuple[tuple[str, int], ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A citizen whom no expert could take."""

    task_id: UUID
    group_name: str
    call_id: UUID | None
    case_number: str | None
    question: str
    made_at: datetime
    made_by: str
    due_at: datetime
    state: TaskState = TaskState.OPEN
    taken_by: str | None = None
    taken_at: datetime | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    outcome: TaskOutcome | None = None
    note: str = ""
    version: int = 1

    def is_overdue(self, now: datetime) -> bool:
        return self.state is not TaskState.DONE and now > self.due_at

    def take(self, who: str, at: datetime) -> Task:
        """Raises `TaskIsOver`, `TaskIsTaken`."""
        if self.state is TaskState.DONE:
            raise TaskIsOver
        if self.taken_by not in (None, who):
            raise TaskIsTaken(f"{self.taken_by} has taken the task.")
        return replace(
            self,
            state=TaskState.TAKEN,
            taken_by=who,
            taken_at=self.taken_at or at,
            version=self.version + 1,
        )

    def finish(self, outcome: TaskOutcome, note: str, *, who: str, at: datetime) -> Task:
        """Whoever gives up says why. Raises `TaskIsOver`, `InvalidField`."""
        if self.state is TaskState.DONE:
            raise TaskIsOver
        least = 0 if outcome is TaskOutcome.REACHED else 1
        words = plain_text("note", note, least=least, most=MOST_NOTE, lines=True)
        return replace(
            self,
            state=TaskState.DONE,
            outcome=outcome,
            note=words,
            done_by=who,
            done_at=at,
            version=self.version + 1,
        )


def checked(group: Group) -> Group:
    """The group as it is kept. Raises `InvalidField`."""
    if not _EXTENSION.fullmatch(group.extension):
        raise InvalidField("extension", "an asterisk, 7, and one to three digits: *71")
    if not SHORTEST_RING_SECONDS <= group.ring_seconds <= LONGEST_RING_SECONDS:
        raise InvalidField("ring_seconds", f"{SHORTEST_RING_SECONDS} to {LONGEST_RING_SECONDS}")
    if not SHORTEST_PROMISE <= group.answer_within <= LONGEST_PROMISE:
        raise InvalidField("answer_within_minutes", "5 minutes to 30 days")
    agents = [agent_id for agent_id, _ in group.members]
    if len(agents) > MOST_MEMBERS:
        raise InvalidField("members", f"at most {MOST_MEMBERS}")
    if len(set(agents)) < len(agents):
        raise InvalidField("members", "each agent once")
    if not all(1 <= rank <= 100 for _, rank in group.members):
        raise InvalidField("members", "rank: 1 to 100")
    return replace(
        group,
        title=plain_text("title", group.title, least=1, most=MOST_TITLE),
        members=tuple(sorted(group.members, key=lambda pair: (pair[1], pair[0]))),
    )


def whom_to_ring(
    group: Group, *, on_duty: Collection[str], states: Mapping[str, str], caller: str | None
) -> Sequence[str]:
    """Agents whose phones ring now: of the lowest rank that has somebody on duty and free.

    `states`: how agents are (`agent_states.state`); who is not in it has a phone nobody knows of,
    and is tried. `caller` is the agent who hands the citizen on: never rung.
    """
    free = [
        (rank, agent_id)
        for agent_id, rank in group.members
        if agent_id != caller
        and (not group.only_on_duty or agent_id in on_duty)
        and states.get(agent_id, "ready") in ("ready", "paused")
    ]
    if not free:
        return []
    first = min(rank for rank, _ in free)
    return [agent_id for rank, agent_id in free if rank == first][:MOST_RINGING]
