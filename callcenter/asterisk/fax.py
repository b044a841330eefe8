"""Fax calls over AMI: placed once, by Originate of the trunk into `cc-fax-out`.

The channel's id is ours, made of the try's call: Asterisk itself refuses a second one while the
first lives, and the journal knows the call even if nobody answers.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.dialplan import FAX_CHANNEL_PREFIX, Context, Variable, fax_call_of
from callcenter.asterisk.errors import ActionRefused, AsteriskError, UnsafeValue
from callcenter.asterisk.trunk import NAME as TRUNK
from callcenter.channels.fax.dialler import FaxCall, NotPlaced, OutcomeUnknown

#: How long a machine may ring.
_RING_MS: Final = 60_000


class AmiFaxLines:
    """`FaxLines` over one node's AMI link."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami

    def is_ready(self) -> bool:
        return self._ami.status.state is LinkState.CONNECTED

    async def place(self, call: FaxCall) -> None:
        """Raises `NotPlaced`, `OutcomeUnknown`."""
        try:
            await self._ami.action("Originate", originate(call))
        except (ActionRefused, UnsafeValue) as exc:
            raise NotPlaced(exc.message) from exc
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc

    async def live(self) -> Collection[UUID]:
        """Raises `OutcomeUnknown`."""
        try:
            channels = await self._ami.list_action("CoreShowChannels")
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc
        found = (fax_call_of(channel.get("Uniqueid") or "") for channel in channels)
        return {call_id for call_id in found if call_id is not None}


def originate(call: FaxCall) -> dict[str, str | list[str]]:
    """The headers of the one Originate of this try."""
    return {
        "Channel": f"PJSIP/{call.dialled}@{TRUNK}",
        "ChannelId": f"{FAX_CHANNEL_PREFIX}{call.call_id}",
        "Context": Context.FAX_OUT,
        "Exten": "s",
        "Priority": "1",
        "Timeout": str(_RING_MS),
        "CallerID": f"<{call.line}>",
        "Async": "true",
        "Variable": [
            f"{Variable.CALL_ID}={call.call_id}",
            f"{Variable.FAX}={call.fax_id}",
            f"{Variable.FAX_NUMBER}={call.dialled}",
            f"{Variable.LINE}={call.line}",
        ],
    }
