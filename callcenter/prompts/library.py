"""The prompt library of one instance: `<directory>/<language>/<name>.wav`.

Shipped prompts are files by name; texts of flows are files named by what they say and in whose
voice, so that they are spoken once, never change, and a new version never disturbs an old one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from callcenter.platform.errors import NotFound, Unavailable
from callcenter.platform.files import put_whole
from callcenter.prompts.audio import BadAudio, Measured, measure, to_telephone
from callcenter.prompts.speech import Speech

#: At most so many texts are spoken at once: calls need the processor too.
AT_ONCE: Final = 2

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LANGUAGE = re.compile(r"[a-z]{2}")

log = logging.getLogger(__name__)


class NoSuchPrompt(NotFound):
    """There is no such prompt."""

    slug = "no-such-prompt"


class NotRendered(Unavailable):
    """A text could not be turned into audio."""

    slug = "not-rendered"


@dataclass(frozen=True)
class PromptLibrary:
    """Where prompts lie and how missing ones are made.

    The processes of an instance must be given the same directory and the same `speech`: the voice
    is part of a file's name.
    """

    directory: Path
    speech: Speech
    _speaking: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(AT_ONCE), repr=False
    )

    def prompt(self, name: str, language: str) -> Path:
        """Where a shipped prompt lies. Raises `NoSuchPrompt` for what cannot be a prompt's name."""
        if not _NAME.fullmatch(name) or not _LANGUAGE.fullmatch(language):
            raise NoSuchPrompt
        return self.directory / language / f"{name}.wav"

    def text(self, text: str, language: str) -> Path:
        """Where the audio of a text lies once it was rendered. Pure: the disk is not touched."""
        if not _LANGUAGE.fullmatch(language):
            raise NoSuchPrompt
        parts = (text, language, self.speech.voice(language))
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        # A dash stands in no prompt's name: texts and prompts cannot meet.
        return self.directory / language / f"text-{digest}.wav"

    async def available(self) -> Mapping[str, frozenset[str]]:
        """Every prompt by name, with the languages it can be heard in now."""
        return await asyncio.to_thread(self._available)

    def _available(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for file in self.directory.glob("??/*.wav"):
            if _NAME.fullmatch(file.stem):
                found.setdefault(file.stem, set()).add(file.parent.name)
        return {name: frozenset(languages) for name, languages in found.items()}

    async def ensure(self, texts: Iterable[tuple[str, str]]) -> int:
        """See that every (language, text) has its audio, checked byte by byte; how many were made.

        Raises `NotRendered`, `NoVoice`, `SpeechFailed`. What was made stays: it is found next time.
        """
        wanted = {self.text(text, language): (text, language) for language, text in texts}
        tasks = [
            asyncio.create_task(self._ensure(path, *what), name="prompt-render")
            for path, what in wanted.items()
        ]
        try:
            return sum(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ensure(self, path: Path, text: str, language: str) -> bool:
        async with self._speaking:
            if await asyncio.to_thread(_is_sound, path):
                return False
            try:
                sound = await asyncio.to_thread(
                    to_telephone, await self.speech.speak(text, language)
                )
                await asyncio.to_thread(_store, path, sound)
            except BadAudio as exc:
                raise NotRendered(f"A text in “{language}” gave no audio: {exc}") from exc
            except OSError as exc:
                raise NotRendered(f"Cannot write prompts: {exc.strerror}.") from exc
            return True


def _is_sound(path: Path) -> bool:
    try:
        measure_file(path)
    except FileNotFoundError:
        return False
    except (OSError, BadAudio) as exc:
        log.warning("%s is rendered again: %s", path.name, exc)
        return False
    return True


def measure_file(path: Path) -> Measured:
    """Read a prompt and measure it. Raises `BadAudio`, OSError. Blocking."""
    return measure(path.read_bytes())


def store_atomically(path: Path, sound: bytes) -> None:
    """Put a file in its place whole: a call that plays the old one goes on with it. Blocking."""
    put_whole(path, sound, mode=0o644)  # Asterisk may run as another user


def _store(path: Path, sound: bytes) -> None:
    store_atomically(path, sound)
    measure_file(path)
