"""What a conversation allows, and what is refused with what is allowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from callcenter.agents.in_call.model import (
    Act,
    CallNow,
    LegNow,
    NotNow,
    Party,
    PauseNow,
    Purpose,
    Target,
    checked_digits,
)
from callcenter.asterisk.in_call import originate
from callcenter.platform.errors import InvalidField

pytestmark = pytest.mark.unit

AT = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)
CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
TALK = CallNow(
    call_id=CALL,
    direction="inbound",
    line="12345",
    caller_number="+8613800138000",
    ended=False,
    citizen=LegNow(uniqueid="n-1.0"),
    talking=(LegNow(uniqueid="n-1.1", agent="1001"),),
    recording=True,
)


def party(purpose: Purpose, **change: Any) -> Party:
    values: dict[str, Any] = {
        "number": 1,
        "uniqueid": f"leg-{CALL}-1",
        "purpose": purpose,
        "agent": "1002",
        "directory": None,
        "name": "1002",
        "officer": "",
        "wanted_by": "ling",
        "wanted_at": AT,
        "began_at": AT,
    }
    return Party(**(values | change))


def test_an_agent_who_talks_may_put_aside_pass_on_call_in_and_pause() -> None:
    assert set(TALK.allowed()) == {
        *(Act.HOLD, Act.TRANSFER, Act.THREE_WAY, Act.CONFERENCE, Act.CALL_OUT, Act.EMERGENCY),
        *(Act.DTMF, Act.PAUSE),
    }


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(replace(TALK, ended=True), id="over"),
        pytest.param(replace(TALK, talking=()), id="nobody talks"),
        pytest.param(replace(TALK, direction="internal"), id="between agents"),
    ],
)
def test_no_conversation_allows_nothing_and_says_so(call: CallNow) -> None:
    with pytest.raises(NotNow, match="does not allow hold now; allowed: nothing"):
        call.must_allow(Act.HOLD)


def test_a_consultation_is_completed_once_answered_and_cancelled_at_any_time() -> None:
    rings = replace(TALK, held_since=AT, parties=(party(Purpose.CONSULTATION),))
    assert Act.CANCEL in rings.allowed()
    assert Act.COMPLETE not in rings.allowed()
    asked = replace(rings, parties=(party(Purpose.CONSULTATION, answered_at=AT),))
    assert Act.COMPLETE in asked.allowed()
    assert Act.TRANSFER not in asked.allowed()
    with pytest.raises(NotNow, match="complete, cancel"):
        asked.must_allow(Act.UNHOLD)
    done = replace(TALK, parties=(party(Purpose.CONSULTATION, answered_at=AT, joined_at=AT),))
    assert done.consultation is None
    assert Act.TRANSFER in done.allowed()


def test_who_is_put_aside_comes_back_before_others_come_in() -> None:
    held = replace(TALK, held_since=AT)
    assert Act.UNHOLD in held.allowed()
    assert Act.HOLD not in held.allowed()
    assert Act.THREE_WAY not in held.allowed()


def test_a_call_takes_so_many_people_and_no_more() -> None:
    officers = tuple(
        party(Purpose.THREE_WAY, number=n, agent=None, directory="12") for n in range(1, 5)
    )
    assert Act.THREE_WAY in replace(TALK, parties=officers[:3]).allowed()
    assert Act.THREE_WAY not in replace(TALK, parties=officers).allowed()


def test_a_recording_is_paused_once() -> None:
    pause = PauseNow(began_at=AT, began_by="ling", reason="id", until_at=AT)
    assert Act.RESUME in replace(TALK, pause=pause).allowed()
    assert Act.PAUSE not in replace(TALK, pause=pause).allowed()
    assert Act.PAUSE not in replace(TALK, recording=False).allowed()


@pytest.mark.parametrize("to", [{}, {"agent": "1001", "queue": "legal"}])
def test_a_transfer_names_one_target(to: dict[str, str]) -> None:
    with pytest.raises(InvalidField, match="exactly one"):
        Target(**to)


@pytest.mark.parametrize("digits", ["", "1" * 17, "12a", "１２", "1\n"])
def test_other_keys_than_a_phones_are_refused_unrepeated(digits: str) -> None:
    with pytest.raises(InvalidField) as refused:
        checked_digits(digits)
    assert not digits.strip() or digits not in refused.value.message


def said(**change: Any) -> dict[str, Any]:
    values = {
        "call_id": str(CALL),
        "leg": f"leg-{CALL}-1",
        "endpoint": None,
        "dialled": "053188880001",
        "caller_id": "12345",
        "asserted": None,
        "hidden": False,
    }
    return values | change


def test_another_unit_sees_our_number_and_where_hidden_is_told_to_keep_it() -> None:
    headers = originate(said(), "10.0.0.9")
    assert headers["Channel"] == "PJSIP/053188880001@trunk"
    assert headers["ChannelId"] == f"leg-{CALL}-1"
    assert headers["CallerID"] == "<12345>"
    assert "PJSIP_HEADER(add,Privacy)=id" not in headers["Variable"]
    hidden = originate(said(hidden=True), "10.0.0.9")
    assert "PJSIP_HEADER(add,Privacy)=id" in hidden["Variable"]
    asserted = "PJSIP_HEADER(add,P-Asserted-Identity)=<sip:12345@10.0.0.9>"
    assert asserted in hidden["Variable"]


def test_an_emergency_service_sees_the_citizens() -> None:
    headers = originate(
        said(dialled="119", caller_id="13800138000", asserted="13800138000"), "10.0.0.9"
    )
    assert headers["CallerID"] == "<13800138000>"
    assert any("<sip:13800138000@10.0.0.9>" in variable for variable in headers["Variable"])


def test_a_colleagues_phone_is_called_without_headers_of_the_trunk() -> None:
    headers = originate(said(endpoint="1002", dialled=None, caller_id="1001"), None)
    assert headers["Channel"] == "PJSIP/1002"
    assert headers["Variable"] == [f"CC_CALL_ID={CALL}", "GROUP(phone)=1002"]
