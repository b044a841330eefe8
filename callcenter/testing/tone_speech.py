"""A voice for tests: a tone instead of words, the longer the text the longer."""

from __future__ import annotations

import io
import wave

import numpy as np

from callcenter.prompts.speech import NoVoice, SpeechFailed

RATE = 22050


def tone(seconds: float, *, rate: int = RATE, level: float = 0.3, hertz: float = 440) -> bytes:
    """A WAV file, mono, 16 bit."""
    at = np.arange(round(seconds * rate)) / rate
    samples = (np.sin(2 * np.pi * hertz * at) * level * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return out.getvalue()


class ToneSpeech:
    """Speaks zh and en. `broken=True` fails instead; `spoken` says what was asked for."""

    def __init__(self, *, name: str = "tone", broken: bool = False) -> None:
        self.name = name
        self.broken = broken
        self.spoken: list[tuple[str, str]] = []

    def voice(self, language: str) -> str:
        if language not in ("zh", "en"):
            raise NoVoice(language)
        return f"{self.name}/{language}"

    async def speak(self, text: str, language: str) -> bytes:
        self.voice(language)
        self.spoken.append((language, text))
        if self.broken:
            raise SpeechFailed
        return tone(min(0.3 + 0.01 * len(text), 2.0))
