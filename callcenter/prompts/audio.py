"""What we do to sound, by pydub: to telephone quality, without silence at its ends, at one level.

Blocking and heavy on the CPU: callers use a thread. Nothing here needs ffmpeg: WAV in, WAV out.
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

from callcenter.platform.errors import HotlineError

with warnings.catch_warnings():
    # pydub speaks up on stderr when no ffmpeg is installed; WAV needs none.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment
    from pydub.silence import detect_leading_silence

SAMPLE_RATE: Final = 8000  #: Hz, what the telephone network carries
SAMPLE_WIDTH: Final = 2  #: bytes
LOUDNESS_DBFS: Final = -20.0  #: mean level of every prompt
HEADROOM_DBFS: Final = -2.0  #: the loudest sample stays below
SILENCE_DBFS: Final = -50.0
LEAD_IN_MS: Final = 40
LEAD_OUT_MS: Final = 120
SHORTEST_MS: Final = 150
LONGEST_MS: Final = 15 * 60_000


class BadAudio(HotlineError):
    """The audio is not fit to be played to callers."""

    slug = "bad-audio"


@dataclass(frozen=True, slots=True)
class Measured:
    """A prompt's length and levels (dBFS: 0 is full scale)."""

    duration_ms: int
    loudness_dbfs: float
    peak_dbfs: float


def to_telephone(sound: bytes) -> bytes:
    """WAV of any rate to our one format: 8 kHz, mono, 16 bit, trimmed, at one level.

    Raises `BadAudio` when it is no WAV, silent, too short or too long.
    """
    try:
        segment = AudioSegment.from_file(io.BytesIO(sound), format="wav")
    except Exception as exc:  # pydub raises whatever the file provokes in its parser
        raise BadAudio("That is not a WAV file we can read.") from exc
    if len(segment) > LONGEST_MS:
        raise BadAudio(f"Longer than {LONGEST_MS // 60_000} minutes.")
    segment = segment.set_channels(1).set_sample_width(SAMPLE_WIDTH)
    segment = _trimmed(_resampled(segment))
    gain = min(LOUDNESS_DBFS - segment.dBFS, HEADROOM_DBFS - segment.max_dBFS)
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(segment.apply_gain(gain).raw_data)
    telephone = out.getvalue()
    measure(telephone)
    return telephone


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
        raise BadAudio("That is not a WAV file.") from exc
    if form != (1, SAMPLE_WIDTH, SAMPLE_RATE):
        raise BadAudio("Prompts are 8 kHz, mono, 16 bit.")
    if len(samples) != announced:
        raise BadAudio("The file is cut off.")
    duration_ms = round(len(samples) * 1000 / SAMPLE_RATE)
    if duration_ms < SHORTEST_MS:
        raise BadAudio(f"Shorter than {SHORTEST_MS} ms.")
    level = samples.astype(np.float64) / 32768
    loudness, peak = _dbfs(float(np.sqrt(np.mean(level**2)))), _dbfs(float(np.abs(level).max()))
    if peak < SILENCE_DBFS:
        raise BadAudio("It is silent.")
    return Measured(duration_ms, round(loudness, 1), round(peak, 1))


def _dbfs(level: float) -> float:
    return 20 * math.log10(level) if level > 0 else -120.0


def _resampled(segment: AudioSegment) -> AudioSegment:
    """To 8 kHz. pydub's own conversion folds what lies above 4 kHz back into the voice."""
    if segment.frame_rate > SAMPLE_RATE:
        samples = np.frombuffer(segment.raw_data, dtype="<i2").astype(np.float64)
        if len(samples):
            smooth = np.convolve(samples, _low_pass(segment.frame_rate), mode="same")
            segment = segment._spawn(np.clip(smooth, -32768, 32767).astype("<i2").tobytes())
    return segment.set_frame_rate(SAMPLE_RATE)


@lru_cache(maxsize=8)
def _low_pass(rate: int) -> NDArray[np.float64]:
    """A windowed-sinc filter that keeps what is below 3.7 kHz."""
    half = 64
    at = np.arange(-half, half + 1)
    cut = 2 * 3700 / rate
    taps: NDArray[np.float64] = cut * np.sinc(cut * at) * np.hamming(2 * half + 1)
    taps /= taps.sum()
    return taps


def _trimmed(segment: AudioSegment) -> AudioSegment:
    head = detect_leading_silence(segment, silence_threshold=SILENCE_DBFS)
    if head >= len(segment):
        raise BadAudio("It is silent.")
    tail = detect_leading_silence(segment.reverse(), silence_threshold=SILENCE_DBFS)
    start, end = max(0, head - LEAD_IN_MS), len(segment) - max(0, tail - LEAD_OUT_MS)
    return segment[start:end]
