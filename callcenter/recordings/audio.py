"""Audio on disk: one voice per file as MixMonitor leaves it, to one measured, finished WAV.

Blocking, for a thread. Reads and writes in pieces of ten seconds: no call is ever whole in memory.
"""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM: Final = 1
_FRAME_MS: Final = 20
_FRAMES_A_PIECE: Final = 500
#: −50 dBFS as the root mean square of 16-bit samples.
_SILENT_RMS: Final = 32768 * 10 ** (-50 / 20)
#: Chunks of a WAV header we look through before its data.
_MOST_CHUNKS: Final = 16


class UnreadableAudio(Exception):
    """The file is not the PCM WAV that Asterisk writes; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice's file. `repaired`: its header gave another length than the file has, as it does
    while Asterisk writes it and after Asterisk was killed; `samples` is what is there."""

    path: Path
    data_offset: int
    samples: int
    sample_rate: int
    repaired: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """A finished file.

    `peak` is the largest sample, 0 to 1 of full scale. `silence_ratio` is the share of 20 ms frames
    in which every channel is below −50 dBFS (root mean square); a last part of a frame counts as a
    frame. `sha256` is of the whole file.
    """

    duration_ms: int
    sample_rate: int
    channels: int
    bytes: int
    peak: float
    silence_ratio: float
    sha256: str


def read_voice(path: Path) -> Voice:
    """Look at a 16-bit mono WAV; its length is taken from the file where the header is wrong.

    Raises `UnreadableAudio`, FileNotFoundError, OSError.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 12:
            raise UnreadableAudio("the file is empty")
        riff, _length, wave = struct.unpack("<4sI4s", file.read(12))
        if riff != b"RIFF" or wave != b"WAVE":
            raise UnreadableAudio("the file is not WAV")
        rate = None
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                break
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                if rate is None:
                    break
                there = size - file.tell()
                return Voice(path, file.tell(), there // 2, rate, repaired=length != there)
            body = file.read(length + length % 2) if length <= 4096 else b""
            if name == b"fmt ":
                if len(body) < 16:
                    break
                form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
                if (form, channels, bits) != (_PCM, 1, 16) or not 8000 <= rate <= 48000:
                    raise UnreadableAudio("the file is not 16-bit mono PCM")
    raise UnreadableAudio("the file's header breaks off")


def join(left: Voice | None, right: Voice | None, target: Path) -> Measured:
    """Two voices to one stereo file, the shorter (or missing) one filled up with silence.

    Raises `UnreadableAudio` when their sample rates differ, OSError when the disk does not take it.
    """
    voices = [voice for voice in (left, right) if voice is not None]
    if len({voice.sample_rate for voice in voices}) != 1:
        raise UnreadableAudio("the two voices have different sample rates")
    return _write([left, right], voices[0].sample_rate, target)


def copy(voice: Voice, target: Path) -> Measured:
    """One voice to a finished mono file. Raises OSError."""
    return _write([voice], voice.sample_rate, target)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hex. Raises OSError."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _write(voices: list[Voice | None], rate: int, target: Path) -> Measured:
    """Write beside `target`, force it to the disk, then rename: it is whole or not there."""
    total = max(voice.samples for voice in voices if voice is not None)
    temporary = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as out:
            measured = _stream(voices, total, rate, out)
            out.flush()
            os.fsync(out.fileno())
        temporary.rename(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return measured


def _stream(voices: list[Voice | None], total: int, rate: int, out: BinaryIO) -> Measured:
    channels = len(voices)
    size = total * channels * 2
    digest = sha256()

    def write(data: bytes) -> None:
        out.write(data)
        digest.update(data)

    write(
        _HEADER.pack(
            b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, _PCM, channels, rate,
            rate * channels * 2, channels * 2, 16, b"data", size,
        )
    )  # fmt: skip
    frame = rate * _FRAME_MS // 1000
    peak, silent, frames, done = 0, 0, 0, 0
    with ExitStack() as stack:
        files = [_open_data(voice, stack) for voice in voices]
        while done < total:
            count = min(frame * _FRAMES_A_PIECE, total - done)
            piece = np.zeros((count, channels), dtype="<i2")
            for channel, file in enumerate(files):
                if file is None:
                    continue
                voice = voices[channel]
                assert voice is not None
                wanted = max(0, min(count, voice.samples - done))
                samples = np.frombuffer(file.read(wanted * 2), dtype="<i2")
                piece[: len(samples), channel] = samples
            peak = max(peak, int(np.abs(piece.astype(np.int32)).max()))
            quiet = _quiet_frames(piece, frame)
            silent += int(quiet.sum())
            frames += len(quiet)
            write(piece.tobytes())
            done += count
    return Measured(
        duration_ms=round(total * 1000 / rate),
        sample_rate=rate,
        channels=channels,
        bytes=_HEADER.size + size,
        peak=min(1.0, peak / 32768),
        silence_ratio=silent / frames,
        sha256=digest.hexdigest(),
    )


def _open_data(voice: Voice | None, stack: ExitStack) -> BinaryIO | None:
    if voice is None:
        return None
    file = stack.enter_context(voice.path.open("rb"))
    file.seek(voice.data_offset)
    return file


def _quiet_frames(piece: NDArray[np.int16], frame: int) -> NDArray[np.bool_]:
    """For each 20 ms frame: whether all channels are below the threshold."""
    starts = np.arange(0, len(piece), frame)
    energy = np.add.reduceat(piece.astype(np.float64) ** 2, starts, axis=0)
    lengths = np.diff(np.append(starts, len(piece)))
    loudest: NDArray[np.float64] = (energy / lengths[:, None]).max(axis=1)
    return loudest < _SILENT_RMS**2
