"""Bodies of requests and replies: states of agents, and the reasons of pauses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import Field

from callcenter.access.audit import MOST_REASON
from callcenter.agents.sessions import model
from callcenter.agents.sessions.model import Record
from callcenter.agents.sessions.reasons import (
    LONGEST_LIMIT,
    MOST_TITLE,
    NAME,
    SHORTEST_LIMIT,
    ChosenBy,
    PauseReason,
)
from callcenter.platform.numbers import Whole
from callcenter.platform.web import Flag, Schema
from callcenter.switch.model import SwitchOutcome

#: What OpenAPI says of a reason's name; the rule itself is `reasons`'.
REASON_PATTERN: Final = {"pattern": f"^{NAME}$"}

States = Literal["offline", "ready", "paused", "ringing", "talking", "holding", "wrap_up"]


class StateReply(Schema):
    """How an agent is. `state` is what is true now; `logged_in` and `wanted_pause` are what is
    wanted: a pause that is wished for in a talk comes after it. `in_force`: Asterisk was seen to
    follow the last wish. `allowed`: what can be asked for now."""

    agent_id: str
    state: States
    reason: str | None
    since: datetime
    until_at: datetime | None = Field(
        description="When the wrap-up ends by itself, or the pause is over its limit."
    )
    over_limit: bool
    logged_in: bool
    wanted_pause: str | None
    phone: Literal["unknown", "away", "there"]
    call_id: UUID | None
    queue: str | None
    in_force: bool
    allowed: list[str]
    version: int

    @classmethod
    def of_record(cls, record: Record) -> Self:
        return cls.model_validate(_shown(record))


def _shown(record: Record) -> dict[str, object]:
    session = record.session
    return {
        "agent_id": session.agent_id,
        "state": record.state.value,
        "reason": record.reason,
        "since": record.since,
        "until_at": record.until_at,
        "over_limit": record.over_limit,
        "logged_in": session.logged_in,
        "wanted_pause": session.paused_for,
        "phone": session.phone.value,
        "call_id": session.call_id,
        "queue": session.queue,
        "in_force": record.in_force,
        "allowed": list(model.allowed(record.session)),
        "version": record.version,
    }


class OwnStateReply(StateReply):
    """`queues`: logged in to now; `out_of`: belongs to, and is logged out of."""

    queues: list[str]
    out_of: list[str]

    @classmethod
    def of(cls, record: Record, theirs: frozenset[str]) -> Self:
        """`theirs`: the queues the agent belongs to."""
        out_of = record.session.out_of & theirs
        logged_in = theirs - out_of if record.session.logged_in else frozenset()
        return cls.model_validate(
            _shown(record) | {"queues": sorted(logged_in), "out_of": sorted(theirs - logged_in)}
        )


class WantedState(Schema):
    """`reason` is a pause reason; `queues`: log in to these, out of the others; `reason_text` goes
    into the audit where a supervisor acts on somebody else's agent."""

    state: States
    reason: Annotated[str | None, Field(json_schema_extra=REASON_PATTERN)] = None
    queues: Annotated[list[str] | None, Field(max_length=100)] = None
    reason_text: Annotated[str, Field(json_schema_extra={"maxLength": MOST_REASON})] = ""


class SpanReply(Schema):
    """Some time in one state; the one that goes on has no end."""

    state: States
    reason: str | None
    call_id: UUID | None
    queue: str | None
    began_at: datetime
    ended_at: datetime | None


class Title(Schema):
    zh: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    en: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]


_LimitSeconds = Annotated[
    Whole | None,
    Field(
        json_schema_extra={"minimum": SHORTEST_LIMIT, "maximum": LONGEST_LIMIT},
        description="A longer pause is shown as over its limit; null: none is too long.",
    ),
]
_Digit = Annotated[
    str | None,
    Field(json_schema_extra={"pattern": "^[0-9]$"}, description="Behind *47 on any phone."),
]


class ReasonBody(Schema):
    """`productive`: work without calls."""

    title: Title
    productive: Flag
    limit_seconds: _LimitSeconds = None
    digit: _Digit = None

    def wanted(self, name: str, *, chosen_by: ChosenBy = ChosenBy.AGENT) -> PauseReason:
        return PauseReason(
            name=name,
            title_zh=self.title.zh,
            title_en=self.title.en,
            productive=self.productive,
            limit_seconds=self.limit_seconds,
            digit=self.digit,
            chosen_by=chosen_by,
        )


class NewReason(ReasonBody):
    name: Annotated[str, Field(json_schema_extra=REASON_PATTERN)]
    chosen_by: Literal["agent", "supervisor"] = "agent"


class ReasonReply(Schema):
    name: str
    title: Title
    productive: bool
    limit_seconds: int | None
    digit: str | None
    chosen_by: Literal["agent", "supervisor", "system"]
    version: int

    @classmethod
    def of_reason(cls, reason: PauseReason) -> Self:
        return cls.model_validate(_reason(reason))


def _reason(reason: PauseReason) -> dict[str, object]:
    return {
        "name": reason.name,
        "title": Title(zh=reason.title_zh, en=reason.title_en),
        "productive": reason.productive,
        "limit_seconds": reason.limit_seconds,
        "digit": reason.digit,
        "chosen_by": reason.chosen_by.value,
        "version": reason.version,
    }


class ReasonChanged(ReasonReply):
    """`in_force`: Asterisk was seen to know the code."""

    in_force: bool
    detail: str | None

    @classmethod
    def of(cls, reason: PauseReason, outcome: SwitchOutcome) -> Self:
        return cls.model_validate(
            _reason(reason) | {"in_force": outcome.in_force, "detail": outcome.detail}
        )


class PauseReasonRemoved(Schema):
    name: str
    in_force: bool
    detail: str | None
