"""A call told in words: what mattered, when, for a reader who knows no Asterisk.

Pure: derived from the stored records through the same fold as the rows, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from callcenter.calls import facts as fa
from callcenter.calls.events import CallEvent
from callcenter.calls.facts import Fact
from callcenter.calls.fold import apply, begin
from callcenter.calls.model import DoorStep, agent_of


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """`kind` is the fact's stable name, `detail` a sentence."""

    at: datetime
    kind: str
    detail: str


_LED_BY: Final = {
    "key": "by pressing {key}",
    "silence": "after nothing was pressed",
    "wrong_key": "again, after {key}, a key the menu does not have",
    "resumed": "again, after our process was lost",
}
_DOOR: Final[dict[str, str]] = {
    DoorStep.BLOCKED: "Was told that the number is blocked, and of the emergency key.",
    DoorStep.EMERGENCY: "Pressed the emergency key: served as anybody.",
    DoorStep.PRIORITY: "Is on the priority list.",
    DoorStep.NOTICE: "Was told that the call is recorded.",
    DoorStep.WELCOME: "Was welcomed.",
    DoorStep.CLOSED: "Was told that the line is closed now.",
    ".survey_solved": "Was asked whether the matter is solved.",
    ".survey_satisfied": "Was asked whether the service was good.",
    ".callback": "Was offered to be called back.",
}
_WHY: Final = {
    "flow": "chosen in the menu",
    "failover": "because our flow did not answer",
    "direct": "the line has no menu",
    "transfer": "transferred by an agent",
    "message": "in place of a message",
    "supervisor": "put there by a supervisor",
    "survey": "asked for a person after the conversation",
    "overflow": "given up by another queue",
    "back": "back at the place the caller had",
    "callback": "in the place of a citizen who is called back",
}
_STATUS: Final = {
    "TIMEOUT": "waited as long as is allowed",
    "FULL": "too many were waiting already",
    "JOINEMPTY": "no agent was there",
    "LEAVEEMPTY": "the last agent left",
    "JOINUNAVAIL": "no agent was available",
    "LEAVEUNAVAIL": "no agent was available any more",
    "CONTINUE": "the conversation was over",
    "WITHDRAW": "taken out by a supervisor",
    "KEY": "would rather be called back",
}
_NOT_REACHED: Final = {
    "BUSY": "the number was engaged",
    "NOANSWER": "nobody answered",
    "CANCEL": "the agent hung up first",
    "CHANUNAVAIL": "the network had no way to the number",
    "CONGESTION": "the network had no way to the number",
    "LATE": "it was too late in the day to call",
}
_FAX_STARTS: Final = {
    "call": "A fax to the caller began in this call.",
    "number": "The machine answered; the fax began.",
    "in": "A fax machine was calling; its fax began to come in.",
}
_ENDS: Final = {
    "answered": "The call ended after a conversation",
    "abandoned": "The caller gave up",
    "self_served": "The call ended; the caller was served by the machine",
    "voicemail": "The call ended with a message",
    "fax": "The call ended after a fax",
    "callback_requested": "The call ended; the caller is to be called back",
    "overflowed": "The call ended without anybody having been free",
    "blocked": "The call ended at the door; the number is on the nuisance list",
    "failed": "The call ended before it could be served",
}
_SPIES: Final = {"listen": "listens to", "whisper": "whispers to", "join": "talks with"}
_BY: Final = {"caller": "the caller hung up", "agent": "the agent hung up", "system": "ended by us"}


def timeline(call_id: UUID, node: str, events: Iterable[CallEvent]) -> list[TimelineItem]:
    """What mattered of these records (in stored order), by time."""
    items: list[TimelineItem] = []
    call = None
    for event in events:
        call, facts = apply(call or begin(call_id, node, event), event)
        for fact in facts:
            of_ours = call.calls_back and isinstance(fact, fa.CallAnswered)
            words = "An agent took the callback." if of_ours else _words(fact)
            items.append(TimelineItem(fact.at, fact.kind, words))
    if call is not None and items and items[0].kind == fa.CallStarted.kind:
        # The record of our UUID is younger than the channel's beginning.
        items[0] = TimelineItem(call.started_at, items[0].kind, items[0].detail)
    return sorted(items, key=lambda item: item.at)


def _who(agent: str | None) -> str:
    return f"Agent {agent}" if agent else "The other unit"


def _words(fact: Fact) -> str:
    match fact:
        case fa.CallStarted():
            if fact.direction == "outbound":
                return "We called out."
            if fact.direction != "inbound":
                return "An agent began a call."
            return f"A call to {fact.line} arrived." if fact.line else "A call arrived."
        case fa.CallAnswered():
            return "The hotline answered."
        case fa.NodeEntered() if fact.node in _DOOR:
            return _DOOR[fact.node]
        case fa.NodeEntered():
            way = _LED_BY.get(fact.led_by)
            if way is None:
                return f"Heard '{fact.node}'."
            return f"Came to '{fact.node}' {way.format(key=fact.key)}."
        case fa.FlowFailed():
            return "The flow broke off without saying where the call goes."
        case fa.CallerQueued():
            why = _WHY.get(fact.why)
            return f"Began to wait in queue '{fact.queue}'" + (f" ({why})." if why else ".")
        case fa.CallerLeftQueue():
            why = _STATUS.get(fact.status, fact.status or "the queue could not be entered")
            return f"Left queue '{fact.queue}' without a conversation: {why}."
        case fa.AgentRang():
            return f"The phone of agent {fact.agent} rang."
        case fa.AgentAnswered():
            return f"Agent {fact.agent} answered; the two hear each other."
        case fa.AgentTalkEnded():
            return f"Agent {fact.agent} left the conversation after {fact.talk_ms / 1000:.0f} s."
        case fa.AgentDidNotAnswer():
            return f"Agent {fact.agent} did not answer."
        case fa.AgentWasEngaged():
            return f"Agent {fact.agent} had another call already: this one was taken back unheard."
        case fa.CallTransferred():
            how = "after asking" if fact.attended else "without asking"
            to = agent_of(fact.to) or fact.to
            return f"Agent {fact.agent or 'unknown'} transferred the call to {to} {how}."
        case fa.NoExpertTook():
            return f"No expert of *{fact.extension} took the citizen: the group owes a call."
        case fa.CallHandedOn():
            return f"Handed on to {fact.to}."
        case fa.OtherUnitAnswered():
            return "The other unit answered; the two hear each other."
        case fa.UnitReached():
            return f"{fact.to} has taken the caller, whom agent {fact.by} passed on."
        case fa.UnitLeft():
            if fact.talked_ms is None:
                return f"{fact.to} did not take the caller."
            return f"{fact.to} left after {fact.talked_ms / 1000:.0f} s."
        case fa.PartyCalled():
            who = f"agent {fact.agent}" if fact.agent else "another unit"
            return f"The act of an agent calls {who} in."
        case fa.PartyAnswered():
            return f"{_who(fact.agent)} answered and hears the others."
        case fa.PartyLeft():
            left = "left the conversation" if fact.answered else "did not answer"
            return f"{_who(fact.agent)} {left}."
        case fa.CallerHeld():
            return "The caller was put aside, with music."
        case fa.CallerRetrieved():
            return "The caller is not put aside any more."
        case fa.PhoneHolds():
            return f"Agent {fact.agent} held the others, by the phone."
        case fa.PhoneHoldEnded():
            return f"Agent {fact.agent} took the others back after {fact.held_ms / 1000:.0f} s."
        case fa.CallJoined():
            return f"The conversation became part of call {fact.into}."
        case fa.AlertTold():
            did = "acknowledged the alert" if fact.acknowledged else "is told of the alert"
            return f"Agent {fact.agent}, on call, {did} {fact.alert}."
        case fa.SpyingBegan():
            how = _SPIES.get(fact.mode, fact.mode)
            return f"Phone {fact.phone} {how} agent {fact.agent} in call {fact.spied_call}."
        case fa.CallTakenOver():
            return f"A supervisor took the call over: phone {fact.agent} rings."
        case fa.SurveyStarted():
            return "The agent has hung up; the caller is asked how it was."
        case fa.CallerPriorityChanged():
            return f"A supervisor changed the priority to {fact.priority}."
        case fa.CitizenDialled():
            return "The citizen is called back."
        case fa.CitizenReached():
            return "The citizen answered; the two hear each other."
        case fa.CitizenNotReached():
            why = _NOT_REACHED.get(fact.status, fact.status or "the call broke off")
            return f"The citizen was not reached: {why}."
        case fa.RecordingStarted():
            if fact.recording_kind == "voicemail":
                return "The caller was asked to leave a message."
            return "Recording was switched on for the conversation."
        case fa.MessageLeft():
            return "The caller's message is kept."
        case fa.FaxStarted():
            return _FAX_STARTS.get(fact.way, "A fax began.")
        case fa.FaxFinished():
            over = {"": "", "audio": " (G.711)", "T38": " (T.38)"}.get(fact.mode, f" ({fact.mode})")
            if fact.good:
                return f"The fax is over: {fact.pages} page(s) went over{over}."
            return f"The fax failed after {fact.pages} page(s){over}: {fact.error or 'no reason'}."
        case fa.CallEnded():
            end = _ENDS.get(fact.disposition, f"The call ended: {fact.disposition}")
            if fact.reconciled:
                return f"{end}: Asterisk no longer had it, and its journal does not say when."
            return f"{end}: {_BY[fact.hangup_by]}."
    return fact.kind
