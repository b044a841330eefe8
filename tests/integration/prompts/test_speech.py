"""A text-to-speech program is started, limited, and never trusted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.prompts.audio import measure, to_telephone
from callcenter.prompts.speech import EspeakSpeech, NoVoice, SpeechFailed

pytestmark = pytest.mark.integration

#: Behaves like espeak-ng, and writes down how it was called.
_PROGRAM = """
import json, shutil, sys
text = sys.stdin.buffer.read()
target = sys.argv[sys.argv.index("-w") + 1]
json.dump([sys.argv[1:], text.decode()], open({log!r}, "w"))
shutil.copy({sound!r}, target)
"""


def stand_in(tmp_path: Path, body: str) -> list[str]:
    program = tmp_path / "program.py"
    program.write_text(body, "utf-8")
    return [sys.executable, "-I", str(program)]


async def test_the_text_goes_by_standard_input_and_never_by_the_command_line(
    tmp_path: Path,
) -> None:
    import json

    from callcenter.testing.tone_speech import tone

    (tmp_path / "tone.wav").write_bytes(tone(0.5))
    log = tmp_path / "log.json"
    body = _PROGRAM.format(log=str(log), sound=str(tmp_path / "tone.wav"))
    speech = EspeakSpeech(stand_in(tmp_path, body))
    sound = await speech.speak("--help; rm -rf / 您好", "zh")
    assert sound == tone(0.5)
    arguments, text = json.loads(log.read_text("utf-8"))
    assert text == "--help; rm -rf / 您好"
    assert not [word for word in arguments if "您好" in word or "help" in word]
    assert arguments[:2] == ["-v", "cmn"]


async def test_a_program_that_hangs_is_ended_by_the_limit(tmp_path: Path) -> None:
    speech = EspeakSpeech(
        stand_in(tmp_path, "import time; time.sleep(60)"), limit=timedelta(seconds=0.3)
    )
    async with asyncio.timeout(5):
        with pytest.raises(SpeechFailed, match="within"):
            await speech.speak("您好", "zh")


@pytest.mark.parametrize("body", ["import sys; sys.exit(3)", "pass"])
async def test_a_program_that_fails_or_writes_nothing_is_a_failure(
    tmp_path: Path, body: str
) -> None:
    with pytest.raises(SpeechFailed) as failed:
        await EspeakSpeech(stand_in(tmp_path, body)).speak("秘密", "zh")
    assert "秘密" not in str(failed.value)


async def test_a_program_that_is_not_there_says_how_to_get_it() -> None:
    with pytest.raises(SpeechFailed, match="asterisk install"):
        await EspeakSpeech(["/nonexistent/espeak-ng"]).speak("您好", "zh")


async def test_a_language_without_a_voice_is_refused() -> None:
    with pytest.raises(NoVoice):
        await EspeakSpeech(["/nonexistent/espeak-ng"]).speak("Bonjour", "fr")


@pytest.fixture
def espeak_command() -> Sequence[str]:
    """espeak-ng as `callcenter asterisk install` brings it."""
    install = pytest.importorskip("callcenter.asterisk.install")
    found = install.locate()
    if found is None or not found.has_tools:
        pytest.skip("no espeak-ng: run `callcenter asterisk install`")
    command: Sequence[str] = found.espeak_command()
    return command


@pytest.mark.parametrize(
    ("language", "text", "shortest", "longest"),
    [("zh", "您好，政务服务热线。", 1000, 4000), ("en", "Welcome to the hotline.", 800, 4000)],
)
async def test_espeak_speaks_both_languages(
    espeak_command: Sequence[str], language: str, text: str, shortest: int, longest: int
) -> None:
    sound = to_telephone(await EspeakSpeech(espeak_command).speak(text, language))
    measured = measure(sound)
    assert shortest < measured.duration_ms < longest
    assert measured.peak_dbfs == pytest.approx(-2, abs=0.5) or measured.loudness_dbfs > -21


async def test_the_first_thing_callers_hear_is_at_most_eight_seconds(
    espeak_command: Sequence[str],
) -> None:
    from callcenter.ivr.model import spoken_by
    from callcenter.ivr.seed import default_flow

    flow = default_flow()
    spoken = spoken_by(flow.nodes[flow.entry])
    assert isinstance(spoken, dict)
    for language, text in spoken.items():
        sound = to_telephone(await EspeakSpeech(espeak_command).speak(text, language))
        assert measure(sound).duration_ms <= 8000, language
