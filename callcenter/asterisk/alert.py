"""Calls to people on call over AMI: placed once, by Originate into `cc-alert`.

The channel's id is ours, made of the call: Asterisk itself refuses a second one while the first
lives, and the journal knows the call even if nobody picks it up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from callcenter.agents.on_call.caller import NotThere, OutcomeUnknown, PlacedCall
from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.dialplan import ALERT_CHANNEL_PREFIX, Context, Variable, alert_call_of
from callcenter.asterisk.errors import ActionRefused, AsteriskError, UnsafeValue
from callcenter.asterisk.trunk import NAME as TRUNK

#: Device states of a phone that can be called.
_CALLABLE: Final = frozenset({"NOT_INUSE", "UNKNOWN"})


class AmiAlertLines:
    """`AlertLines` over one node's AMI link."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami

    def is_ready(self) -> bool:
        return self._ami.status.state is LinkState.CONNECTED

    async def place(self, call: PlacedCall) -> None:
        """Raises `NotThere`, `OutcomeUnknown`."""
        try:
            if call.dialled is None:
                await self._must_be_free(call.agent_id)
            await self._ami.action("Originate", originate(call))
        except (ActionRefused, UnsafeValue) as exc:
            raise NotThere(exc.message) from exc
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc

    async def live(self) -> Collection[UUID]:
        """Raises `OutcomeUnknown`."""
        return set(await self._channels())

    async def hang_up(self, call_id: UUID) -> None:
        """Raises `OutcomeUnknown`."""
        channel = (await self._channels()).get(call_id)
        if channel is None:
            return
        try:
            await self._ami.action("Hangup", {"Channel": channel["Channel"]})
        except ActionRefused:
            return  # it hung up by itself
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc

    async def _must_be_free(self, phone: str) -> None:
        """An Async Originate of a phone that is not there says nothing, and leaves nothing."""
        answer = await self._ami.action("Getvar", {"Variable": f"DEVICE_STATE(PJSIP/{phone})"})
        state = answer.get("Value") or ""
        if state not in _CALLABLE:
            raise NotThere(f"the phone cannot be called now ({state.lower()})")

    async def _channels(self) -> dict[UUID, AmiMessage]:
        try:
            channels = await self._ami.list_action("CoreShowChannels")
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc
        named = ((alert_call_of(one.get("Uniqueid") or ""), one) for one in channels)
        return {call_id: channel for call_id, channel in named if call_id is not None}


def originate(call: PlacedCall) -> dict[str, str | list[str]]:
    """The headers of the one Originate of this call."""
    over_trunk = call.dialled is not None
    return {
        "Channel": f"PJSIP/{call.dialled}@{TRUNK}" if over_trunk else f"PJSIP/{call.agent_id}",
        "ChannelId": f"{ALERT_CHANNEL_PREFIX}{call.call_id}",
        "Context": Context.ALERT,
        "Exten": "s",
        "Priority": "1",
        "Timeout": str(int(call.ring.total_seconds() * 1000)),
        "CallerID": f"<{call.line}>" if over_trunk else f"alert <{call.line}>",
        "Async": "true",
        "Variable": [
            f"{Variable.CALL_ID}={call.call_id}",
            f"{Variable.ALERT}={call.alert_id}",
            f"{Variable.AGENT}={call.agent_id}",
            f"{Variable.ALERT_CASE}={call.case}",
            f"{Variable.NUMBER}={call.number or ''}",
            # As sub-one-call counts them: no queue rings this phone meanwhile.
            *([] if over_trunk else [f"GROUP(phone)={call.agent_id}"]),
        ],
    }
