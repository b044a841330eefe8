"""Acts of supervisors, against an Asterisk that is written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from callcenter.agents.supervision import service as kinds
from callcenter.agents.supervision.model import Pickup
from callcenter.asterisk import supervision
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.errors import ActionRefused
from callcenter.asterisk.queue_order import (
    queue_prio,
)
from callcenter.asterisk.supervision import Supervision, auto_answer, spy_options
from callcenter.calls.events import CallEvent, PriorityChanged
from callcenter.switch.acts import Act, ActRefused, ActUnknown

pytestmark = pytest.mark.unit

SPYING = UUID(int=7)
CITIZEN, AGENT = "PJSIP/trunk-00000001", "PJSIP/1001-00000002"
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
#: QUEUE_PRIO of a caller with priority 3.
JOINED = int(NOW.timestamp() * 10)
PRIO = queue_prio(3, JOINED, JOINED - 600)


class Asterisk:
    """Channels by name, and what each action changes."""

    def __init__(self) -> None:
        self.channels: dict[str, dict[str, str]] = {
            CITIZEN: {"Uniqueid": "n1-1.1", "Context": "cc-queue"},
            AGENT: {"Uniqueid": "n1-1.2"},
        }
        self.queues: dict[str, list[dict[str, str]]] = {"q_general-en": [self._entry(str(PRIO))]}
        self.device = "NOT_INUSE"
        self.done: list[tuple[str, Mapping[str, Any]]] = []
        self.follows: Callable[[str, Mapping[str, Any]], None] = lambda _action, _headers: None
        self.variables: dict[str, str] = {"CC_WAIT_IN": "q_general-en"}

    @staticmethod
    def _entry(priority: str) -> dict[str, str]:
        return {
            "Channel": CITIZEN,
            "Queue": "q_general-en",
            "Position": "1",
            "Priority": priority,
        }

    async def action(self, action: str, headers: Mapping[str, Any], **_: Any) -> AmiMessage:
        if action == "Getvar":
            name = headers["Variable"]
            value = self.device if name.startswith("DEVICE_STATE") else self.variables.get(name, "")
            return AmiMessage((("Response", "Success"), ("Value", value)))
        channel = headers.get("Channel", "")
        if action in ("Redirect", "Hangup", "Setvar") and channel not in self.channels:
            raise ActionRefused(action, "No such channel")
        self.done.append((action, headers))
        if action == "Hangup":
            del self.channels[channel]
        self.follows(action, headers)
        return AmiMessage((("Response", "Success"),))

    async def list_action(
        self, action: str, headers: Mapping[str, Any] | None = None, **_: Any
    ) -> list[AmiMessage]:
        match action:
            case "CoreShowChannels":
                return [self._message("CoreShowChannel", name) for name in self.channels]
            case "Status":
                assert headers is not None
                if headers["Channel"] not in self.channels:
                    raise ActionRefused(action, "No such channel")
                return [self._message("Status", headers["Channel"])]
            case _:
                assert headers is not None
                waiting = self.queues.get(headers["Queue"], [])
                return [AmiMessage((("Event", "QueueEntry"), *entry.items())) for entry in waiting]

    def _message(self, event: str, name: str) -> AmiMessage:
        return AmiMessage((("Event", event), ("Channel", name), *self.channels[name].items()))


class Stage:
    def __init__(self) -> None:
        self.asterisk = Asterisk()
        self.noted: list[CallEvent] = []

        async def note(event: CallEvent) -> None:
            self.noted.append(event)

        ami = cast("AmiClient", self.asterisk)
        self.executors = Supervision(ami, note, lambda: NOW).executors()

    async def act(self, kind: str, **arguments: Any) -> dict[str, Any]:
        return await self.executors[kind](
            Act(act_id=3, kind=kind, arguments=arguments, wanted_by="ling", wanted_at=NOW)
        )

    async def spy(self, **change: Any) -> dict[str, Any]:
        wish = {
            "spying_call": str(SPYING),
            "phone": "1003",
            "agent": "1001",
            "mode": "listen",
            "call_id": str(UUID(int=1)),
            "uniqueid": "n1-1.2",
            "channel": AGENT,
        }
        return await self.act(kinds.SPY, **wish | change)

    def listening(self, mode: str = "listen") -> None:
        self.asterisk.variables["CC_SPY_AGENT"] = "1001"
        options = {str(one): word for one, word in spy_options().items()}[mode]
        self.asterisk.channels["PJSIP/1003-00000009"] = {
            "Uniqueid": f"spy-{SPYING}",
            "Application": "ChanSpy",
            "Data": f"{AGENT},{options}",
        }


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(supervision, "_AT_ONCE", timedelta())
    monkeypatch.setattr(kinds, "PICKUP_LIMIT", timedelta())
    return Stage()


async def test_the_phone_is_called_into_exactly_the_agent_s_channel(stage: Stage) -> None:
    stage.asterisk.follows = lambda action, _h: stage.listening() if action == "Originate" else None
    assert await stage.spy() == {"pickup": Pickup.CONNECTED}
    [(action, headers)] = stage.asterisk.done
    assert action == "Originate"
    assert (headers["Channel"], headers["ChannelId"]) == ("PJSIP/1003", f"spy-{SPYING}")
    assert (headers["Context"], headers["Exten"]) == ("cc-spy", "listen")
    assert f"CC_SPY_CHANNEL={AGENT}" in headers["Variable"]


async def test_only_a_phone_that_shall_answer_by_itself_is_asked_to(stage: Stage) -> None:
    stage.asterisk.follows = lambda action, _h: stage.listening() if action == "Originate" else None
    await stage.spy()
    told = stage.asterisk.done.pop()[1]["Variable"]
    assert not [one for one in told if one.startswith("PJSIP_HEADER")]
    del stage.asterisk.channels["PJSIP/1003-00000009"]
    await stage.spy(auto_answer=True)
    assert set(auto_answer()) < set(stage.asterisk.done[-1][1]["Variable"])


async def test_a_phone_that_is_not_picked_up_yet_rings(stage: Stage) -> None:
    def rings(action: str, _headers: Mapping[str, Any]) -> None:
        stage.asterisk.channels["PJSIP/1003-00000009"] = {"Uniqueid": f"spy-{SPYING}"}

    stage.asterisk.follows = rings
    assert await stage.spy() == {"pickup": Pickup.RINGING}


async def test_nobody_is_called_for_an_agent_who_has_left_the_call(stage: Stage) -> None:
    stage.asterisk.channels[AGENT]["Uniqueid"] = "n1-9.9"
    with pytest.raises(ActRefused, match="not in that call"):
        await stage.spy()
    assert stage.asterisk.done == []


@pytest.mark.parametrize("device", ["UNAVAILABLE", "INVALID", "INUSE", "BUSY", "RINGING", ""])
async def test_only_a_phone_that_is_there_and_free_is_called(stage: Stage, device: str) -> None:
    stage.asterisk.device = device
    with pytest.raises(ActRefused, match="cannot be called"):
        await stage.spy()
    assert stage.asterisk.done == []


async def test_a_phone_in_a_call_is_left_alone(stage: Stage) -> None:
    stage.asterisk.channels["PJSIP/1003-00000005"] = {"Uniqueid": "n1-1.5"}
    with pytest.raises(ActRefused, match="is in a call"):
        await stage.spy()


async def test_a_mode_that_was_not_seen_to_change_is_not_told_as_done(stage: Stage) -> None:
    stage.listening()
    wish = {"spying_call": str(SPYING), "phone": "1003", "channel": AGENT, "mode": "join"}
    with pytest.raises(ActUnknown):
        await stage.act(kinds.SPY_MODE, **wish)
    stage.asterisk.follows = lambda _action, _headers: stage.listening("join")
    assert await stage.act(kinds.SPY_MODE, **wish) == {"pickup": Pickup.CONNECTED}


async def test_only_the_phone_that_hears_this_agent_is_hung_up(stage: Stage) -> None:
    stage.listening()
    with pytest.raises(ActRefused, match="does not hear agent 1002"):
        await stage.act(kinds.SPY_STOP, phone="1003", agent="1002")
    await stage.act(kinds.SPY_STOP, phone="1003", agent="1001")
    assert "PJSIP/1003-00000009" not in stage.asterisk.channels
    with pytest.raises(ActRefused):
        await stage.act(kinds.SPY_STOP, phone="1003", agent="1001")


async def test_who_listens_and_takes_over_stops_listening_first(stage: Stage) -> None:
    stage.listening()

    def talks(action: str, headers: Mapping[str, Any]) -> None:
        if action == "Redirect":
            assert "PJSIP/1003-00000009" not in stage.asterisk.channels
            assert (headers["Context"], headers["Exten"]) == ("cc-take-over", "1003")
            stage.asterisk.channels[CITIZEN] |= {"Context": "cc-take-over", "BridgeID": "b"}

    stage.asterisk.follows = talks
    wish = {"call_id": str(UUID(int=1)), "uniqueid": "n1-1.1", "phone": "1003"}
    assert await stage.act(kinds.TAKE_OVER, **wish) == {"pickup": Pickup.CONNECTED}
    assert await stage.act(kinds.TAKE_OVER, **wish, auto_answer=True)
    told = [h for action, h in stage.asterisk.done if action == "Setvar"]
    # Told each time: the caller may have been taken over before.
    assert [(h["Variable"], h["Value"]) for h in told] == [
        ("CC_AUTO_ANSWER", ""),
        ("CC_AUTO_ANSWER", "yes"),
    ]


async def test_who_is_still_in_the_bridge_with_the_agent_is_not_at_the_phone(stage: Stage) -> None:
    stage.asterisk.channels[CITIZEN]["BridgeID"] = "with the agent"

    def led(action: str, _headers: Mapping[str, Any]) -> None:
        if action == "Redirect":
            stage.asterisk.channels[CITIZEN]["Context"] = "cc-take-over"

    stage.asterisk.follows = led
    wish = {"call_id": str(UUID(int=1)), "uniqueid": "n1-1.1", "phone": "1003"}
    assert await stage.act(kinds.TAKE_OVER, **wish) == {"pickup": Pickup.RINGING}


async def test_a_call_that_came_back_to_the_queue_was_not_taken_over(stage: Stage) -> None:
    wish = {"call_id": str(UUID(int=1)), "uniqueid": "n1-1.1", "phone": "1003"}
    with pytest.raises(ActRefused, match="back in the queue"):
        await stage.act(kinds.TAKE_OVER, **wish)
    del stage.asterisk.channels[CITIZEN]
    with pytest.raises(ActRefused, match="hung up"):
        await stage.act(kinds.TAKE_OVER, **wish)


async def test_a_conversation_is_not_broken_for_a_phone_that_is_not_there(stage: Stage) -> None:
    stage.asterisk.device = "UNAVAILABLE"
    wish = {"call_id": str(UUID(int=1)), "uniqueid": "n1-1.1", "phone": "1003"}
    with pytest.raises(ActRefused):
        await stage.act(kinds.TAKE_OVER, **wish)
    assert stage.asterisk.done == []


MOVE = {
    "call_id": str(UUID(int=1)),
    "uniqueid": "n1-1.1",
    "from": "general",
    "to": "legal",
}


async def test_a_waiting_caller_is_led_to_the_other_queue(stage: Stage) -> None:
    def moves(action: str, _headers: Mapping[str, Any]) -> None:
        if action == "Redirect":
            stage.asterisk.queues["q_legal"] = stage.asterisk.queues.pop("q_general-en")
            stage.asterisk.variables["CC_WAIT_IN"] = "q_legal"

    stage.asterisk.follows = moves
    assert await stage.act(kinds.MOVE, **MOVE) == {"position": 1, "priority": 3}
    set_to = {h["Variable"]: h["Value"] for action, h in stage.asterisk.done if action == "Setvar"}
    # The place comes along by itself: CC_PRIORITY and CC_JOINED stay on the channel.
    assert set_to == {"CC_MOVE_TO": "legal"}


async def test_a_caller_who_waits_there_no_more_is_not_touched(stage: Stage) -> None:
    stage.asterisk.queues.clear()
    with pytest.raises(ActRefused, match="does not wait"):
        await stage.act(kinds.MOVE, **MOVE)
    assert stage.asterisk.done == []


async def test_a_move_that_was_not_seen_is_unknown(stage: Stage) -> None:
    with pytest.raises(ActUnknown):
        await stage.act(kinds.MOVE, **MOVE)


PRIORITY = {
    "call_id": str(UUID(int=1)),
    "uniqueid": "n1-1.1",
    "linkedid": "n1-1.1",
    "queue": "general",
    "priority": 9,
}


async def test_a_priority_is_read_back_and_told_to_the_call(stage: Stage) -> None:
    def changes(action: str, headers: Mapping[str, Any]) -> None:
        if action == "QueueChangePriorityCaller":
            assert (headers["Queue"], headers["Caller"]) == ("q_general-en", CITIZEN)
            assert headers["Priority"] == str(queue_prio(9, JOINED, JOINED - 600))
            stage.asterisk.queues["q_general-en"][0]["Priority"] = headers["Priority"]

    stage.asterisk.follows = changes
    assert await stage.act(kinds.PRIORITY, **PRIORITY) == {"position": 1, "priority": 9}
    [event] = stage.noted
    assert isinstance(event, PriorityChanged)
    assert (event.uniqueid, event.priority, event.at) == ("n1-1.1", 9, NOW)
    set_to = {h["Variable"]: h["Value"] for action, h in stage.asterisk.done if action == "Setvar"}
    assert set_to["CC_PRIORITY"] == "9", "the caller's next queue knows it too"


async def test_a_priority_that_asterisk_does_not_show_is_no_priority(stage: Stage) -> None:
    with pytest.raises(ActUnknown):
        await stage.act(kinds.PRIORITY, **PRIORITY)
    assert stage.noted == []
