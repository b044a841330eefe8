"""What Asterisk's journal says, as types: one frozen dataclass per kind of record that a call is
folded from.

Pure: standard library only. `to_detail` and `from_stored` are the way into `call_events.detail` and
back, so that a call can be folded again from its rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar
from uuid import UUID

#: Metadata of a field that no row holds.
_IN_PASSING: Final = {"stored": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One thing that happened on one channel.

    `key` (16 bytes) names the record: the same record read again is the same event. `at` is the
    time Asterisk wrote, aware, UTC.
    """

    kind: ClassVar[str] = ""

    key: bytes
    at: datetime
    uniqueid: str
    linkedid: str
    channel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStarted(CallEvent):
    """CHAN_START: a channel exists. For an agent's phone: it is about to ring.

    It tells the caller's number but not whether the caller withholds it, so that it is not stored:
    CC_CALL tells both.
    """

    kind: ClassVar[str] = "channel_started"
    context: str = ""
    exten: str = ""
    number: str | None = field(default=None, compare=False, repr=False, metadata=_IN_PASSING)
    name: str | None = field(default=None, compare=False, repr=False, metadata=_IN_PASSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelAnswered(CallEvent):
    """ANSWER: the channel is up."""

    kind: ClassVar[str] = "channel_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStarted(CallEvent):
    """APP_START of one of cel.conf's `apps` (queue, dial); a queue has our name in `data`."""

    kind: ClassVar[str] = "app_started"
    app: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeEntered(CallEvent):
    """BRIDGE_ENTER: the channel hears the others in the bridge."""

    kind: ClassVar[str] = "bridge_entered"
    bridge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeLeft(CallEvent):
    """BRIDGE_EXIT."""

    kind: ClassVar[str] = "bridge_left"
    bridge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred(CallEvent):
    """BLINDTRANSFER or ATTENDEDTRANSFER; `channel` is the one that transferred."""

    kind: ClassVar[str] = "transferred"
    attended: bool = False
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelHungUp(CallEvent):
    """HANGUP: `cause` is Q.850, `source` the channel (or `dialplan/…`) that began it."""

    kind: ClassVar[str] = "channel_hung_up"
    cause: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEnded(CallEvent):
    """CHAN_END: the channel is gone."""

    kind: ClassVar[str] = "channel_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedidEnded(CallEvent):
    """LINKEDID_END: the last channel with this linkedid is gone."""

    kind: ClassVar[str] = "linkedid_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegan(CallEvent):
    """CC_CALL: our dialplan gave the channel our UUID. `derived`: concluded by us, see consumer."""

    kind: ClassVar[str] = "call_began"
    call_id: UUID
    direction: str = "inbound"
    dialled: str | None = None
    number: str | None = None
    name: str | None = None
    withheld: bool = False
    source: str = "unknown"
    language: str | None = None
    derived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNodeEntered(CallEvent):
    """CC_IVR. `pressed` led to the node: a key, `t` silence, `i7` the key 7 the menu does not have,
    `r` another process went on there; empty when the flow came there by itself. `about` names what
    is heard there beside the flow's own words."""

    kind: ClassVar[str] = "flow_node_entered"
    node: str
    pressed: str = ""
    flow: str | None = None
    version: int | None = None
    node_type: str = ""
    language: str | None = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLeft(CallEvent):
    """CC_EXIT: the flow chose `next`; empty: Python died or was not there."""

    kind: ClassVar[str] = "flow_left"
    next: str = ""
    agi: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntered(CallEvent):
    """CC_QUEUE: Queue() is next. `priority` 1 to 20: before callers with less; None: as all.
    `position` (from 1) and `estimate_seconds` are what was foreseen for the caller, if anything."""

    kind: ClassVar[str] = "queue_entered"
    queue: str
    why: str = ""
    priority: int | None = None
    position: int | None = None
    estimate_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLeft(CallEvent):
    """CC_QUEUE_EXIT: Queue() gave the caller back; `status` is QUEUESTATUS."""

    kind: ClassVar[str] = "queue_left"
    queue: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegNamed(CallEvent):
    """CC_LEG: the channel was called into the call `call_id` by an act, and answered."""

    kind: ClassVar[str] = "leg_named"
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenHeld(CallEvent):
    """CC_HOLD: the citizen is put aside and hears music."""

    kind: ClassVar[str] = "citizen_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOn(CallEvent):
    """CC_PASSED: the agent `by` had the citizen sent on, unannounced; `to` an agent, a queue or a
    number of the directory."""

    kind: ClassVar[str] = "passed_on"
    by: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingBegan(CallEvent):
    """CC_RECORDING: both voices are written from now on (or from the bridge on)."""

    kind: ClassVar[str] = "recording_began"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBegan(CallEvent):
    """CC_VOICEMAIL: the tone was heard, the take `name` of a message begins.

    `reason` is why the caller was asked for one: closed, overflow, no_agents, failure, choice;
    empty in journals older than it.
    """

    kind: ClassVar[str] = "message_began"
    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEnded(CallEvent):
    """CC_VOICEMAIL_END: the take is over and the caller still there.

    `length_ms` is without the silence that ended it; None where Asterisk could not write.
    """

    kind: ClassVar[str] = "message_ended"
    name: str
    length_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandingOn(CallEvent):
    """CC_TRANSFER: the flow has another unit's number dialled."""

    kind: ClassVar[str] = "handing_on"
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackStep(CallEvent):
    """CC_CALLBACK: the citizen is dialled (`status` DIALLING), or what came of it: a DIALSTATUS, or
    LATE where it was not dialled any more. `callback` is a UUID as text, `cause` is Q.850."""

    kind: ClassVar[str] = "callback_step"
    callback: str
    status: str = ""
    cause: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertsMissed(CallEvent):
    """CC_EXPERT: no expert took the citizen; `extension` is the group's, without its asterisk."""

    kind: ClassVar[str] = "experts_missed"
    extension: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxBegan(CallEvent):
    """CC_FAX_BEGIN: SendFAX or ReceiveFAX is next. `fax` is a UUID as text; `way`: call (to the
    caller in this call), number (by a call of ours), in (it comes in)."""

    kind: ClassVar[str] = "fax_began"
    fax: str
    way: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaxEnded(CallEvent):
    """CC_FAX: how it went. `pages` that went over whole; `mode` is audio or T38."""

    kind: ClassVar[str] = "fax_ended"
    fax: str
    way: str = ""
    good: bool = False
    pages: int = 0
    mode: str = ""
    error: str = ""
    station: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHeard(CallEvent):
    """CC_ALERT, on the channel of somebody on call: `agent` picked up and is told of `alert` (our
    UUID as text); `acknowledged`: pressed 1."""

    kind: ClassVar[str] = "alert_heard"
    alert: str
    agent: str
    acknowledged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpyBegan(CallEvent):
    """CC_SPY, on the supervisor's own channel: from now on it hears `agent` in the call
    `spied_call` (our UUID as text). `mode`: listen, whisper or join."""

    kind: ClassVar[str] = "spy_began"
    spied_call: str
    agent: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver(CallEvent):
    """CC_TAKE_OVER: a supervisor has the caller brought to the phone `agent`."""

    kind: ClassVar[str] = "taken_over"
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyBegan(CallEvent):
    """CC_SURVEY: the agent has left, the caller is asked how it was."""

    kind: ClassVar[str] = "survey_began"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged(CallEvent):
    """Ours: Asterisk was seen to have changed the priority of a caller who waits; 0: as all."""

    kind: ClassVar[str] = "priority_changed"
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneHeld(CallEvent):
    """Ours: the phone of this leg put the others on hold by itself. Only AMI tells."""

    kind: ClassVar[str] = "phone_held"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRetrieved(CallEvent):
    """Ours: the phone of this leg took the others back."""

    kind: ClassVar[str] = "phone_retrieved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled(CallEvent):
    """Ours: Asterisk has no channel of this call any more, and the journal ends without saying so
    (Asterisk was killed, its disk was full)."""

    kind: ClassVar[str] = "reconciled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded(CallEvent):
    """Ours: the channel was given another UUID; `call_id` is the call it belongs to from now on."""

    kind: ClassVar[str] = "superseded"
    call_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LegMoved(CallEvent):
    """Ours: an attended transfer took the channel to the call `call_id`."""

    kind: ClassVar[str] = "leg_moved"
    call_id: UUID


KINDS: Final[dict[str, type[CallEvent]]] = {
    cls.kind: cls
    for cls in (
        ChannelStarted,
        ChannelAnswered,
        AppStarted,
        BridgeEntered,
        BridgeLeft,
        Transferred,
        ChannelHungUp,
        ChannelEnded,
        LinkedidEnded,
        CallBegan,
        FlowNodeEntered,
        FlowLeft,
        QueueEntered,
        QueueLeft,
        HandingOn,
        LegNamed,
        CitizenHeld,
        PassedOn,
        CallbackStep,
        ExpertsMissed,
        RecordingBegan,
        MessageBegan,
        FaxBegan,
        FaxEnded,
        MessageEnded,
        AlertHeard,
        SpyBegan,
        TakenOver,
        SurveyBegan,
        PriorityChanged,
        PhoneHeld,
        PhoneRetrieved,
        Reconciled,
        Superseded,
        LegMoved,
    )
}

_COLUMNS: Final = frozenset({"key", "at", "uniqueid", "linkedid"})

Event = TypeVar("Event", bound=CallEvent)


def to_detail(event: CallEvent) -> dict[str, Any]:
    """What `call_events.detail` holds: every field that is kept and has no column of its own."""
    detail: dict[str, Any] = {}
    for one in fields(event):
        if one.name not in _COLUMNS and one.metadata.get("stored", True):
            value = getattr(event, one.name)
            detail[one.name] = str(value) if isinstance(value, UUID) else value
    return detail


def from_stored(
    kind: str, *, key: bytes, at: datetime, uniqueid: str, linkedid: str, detail: Mapping[str, Any]
) -> CallEvent | None:
    """The event of a `call_events` row; None for a kind this version does not know."""
    cls = KINDS.get(kind)
    if cls is None:
        return None
    known = {one.name for one in fields(cls)} - _COLUMNS
    values = {name: value for name, value in detail.items() if name in known}
    if "call_id" in values:
        values["call_id"] = UUID(values["call_id"])
    return cls(key=key, at=at, uniqueid=uniqueid, linkedid=linkedid, **values)
