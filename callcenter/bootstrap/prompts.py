"""The instance's prompt library."""

from __future__ import annotations

from callcenter.asterisk.install import Installation
from callcenter.platform.settings import Settings
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.speech import CommandSpeech, EspeakSpeech, Speech


def prompt_library(settings: Settings, installation: Installation | None) -> PromptLibrary:
    """Without an installation it finds texts that were spoken, but cannot speak new ones."""
    return PromptLibrary(settings.prompts_directory, _speech(settings, installation))


def _speech(settings: Settings, installation: Installation | None) -> Speech:
    """The voice all processes of this instance agree on."""
    if settings.tts_words is not None:
        return CommandSpeech(settings.tts_words)
    return EspeakSpeech(
        installation.espeak_command() if installation is not None else ["espeak-ng"]
    )
