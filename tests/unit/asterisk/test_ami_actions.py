"""Actions on their way out: one action in, one action on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.asterisk.ami.messages import encode_action
from callcenter.asterisk.ami.pending import PendingActions
from callcenter.asterisk.errors import LinkLost, UnsafeValue

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("control", [chr(code) for code in (*range(32), 127)])
def test_no_control_character_reaches_the_wire(control: str) -> None:
    for action, headers in [
        ("QueuePause", {"Reason": f"lunch{control}x"}),
        ("QueuePause", {f"Rea{control}son": "lunch"}),
        (f"Queue{control}Pause", {"Reason": "lunch"}),
        ("Originate", {"Variable": ["a=1", f"b={control}"]}),
    ]:
        with pytest.raises(UnsafeValue):
            encode_action(action, "cc-1-1", headers)


@given(st.text(max_size=60), st.text(max_size=200))
def test_whatever_is_asked_for_is_one_action_or_refused(key: str, value: str) -> None:
    try:
        wire = encode_action("QueuePause", "cc-1-1", {key: value})
    except UnsafeValue:
        return
    assert wire.count(b"\r\n\r\n") == 1
    assert wire.endswith(b"\r\n\r\n")
    assert wire.count(b"Action: ") == 1 + (f"{key}: {value}".count("Action: "))
    assert len(wire.split(b"\r\n")) == 5


@pytest.mark.parametrize("key", ["Action", "actionid", "ActionID", "", "A:b", "A b"])
def test_a_header_that_is_ours_or_no_name_is_refused(key: str) -> None:
    with pytest.raises(UnsafeValue):
        encode_action("Ping", "cc-1-1", {key: "x"})


def test_a_line_longer_than_asterisk_reads_is_refused() -> None:
    with pytest.raises(UnsafeValue):
        encode_action("Originate", "cc-1-1", {"Variable": "x" * 1000})
    with pytest.raises(UnsafeValue):
        encode_action("Originate", "cc-1-1", {"Variable": "\ud800"})


def test_repeated_headers_and_numbers_are_written_in_order() -> None:
    wire = encode_action("Originate", "cc-1-1", {"Variable": ["a=1", "b=2"], "Timeout": 3000})
    assert wire == (
        b"Action: Originate\r\nActionID: cc-1-1\r\n"
        b"Variable: a=1\r\nVariable: b=2\r\nTimeout: 3000\r\n\r\n"
    )


async def test_an_answer_that_is_due_with_its_time_limit_counts() -> None:
    pending = PendingActions()
    future = pending.expect("cc-1-1", "Ping", is_list=False, complete_event=None)
    future.set_result([])
    pending.expire("cc-1-1", 2.0)
    assert await future == []


async def test_everything_in_flight_ends_when_the_link_does() -> None:
    pending = PendingActions()
    futures = [
        pending.expect(f"cc-1-{n}", "Originate", is_list=bool(n % 2), complete_event=None)
        for n in range(10)
    ]
    pending.fail_all("gone")
    for future in futures:
        with pytest.raises(LinkLost, match="gone"):
            await future
