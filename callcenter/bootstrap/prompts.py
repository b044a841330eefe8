"""The instance's prompt library."""

from __future__ import annotations

from callcenter.asterisk.install import Installation
from callcenter.platform.settings import Settings
from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.speech import EspeakSpeech


def prompt_library(settings: Settings, installation: Installation | None) -> PromptLibrary:
    """Without an installation it finds texts that were spoken, but cannot speak new ones."""
    command = installation.espeak_command() if installation is not None else ["espeak-ng"]
    return PromptLibrary(settings.prompts_directory, EspeakSpeech(command))
