"""A voice on RTP for a SIPp party: speaks, presses keys (RFC 4733), and notes what it hears.

SIPp itself plays keys through raw sockets, which only root may open, and its `play_dtmf` gives
every packet of one key another timestamp, which RFC 4733 §2.5.1.2 reads as many keys.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

PCMA: Final = 8
#: Payload type of telephone-event in the shipped scenarios' SDP.
EVENTS: Final = 96

_FRAME_BYTES: Final = 160  # 20 ms of 8 kHz G.711
_FRAME_SECONDS: Final = 0.02
_KEY_FRAMES: Final = 6
_END_PACKETS: Final = 3  # RFC 4733 §2.5.1.4: the last packet is sent three times
_KEYS: Final = "0123456789*#"


@dataclass(frozen=True, slots=True)
class Press:
    """One key, so many seconds after the first audio was heard."""

    after_seconds: float
    key: str


class RtpVoice(asyncio.DatagramProtocol):
    """Binds `address:port`; learns where to send to from the first packet that comes.

    `audio` is a raw A-law file, spoken over and over; None is a silent party (that still presses
    keys). Use as an async context manager.
    """

    def __init__(
        self, address: str, port: int, *, audio: Path | None, presses: Sequence[Press] = ()
    ) -> None:
        self._bind = (address, port)
        self._audio = audio.read_bytes() if audio is not None else b""
        self._presses = sorted(presses, key=lambda press: press.after_seconds)
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: asyncio.Future[tuple[str, int]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._sequence = 0
        self._timestamp = 0
        self._position = 0
        #: What was heard, A-law, in the order of arrival.
        self.heard = bytearray()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._peer = loop.create_future()
        await loop.create_datagram_endpoint(lambda: self, local_addr=self._bind)
        self._task = asyncio.create_task(self._speak(), name=f"voice {self._bind[1]}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._peer is not None
        if not self._peer.done():
            self._peer.set_result(addr)
        if len(data) > 12 and data[1] & 0x7F == PCMA and len(self.heard) < 8000 * 600:
            self.heard += data[12:]

    def error_received(self, exc: Exception) -> None:
        """The other side closed its port: the call is over, SIPp says so."""

    @property
    def heard_sound(self) -> bool:
        """Whether anything but silence was heard (A-law silence is 0x55 and 0xD5)."""
        loud = sum(byte not in (0x55, 0xD5, 0x54, 0xD4) for byte in bytes(self.heard))
        return loud > 800

    async def _speak(self) -> None:
        assert self._peer is not None
        peer = await self._peer
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting = list(self._presses)
        frame = 0
        while True:
            if waiting and loop.time() - began >= waiting[0].after_seconds:
                frame += await self._press(waiting.pop(0).key, peer)
            elif self._audio:
                self._send(peer, PCMA, self._next_audio())
            self._timestamp += _FRAME_BYTES
            frame += 1
            # Against the clock, not after the last packet: late ones are made good.
            await asyncio.sleep(max(0.0, began + frame * _FRAME_SECONDS - loop.time()))

    async def _press(self, key: str, peer: tuple[str, int]) -> int:
        """All packets of one key carry its first timestamp. How many frames it took."""
        event = _KEYS.index(key)
        for step in range(1, _KEY_FRAMES + 1):
            duration = step * _FRAME_BYTES
            self._send(peer, EVENTS, struct.pack("!BBH", event, 10, duration), marker=step == 1)
            await asyncio.sleep(_FRAME_SECONDS)
        for _ in range(_END_PACKETS):
            end = struct.pack("!BBH", event, 0x80 | 10, _KEY_FRAMES * _FRAME_BYTES)
            self._send(peer, EVENTS, end)
        self._timestamp += _KEY_FRAMES * _FRAME_BYTES
        return _KEY_FRAMES

    def _next_audio(self) -> bytes:
        start = self._position
        self._position = (start + _FRAME_BYTES) % max(_FRAME_BYTES, len(self._audio))
        return self._audio[start : start + _FRAME_BYTES].ljust(_FRAME_BYTES, b"\xd5")

    def _send(
        self, peer: tuple[str, int], kind: int, payload: bytes, *, marker: bool = False
    ) -> None:
        assert self._transport is not None
        header = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, self._timestamp, 0x12345
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._transport.sendto(header + payload, peer)
