"""The messages of `/api/v1/events` and the replies of `/live`, as schemas.

OpenAPI does not describe WebSockets: `GET /api/v1/events/schema` gives these as JSON Schema.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from callcenter.access.model import Role
from callcenter.calls.model import CallState, LedBy
from callcenter.live.clients import Wanted
from callcenter.live.messages import Why
from callcenter.live.model import Topic
from callcenter.platform.web import Schema

QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
TeamName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Token = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0)]
#: In front of every message: the first is 1, each next one more, without a gap.
Number = Annotated[int, Field(ge=1)]


class QueueOut(Schema):
    """A queue now. `callers`: the calls that wait, longest first, a hundred at most (`waiting`
    counts all). `ready` … `offline` count its agents by state, who holds a call as talking.
    `…_today`: waits begun since the city's midnight, counted every 5 s: up to 6 s old."""

    name: str
    title: str
    waiting: Count
    longest_wait_since: datetime | None
    callers: list[UUID]
    ready: Count
    paused: Count
    ringing: Count
    talking: Count
    wrap_up: Count
    offline: Count
    answered_today: Count
    abandoned_today: Count


class AgentOut(Schema):
    """An agent now. `queues`: those they belong to; `out_of`: of these, the ones they are logged
    out of (there they count as offline). `call_id`, `queue`: what the state is about; `reason`: of
    a pause; `until_at`: when the state ends by itself; `phone`: whether it is registered."""

    agent_id: str
    name: str
    team: str | None
    queues: list[str]
    out_of: list[str]
    state: Literal["offline", "ready", "paused", "ringing", "talking", "holding", "wrap_up"]
    since: datetime | None
    reason: str | None
    logged_in: bool
    phone: Literal["unknown", "away", "there"]
    call_id: UUID | None
    queue: str | None
    until_at: datetime | None


class LiveCallOut(Schema):
    """A call that is going on. `queue`: where it waits (`waiting_since`), else the last one;
    `ringing`, `talking`: agents. `caller_number` is null for agents, but for their own call."""

    call_id: UUID
    direction: Literal["inbound", "internal", "outbound"]
    line: str | None
    state: CallState
    queue: str | None
    waiting_since: datetime | None
    agent: str | None
    ringing: list[str]
    talking: list[str]
    started_at: datetime
    queued_at: datetime | None
    agent_answered_at: datetime | None
    priority: int | None
    language: str | None
    case_number: str | None
    caller_number: str | None
    caller_withheld: bool


class StepOut(Schema):
    """A step of the way through the menu, as in `ivr_path` of a call."""

    node: str
    key: str | None
    led_by: LedBy = LedBy.FLOW
    at: datetime
    about: str = ""
    flow: str | None = None
    version: int | None = None


class CaseBriefOut(Schema):
    """A case, as far as a glance goes."""

    case_number: str
    title: str
    category: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None


class CallBriefOut(Schema):
    """An earlier call of the same number."""

    call_id: UUID
    started_at: datetime
    line: str | None
    disposition: str | None
    queue: str | None
    agent: str | None
    case_number: str | None


class ScreenOut(Schema):
    """What the call at an agent's phone is about. `earlier_calls`, `earlier_cases`: of the same
    number, newest first, ten at most; none where it is withheld. `position`, `estimate_seconds`:
    what was foreseen when the caller began to wait."""

    call_id: UUID
    line: str | None
    dialled_number: str | None
    direction: Literal["inbound", "internal", "outbound"]
    state: CallState
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
    path: list[StepOut]
    case: CaseBriefOut | None
    earlier_calls: list[CallBriefOut]
    more_calls: bool
    earlier_cases: list[CaseBriefOut]
    more_cases: bool


class OwnOut(Schema):
    """The asker as an agent: the call at their phone (ringing or talking) and its screen pop, which
    is absent where the topic `screen` is not followed."""

    agent_id: str
    call: LiveCallOut | None
    screen: ScreenOut | None = None


class ViewOut(Schema):
    """What is told: `every_team`, or `team` only (null: those without one)."""

    role: Role
    topics: list[Topic]
    every_team: bool
    team: str | None
    queues: list[str] | None


class SnapshotMessage(Schema):
    """Everything. It takes the place of all that was told before. A topic that is not followed is
    absent; `own` is null for who is no agent."""

    type: Literal["snapshot"]
    number: Number
    why: Why
    at: datetime
    view: ViewOut
    queues: list[QueueOut] = Field(default_factory=list)
    agents: list[AgentOut] = Field(default_factory=list)
    calls: list[LiveCallOut] = Field(default_factory=list)
    own: OwnOut | None


class QueueChanges(Schema):
    """Whole items that are new or differ, and the names of those that are gone."""

    changed: list[QueueOut]
    gone: list[str]


class AgentChanges(Schema):
    changed: list[AgentOut]
    gone: list[str]


class CallChanges(Schema):
    changed: list[LiveCallOut]
    gone: list[UUID]


class DeltaMessage(Schema):
    """What changed since the message before. Topics without a change are absent; so is `own`."""

    type: Literal["delta"]
    number: Number
    at: datetime
    queues: QueueChanges | None = None
    agents: AgentChanges | None = None
    calls: CallChanges | None = None
    own: OwnOut | None = None


class StaleMessage(Schema):
    """What was told (at `at`) may be true no more: the rows cannot be read. A snapshot follows."""

    type: Literal["stale"]
    number: Number
    at: datetime | None


ServerMessage = Annotated[
    SnapshotMessage | DeltaMessage | StaleMessage, Field(discriminator="type")
]
#: Reads any message of the server.
SERVER_MESSAGE: TypeAdapter[SnapshotMessage | DeltaMessage | StaleMessage] = TypeAdapter(
    ServerMessage
)


class SubscribeMessage(Schema):
    """The one message a client sends: what to follow. `token` is for the first one, where no header
    carried it. A later one changes what is followed; a snapshot answers it."""

    type: Literal["subscribe"] = "subscribe"
    token: Token | None = Field(None, repr=False)
    topics: Annotated[list[Topic], Field(min_length=1, max_length=4)] | None = None
    queues: Annotated[list[QueueName], Field(min_length=1, max_length=100)] | None = None
    team: TeamName | None = None

    def wanted(self) -> Wanted:
        return Wanted(
            topics=frozenset(self.topics or Topic),
            queues=None if self.queues is None else frozenset(self.queues),
            team=self.team,
        )


class LiveReply(Schema):
    """What a snapshot over the WebSocket would say this moment."""

    at: datetime
    view: ViewOut
    queues: list[QueueOut]
    agents: list[AgentOut]
    calls: list[LiveCallOut]
    own: OwnOut | None


class ScreenReply(Schema):
    """`screen` is null while no call is at the agent's phone."""

    agent_id: str
    screen: ScreenOut | None


class EventSchemas(Schema):
    """JSON Schema (2020-12) of what the server and the client send."""

    server: dict[str, Any]
    client: dict[str, Any]


def event_schemas() -> EventSchemas:
    return EventSchemas(
        server=SERVER_MESSAGE.json_schema(), client=SubscribeMessage.model_json_schema()
    )
