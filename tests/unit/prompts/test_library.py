"""The prompts of one instance: by name, and by what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcenter.prompts.audio import to_telephone
from callcenter.prompts.library import (
    NoSuchPrompt,
    NotRendered,
    PromptLibrary,
    measure_file,
    store_atomically,
)
from callcenter.prompts.speech import NoVoice, SpeechFailed
from callcenter.testing.tone_speech import ToneSpeech, tone

pytestmark = pytest.mark.unit


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


TEXTS = [("zh", "您好"), ("en", "Hello"), ("zh", "您好"), ("en", "您好")]


async def test_texts_are_spoken_once_and_found_by_what_they_say(tmp_path: Path) -> None:
    speech = ToneSpeech()
    library = PromptLibrary(tmp_path, speech)
    assert await library.ensure(TEXTS) == 3
    assert await library.ensure(TEXTS) == 0
    assert len(speech.spoken) == 3
    for language, text in TEXTS:
        path = library.text(text, language)
        assert path.parent == tmp_path / language
        assert measure_file(path).duration_ms > 150


def test_the_text_the_language_and_the_voice_make_the_name(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    other = PromptLibrary(tmp_path, ToneSpeech(name="other"))
    names = {
        library.text("a", "zh"),
        library.text("b", "zh"),
        library.text("a", "en"),
        other.text("a", "zh"),
    }
    assert len(names) == 4
    assert library.text("a", "zh") == PromptLibrary(tmp_path, ToneSpeech()).text("a", "zh")


@pytest.mark.parametrize("damage", [b"", b"RIFF", to_telephone(tone(1.0))[:5000]])
async def test_damaged_audio_is_spoken_again(tmp_path: Path, damage: bytes) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    await library.ensure(TEXTS)
    library.text("您好", "zh").write_bytes(damage)
    assert await library.ensure(TEXTS) == 1
    assert measure_file(library.text("您好", "zh")).duration_ms > 150


async def test_a_voice_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech(broken=True))
    with pytest.raises(SpeechFailed):
        await library.ensure(TEXTS)
    assert files(tmp_path) == []


async def test_a_voice_that_says_nothing_is_told_by_what_it_did_not_say(tmp_path: Path) -> None:
    class Mute(ToneSpeech):
        async def speak(self, text: str, language: str) -> bytes:
            return tone(1.0, level=0)

    with pytest.raises(NotRendered, match="silent"):
        await PromptLibrary(tmp_path, Mute()).ensure(TEXTS)
    assert files(tmp_path) == []


async def test_a_language_without_a_voice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoVoice, match="fr"):
        await PromptLibrary(tmp_path, ToneSpeech()).ensure([("fr", "Bonjour")])


async def test_prompts_by_name_are_listed_with_their_languages(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path, ToneSpeech())
    store_atomically(library.prompt("goodbye", "zh"), tone(0.3))
    store_atomically(library.prompt("goodbye", "en"), tone(0.3))
    store_atomically(library.prompt("invalid", "zh"), tone(0.3))
    await library.ensure(TEXTS)
    assert await library.available() == {
        "goodbye": frozenset({"zh", "en"}),
        "invalid": frozenset({"zh"}),
    }


@pytest.mark.parametrize(
    ("name", "language"), [("../x", "zh"), ("a/b", "zh"), ("", "zh"), ("a", ".."), ("text-1", "zh")]
)
def test_a_name_is_never_a_path(tmp_path: Path, name: str, language: str) -> None:
    with pytest.raises(NoSuchPrompt):
        PromptLibrary(tmp_path, ToneSpeech()).prompt(name, language)
