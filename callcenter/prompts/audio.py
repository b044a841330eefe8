"""What we do to sound, by pydub: to telephone quality, without silence at its ends, at one level.

Blocking and heavy on the CPU: callers use a thread. Nothing here needs ffmpeg: WAV in, WAV out
(other formats become WAV first: `convert`).
"""

from __future__ import annotations

import io
import math
import warnings
import wave
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from callcenter.platform.errors import InvalidField

with warnings.catch_warnings():
    # pydub speaks up on stderr when no ffmpeg is installed; WAV needs none.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

SAMPLE_RATE: Final = 8000  #: Hz, what the telephone network carries
WIDE_RATE: Final = 16000  #: Hz, for callers whose phone carries more (G.722, Opus)
SAMPLE_WIDTH: Final = 2  #: bytes
LOUDNESS_DBFS: Final = -20.0  #: mean level of every prompt
HEADROOM_DBFS: Final = -2.0  #: the loudest sample stays below
SILENCE_DBFS: Final = -50.0
LEAD_IN_MS: Final = 40
LEAD_OUT_MS: Final = 120
SHORTEST_MS: Final = 150
LONGEST_MS: Final = 15 * 60_000


class BadAudio(InvalidField):
    """The audio is not fit to be played to callers."""

    slug = "bad-audio"

    def __init__(self, rule: str) -> None:
        super().__init__("audio", rule)
        self.args = (rule,)


class NotAudio(BadAudio):
    """The file is none of the kinds of audio that are taken, or cannot be read as what it is."""

    slug = "not-audio"


class CutOff(BadAudio):
    """The file announces more sound than it holds."""

    slug = "audio-cut-off"


class Silent(BadAudio):
    """Nothing is heard in it."""

    slug = "audio-silent"


class Clipped(BadAudio):
    """It was recorded too loud: its peaks are cut off."""

    slug = "audio-clipped"


class TooShort(BadAudio):
    """It is too short to be understood."""

    slug = "audio-too-short"


class TooLong(BadAudio):
    """It is longer than callers may be held."""

    slug = "audio-too-long"


class DecompressionBomb(BadAudio):
    """It unpacks to more than is taken."""

    slug = "decompression-bomb"


@dataclass(frozen=True, slots=True)
class Measured:
    """A prompt's length and levels (dBFS: 0 is full scale)."""

    duration_ms: int
    loudness_dbfs: float
    peak_dbfs: float


@dataclass(frozen=True, slots=True)
class Finished:
    """Sound as Asterisk plays it: WAV, mono, 16 bit, at 8 kHz (`narrow`) and 16 kHz (`wide`)."""

    narrow: bytes
    wide: bytes | None
    measured: Measured


def to_telephone(sound: bytes) -> bytes:
    """WAV of any rate to our one format: 8 kHz, mono, 16 bit, trimmed, at one level.

    Raises a `BadAudio` that says why when it is no WAV, silent, too short or too long.
    """
    segment = _trimmed(_resampled(_read(sound), SAMPLE_RATE))
    telephone = _wav(segment.apply_gain(_gain(segment)).raw_data, SAMPLE_RATE)
    measure(telephone)
    return telephone


def finish(sound: bytes) -> Finished:
    """WAV of any rate to both of ours, trimmed alike, at one level. Raises as `to_telephone`."""
    wide = _trimmed(_resampled(_read(sound), WIDE_RATE))
    narrow = _resampled(wide, SAMPLE_RATE)
    gain = min(_gain(narrow), HEADROOM_DBFS - wide.max_dBFS)
    telephone = _wav(narrow.apply_gain(gain).raw_data, SAMPLE_RATE)
    return Finished(telephone, _wav(wide.apply_gain(gain).raw_data, WIDE_RATE), measure(telephone))


def telephone_wav(samples: bytes) -> bytes:
    """Raw samples (8 kHz, mono, 16 bit) as WAV."""
    return _wav(samples, SAMPLE_RATE)


def telephone_samples(sound: bytes) -> bytes:
    """The raw samples of a file in our format. Raises `BadAudio`."""
    measure(sound)
    with wave.open(io.BytesIO(sound)) as reader:
        samples: bytes = reader.readframes(reader.getnframes())
    return samples


def _wav(samples: bytes, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return out.getvalue()


def _read(sound: bytes) -> AudioSegment:
    try:
        # Not AudioSegment.from_file(): what it cannot read it hands to an ffmpeg on PATH.
        segment = AudioSegment(data=sound)
        length_ms = len(segment)
    except Exception as exc:  # pydub raises whatever the file provokes in its parser
        raise NotAudio("That is not a WAV file we can read.") from exc
    if length_ms > LONGEST_MS:
        raise TooLong(f"Longer than {LONGEST_MS // 60_000} minutes.")
    return segment.set_channels(1).set_sample_width(SAMPLE_WIDTH)


def _gain(segment: AudioSegment) -> float:
    gain: float = min(LOUDNESS_DBFS - segment.dBFS, HEADROOM_DBFS - segment.max_dBFS)
    return gain


def measure(sound: bytes) -> Measured:
    """Length and levels of a file in our format. Raises `BadAudio` when callers would hear nothing,
    or it is not in our format.
    """
    try:
        with wave.open(io.BytesIO(sound)) as reader:
            form = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
            announced = reader.getnframes()
            samples = np.frombuffer(reader.readframes(announced), dtype="<i2")
    except (wave.Error, EOFError, ValueError) as exc:
        raise NotAudio("That is not a WAV file.") from exc
    if form != (1, SAMPLE_WIDTH, SAMPLE_RATE):
        raise BadAudio("Prompts are 8 kHz, mono, 16 bit.")
    if len(samples) != announced:
        raise CutOff("The file is cut off.")
    duration_ms = round(len(samples) * 1000 / SAMPLE_RATE)
    if duration_ms < SHORTEST_MS:
        raise TooShort(f"Shorter than {SHORTEST_MS} ms.")
    level = samples.astype(np.float64) / 32768
    loudness, peak = _dbfs(float(np.sqrt(np.mean(level**2)))), _dbfs(float(np.abs(level).max()))
    if peak < SILENCE_DBFS:
        raise Silent("It is silent.")
    return Measured(duration_ms, round(loudness, 1), round(peak, 1))


def _dbfs(level: float) -> float:
    return 20 * math.log10(level) if level > 0 else -120.0


def _resampled(segment: AudioSegment, rate: int) -> AudioSegment:
    """To `rate`. pydub's own conversion folds what lies above half of it back into the voice."""
    if segment.frame_rate > rate:
        samples = np.frombuffer(segment.raw_data, dtype="<i2").astype(np.float32)
        if len(samples):
            smooth = np.convolve(samples, _low_pass(segment.frame_rate, rate), mode="same")
            segment = segment._spawn(np.clip(smooth, -32768, 32767).astype("<i2").tobytes())
    return segment.set_frame_rate(rate)


@lru_cache(maxsize=16)
def _low_pass(rate: int, wanted: int) -> NDArray[np.float32]:
    """A windowed-sinc filter that keeps what is below 3.7 kHz of 8 (7.4 of 16)."""
    half = 64
    at = np.arange(-half, half + 1)
    cut = 2 * 0.4625 * wanted / rate
    taps: NDArray[np.float64] = cut * np.sinc(cut * at) * np.hamming(2 * half + 1)
    taps /= taps.sum()
    return taps.astype(np.float32)


def _trimmed(segment: AudioSegment) -> AudioSegment:
    head = detect_leading_silence(segment, silence_threshold=SILENCE_DBFS)
    if head >= len(segment):
        raise Silent("It is silent.")
    tail = detect_leading_silence(segment.reverse(), silence_threshold=SILENCE_DBFS)
    start, end = max(0, head - LEAD_IN_MS), len(segment) - max(0, tail - LEAD_OUT_MS)
    return segment[start:end]
