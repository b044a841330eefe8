"""Two calls at once are found in what SIPp wrote down, and only there."""

from __future__ import annotations

import pytest

from callcenter.testing.dialogs import dialogs, two_at_once

pytestmark = pytest.mark.unit


def log(*messages: tuple[str, str, str]) -> str:
    """Of (first line, From, Call-ID)."""
    return "".join(
        f"----------------------------------------------- 2026-11-25T09:00:{number:02}.000000Z\n"
        f"UDP message received [300] bytes:\n\n{first}\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n"
        f"From: <sip:{caller}@127.0.0.1>;tag=1\r\nCall-ID: {call}\r\nCSeq: 1 X\r\n\r\n"
        for number, (first, caller, call) in enumerate(messages)
    )


def invite(phone: str, call: str, caller: str = "139") -> tuple[str, str, str]:
    return f"INVITE sip:{phone}@127.0.0.3:5070 SIP/2.0", caller, call


def bye(phone: str, call: str) -> tuple[str, str, str]:
    return f"BYE sip:{phone}@127.0.0.3:5070 SIP/2.0", "139", call


def test_one_call_after_another_is_one_at_a_time() -> None:
    messages = log(invite("1001", "a"), bye("1001", "a"), invite("1001", "b"), bye("1001", "b"))
    assert [one.call_id for one in dialogs(messages)] == ["a", "b"]
    assert two_at_once(messages) == []


def test_an_invite_before_the_others_bye_is_two_at_once() -> None:
    messages = log(invite("1001", "a", "138"), invite("1001", "b"), bye("1001", "a"))
    ((one, two),) = two_at_once(messages)
    assert (one.call_id, two.call_id) == ("a", "b")
    assert str(one) == "2026-11-25T09:00:00.000000Z <sip:138 to 1001"


def test_a_call_that_was_not_seen_to_end_is_still_there() -> None:
    assert len(two_at_once(log(invite("1001", "a"), invite("1001", "b")))) == 1


def test_another_phone_is_no_matter() -> None:
    assert two_at_once(log(invite("1001", "a"), invite("1002", "b"))) == []


def test_a_hold_and_a_message_sent_again_begin_no_call() -> None:
    messages = log(invite("1001", "a"), invite("1001", "a"), bye("1001", "a"), invite("1001", "b"))
    assert len(dialogs(messages)) == 2
    assert two_at_once(messages) == []


@pytest.mark.parametrize("end", ["BYE sip:139@127.0.0.1", "CANCEL sip:1001@127.0.0.3"])
def test_either_side_ends_it(end: str) -> None:
    assert two_at_once(log(invite("1001", "a"), (end, "139", "a"), invite("1001", "b"))) == []
