"""What Asterisk is asked when somebody on call is to be told of an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest

from callcenter.agents.on_call.caller import PlacedCall
from callcenter.asterisk.alert import AmiAlertLines, originate
from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.switch.placing import NotPlaced, OutcomeUnknown

pytestmark = pytest.mark.unit

CALL, ALERT = UUID(int=7), UUID(int=8)
AT_THE_DESK = PlacedCall(
    call_id=CALL,
    alert_id=ALERT,
    agent_id="1001",
    number=None,
    dialled=None,
    line="12345",
    case="2026112500017",
)
AT_HOME = replace(AT_THE_DESK, number="+8613800138000", dialled="13800138000")


class Asterisk:
    def __init__(self, device: str = "NOT_INUSE") -> None:
        self.device = device
        self.done: list[tuple[str, Mapping[str, Any]]] = []
        self.fails: dict[str, Exception] = {}

    async def action(self, action: str, headers: Mapping[str, Any]) -> AmiMessage:
        if action in self.fails:
            raise self.fails[action]
        if action != "Getvar":
            self.done.append((action, headers))
        return AmiMessage((("Response", "Success"), ("Value", self.device)))

    async def list_action(self, action: str) -> list[AmiMessage]:
        if action in self.fails:
            raise self.fails[action]
        names = {
            "PJSIP/1001-1": f"alert-{CALL}",
            "PJSIP/1002-1": "alert-x",
            "PJSIP/1003-1": "n1-1.1",
        }
        return [AmiMessage((("Channel", name), ("Uniqueid", own))) for name, own in names.items()]


def lines(asterisk: Asterisk) -> AmiAlertLines:
    return AmiAlertLines(cast("AmiClient", asterisk))


async def test_the_phone_on_the_desk_is_called_once_by_a_name_asterisk_takes_once() -> None:
    asterisk = Asterisk()
    await lines(asterisk).place(AT_THE_DESK)
    [(action, headers)] = asterisk.done
    assert (action, headers) == ("Originate", originate(AT_THE_DESK))
    assert (headers["Channel"], headers["ChannelId"]) == ("PJSIP/1001", f"alert-{CALL}")
    assert (headers["Context"], headers["Timeout"], headers["Async"]) == (
        "cc-alert",
        "25000",
        "true",
    )
    assert f"CC_ALERT={ALERT}" in headers["Variable"]
    assert "CC_ALERT_CASE=2026112500017" in headers["Variable"]
    assert "GROUP(phone)=1001" in headers["Variable"], "no queue rings it meanwhile"


@pytest.mark.parametrize("device", ["UNAVAILABLE", "INVALID", "INUSE", "BUSY", "RINGING", ""])
async def test_a_phone_that_is_not_there_or_in_a_call_is_not_called(device: str) -> None:
    asterisk = Asterisk(device)
    with pytest.raises(NotPlaced):
        await lines(asterisk).place(AT_THE_DESK)
    assert asterisk.done == []


async def test_a_number_is_called_over_the_trunk_whatever_the_desk_phone_does() -> None:
    asterisk = Asterisk("UNAVAILABLE")
    await lines(asterisk).place(AT_HOME)
    [(_, headers)] = asterisk.done
    assert (headers["Channel"], headers["CallerID"]) == ("PJSIP/13800138000@trunk", "<12345>")
    assert "CC_NUMBER=+8613800138000" in headers["Variable"]
    assert not [one for one in headers["Variable"] if one.startswith("GROUP(")]


async def test_refused_was_not_made_and_a_lost_link_leaves_it_open() -> None:
    asterisk = Asterisk()
    asterisk.fails["Originate"] = ActionRefused("Originate", "no")
    with pytest.raises(NotPlaced):
        await lines(asterisk).place(AT_HOME)
    asterisk.fails["Originate"] = AsteriskError("the link was lost")
    with pytest.raises(OutcomeUnknown):
        await lines(asterisk).place(AT_HOME)


async def test_only_the_channel_of_that_call_is_hung_up() -> None:
    asterisk = Asterisk()
    assert set(await lines(asterisk).live()) == {CALL}
    await lines(asterisk).hang_up(UUID(int=9))
    assert asterisk.done == []
    await lines(asterisk).hang_up(CALL)
    assert asterisk.done == [("Hangup", {"Channel": "PJSIP/1001-1"})]
    asterisk.fails["CoreShowChannels"] = AsteriskError("the link was lost")
    with pytest.raises(OutcomeUnknown):
        await lines(asterisk).live()
