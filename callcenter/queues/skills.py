"""Who serves a queue's callers of one language, by skill and by how long they wait. Pure.

app_queue knows no skills. So a queue is, in Asterisk, several: the plain one (callers of the
instance's language, and those the others gave up) and one for each further language the queue asks
for. Who is a member of which is decided here; a caller is never matched by penalty limits, which
block other queues' callers (docs/adr/0013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from callcenter.queues.model import HIGHEST_LEVEL, Kind, Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Skilled:
    """An agent who is in the queue: what they can, levels 1 to 5 by name.

    Without any language an agent counts as speaking the instance's own, fully. `penalty` is the
    one set for the place in the queue. `is_there`: logged in, and the phone is there.
    """

    agent_id: str
    penalty: int = 0
    skills: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    is_there: bool = True

    def level(self, asked: Requirement, default_language: str) -> int:
        """How well they do what is asked for; 0: not at all."""
        if asked.kind is Kind.SKILL:
            return self.skills.get(asked.name, 0)
        if not self.languages:
            return HIGHEST_LEVEL if asked.name == default_language else 0
        return self.languages.get(asked.name, 0)


def asked_of(
    requirements: Sequence[Requirement], language: str | None, default_language: str
) -> tuple[Requirement, ...]:
    """What is asked of those who serve callers of `language`; None: of the plain queue."""
    spoken = language or default_language
    return tuple(one for one in requirements if one.kind is Kind.SKILL or one.name == spoken)


def own_languages(requirements: Sequence[Requirement], default_language: str) -> tuple[str, ...]:
    """The languages whose callers first wait for those who speak it."""
    return tuple(
        sorted(
            one.name
            for one in requirements
            if one.kind is Kind.LANGUAGE and one.name != default_language
        )
    )


def servers(
    agents: Sequence[Skilled],
    asked: Sequence[Requirement],
    *,
    default_language: str,
    waited_seconds: float = 0.0,
) -> dict[str, int]:
    """Agent id → penalty, of those who serve now; `waited_seconds`: of who waits longest.

    All requirements relax together, by time: each asks what its own steps say at that wait. A step
    at which nobody who is there could serve is not waited for: the next one counts at once. Who is
    better has the lower penalty: the levels short of 5 are added to the place's own.
    """
    later = sorted({step.after_seconds for one in asked for step in one.relax})
    moments = [waited_seconds, *(float(at) for at in later if at > waited_seconds)]
    serving: list[Skilled] = []
    for moment in moments:
        enough = [(one, one.levels[one.step_after(moment)]) for one in asked]
        serving = [
            agent
            for agent in agents
            if all(agent.level(one, default_language) >= least for one, least in enough)
        ]
        if any(agent.is_there for agent in serving):
            break
    return {
        agent.agent_id: agent.penalty
        + sum(
            HIGHEST_LEVEL - min(agent.level(one, default_language), HIGHEST_LEVEL) for one in asked
        )
        for agent in serving
    }


def own_seconds(asked: Sequence[Requirement], longest: int, margin_seconds: int = 5) -> int:
    """How long callers of a further language wait for those who speak it, at most: until the last
    step and a moment more, so that they are let go even if nobody relaxes anything (a dead node).
    """
    last = max((one.last_step_seconds for one in asked), default=0)
    return max(1, min(last + margin_seconds, longest))
