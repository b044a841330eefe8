"""What became true about a call: the fold's output, in the past tense and in our words.

Facts leave in the transaction of the rows they tell of: as news, as cases, as recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is true about the call `call_id` since `at` (aware, UTC)."""

    kind: ClassVar[str] = ""

    call_id: UUID
    at: datetime

    def payload(self) -> dict[str, Any]:
        """For the outbox: JSON, without the caller's number or name."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "call_id"}
        return {"fact": self.kind, **values, "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(Fact):
    kind: ClassVar[str] = "call_started"
    direction: str
    line: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered(Fact):
    kind: ClassVar[str] = "call_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEntered(Fact):
    """The caller came to a node of the flow; `key` was pressed before, `led_by` a `LedBy`."""

    kind: ClassVar[str] = "node_entered"
    node: str
    key: str | None
    led_by: str = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFailed(Fact):
    """The flow ended without saying where the call goes: our process died or was not there."""

    kind: ClassVar[str] = "flow_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerQueued(Fact):
    kind: ClassVar[str] = "caller_queued"
    queue: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerLeftQueue(Fact):
    """Queue() gave the caller back without a conversation; `status` is QUEUESTATUS."""

    kind: ClassVar[str] = "caller_left_queue"
    queue: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRang(Fact):
    kind: ClassVar[str] = "agent_rang"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswered(Fact):
    """The two hear each other. Told for each agent who joins; the first is the call's agent."""

    kind: ClassVar[str] = "agent_answered"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTalkEnded(Fact):
    """The agent's leg is gone after a talk of `talk_ms`."""

    kind: ClassVar[str] = "agent_talk_ended"
    agent: str
    talk_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDidNotAnswer(Fact):
    kind: ClassVar[str] = "agent_did_not_answer"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWasEngaged(Fact):
    """The phone that was about to ring had another call: this one was never put to it."""

    kind: ClassVar[str] = "agent_was_engaged"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferred(Fact):
    kind: ClassVar[str] = "call_transferred"
    attended: bool
    agent: str | None
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoExpertTook(Fact):
    """A citizen came to an expert group and nobody took them; the group owes a call."""

    kind: ClassVar[str] = "no_expert_took"
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHandedOn(Fact):
    """The flow has another unit's number dialled."""

    kind: ClassVar[str] = "call_handed_on"
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherUnitAnswered(Fact):
    """The caller and the other unit hear each other."""

    kind: ClassVar[str] = "other_unit_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitReached(Fact):
    """The other unit `to`, to which the agent `by` passed the caller on, has answered."""

    kind: ClassVar[str] = "unit_reached"
    to: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLeft(Fact):
    """That unit is not there any more: rang for `rang_ms`, talked for `talked_ms` (None: it did not
    answer)."""

    kind: ClassVar[str] = "unit_left"
    to: str
    by: str
    rang_ms: int
    talked_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyCalled(Fact):
    """An act calls somebody in: the leg `uniqueid` exists; `agent` where it is an agent's phone."""

    kind: ClassVar[str] = "party_called"
    uniqueid: str
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAnswered(Fact):
    """Who was called in hears the others."""

    kind: ClassVar[str] = "party_answered"
    uniqueid: str
    agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyLeft(Fact):
    """The leg of who was called in is gone; `answered`: not only rang."""

    kind: ClassVar[str] = "party_left"
    uniqueid: str
    agent: str | None
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerHeld(Fact):
    """The caller is put aside and hears music."""

    kind: ClassVar[str] = "caller_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerRetrieved(Fact):
    """The caller is not put aside any more."""

    kind: ClassVar[str] = "caller_retrieved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneHolds(Fact):
    """The phone of an agent, on the leg `uniqueid`, holds the others: they hear music, or in a
    conference the agent's silence."""

    kind: ClassVar[str] = "phone_holds"
    uniqueid: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneHoldEnded(Fact):
    """That hold is over, at the latest with the leg. `held_ms`: how long it was."""

    kind: ClassVar[str] = "phone_hold_ended"
    uniqueid: str
    agent: str
    held_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallJoined(Fact):
    """A call between agents became part of the call `into`: an agent asked there before
    transferring."""

    kind: ClassVar[str] = "call_joined"
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTold(Fact):
    """`agent`, who is on call, picked up and is told of `alert` (our UUID as text); told again when
    they pressed 1 (`acknowledged`)."""

    kind: ClassVar[str] = "alert_told"
    alert: str
    agent: str
    acknowledged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpyingBegan(Fact):
    """The supervisor whose phone is `phone` hears `agent` in the call `spied_call`; told again at
    each change of `mode` (listen, whisper, join)."""

    kind: ClassVar[str] = "spying_began"
    phone: str
    agent: str
    spied_call: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTakenOver(Fact):
    """A supervisor has the caller brought to the phone `agent`."""

    kind: ClassVar[str] = "call_taken_over"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyStarted(Fact):
    """The agent has left, the caller is asked how it was."""

    kind: ClassVar[str] = "survey_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerPriorityChanged(Fact):
    """A supervisor changed how far ahead of others the caller waits; 0: as all."""

    kind: ClassVar[str] = "caller_priority_changed"
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenDialled(Fact):
    """An agent is there; the citizen of `callback` (a UUID as text) is being called."""

    kind: ClassVar[str] = "citizen_dialled"
    callback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenReached(Fact):
    """The citizen who is called back and the agent hear each other."""

    kind: ClassVar[str] = "citizen_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenNotReached(Fact):
    """Dialling ended without a conversation. `status` is DIALSTATUS, or LATE: not dialled, because
    the hours were over; `cause` is Q.850."""

    kind: ClassVar[str] = "citizen_not_reached"
    callback: str
    status: str
    cause: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStarted(Fact):
    """Asterisk was told to write `name`; `recording_kind` is conversation or voicemail."""

    kind: ClassVar[str] = "recording_started"
    name: str
    recording_kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLeft(Fact):
    """The call ended and leaves a message: `name` is the take that counts by the journal's clock.

    `reason` is why the caller was asked for it: closed, overflow, no_agents, failure, choice.
    """

    kind: ClassVar[str] = "message_left"
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxStarted(Fact):
    """`fax` is a UUID as text; `way`: call, number or in."""

    kind: ClassVar[str] = "fax_started"
    fax: str
    way: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxFinished(Fact):
    """`pages` went over whole, whether or not the fax is `good`. Told once for a fax in a call."""

    kind: ClassVar[str] = "fax_finished"
    fax: str
    way: str
    good: bool
    pages: int
    mode: str
    error: str
    station: str = ""

    def payload(self) -> dict[str, Any]:
        """Without the other machine's number."""
        values = Fact.payload(self)
        del values["station"]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Fact):
    """The call is over. `reconciled`: concluded from a snapshot, not from Asterisk's journal."""

    kind: ClassVar[str] = "call_ended"
    disposition: str
    hangup_by: str
    reconciled: bool = False
