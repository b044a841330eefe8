"""Fax calls over AMI: placed once, by Originate of a Local channel into `cc-fax-out`.

The channels' ids are ours, made of the try: Asterisk itself refuses a second one while the first
lives.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.dialplan import Context, Variable
from callcenter.asterisk.errors import ActionRefused, AsteriskError, UnsafeValue
from callcenter.channels.fax.dialler import FaxCall, NotPlaced, OutcomeUnknown

#: Originate's own limit must outlast the fax: the Local channel is answered by nobody.
_LONGEST_MS: Final = 1_900_000
_CHANNEL_ID: Final = re.compile(r"fax-([0-9a-f-]{36})(?:-2)?")


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
        found = set()
        for channel in channels:
            match = _CHANNEL_ID.fullmatch(channel.get("Uniqueid") or "")
            if match:
                found.add(UUID(match[1]))
        return found


def originate(call: FaxCall) -> dict[str, str | list[str]]:
    """The headers of the one Originate of this try."""
    return {
        "Channel": f"Local/s@{Context.FAX_OUT}/n",
        # Of the half that waits, and of the half that dials (the call's own channel).
        "ChannelId": f"fax-{call.call_id}",
        "OtherChannelId": f"fax-{call.call_id}-2",
        "Application": "Wait",
        "Data": "1",
        "Timeout": str(_LONGEST_MS),
        "CallerID": f"<{call.line}>",
        "Async": "true",
        "Variable": [
            f"{Variable.CALL_ID}={call.call_id}",
            f"{Variable.FAX}={call.fax_id}",
            f"{Variable.FAX_NUMBER}={call.dialled}",
            f"{Variable.LINE}={call.line}",
        ],
    }
