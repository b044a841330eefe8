"""Fax calls over AMI: placed once, by Originate of the trunk into `cc-fax-out`."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from callcenter.asterisk.channel_ids import FAX_CHANNEL_PREFIX, fax_call_of
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
)
from callcenter.asterisk.placing import AmiLines
from callcenter.asterisk.trunk import NAME as TRUNK
from callcenter.channels.fax.dialler import FaxCall

#: How long a machine may ring.
_RING_MS: Final = 60_000


class AmiFaxLines(AmiLines):
    """`FaxLines` over one node's AMI link."""

    async def place(self, call: FaxCall) -> None:
        """Raises `NotPlaced`, `OutcomeUnknown`."""
        await self._originate(originate(call))

    def _call_of(self, uniqueid: str) -> UUID | None:
        return fax_call_of(uniqueid)


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
