"""The speech command: words as a shell parts them, and no shell."""

from __future__ import annotations

import pytest

from callcenter.bootstrap.prompts import prompt_library
from callcenter.platform.errors import Misconfigured
from callcenter.platform.settings import load_settings
from callcenter.prompts.speech import CommandSpeech, EspeakSpeech

pytestmark = pytest.mark.unit


def test_without_a_command_espeak_speaks() -> None:
    settings = load_settings(tts_command=None)
    assert settings.tts_words is None
    assert isinstance(prompt_library(settings, None).speech, EspeakSpeech)


def test_a_command_is_parted_into_words() -> None:
    settings = load_settings(tts_command="/opt/voice 'two words' --lang={language} -o {output}")
    assert settings.tts_words == ("/opt/voice", "two words", "--lang={language}", "-o", "{output}")
    speech = prompt_library(settings, None).speech
    assert isinstance(speech, CommandSpeech)
    assert speech.voice("zh").startswith("command/")


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("", "must name a program"),
        ("   ", "must name a program"),
        ("voice 'open", "no closing quotation"),
        ("voice {voice}", "{voice} is none of"),
        ("{output} x", "holds no placeholder"),
    ],
)
def test_a_wrong_command_stops_the_start(command: str, rule: str) -> None:
    with pytest.raises(Misconfigured, match="CALLCENTER_TTS_COMMAND") as wrong:
        load_settings(tts_command=command)
    assert rule in str(wrong.value).lower()
