"""What agents' phones do, from AMI's events and from snapshots. Pure: notes and answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from callcenter.agents.sessions.model import Line
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.dialplan import (
    our_queue,
)

_CHANNEL: Final = re.compile(r"PJSIP/([1-9][0-9]{2,5})-", re.ASCII)
_DEVICE: Final = re.compile(r"PJSIP/([1-9][0-9]{2,5})", re.ASCII)

_ENDPOINT: Final = re.compile(r"[1-9][0-9]{2,5}", re.ASCII)
#: ChannelStateDesc of a phone that was called and has not answered.
_CALLED: Final = frozenset({"Down", "Ringing"})

#: Device states in which no call reaches the phone; UNKNOWN is an endpoint nobody registered at.
_AWAY: Final = frozenset({"UNAVAILABLE", "INVALID", "UNKNOWN"})


@dataclass(slots=True)
class DeskPhone:
    """One agent's phone. `line` is None where only a list of channels can tell.

    `queue`: whose call rang last. `on_code`: a feature code is being dialled, which is no call.
    """

    device: str = "UNKNOWN"
    line: Line | None = Line.FREE
    queue: str | None = None
    on_code: bool = False

    @property
    def is_there(self) -> bool:
        return self.device not in _AWAY


class DeskPhones:
    """All phones. Each `on_…` returns the agent whose phone it is, None where it is nobody's."""

    def __init__(self) -> None:
        self._phones: dict[str, DeskPhone] = {}

    def of(self, agent_id: str) -> DeskPhone:
        return self._phones.setdefault(agent_id, DeskPhone())

    def forget(self, agent_ids: Iterable[str]) -> None:
        """These are agents no more."""
        for agent_id in agent_ids:
            self._phones.pop(agent_id, None)

    def unclear(self, agent_ids: Iterable[str]) -> bool:
        """Whether a list of channels is needed to say what one of these phones does."""
        return any(self.of(agent_id).line is None for agent_id in agent_ids)

    def on_device(self, event: AmiMessage) -> str | None:
        """DeviceStateChange."""
        match = _DEVICE.fullmatch(event.get("Device") or "")
        if match is None:
            return None
        phone = self.of(match[1])
        phone.device = event.get("State") or "UNKNOWN"
        if not phone.is_there or phone.device == "NOT_INUSE":
            # A phone that is lost in mid talk has its channel still: the list tells.
            phone.line = Line.FREE if phone.is_there or phone.line is Line.FREE else None
            phone.on_code = False
        elif phone.line is Line.FREE and not phone.on_code:
            phone.line = None
        return match[1]

    def on_queue_call(self, event: AmiMessage) -> str | None:
        """AgentCalled, AgentConnect."""
        match = _DEVICE.fullmatch(event.get("Interface") or "")
        if match is None:
            return None
        phone = self.of(match[1])
        phone.queue = our_queue(event.get("Queue") or "") or None
        phone.line = Line.RINGING if event.name == "AgentCalled" else Line.TALKING
        phone.on_code = False
        return match[1]

    def on_hold(self, event: AmiMessage) -> str | None:
        """Hold, Unhold: of the agent's own channel."""
        match = _CHANNEL.match(event.get("Channel") or "")
        if match is None:
            return None
        phone = self.of(match[1])
        if phone.line is not Line.FREE:
            phone.line = Line.HOLDING if event.name == "Hold" else Line.TALKING
        return match[1]

    def on_contact(self, event: AmiMessage) -> str | None:
        """ContactStatus: the agent whose phone cannot be reached any more."""
        gone = event.get("ContactStatus") in {"Unreachable", "Removed"}
        match = _ENDPOINT.fullmatch(event.get("EndpointName") or "")
        return match[0] if gone and match is not None else None

    def on_code(self, agent_id: str) -> None:
        """A feature code runs on this phone."""
        phone = self.of(agent_id)
        phone.on_code = True
        if phone.line is not Line.HOLDING:
            phone.line = Line.FREE

    def take_devices(self, events: Iterable[AmiMessage]) -> None:
        """DeviceStateList; a phone that is not in it never was there in this life of Asterisk."""
        for phone in self._phones.values():
            phone.device = "UNKNOWN"
        for event in events:
            match = _DEVICE.fullmatch(event.get("Device") or "")
            if match is not None:
                self.of(match[1]).device = event.get("State") or "UNKNOWN"

    def take_channels(self, events: Iterable[AmiMessage]) -> None:
        """CoreShowChannels: what every phone does. Only events tell a hold."""
        said: dict[str, set[str]] = {}
        for event in events:
            match = _CHANNEL.match(event.get("Channel") or "")
            if match is not None:
                said.setdefault(match[1], set()).add(event.get("ChannelStateDesc") or "")
        for agent_id in self._phones.keys() | said.keys():
            phone = self.of(agent_id)
            states = said.get(agent_id, set())
            if not states:
                phone.line, phone.on_code = Line.FREE, False
            elif phone.on_code:
                phone.line = Line.FREE
            elif states <= _CALLED:
                phone.line = Line.RINGING
            elif phone.line is not Line.HOLDING:
                phone.line = Line.TALKING


def ringing_channels(events: Iterable[AmiMessage], agent_ids: Collection[str]) -> list[str]:
    """Of CoreShowChannels: channels on which these agents' phones are called."""
    found = []
    for event in events:
        match = _CHANNEL.match(event.get("Channel") or "")
        if match is None or match[1] not in agent_ids:
            continue
        if event.get("ChannelStateDesc") in _CALLED:
            found.append(event["Channel"])
    return found
