"""Calls to people on call over AMI: placed once, by Originate into `cc-alert`."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from callcenter.agents.on_call.caller import PlacedCall
from callcenter.asterisk.channel_ids import ALERT_CHANNEL_PREFIX, alert_call_of
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
)
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.asterisk.placing import AmiLines
from callcenter.asterisk.trunk import NAME as TRUNK
from callcenter.switch.placing import NotPlaced, OutcomeUnknown

#: Device states of a phone that can be called.
_CALLABLE: Final = frozenset({"NOT_INUSE", "UNKNOWN"})


class AmiAlertLines(AmiLines):
    """`AlertLines` over one node's AMI link."""

    async def place(self, call: PlacedCall) -> None:
        """Raises `NotPlaced`, `OutcomeUnknown`."""
        if call.dialled is None:
            await self._must_be_free(call.agent_id)
        await self._originate(originate(call))

    async def hang_up(self, call_id: UUID) -> None:
        """Raises `OutcomeUnknown`."""
        channel = (await self._channels()).get(f"{ALERT_CHANNEL_PREFIX}{call_id}")
        if channel is not None:
            await self._end("Hangup", {"Channel": channel["Channel"]})

    def _call_of(self, uniqueid: str) -> UUID | None:
        return alert_call_of(uniqueid)

    async def _must_be_free(self, phone: str) -> None:
        """An Async Originate of a phone that is not there says nothing, and leaves nothing."""
        try:
            answer = await self._ami.action("Getvar", {"Variable": f"DEVICE_STATE(PJSIP/{phone})"})
        except ActionRefused as exc:
            raise NotPlaced(exc.message) from exc
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc
        state = answer.get("Value") or ""
        if state not in _CALLABLE:
            raise NotPlaced(f"the phone cannot be called now ({state.lower()})")


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
