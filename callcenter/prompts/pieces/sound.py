"""A piece's audio, cut as tightly as a row of pieces needs. CPU work: callers use a thread."""

from __future__ import annotations

import io
import wave
from typing import Final

import numpy as np

from callcenter.prompts.audio import (
    HEADROOM_DBFS,
    LOUDNESS_DBFS,
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    SHORTEST_MS,
    measure,
)

#: What is kept before the sound of a piece: enough not to clip a consonant.
LEAD_IN_MS: Final = 15
#: And after it: syllables of Mandarin are short, and old people listen.
LEAD_OUT_MS: Final = 70
#: The silence that ends a group of digits.
PAUSE_MS: Final = 260
#: Quieter than the loudest moment by so much is no part of the word (breath, fading vowel).
_FADED_DB: Final = 36.0
_FRAME_MS: Final = 5


def tightened(sound: bytes, *, pause: bool) -> bytes:
    """A prompt in our format, cut to its word, at the level of all prompts; with `pause` silence
    follows. Raises `BadAudio` when `sound` is not in our format.
    """
    measure(sound)
    with wave.open(io.BytesIO(sound)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
    level = samples.astype(np.float64) / 32768
    frame = SAMPLE_RATE * _FRAME_MS // 1000
    frames = level[: len(level) // frame * frame].reshape(-1, frame)
    loudness = np.sqrt(np.mean(frames**2, axis=1))
    heard = np.flatnonzero(loudness >= loudness.max() * 10 ** (-_FADED_DB / 20))
    edge = SAMPLE_RATE * LEAD_IN_MS // 1000
    start = max(0, int(heard[0]) * frame - edge)
    end = min(len(level), (int(heard[-1]) + 1) * frame + edge)
    word = level[start:end]
    mean, peak = float(np.sqrt(np.mean(word**2))), float(np.abs(word).max())
    gain = min(10 ** (LOUDNESS_DBFS / 20) / mean, 10 ** (HEADROOM_DBFS / 20) / peak)
    word = word * gain
    fade = np.linspace(0.0, 1.0, edge // 2)
    word[: len(fade)] *= fade
    word[-len(fade) :] *= fade[::-1]
    after_ms = PAUSE_MS if pause else LEAD_OUT_MS - LEAD_IN_MS
    after_ms = max(after_ms, SHORTEST_MS - 1000 * len(word) // SAMPLE_RATE)
    word = np.concatenate([word, np.zeros(SAMPLE_RATE * after_ms // 1000)])
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(np.round(word * 32767).astype("<i2").tobytes())
    piece = out.getvalue()
    measure(piece)
    return piece
