"""What Asterisk is asked to place a callback, and what it says of its queues."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.asterisk.callback import originate, queues_of
from callcenter.asterisk.channel_ids import callback_call_of
from callcenter.queues.callbacks.dialler import CallbackCall, QueueNow

pytestmark = pytest.mark.unit

NOW = datetime(2026, 3, 2, 9, 0, 0, 250_000, tzinfo=UTC)
CALL = CallbackCall(
    callback_id=UUID(int=1),
    call_id=UUID(int=2),
    number="+8613800138000",
    dialled="13800138000",
    line="12345",
    queue="general",
    language="zh",
    priority=None,
    joined_at=NOW,
    wait=timedelta(hours=4),
    ring=timedelta(seconds=45),
    until=NOW + timedelta(hours=4),
    asked_at=NOW,
)


def test_the_placeholder_has_our_ids_and_waits_unanswered() -> None:
    asked = originate(CALL)
    assert asked["Channel"] == "Local/s@cc-callback/n"
    assert asked["ChannelId"] == f"callback-{UUID(int=2)}"
    assert asked["OtherChannelId"] == f"callback-{UUID(int=2)}-q"
    assert (asked["Context"], asked["Exten"], asked["Priority"]) == ("cc-callback-dial", "s", "1")
    assert asked["Async"] == "true"


def test_its_place_is_told_in_milliseconds_and_its_limits_in_seconds() -> None:
    told = dict(one.split("=", 1) for one in originate(CALL)["Variable"])
    assert told["CC_JOINED"] == "1772442000250"
    assert (told["CC_ASKED"], told["CC_UNTIL"]) == ("1772442000", "1772456400")
    assert (told["CC_WAIT"], told["CC_RING"]) == ("14400", "45")
    assert (told["CC_PRIORITY"], told["CC_QUEUE"]) == ("", "general")
    assert told["__CC_CALL_ID"] == str(UUID(int=2)), "the citizen's leg belongs to the call"
    first = dict(one.split("=", 1) for one in originate(replace(CALL, priority=9))["Variable"])
    assert first["CC_PRIORITY"] == "9"


@pytest.mark.parametrize("suffix", ["", "-q"])
def test_a_restarted_node_knows_its_placeholders_again(suffix: str) -> None:
    assert callback_call_of(f"callback-{UUID(int=2)}{suffix}") == UUID(int=2)


@pytest.mark.parametrize("uniqueid", ["", "node1-1.2", "callback-", "callback-x-q", "fax-1"])
def test_other_channels_are_none(uniqueid: str) -> None:
    assert callback_call_of(uniqueid) is None


@pytest.mark.parametrize(
    ("status", "somebody"),
    [("0", False), ("1", True), ("2", True), ("4", False), ("5", False), ("6", True), ("", False)],
)
def test_a_queue_serves_somebody_where_a_phone_is_there(status: str, somebody: bool) -> None:
    events = [
        {"Event": "QueueParams", "Queue": "q_general", "Max": "0", "Calls": "9"},
        {"Event": "QueueMember", "Queue": "q_general", "Status": status, "Paused": "1"},
        {"Event": "QueueEntry", "Queue": "q_general"},
    ]
    assert queues_of(events) == {"general": QueueNow(somebody=somebody, room=True)}


def test_the_queues_of_a_queues_languages_are_one() -> None:
    events = [
        {"Event": "QueueParams", "Queue": "q_general", "Max": "2", "Calls": "1"},
        {"Event": "QueueParams", "Queue": "q_general-en", "Max": "2", "Calls": "2"},
        {"Event": "QueueMember", "Queue": "q_general-en", "Status": "1"},
    ]
    assert queues_of(events) == {"general": QueueNow(somebody=True, room=False)}


def test_a_full_queue_has_no_room() -> None:
    def queue(calls: str) -> bool:
        event = {"Event": "QueueParams", "Queue": "q_general", "Max": "2", "Calls": calls}
        return queues_of([event])["general"].room

    assert queue("1")
    assert not queue("2")
