"""Who must be a member of which of Asterisk's queues, and how. Pure.

Asterisk is brought to exactly this set (`callcenter.asterisk.members`), compared with it every few
seconds. Whoever wants an agent to be asked earlier, later or in one more queue adds to the places
(`store.places`) or to `wanted_members`; nobody else writes members into Asterisk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An agent belongs into Asterisk's queue `queue` (its name without `q_`).

    `of` is our queue it serves: the same, but where one queue of ours has several in Asterisk.
    Members of lower `penalty` (0 … 100) are asked first.
    """

    queue: str
    agent_id: str
    of: str
    penalty: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """Whether an agent takes calls: `out_of` are our queues the agent is logged out of.

    `paused_for` is the reason Asterisk is told, None where the agent may be rung.
    """

    logged_in: bool = True
    out_of: frozenset[str] = field(default_factory=frozenset)
    paused_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What Asterisk must say of an agent in one queue."""

    queue: str
    agent_id: str
    penalty: int
    paused: bool
    reason: str


def wanted_members(
    places: Iterable[Place], attendance: Mapping[str, Attendance]
) -> frozenset[Membership]:
    """The members Asterisk must have of these places, and no others.

    An agent without an attendance is not known and is a member nowhere.
    """
    wanted = set()
    for place in places:
        there = attendance.get(place.agent_id)
        if there is None or not there.logged_in or place.of in there.out_of:
            continue
        wanted.add(
            Membership(
                queue=place.queue,
                agent_id=place.agent_id,
                penalty=place.penalty,
                paused=there.paused_for is not None,
                reason=there.paused_for or "",
            )
        )
    return frozenset(wanted)
