"""A piece is cut to its word, so that a row of them does not drag."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from callcenter.prompts.audio import BadAudio, measure, to_telephone
from callcenter.prompts.pieces.say import VOCABULARY
from callcenter.prompts.pieces.sound import PAUSE_MS, tightened
from callcenter.prompts.shipped import read_texts, shipped_directory
from callcenter.testing.tone_speech import tone

pytestmark = pytest.mark.unit


def spoken(seconds: float) -> bytes:
    """A word with silence around it, as voices give it, made a prompt."""
    with wave.open(io.BytesIO(tone(seconds))) as reader:
        rate, frames = reader.getframerate(), reader.readframes(reader.getnframes())
    silence = bytes(rate)  # half a second
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(silence + frames + silence)
    return to_telephone(out.getvalue())


def silent_end_ms(sound: bytes) -> float:
    with wave.open(io.BytesIO(sound)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
    return (len(samples) - 1 - int(np.flatnonzero(samples)[-1])) / 8


def test_the_silence_around_a_word_becomes_short() -> None:
    prompt = spoken(0.4)
    piece = tightened(prompt, pause=False)
    assert measure(prompt).duration_ms == pytest.approx(560, abs=15)
    assert measure(piece).duration_ms == pytest.approx(485, abs=15)
    assert silent_end_ms(piece) == pytest.approx(70, abs=15)


def test_the_digit_before_a_gap_is_followed_by_a_pause() -> None:
    with_pause = tightened(spoken(0.4), pause=True)
    assert silent_end_ms(with_pause) == pytest.approx(PAUSE_MS, abs=20)


def test_a_very_short_word_stays_long_enough_to_be_a_prompt() -> None:
    # A click of 60 ms is 220 ms of prompt; its piece is still one that may be played.
    assert measure(tightened(spoken(0.06), pause=False)).duration_ms >= 150


def test_pieces_are_as_loud_as_prompts() -> None:
    quiet = tightened(to_telephone(tone(0.5, level=0.02)), pause=False)
    assert measure(quiet).loudness_dbfs == pytest.approx(-20.6, abs=0.5)


def test_what_is_no_prompt_is_refused() -> None:
    with pytest.raises(BadAudio):
        tightened(tone(0.4), pause=False)


def test_the_shipped_pieces_are_short_and_small() -> None:
    folder = shipped_directory()
    pieces = [prompt for prompt in read_texts(folder) if prompt.piece]
    assert len(pieces) == sum(len(names) for names in VOCABULARY.values())
    sizes = [(folder / piece.file).stat().st_size for piece in pieces]
    assert sum(sizes) < 3_000_000
    assert max(sizes) < 16_000  # one second
