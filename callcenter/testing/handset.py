"""The handset of a SIPp citizen: hears what Asterisk says, and presses keys.

SIPp keeps the signalling (`citizen_handset.xml`), the SDP names this socket: so a test knows which
prompt a caller heard, and presses a key when it was heard, instead of at a guessed moment.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import wave
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from callcenter.testing.eventually import eventually

ALAW: Final = 8
ULAW: Final = 0
G722: Final = 9
#: As the shipped scenarios' SDP says it.
TELEPHONE_EVENT: Final = 96
#: As Asterisk's own offers say it: whoever is called by it presses keys by this.
OFFERED_TELEPHONE_EVENT: Final = 101

#: A prompt is recognised by its first words.
_WORDS: Final = timedelta(milliseconds=1500)
#: Likeness of the same sound is 0.99 after A-law; of two different prompts below 0.5.
_ALIKE: Final = 0.9
_PIECES_ALIKE: Final = 0.85
_AUDIBLE: Final = 300
_RATE: Final = 8000
_FRAME: Final = 160  # 20 ms
_KEYS: Final = "0123456789*#"
_VOICE: Final = Path(__file__).parent / "sipp" / "citizen.alaw"

Sound = NDArray[np.float64]


class Handset(asyncio.DatagramProtocol):
    """One end of an RTP stream. Use as an async context manager; `keys` goes to SIPp."""

    def __init__(
        self,
        address: str = "127.0.0.2",
        *,
        codec: int = ALAW,
        telephone_event: int = TELEPHONE_EVENT,
    ) -> None:
        self._address = address
        self._codec = codec
        self._telephone_event = telephone_event
        self._transport: asyncio.DatagramTransport | None = None
        self._far_end: tuple[str, int] | None = None
        self._heard: dict[int, list[bytes]] = defaultdict(list)
        self._sequence = 0
        self._stream = random.getrandbits(32)
        self.port = 0

    @property
    def keys(self) -> dict[str, str]:
        """For `citizen_handset.xml`."""
        return {"handset": str(self.port), "formats": f"{self._codec} {self._telephone_event}"}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._address, 0), family=socket.AF_INET
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if len(data) > 12 and data[0] >> 6 == 2:
            self._far_end = (str(addr[0]), addr[1])
            self._heard[data[1] & 0x7F].append(data[12:])

    def error_received(self, exc: Exception) -> None:
        """The far end has closed its socket: the call is over."""

    @property
    def payload_types(self) -> set[int]:
        """The RTP payload types that arrived."""
        return set(self._heard)

    def pressed(self) -> str:
        """The keys that arrived as RFC 4733 so far; however often the end of one was told."""
        keys, lasts = "", False
        for kind, packets in self._heard.items():
            for packet in packets if kind >= 96 else ():
                ends = bool(packet[1] & 0x80)
                if lasts and ends:
                    keys += _KEYS[packet[0]]
                lasts = not ends
        return keys

    def sound(self) -> Sound:
        """Everything heard so far in G.711."""
        a_law = _A_LAW[np.frombuffer(b"".join(self._heard.get(ALAW, [])), np.uint8)]
        mu_law = _MU_LAW[np.frombuffer(b"".join(self._heard.get(ULAW, [])), np.uint8)]
        return np.concatenate([a_law, mu_law])

    def has_heard(self, prompt: Path, *, whole: bool = False) -> bool:
        """Whether the first words (`whole`: the last ones) of this 8 kHz mono WAV were heard."""
        return likeness(self.sound(), prompt, whole=whole) > _ALIKE

    def has_heard_torn(self, prompt: Path) -> bool:
        """Whether this WAV's last word was heard, though a busy machine tore it: half of its pieces
        of 100 ms. (Of a prompt that begins alike a quarter at most is.)"""
        heard, size = self.sound(), _RATE // 10
        with wave.open(str(prompt)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
        pieces = [sound[i : i + size] for i in range(0, len(sound) - size + 1, size)]
        last = [piece for piece in pieces if np.abs(piece).mean() > _AUDIBLE][-4:]
        return sum(_likeness(heard, piece) > _PIECES_ALIKE for piece in last) >= 2

    async def hears(
        self, prompt: Path, *, whole: bool = False, within: timedelta = timedelta(seconds=20)
    ) -> None:
        """Wait until the prompt's first words (`whole`: the last ones) were heard."""
        loop = asyncio.get_running_loop()

        async def heard() -> bool:
            await asyncio.sleep(0.1)  # a look at all that was heard is dear
            return await loop.run_in_executor(None, lambda: self.has_heard(prompt, whole=whole))

        await eventually(heard, f"the caller hears {prompt}", within=within)

    def forget(self) -> None:
        """From now on only what is heard anew counts."""
        self._heard.clear()

    async def talk(self, voice: bytes | None = None) -> None:
        """Speak A-law (`citizen.alaw`, or `voice`: whole frames) over and over, until cancelled."""
        assert self._transport is not None
        voice = voice or _VOICE.read_bytes()
        loop = asyncio.get_running_loop()
        began, frame = loop.time(), 0
        while True:
            start = frame * _FRAME % len(voice)
            self._sequence = (self._sequence + 1) & 0xFFFF
            clock = (int(began * _RATE) + frame * _FRAME) & 0xFFFFFFFF
            header = struct.pack("!BBHII", 0x80, ALAW, self._sequence, clock, self._stream)
            if self._far_end is not None:
                self._transport.sendto(header + voice[start : start + _FRAME], self._far_end)
            frame += 1
            await asyncio.sleep(max(0.0, began + frame * 0.02 - loop.time()))

    async def listens(self, length: timedelta, within: timedelta = timedelta(seconds=20)) -> None:
        """Wait until so much audio has arrived, whatever it says (frames of 20 ms)."""

        def arrived() -> bool:
            frames = sum(len(packets) for packets in self._heard.values())
            return frames >= length / timedelta(milliseconds=20)

        await eventually(arrived, f"the caller hears {length}", within=within)

    async def press(self, keys: str) -> None:
        """Press keys, 100 ms each (RFC 4733). Something must have been heard before."""
        assert self._transport is not None
        assert self._far_end is not None, "where to send is known once something was heard"
        for key in keys:
            # A key older than the one before it would not count.
            began = int(asyncio.get_running_loop().time() * _RATE) & 0xFFFFFFFF
            for step in range(1, 9):
                over = step > 5  # the end is told three times
                event = struct.pack(
                    "!BBH", _KEYS.index(key), (0x80 if over else 0) | 10, min(step, 6) * _FRAME
                )
                self._sequence = (self._sequence + 1) & 0xFFFF
                mark = 0x80 if step == 1 else 0
                header = struct.pack(
                    "!BBHII",
                    0x80,
                    mark | self._telephone_event,
                    self._sequence,
                    began,
                    self._stream,
                )
                self._transport.sendto(header + event, self._far_end)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.08)

    async def press_in_band(self, key: str) -> None:
        """Press a key as a tone of 200 ms in the audio (A-law or µ-law)."""
        assert self._transport is not None
        assert self._far_end is not None, "where to send is known once something was heard"
        row, column = divmod("123A456B789C*0#D".index(key), 4)
        times = np.arange(20 * _FRAME) / _RATE
        low, high = (697, 770, 852, 941)[row], (1209, 1336, 1477, 1633)[column]
        tone = 9000 * (np.sin(2 * np.pi * low * times) + np.sin(2 * np.pi * high * times))
        tone[10 * _FRAME :] = 0  # then 200 ms of silence
        table = {ALAW: _A_LAW, ULAW: _MU_LAW}[self._codec]
        code = np.abs(tone[:, None] - table[None, :]).argmin(axis=1).astype(np.uint8).tobytes()
        loop = asyncio.get_running_loop()
        began = loop.time()
        clock = int(began * _RATE) & 0x7FFFFFFF
        for frame in range(20):
            self._sequence = (self._sequence + 1) & 0xFFFF
            header = struct.pack(
                "!BBHII", 0x80, self._codec, self._sequence, clock + frame * _FRAME, self._stream
            )
            voice = code[frame * _FRAME : (frame + 1) * _FRAME]
            self._transport.sendto(header + voice, self._far_end)
            await asyncio.sleep(max(0.0, began + (frame + 1) * 0.02 - loop.time()))


def a_law_tone(hertz: int) -> bytes:
    """One second of a tone, to `talk` with: what was said is told from other takes by its pitch."""
    sound = 8000 * np.sin(2 * np.pi * hertz * np.arange(_RATE) / _RATE)
    return bytes(np.abs(sound[:, None] - _A_LAW[None, :]).argmin(axis=1).astype(np.uint8))


def likeness(heard: NDArray[Any], prompt: Path, *, whole: bool = False) -> float:
    """How like a stretch of what was heard is to the first words (`whole`: the last ones) of this
    8 kHz mono WAV: from 0 to 1."""
    with wave.open(str(prompt)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    length = int(_WORDS.total_seconds() * _RATE)
    return _likeness(heard.astype(np.float64), sound[-length:] if whole else sound[:length])


def _likeness(heard: Sound, wanted: Sound) -> float:
    """The highest normalised cross-correlation of `wanted` with any stretch of `heard`."""
    places = len(heard) - len(wanted) + 1
    if places < 1:
        return 0.0
    size = 1 << (len(heard) + len(wanted)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    match = np.fft.irfft(spectrum, size)[:places]
    energy = np.cumsum(np.concatenate([[0.0], heard**2]))
    energy = energy[len(wanted) :] - energy[: -len(wanted)]
    # A stretch of silence is like nothing.
    floor = float(np.sum(wanted**2)) * 0.1
    return float(np.max(match / np.sqrt(np.maximum(energy, floor) * np.sum(wanted**2))))


def _a_law() -> Sound:
    """G.711 A-law, byte → sample."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, size, -size).astype(np.float64)


def _mu_law() -> Sound:
    """G.711 µ-law, byte → sample."""
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    size = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(code & 0x80, -size, size).astype(np.float64)


_A_LAW: Final = _a_law()
_MU_LAW: Final = _mu_law()
