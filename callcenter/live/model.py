"""The picture of this moment: queues, agents and calls, who may see what of it, and what changed.

Pure. A `Picture` never changes; the next one keeps the very objects that are still true, so that
what changed is found by identity. What a client knows is a `Scene`: its part of one picture.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID

#: A queue tells at most so many of its waiting calls by id; `waiting` counts all.
MOST_CALLERS: Final = 100

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Topic(StrEnum):
    """What a client may follow. `screen`: what the phone that rings is about."""

    QUEUES = "queues"
    AGENTS = "agents"
    CALLS = "calls"
    SCREEN = "screen"


#: The topics whose items are told one by one.
LISTS: Final = (Topic.QUEUES, Topic.AGENTS, Topic.CALLS)


def told(value: Any) -> Any:
    """A value as JSON has it: times as the REST API writes them."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Item):
        return value.document()
    if isinstance(value, Mapping):
        return {name: told(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [told(part) for part in value]
    return value


def dumped(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, kw_only=True)
class Item:
    """One row of the picture. Written as JSON once, however many clients are told."""

    def document(self) -> dict[str, Any]:
        """As clients get it."""
        return {f.name: told(getattr(self, f.name)) for f in fields(self)}

    @cached_property
    def text(self) -> str:
        """The document as JSON, for those who may see all of it."""
        return dumped(self.document())

    @property
    def open_text(self) -> str:
        """… and for everybody."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class QueueNow(Item):
    """A queue. `callers`: the calls that wait, longest first. The counts of agents are by state;
    `answered_today` and `abandoned_today`: waits begun since the city's midnight, every 5 s."""

    name: str
    title: str
    waiting: int = 0
    longest_wait_since: datetime | None = None
    callers: tuple[UUID, ...] = ()
    ready: int = 0
    paused: int = 0
    ringing: int = 0
    talking: int = 0
    wrap_up: int = 0
    offline: int = 0
    answered_today: int = 0
    abandoned_today: int = 0


@dataclass(frozen=True, kw_only=True)
class AgentNow(Item):
    """An agent. `queues`: those they belong to; `out_of`: of these, the ones they are logged out
    of. `queue` and `call_id`: what the state is about; `until_at`: when it ends by itself."""

    agent_id: str
    name: str
    team: str | None
    queues: tuple[str, ...]
    out_of: tuple[str, ...]
    state: str
    since: datetime | None
    reason: str | None
    logged_in: bool
    phone: str
    call_id: UUID | None
    queue: str | None
    until_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class CallNow(Item):
    """A call that is going on. `queue` is the one it waits in, else the last; `ringing` and
    `talking` are agents; `phones` (not told) all agents with a leg in the call: one who has
    answered and is not heard yet is in neither."""

    call_id: UUID
    direction: str
    line: str | None
    state: str
    queue: str | None
    waiting_since: datetime | None
    agent: str | None
    ringing: tuple[str, ...]
    talking: tuple[str, ...]
    started_at: datetime
    queued_at: datetime | None
    agent_answered_at: datetime | None
    priority: int | None
    language: str | None
    case_number: str | None
    caller_number: str | None
    caller_withheld: bool
    phones: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        document = super().document()
        del document["phones"]
        return document

    @property
    def agents(self) -> frozenset[str]:
        """Whose call it is, or may become."""
        own = (self.agent,) if self.agent else ()
        return frozenset((*own, *self.phones))

    @cached_property
    def open_text(self) -> str:
        return dumped(self.document() | {"caller_number": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """An agent with the row of how they are, if there is one."""

    agent_id: str
    name: str
    team: str | None = None
    user_id: UUID | None = None
    queues: tuple[str, ...] = ()
    out_of: tuple[str, ...] = ()
    state: str = "offline"
    since: datetime | None = None
    reason: str | None = None
    logged_in: bool = True
    phone: str = "unknown"
    call_id: UUID | None = None
    queue: str | None = None
    until_at: datetime | None = None


@dataclass(slots=True)
class Rows:
    """What the tables say; `compose` makes a picture of it.

    `today`: queue → (answered, abandoned).
    """

    queues: Mapping[str, str] = field(default_factory=dict)
    agents: dict[str, AgentRow] = field(default_factory=dict)
    calls: dict[UUID, CallNow] = field(default_factory=dict)
    today: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """What is true at `at`. `version` counts the pictures of a process."""

    version: int
    at: datetime
    queues: Mapping[str, QueueNow] = field(default_factory=dict)
    agents: Mapping[str, AgentNow] = field(default_factory=dict)
    calls: Mapping[str, CallNow] = field(default_factory=dict)
    #: User → the agent they are.
    users: Mapping[UUID, str] = field(default_factory=dict)

    @cached_property
    def teams(self) -> Mapping[str | None, frozenset[str]]:
        """Team → its agents. Those without a team are a team as well: None."""
        found: dict[str | None, set[str]] = defaultdict(set)
        for agent in self.agents.values():
            found[agent.team].add(agent.agent_id)
        return {team: frozenset(agents) for team, agents in found.items()}

    @cached_property
    def team_queues(self) -> Mapping[str | None, frozenset[str]]:
        """Team → the queues its agents are members of."""
        found: dict[str | None, set[str]] = defaultdict(set)
        for agent in self.agents.values():
            found[agent.team].update(agent.queues)
        return {team: frozenset(queues) for team, queues in found.items()}

    @cached_property
    def own_calls(self) -> Mapping[str, CallNow]:
        """Agent → the call at their phone; one they talk in before one that rings."""
        found: dict[str, CallNow] = {}
        for call in self.calls.values():
            for agent in call.phones:
                if agent not in found or agent in call.talking:
                    found[agent] = call
        return found


_Item = TypeVar("_Item", bound=Item)


def _kept(before: Mapping[str, _Item], now: Iterable[tuple[str, _Item]]) -> dict[str, _Item]:
    """The items of now; those that are as before are the same objects."""
    kept = {}
    for key, item in now:
        old = before.get(key)
        kept[key] = old if old is not None and old == item else item
    return kept


def compose(rows: Rows, at: datetime, before: Picture | None = None) -> Picture:
    """The picture these rows make."""
    before = before or Picture(0, at)
    agents = _kept(before.agents, ((key, _agent(rows.agents[key])) for key in sorted(rows.agents)))
    ordered = sorted(rows.calls.values(), key=lambda call: (call.started_at, str(call.call_id)))
    calls = _kept(before.calls, ((str(call.call_id), call) for call in ordered))
    return Picture(
        version=before.version + 1,
        at=at,
        queues=_kept(before.queues, _queues(rows, agents.values(), calls.values())),
        agents=agents,
        calls=calls,
        users={row.user_id: row.agent_id for row in rows.agents.values() if row.user_id},
    )


def _agent(row: AgentRow) -> AgentNow:
    return AgentNow(
        agent_id=row.agent_id,
        name=row.name,
        team=row.team,
        queues=row.queues,
        out_of=row.out_of,
        state=row.state,
        since=row.since,
        reason=row.reason,
        logged_in=row.logged_in,
        phone=row.phone,
        call_id=row.call_id,
        queue=row.queue,
        until_at=row.until_at,
    )


def _queues(
    rows: Rows, agents: Iterable[AgentNow], calls: Iterable[CallNow]
) -> Iterable[tuple[str, QueueNow]]:
    waiting: dict[str, list[tuple[datetime, str, UUID]]] = defaultdict(list)
    for call in calls:
        if call.waiting_since is not None and call.queue is not None:
            waiting[call.queue].append((call.waiting_since, str(call.call_id), call.call_id))
    states: dict[str, Counter[str]] = defaultdict(Counter)
    for agent in agents:
        # Who holds a call is talking, as a queue counts.
        state = "talking" if agent.state == "holding" else agent.state
        for queue in agent.queues:
            states[queue]["offline" if queue in agent.out_of else state] += 1
    for name, title in rows.queues.items():
        callers = sorted(waiting[name])
        count = states[name]
        answered, abandoned = rows.today.get(name, (0, 0))
        yield (
            name,
            QueueNow(
                name=name,
                title=title,
                waiting=len(callers),
                longest_wait_since=callers[0][0] if callers else None,
                callers=tuple(call_id for _, _, call_id in callers[:MOST_CALLERS]),
                ready=count["ready"],
                paused=count["paused"],
                ringing=count["ringing"],
                talking=count["talking"],
                wrap_up=count["wrap_up"],
                offline=count["offline"],
                answered_today=answered,
                abandoned_today=abandoned,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What part of the picture is told. Clients of the same view share the work.

    `numbers`: callers' numbers too. `every_team`, else only `team`: its agents, the queues they
    are in, the calls that wait there or are theirs. `queues`: none but these.
    """

    topics: frozenset[Topic] = frozenset(Topic)
    numbers: bool = False
    every_team: bool = False
    team: str | None = None
    queues: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a view shows of a picture."""

    version: int
    at: datetime
    items: Mapping[Topic, Mapping[str, Item]]


def scene(picture: Picture, view: View) -> Scene:
    """What `view` shows."""
    mates = picture.teams.get(view.team, frozenset())
    places = picture.team_queues.get(view.team, frozenset())
    if view.every_team:
        places = frozenset(picture.queues)
    if view.queues is not None:
        places &= view.queues

    def shows_agent(agent: AgentNow) -> bool:
        ours = view.every_team or agent.agent_id in mates
        return ours and (view.queues is None or not view.queues.isdisjoint(agent.queues))

    def shows_call(call: CallNow) -> bool:
        if view.every_team and view.queues is None:
            return True
        if view.queues is not None and call.queue not in view.queues:
            return False
        return call.queue in places or not mates.isdisjoint(call.agents)

    items: dict[Topic, Mapping[str, Item]] = {}
    if Topic.QUEUES in view.topics:
        items[Topic.QUEUES] = {n: queue for n, queue in picture.queues.items() if n in places}
    if Topic.AGENTS in view.topics:
        items[Topic.AGENTS] = {
            k: agent for k, agent in picture.agents.items() if shows_agent(agent)
        }
    if Topic.CALLS in view.topics:
        items[Topic.CALLS] = {k: call for k, call in picture.calls.items() if shows_call(call)}
    return Scene(picture.version, picture.at, items)


@dataclass(frozen=True, slots=True)
class Change:
    """Of one topic: items that are new or differ, and the keys of those that are gone."""

    changed: Sequence[Item]
    gone: Sequence[str]


def difference(seen: Scene, now: Scene) -> Mapping[Topic, Change]:
    """What makes `now` of `seen`, by topic; empty where nothing changed."""
    found = {}
    for topic, items in now.items.items():
        old = seen.items.get(topic, _NOTHING)
        changed = [item for key, item in items.items() if old.get(key) is not item]
        gone = [key for key in old if key not in items]
        if changed or gone:
            found[topic] = Change(changed, gone)
    return found
