"""An uploaded file to finished audio, or a refusal that says why.

What the file is, its first bytes say: never its name, never the client. Playlists (HLS, concat) are
none of the five kinds, and ffmpeg is told the one kind it may read it as.
"""

from __future__ import annotations

import asyncio
import os
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from callcenter.prompts.audio import (
    LONGEST_MS,
    WIDE_RATE,
    Clipped,
    CutOff,
    DecompressionBomb,
    Finished,
    NotAudio,
    TooLong,
    finish,
)
from callcenter.prompts.ffmpeg import HARDENED, run_ffmpeg

MOST_UPLOADED: Final = 20_000_000  #: bytes of an upload
#: Bytes of sound a file may unpack to: 15 minutes of stereo at 48 kHz and 16 bit are 173 MB.
MOST_UNPACKED: Final = 200_000_000
#: Share of samples in flat peaks at full scale from which on callers hear it crackle.
MOST_CLIPPED: Final = 0.01
_FULL_SCALE: Final = 32766
_HEAD: Final = 64 * 1024
_UNKNOWN_LENGTH: Final = 0xFFFFFFFF  # what writers announce that cannot seek back

_DECODERS: Final = (
    "mp3float,mp3,aac,alac,vorbis,libvorbis,opus,libopus,flac,"
    "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,"
    "pcm_alaw,pcm_mulaw,adpcm_ima_wav,adpcm_ms"
)


class Kind(StrEnum):
    """The kinds of audio that are taken."""

    WAV = "wav"
    MP3 = "mp3"
    M4A = "m4a"
    OGG = "ogg"
    FLAC = "flac"


_DEMUXER: Final = {Kind.M4A: "mov"}
#: ffmpeg's whitelist compares with the demuxer's whole name.
_DEMUXER_NAME: Final = {Kind.M4A: "mov,mp4,m4a,3gp,3g2,mj2"}


def kind_of(head: bytes) -> Kind:
    """What a file is by its first bytes (at least 12). Raises `NotAudio`."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Kind.WAV
    if head[:3] == b"ID3" or (
        # An MPEG frame: eleven bits set, layer 3 (01), a bit rate and a sample rate that exist.
        len(head) > 2
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] & 0xF0 not in (0x00, 0xF0)
        and head[2] & 0x0C != 0x0C
    ):
        return Kind.MP3
    if head[4:8] == b"ftyp":
        return Kind.M4A
    if head[:4] == b"OggS":
        return Kind.OGG
    if head[:4] == b"fLaC":
        return Kind.FLAC
    if not head:
        raise NotAudio("The file is empty.")
    raise NotAudio("That is not audio we know: send WAV, MP3, M4A, Ogg or FLAC.")


async def convert(upload: Path, folder: Path) -> Finished:
    """An upload to finished audio. `folder` is private, empty, and the caller's to remove.

    Raises a `BadAudio` that says why it is refused, `ConversionFailed`, OSError.
    """
    kind = await asyncio.to_thread(_look, upload)
    wide = folder / "wide.wav"
    decoded = _Decoded()
    # Both at once: as it is, to see whether it is clipped and whole; and as we need it.
    status = await run_ffmpeg(
        [
            *HARDENED,
            *("-format_whitelist", _DEMUXER_NAME.get(kind, kind.value)),
            *("-codec_whitelist", _DECODERS),
            *("-f", _DEMUXER.get(kind, kind.value)),
            *("-t", str(LONGEST_MS // 1000 + 1), "-i", f"file:{upload}"),
            *_output("pipe:1"),
            *("-ac", "1", "-ar", str(WIDE_RATE), *_output(f"file:{wide}")),
        ],
        folder,
        take=decoded.take,
    )
    if status or not decoded.frames:
        raise NotAudio(f"It begins like {kind.upper()}, but cannot be read as that.")
    if decoded.frames * 1000 > LONGEST_MS * decoded.rate:
        raise TooLong(f"Longer than {LONGEST_MS // 60_000} minutes.")
    if kind is Kind.FLAC:
        await asyncio.to_thread(_whole_flac, upload, decoded.frames)
    if decoded.clipped > MOST_CLIPPED:
        raise Clipped(
            f"{decoded.clipped:.0%} of it is cut off at full scale: record it with less gain."
        )
    return await asyncio.to_thread(lambda: finish(wide.read_bytes()))


def _output(to: str) -> tuple[str, ...]:
    # `bitexact`: no words of ours or theirs between the header and the sound.
    form = ("-map", "0:a:0", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
    return (*form, "-c:a", "pcm_s16le", "-f", "wav", to)


def _look(upload: Path) -> Kind:
    with upload.open("rb") as file:
        head = file.read(_HEAD)
    kind = kind_of(head)
    if kind is Kind.WAV:
        _whole_wav(upload)
    return kind


def _whole_wav(path: Path) -> None:
    """Raises `CutOff` for a WAV that announces more sound than it holds."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(12)
        for _ in range(64):
            head = file.read(8)
            if len(head) < 8:
                raise CutOff("The file's header breaks off.")
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                if length not in (_UNKNOWN_LENGTH, 0) and length > size - file.tell():
                    raise CutOff(
                        f"It announces {length:,} bytes of sound and holds "
                        f"{size - file.tell():,}: it was cut off."
                    )
                return
            file.seek(length + length % 2, os.SEEK_CUR)
    raise NotAudio("It begins like WAV, but cannot be read as that.")


def _whole_flac(path: Path, frames: int) -> None:
    """Raises `CutOff` for a FLAC that holds fewer samples than its STREAMINFO says."""
    with path.open("rb") as file:
        head = file.read(26)
    announced = int.from_bytes(head[21:26], "big") & ((1 << 36) - 1)
    if frames < announced:
        raise CutOff("It announces more sound than it holds: it was cut off.")


@dataclass
class _Decoded:
    """What ffmpeg unpacks, looked at as it flows past: never held."""

    channels: int = 0
    rate: int = 0
    size: int = 0
    samples: int = 0
    flat: int = 0
    _rest: bytes = b""

    @property
    def frames(self) -> int:
        return self.samples // self.channels if self.channels else 0

    @property
    def clipped(self) -> float:
        return self.flat / self.samples if self.samples else 0.0

    def take(self, piece: bytes) -> None:
        """Raises `DecompressionBomb`."""
        self.size += len(piece)
        if self.size > MOST_UNPACKED:
            raise DecompressionBomb(
                f"It unpacks to more than {MOST_UNPACKED // 1_000_000} MB: send it with 48 kHz and "
                "two channels at most."
            )
        piece = self._rest + piece
        if not self.rate:
            at = piece.find(b"data", 36)
            if at < 0 or len(piece) < at + 8:
                self._rest = piece
                return
            self.channels, self.rate = struct.unpack_from("<HI", piece, 22)
            piece = piece[at + 8 :]
        whole = len(piece) - len(piece) % (2 * self.channels)
        self._rest = piece[whole:]
        self._count(np.frombuffer(piece[:whole], dtype="<i2").reshape(-1, self.channels))

    def _count(self, frames: np.ndarray[tuple[int, int], np.dtype[np.int16]]) -> None:
        full = (frames >= _FULL_SCALE) | (frames <= -_FULL_SCALE)
        # One sample at full scale is a loud sound; three side by side are a peak cut off.
        self.flat += int((full[2:] & full[1:-1] & full[:-2]).sum())
        self.samples += frames.size
