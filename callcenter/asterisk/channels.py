"""The channels that live in Asterisk, and what is done to them in a conversation, over AMI.

Nothing counts as done because an action was answered: `seen` asks how the channel is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.dialplan import (
    Context,
)
from callcenter.asterisk.errors import ActionRefused
from callcenter.switch.acts import ActRefused, ActUnknown

SEEN_WITHIN: Final = timedelta(seconds=3)
_LOOK_EVERY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as CoreShowChannels and Status tell it; `bridge` is empty where it is in none."""

    uniqueid: str
    name: str
    context: str
    exten: str
    application: str
    bridge: str
    state: str  #: Down, Ring, Ringing, Up …
    data: str = ""  #: what the application was given

    @property
    def meets(self) -> bool:
        """In the call's conference."""
        return self.application == "ConfBridge" and bool(self.bridge)

    @property
    def conference(self) -> str:
        """The conference it is in, by name; empty: in none."""
        return self.data.partition(",")[0] if self.application == "ConfBridge" else ""

    @property
    def is_held(self) -> bool:
        return self.context == Context.HOLD


class Channels:
    """Looks and acts. Every method raises `ActionRefused`, and where nobody knows what became of it
    `LinkLost` or `ActionTimedOut`."""

    def __init__(self, ami: AmiClient) -> None:
        self._ami = ami

    async def live(self) -> dict[str, Channel]:
        """All, by uniqueid."""
        listed = await self._ami.list_action("CoreShowChannels")
        found = (_channel(event, "ApplicationData", "BridgeId") for event in listed)
        return {channel.uniqueid: channel for channel in found}

    async def look(self, known: Channel) -> Channel | None:
        """One channel again, by name; None: it is gone."""
        try:
            listed = await self._ami.list_action("Status", {"Channel": known.name})
        except ActionRefused:
            return None
        found = [_channel(e, "Data", "BridgeID") for e in listed if e.name == "Status"]
        return next((c for c in found if c.uniqueid == known.uniqueid), None)

    async def seen(
        self,
        known: Channel,
        holds: Callable[[Channel], bool],
        what: str,
        within: timedelta = SEEN_WITHIN,
    ) -> Channel:
        """The channel once `holds` is true of it. Raises `ActRefused` when it is gone, `ActUnknown`
        (`what` was not seen) after `within`."""
        deadline = asyncio.get_running_loop().time() + within.total_seconds()
        while True:
            channel = await self.look(known)
            if channel is None:
                raise ActRefused("They have hung up.")
            if holds(channel):
                return channel
            if asyncio.get_running_loop().time() > deadline:
                raise ActUnknown(f"Asterisk was asked, but not seen to do it: {what}.")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def send(
        self,
        channel: Channel,
        context: Context,
        exten: str,
        extra: tuple[Channel, str] | None = None,
    ) -> None:
        """Send a channel to a place of the dialplan; `extra` goes to its own exten in the same
        context at the same time, so that neither is hung up for losing the other."""
        headers = {
            "Channel": channel.name,
            "Context": str(context),
            "Exten": exten,
            "Priority": "1",
        }
        if extra is not None:
            headers |= {
                "ExtraChannel": extra[0].name,
                "ExtraContext": str(context),
                "ExtraExten": extra[1],
                "ExtraPriority": "1",
            }
        await self._ami.action("Redirect", headers)

    async def hang_up(self, channel: Channel) -> None:
        """Gone already is as good."""
        try:
            await self._ami.action("Hangup", {"Channel": channel.name, "Cause": "16"})
        except ActionRefused:
            if await self.look(channel) is not None:
                raise

    async def set_variable(self, channel: Channel, name: str, value: str) -> None:
        headers = {"Channel": channel.name, "Variable": name, "Value": value}
        await self._ami.action("Setvar", headers)

    async def variable(self, channel: Channel, name: str) -> str | None:
        """None: the channel is gone."""
        headers = {"Channel": channel.name, "Variable": name}
        try:
            return (await self._ami.action("Getvar", headers)).get("Value") or ""
        except ActionRefused:
            return None

    async def press(self, channel: Channel, digit: str, length: timedelta) -> None:
        length_ms = str(round(length / timedelta(milliseconds=1)))
        headers = {"Channel": channel.name, "Digit": digit, "Duration": length_ms}
        await self._ami.action("PlayDTMF", headers)

    async def end_conference(self, name: str) -> None:
        """Everybody in it is hung up; none of that name is as good."""
        try:
            await self._ami.action("ConfbridgeKick", {"Conference": name, "Channel": "all"})
        except ActionRefused:
            return

    async def originate(self, headers: dict[str, str | list[str]]) -> None:
        await self._ami.action("Originate", headers)

    async def mute_recording(self, channel: Channel, *, mute: bool) -> None:
        """Both voices are written as silence (or again as they are), their length stays true."""
        headers = {"Channel": channel.name, "Direction": "both", "State": "1" if mute else "0"}
        await self._ami.action("MixMonitorMute", headers)


def _channel(event: AmiMessage, data: str, bridge: str) -> Channel:
    return Channel(
        uniqueid=event.get("Uniqueid") or "",
        name=event.get("Channel") or "",
        context=event.get("Context") or "",
        exten=event.get("Exten") or "",
        application=event.get("Application") or "",
        bridge=event.get(bridge) or "",
        state=event.get("ChannelStateDesc") or "",
        data=event.get(data) or "",
    )
