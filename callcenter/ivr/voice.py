"""The runner's `Voice` on the prompt library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from callcenter.prompts.library import PromptLibrary
from callcenter.prompts.pieces.say import say_value
from callcenter.prompts.pieces.values import Unspeakable


@dataclass(frozen=True, slots=True)
class LibraryVoice:
    """Paths of audio in one instance's library. Of the disk only `slow` asks."""

    library: PromptLibrary

    def text(self, text: str, language: str) -> Path:
        return self.library.text(text, language)

    def prompt(self, name: str, language: str) -> Path:
        return self.library.prompt(name, language)

    def value(self, kind: str, value: str, language: str) -> Sequence[Path]:
        try:
            names = say_value(kind, value, language)
        except Unspeakable:
            return []
        return [self.library.prompt(name, language) for name in names]

    def slow(self, path: Path) -> Path:
        # One look at the disk: a caller hears it at the usual pace rather than not at all.
        return self.library.slow_if_there(path)
