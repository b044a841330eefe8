"""Calls that we place, over AMI: what fax, callback and alert calls have in common.

The channel's id is ours, made of the call: Asterisk itself refuses a second one while the first
lives, and the journal knows the call even if nobody answers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.errors import ActionRefused, AsteriskError, UnsafeValue
from callcenter.switch.placing import NotPlaced, OutcomeUnknown


class AmiLines:
    """`callcenter.switch.placing.Lines` over one node's AMI link, but for what is placed."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami

    def is_ready(self) -> bool:
        return self._ami.status.state is LinkState.CONNECTED

    async def live(self) -> Collection[UUID]:
        """Raises `OutcomeUnknown`."""
        found = (self._call_of(uniqueid) for uniqueid in await self._channels())
        return {call_id for call_id in found if call_id is not None}

    def _call_of(self, uniqueid: str) -> UUID | None:
        """The call of this kind whose channel has this uniqueid, if it is one."""
        raise NotImplementedError

    async def _originate(self, headers: Mapping[str, str | list[str]]) -> None:
        """Raises `NotPlaced`, `OutcomeUnknown`."""
        try:
            await self._ami.action("Originate", headers)
        except (ActionRefused, UnsafeValue) as exc:
            raise NotPlaced(exc.message) from exc
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc

    async def _end(self, action: str, headers: Mapping[str, str | list[str]]) -> None:
        """An action on a channel that may just have gone by itself: then it is none. Raises
        `OutcomeUnknown`."""
        try:
            await self._ami.action(action, headers)
        except ActionRefused:
            return
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc

    async def _channels(self) -> dict[str, AmiMessage]:
        """The channels that live, by uniqueid. Raises `OutcomeUnknown`."""
        try:
            channels = await self._ami.list_action("CoreShowChannels")
        except AsteriskError as exc:
            raise OutcomeUnknown(exc.message) from exc
        return {one.get("Uniqueid") or "": one for one in channels}
