"""Sound becomes what a telephone carries, or is refused."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from callcenter.prompts.audio import BadAudio, measure, to_telephone
from callcenter.testing.tone_speech import tone

pytestmark = pytest.mark.unit


def samples(sound: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(sound)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)
        return np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")


def padded(sound: bytes, *, before: float, after: float, rate: int = 22050) -> bytes:
    with wave.open(io.BytesIO(sound)) as reader:
        frames = reader.readframes(reader.getnframes())
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(int(before * rate) * 2) + frames + bytes(int(after * rate) * 2))
    return out.getvalue()


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_any_rate_becomes_eight_kilohertz_of_the_same_length(rate: int) -> None:
    measured = measure(to_telephone(tone(1.0, rate=rate)))
    assert measured.duration_ms == pytest.approx(1000, abs=15)


@pytest.mark.parametrize("level", [0.01, 0.1, 0.9])
def test_loud_and_quiet_become_equally_loud(level: float) -> None:
    assert measure(to_telephone(tone(1.0, level=level))).loudness_dbfs == pytest.approx(-20, abs=1)


def test_silence_at_both_ends_is_cut_off() -> None:
    sound = padded(tone(1.0), before=1.5, after=2.0)
    assert measure(to_telephone(sound)).duration_ms == pytest.approx(1160, abs=30)


def test_what_a_telephone_cannot_carry_does_not_come_back_as_another_tone() -> None:
    # 6 kHz sampled at 8 kHz would be heard at 2 kHz.
    mixed = np.frombuffer(tone(1.0)[44:], "<i2") + np.frombuffer(tone(1.0, hertz=6000)[44:], "<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22050)
        writer.writeframes(mixed.astype("<i2").tobytes())
    heard = samples(to_telephone(out.getvalue()))
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    hertz = np.fft.rfftfreq(len(heard), 1 / 8000)
    alias = spectrum[(hertz > 1900) & (hertz < 2100)].max()
    assert alias < spectrum.max() / 1000


@pytest.mark.parametrize(
    "sound",
    [b"", b"not audio", tone(1.0)[:30], b"RIFF" + bytes(60)],
)
def test_what_is_no_sound_is_refused(sound: bytes) -> None:
    with pytest.raises(BadAudio):
        to_telephone(sound)


@pytest.mark.parametrize("sound", [tone(1.0, level=0.0), tone(0.05), tone(0.0)])
def test_silence_and_clicks_are_refused(sound: bytes) -> None:
    with pytest.raises(BadAudio):
        to_telephone(sound)


def test_a_file_that_was_cut_off_is_not_sound() -> None:
    sound = to_telephone(tone(1.0))
    measure(sound)
    with pytest.raises(BadAudio):
        measure(sound[: len(sound) // 2])


def test_another_format_is_not_ours() -> None:
    with pytest.raises(BadAudio, match="8 kHz"):
        measure(tone(1.0))
