"""Who is told that a recording is paused, and by what."""

from __future__ import annotations

from uuid import UUID

import pytest

from callcenter.asterisk.announcements import Manner, News, ears, originate
from callcenter.asterisk.channels import Channel

pytestmark = pytest.mark.unit

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")


def channel(name: str, bridge: str = "", application: str = "Queue", data: str = "") -> Channel:
    return Channel(name, name, "cc-queue", "s", application, bridge, "Up", data)


CITIZEN = channel("PJSIP/trunk-1", "b1")
AGENT = channel("PJSIP/1001-2", "b1", "AppQueue")
OTHERS = channel("PJSIP/1002-3", "b2", "AppQueue")


def test_all_at_a_phone_in_the_bridge_are_told_and_nobody_else() -> None:
    announcer = channel("CBAnn/x-4;1", "b1")
    assert ears([CITIZEN, OTHERS, AGENT, announcer], CITIZEN, CALL) == [CITIZEN, AGENT]


def test_while_the_citizen_is_put_aside_the_conference_is_told_too() -> None:
    held = channel("PJSIP/trunk-1", application="Wait")
    met = channel("PJSIP/1001-2", "b3", "ConfBridge", f"{CALL},cc_meet,cc_staff")
    waiting = channel("PJSIP/trunk-9", application="Queue")  # in no bridge, as the citizen
    other = channel("PJSIP/1002-3", "b4", "ConfBridge", f"{UUID(int=1)},cc_meet,cc_staff")
    assert ears([held, met, other, waiting], held, CALL) == [held, met]


def test_both_halves_have_identifiers_that_the_journal_reads_and_no_call_has() -> None:
    headers = originate(CITIZEN, News.PAUSED, Manner.SPOKEN, "en", UUID(int=7))
    assert headers["ChannelId"] == f"announce-{UUID(int=7)}"
    assert headers["OtherChannelId"] == f"announce-{UUID(int=7)}-e"
    assert headers["Exten"] == "spoken_paused"
    assert "CC_SPY_CHANNEL=PJSIP/trunk-1" in headers["Variable"]
    assert "CC_LANGUAGE=en" in headers["Variable"]
