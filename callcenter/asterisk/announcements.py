"""What everybody in a conversation hears when its recording is paused or goes on.

Whispered into each channel by a pair of channels of our own (`cc-announce`), as Asterisk does its
own beep for recorded calls: nothing leaves a bridge, in Queue()'s bridge and in a conference alike,
and what is whispered into a channel is no part of what MixMonitor writes of it. Nothing depends on
an announcement: one that fails is logged and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.channel_ids import ANNOUNCE_CHANNEL_PREFIX
from callcenter.asterisk.channels import Channel, Channels
from callcenter.asterisk.dialplan import (
    Context,
    Variable,
)
from callcenter.asterisk.errors import AsteriskError

log = logging.getLogger(__name__)

#: Those not asked of Asterisk yet; a pause is a rare thing.
_MOST_WAITING: Final = 200
_ANSWER_MS: Final = 2000
#: Ends the identifier of the half that whispers.
_EAR: Final = "-e"
#: Cause of the hang-up where nothing could be played (dialplan/extensions_in_call.conf).
_NOT_PLAYED: Final = "38"


class Manner(StrEnum):
    """How it is announced; the setting RECORDING_PAUSE_ANNOUNCEMENT."""

    SPOKEN = "spoken"
    TONE = "tone"
    NONE = "none"


class News(StrEnum):
    """What is announced."""

    PAUSED = "paused"
    RESUMED = "resumed"


@dataclass(frozen=True, slots=True)
class _Wish:
    call_id: UUID
    citizen: Channel
    news: News


class PauseAnnouncer:
    """`announce` asks for it and returns at once; `run`, to be supervised, has it played."""

    def __init__(self, channels: Channels, bus: AmiBus, manner: Manner) -> None:
        self._channels = channels
        self._manner = manner
        self._wishes: asyncio.Queue[_Wish] = asyncio.Queue(_MOST_WAITING)
        #: Ears asked to be told, and those of them that certainly were not.
        self.asked = 0
        self.failed = 0
        bus.on("OriginateResponse", self._on_originated)
        bus.on("Hangup", self._on_over)

    def announce(self, call_id: UUID, citizen: Channel, news: News) -> None:
        """Never raises, never waits."""
        if self._manner is Manner.NONE:
            return
        try:
            self._wishes.put_nowait(_Wish(call_id, citizen, news))
        except asyncio.QueueFull:
            self._failed(f"call {call_id}: too many announcements at once")

    async def run(self) -> None:
        """For ever."""
        while True:
            wish = await self._wishes.get()
            try:
                await self._tell(wish)
            except AsteriskError as exc:
                self._failed(f"call {wish.call_id}: {exc.message}")

    async def _tell(self, wish: _Wish) -> None:
        live = await self._channels.live()
        citizen = live.get(wish.citizen.uniqueid)
        if citizen is None:
            return  # hung up: nobody is to be told
        language = await self._channels.variable(citizen, "CHANNEL(language)")
        for ear in ears(live.values(), citizen, wish.call_id):
            headers = originate(ear, wish.news, self._manner, language or "", uuid4())
            self.asked += 1
            try:
                await self._channels.originate(headers)
            except AsteriskError as exc:
                self._failed(f"call {wish.call_id}: {exc.message}")

    def _on_originated(self, event: AmiMessage) -> None:
        ours = (event.get("Uniqueid") or "").startswith(ANNOUNCE_CHANNEL_PREFIX)
        if ours and event.get("Response") != "Success":
            self._failed("Asterisk could not begin it")

    def _on_over(self, event: AmiMessage) -> None:
        uniqueid = event.get("Uniqueid") or ""
        # The half at the ear ends with the same cause.
        ours = uniqueid.startswith(ANNOUNCE_CHANNEL_PREFIX) and not uniqueid.endswith(_EAR)
        if ours and event.get("Cause") == _NOT_PLAYED:
            self._failed("its prompt could not be played")

    def _failed(self, why: str) -> None:
        self.failed += 1
        log.warning("a pause of a recording was not announced to everybody: %s", why)


def ears(live: Iterable[Channel], citizen: Channel, call_id: UUID) -> list[Channel]:
    """Whom it concerns: the citizen and everybody at a phone in the same bridge, or in the call's
    conference while the citizen is put aside. (A conference has channels of its own, too.)"""
    return [
        channel
        for channel in live
        if channel.uniqueid == citizen.uniqueid
        or (
            channel.name.startswith("PJSIP/")
            and (
                (citizen.bridge and channel.bridge == citizen.bridge)
                or channel.conference == str(call_id)
            )
        )
    ]


def originate(
    ear: Channel, news: News, manner: Manner, language: str, name: UUID
) -> dict[str, str | list[str]]:
    """The headers of the Originate of one announcement into one ear. Without identifiers of its own
    the second half would get Asterisk's `…;2`, which the journal does not take for a uniqueid."""
    channel = f"{ANNOUNCE_CHANNEL_PREFIX}{name}"
    return {
        "Channel": f"Local/ear@{Context.ANNOUNCE}/n",
        "ChannelId": channel,
        "OtherChannelId": f"{channel}{_EAR}",
        "Context": Context.ANNOUNCE,
        "Exten": f"{manner}_{news}",
        "Priority": "1",
        "Timeout": str(_ANSWER_MS),
        "Async": "true",
        "Variable": [
            f"{Variable.SPY_CHANNEL}={ear.name}",
            f"{Variable.LANGUAGE}={language}",
        ],
    }
