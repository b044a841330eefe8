"""What agents' phones do, read from AMI; and what agents dial."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callcenter.agents.sessions.model import Act, Line, Wish
from callcenter.asterisk.agent_codes import read_wish
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.desk_phones import DeskPhones, ringing_channels

pytestmark = pytest.mark.unit


def message(name: str, **headers: str) -> AmiMessage:
    return AmiMessage((("Event", name), *headers.items()))


def device(state: str, agent_id: str = "1001") -> AmiMessage:
    return message("DeviceStateChange", Device=f"PJSIP/{agent_id}", State=state)


def channel(name: str, state: str) -> AmiMessage:
    return message("CoreShowChannel", Channel=name, ChannelStateDesc=state)


@pytest.fixture
def phones() -> DeskPhones:
    phones = DeskPhones()
    phones.on_device(device("NOT_INUSE"))
    return phones


def test_a_phone_is_there_unless_asterisk_cannot_reach_it(phones: DeskPhones) -> None:
    assert phones.of("1001").is_there
    assert phones.on_device(device("UNAVAILABLE")) == "1001"
    assert not phones.of("1001").is_there
    assert not phones.of("1002").is_there, "nobody ever heard of it"
    assert phones.on_device(message("DeviceStateChange", Device="Queue:q_general_avail")) is None


def test_a_call_of_a_queue_rings_is_talked_and_is_over(phones: DeskPhones) -> None:
    about = {"Interface": "PJSIP/1001", "Queue": "q_general"}
    phones.on_queue_call(message("AgentCalled", **about))
    assert phones.of("1001").line is Line.RINGING
    assert phones.of("1001").queue == "general"
    phones.on_queue_call(message("AgentConnect", **about))
    assert phones.of("1001").line is Line.TALKING
    own = {"Channel": "PJSIP/1001-00000001"}
    phones.on_hold(message("Hold", **own))
    assert phones.of("1001").line is Line.HOLDING
    phones.take_channels([channel("PJSIP/1001-00000001", "Up")])
    assert phones.of("1001").line is Line.HOLDING, "a list does not tell"
    phones.on_hold(message("Unhold", **own))
    phones.on_device(device("NOT_INUSE"))
    assert phones.of("1001").line is Line.FREE


@pytest.mark.parametrize(
    ("states", "line"),
    [
        (["Ringing"], Line.RINGING),
        (["Down"], Line.RINGING),
        (["Up"], Line.TALKING),
        (["Ring"], Line.TALKING),
        (["Up", "Ringing"], Line.TALKING),
        ([], Line.FREE),
    ],
)
def test_a_phone_in_use_without_a_word_is_looked_up(
    phones: DeskPhones, states: list[str], line: Line
) -> None:
    phones.on_device(device("BUSY"))
    assert phones.unclear(["1001"])
    phones.take_channels([channel(f"PJSIP/1001-0000000{n}", s) for n, s in enumerate(states)])
    assert not phones.unclear(["1001"])
    assert phones.of("1001").line is line


def test_a_feature_code_is_no_call(phones: DeskPhones) -> None:
    phones.on_device(device("BUSY"))
    phones.on_code("1001")
    phones.take_channels([channel("PJSIP/1001-00000001", "Up")])
    assert phones.of("1001").line is Line.FREE
    phones.on_device(device("NOT_INUSE"))
    phones.on_device(device("BUSY"))
    assert phones.unclear(["1001"]), "the next one may be"


def test_a_phone_missing_from_the_list_was_never_there(phones: DeskPhones) -> None:
    phones.take_devices([device("NOT_INUSE", "1002")])
    assert not phones.of("1001").is_there
    assert phones.of("1002").is_there


def test_only_the_rings_of_phones_that_are_gone_are_ended() -> None:
    channels = [
        channel("PJSIP/1001-00000001", "Ringing"),
        channel("PJSIP/1001-00000002", "Up"),
        channel("PJSIP/1002-00000003", "Ringing"),
        channel("PJSIP/trunk-00000004", "Ringing"),
    ]
    assert ringing_channels(channels, {"1001"}) == ["PJSIP/1001-00000001"]
    phones = DeskPhones()
    for status, gone in (("Unreachable", "1001"), ("Removed", "1001"), ("Reachable", None)):
        event = message("ContactStatus", EndpointName="1001", ContactStatus=status)
        assert phones.on_contact(event) == gone
    trunk = message("ContactStatus", EndpointName="trunk", ContactStatus="Unreachable")
    assert phones.on_contact(trunk) is None


def test_a_note_of_a_feature_code_is_read_with_distrust() -> None:
    assert read_wish("1767225600123:paused:meal") == Wish(
        act=Act.PAUSE,
        at=datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC),
        by="phone",
        reason="meal",
    )
    ready = read_wish("1767225600123:ready:")
    assert ready is not None
    assert ready.reason is None
    for odd in ("", ":", "x:ready:", "-1:ready:", "9" * 20 + ":ready:", "1:talking:", "1"):
        assert read_wish(odd) is None
