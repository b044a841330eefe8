"""Slow mode: everything at 0.8 of its speed, made once, made again when its source changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from callcenter.prompts.audio import telephone_samples, to_telephone
from callcenter.prompts.ffmpeg import ConversionFailed, slowed
from callcenter.prompts.library import PromptLibrary, measure_file, store_atomically
from callcenter.testing.tone_speech import ToneSpeech, tone

pytestmark = pytest.mark.integration


async def test_a_slow_version_is_longer_and_no_lower(tmp_path: Path) -> None:
    sound = to_telephone(tone(2.0))
    slow = await slowed(sound)
    samples = [np.frombuffer(telephone_samples(each), "<i2") for each in (sound, slow)]
    assert len(samples[1]) / len(samples[0]) == pytest.approx(1 / 0.8, rel=0.02)
    pitch = [
        np.fft.rfftfreq(len(s), 1 / 8000)[np.abs(np.fft.rfft(s * np.hanning(len(s)))).argmax()]
        for s in samples
    ]
    assert pitch == pytest.approx([440, 440], abs=3)


async def test_the_shortest_prompt_has_a_slow_version(tmp_path: Path) -> None:
    for milliseconds in (150, 170, 200, 333):
        sound = to_telephone(tone(milliseconds / 1000))
        samples = np.frombuffer(telephone_samples(await slowed(sound)), "<i2")
        assert len(samples) / 8 == pytest.approx(milliseconds / 0.8, abs=2)
        assert np.abs(samples).max() > 1000


async def test_one_that_fails_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    paths = [library.prompt(name, "zh") for name in ("a", "b", "c")]
    for path, seconds in zip(paths, (1.0, 1.5, 1.2), strict=True):
        store_atomically(path, to_telephone(tone(seconds)))

    async def fails_once(sound: bytes) -> bytes:
        if len(sound) > 22000:
            raise ConversionFailed
        return await slowed(sound)

    monkeypatch.setattr("callcenter.prompts.library.slowed", fails_once)
    with pytest.raises(ConversionFailed):
        await library.ensure_slow(paths)
    assert [library.slow(path).is_file() for path in paths] == [True, False, True]


async def test_slow_versions_are_made_once_and_again_for_a_new_source(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    prompt, text = library.prompt("goodbye", "zh"), library.text("您好", "zh")
    store_atomically(prompt, to_telephone(tone(1.0)))
    await library.ensure([("zh", "您好")])
    missing = library.prompt("nothing", "zh")
    assert library.slow_if_there(prompt) == prompt
    assert await library.ensure_slow([prompt, text, prompt, missing]) == 2
    assert library.slow_if_there(prompt) == library.slow(prompt)
    assert library.slow(prompt) == tmp_path / "zh" / "slow" / "goodbye.wav"
    assert measure_file(library.slow(prompt)).duration_ms == pytest.approx(1250, abs=60)
    assert await library.ensure_slow([prompt, text]) == 0
    store_atomically(prompt, to_telephone(tone(2.0)))
    assert await library.ensure_slow(await library.every_file()) == 1
    assert measure_file(library.slow(prompt)).duration_ms > 2400
    # Damaged, or its note lost by a power cut: made again.
    library.slow(prompt).write_bytes(b"RIFF")
    (tmp_path / "zh" / "slow" / f".{text.stem}.from").unlink()
    assert await library.ensure_slow([prompt, text]) == 2
    assert set(await library.available()) == {"goodbye"}, "a slow version is no prompt"


async def test_a_damaged_source_is_passed_over(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    store_atomically(library.prompt("goodbye", "zh"), b"RIFF and nothing else")
    assert await library.ensure_slow(await library.every_file()) == 0


async def test_a_missing_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callcenter.prompts.ffmpeg.ffmpeg_program", lambda: "/nonexistent/ffmpeg")
    with pytest.raises(ConversionFailed, match="ffmpeg"):
        await slowed(to_telephone(tone(1.0)))


async def test_lengths_are_measured_once_and_again_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    prompt = library.prompt("goodbye", "zh")
    store_atomically(prompt, to_telephone(tone(1.0)))
    missing, damaged = library.prompt("nothing", "zh"), library.prompt("damaged", "zh")
    store_atomically(damaged, b"RIFF")
    first = await library.lengths([prompt, missing, damaged])
    assert {path: length.total_seconds() for path, length in first.items()} == {
        prompt: pytest.approx(1.16, abs=0.2)
    }
    read = []
    monkeypatch.setattr(
        "callcenter.prompts.library.measure_file", lambda path: read.append(path) or 1 / 0
    )
    assert await library.lengths([prompt]) == first
    assert read == []
    monkeypatch.undo()
    store_atomically(prompt, to_telephone(tone(2.0)))
    assert (await library.lengths([prompt]))[prompt] > first[prompt]
