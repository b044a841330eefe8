"""The prompt library of one instance: `<directory>/<language>/<name>.wav`.

Prompts are files by name; texts of flows are files named by what they say and in whose voice, so
that they are spoken once, never change, and a new version never disturbs an old one. Beside each
lies, below `slow/`, the same at 0.8 of its speed, for callers who asked for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from callcenter.platform.errors import NotFound, Unavailable
from callcenter.platform.files import put_whole
from callcenter.prompts.audio import (
    SAMPLE_RATE,
    SAMPLE_WIDTH,
    BadAudio,
    Measured,
    measure,
    to_telephone,
)
from callcenter.prompts.ffmpeg import ConversionFailed, slowed
from callcenter.prompts.model import estimated
from callcenter.prompts.speech import Speech

#: At most so many texts are spoken at once: calls need the processor too.
AT_ONCE: Final = 2

#: Slow versions made at once: nobody waits for one, and calls need the processor too.
SLOW_AT_ONCE: Final = 1
#: Lengths that are remembered.
_LENGTHS_KEPT: Final = 20_000
_HEADER_BYTES: Final = 44  # of the WAV files we write

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
    _slowing: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(SLOW_AT_ONCE), repr=False
    )
    _lengths: dict[tuple[Path, int, int], timedelta] = field(default_factory=dict, repr=False)

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

    def slow(self, path: Path) -> Path:
        """Where the slow version of a prompt or text lies. Pure: the disk is not touched."""
        return path.parent / "slow" / path.name

    def slow_if_there(self, path: Path) -> Path:
        """The slow version, or the prompt itself where there is none yet: never silence."""
        slow = self.slow(path)
        return slow if slow.is_file() else path

    async def ensure_slow(self, paths: Iterable[Path]) -> int:
        """See that every one of these that is there has its slow version; how many were made.

        One whose source has changed since is made again. Raises `ConversionFailed` after all were
        tried; a source that is not in our format is passed over and told to the log.
        """
        made = 0
        failed: ConversionFailed | None = None
        for path in sorted(set(paths)):
            async with self._slowing:
                try:
                    made += await self._ensure_slow(path)
                except ConversionFailed as exc:
                    log.error("%s has no slow version: %s", path.name, exc)
                    failed = failed or exc
        if failed is not None:
            raise failed
        return made

    async def _ensure_slow(self, path: Path) -> bool:
        target = self.slow(path)
        try:
            sound = await asyncio.to_thread(path.read_bytes)
        except OSError:
            return False  # no source, no slow version: `ensure` is who makes sources
        if await asyncio.to_thread(is_slow_of, target, sound):
            return False
        try:
            slow = await slowed(sound)
            await asyncio.to_thread(put_slow, target, slow, sound)
        except BadAudio as exc:
            log.warning("%s has no slow version: %s", path.name, exc)
            return False
        except OSError as exc:
            raise ConversionFailed(f"Cannot write prompts: {exc.strerror}.") from exc
        return True

    async def every_file(self) -> list[Path]:
        """Every prompt and text there is audio of, as it is played at its own speed."""
        return await asyncio.to_thread(lambda: sorted(self.directory.glob("??/*.wav")))

    async def lengths(self, paths: Iterable[Path]) -> dict[Path, timedelta]:
        """How long each of these is; those that are not there are left out.

        Remembered by path, size and time of change: a look at an unchanged file is one stat().
        """
        return await asyncio.to_thread(self._measured_lengths, set(paths))

    def _measured_lengths(self, paths: set[Path]) -> dict[Path, timedelta]:
        found = {}
        for path in paths:
            try:
                seen = path.stat()
                key = (path, seen.st_size, seen.st_mtime_ns)
                length = self._lengths.get(key)
                if length is None:
                    length = timedelta(milliseconds=measure_file(path).duration_ms)
                    if len(self._lengths) >= _LENGTHS_KEPT:
                        self._lengths.clear()
                    self._lengths[key] = length
            except (OSError, BadAudio):
                continue
            found[path] = length
        return found

    def estimated(self, text: str, language: str) -> timedelta:
        """About how long a text takes that was not spoken yet. Pure: the disk is not touched."""
        return estimated(text, language)

    async def available(self) -> Mapping[str, frozenset[str]]:
        """Every prompt by name, with the languages it can be heard in now."""
        return await asyncio.to_thread(self._available)

    def _available(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for file in self.directory.glob("??/*.wav"):
            if _NAME.fullmatch(file.stem):
                found.setdefault(file.stem, set()).add(file.parent.name)
        return {name: frozenset(languages) for name, languages in found.items()}

    async def speak(self, text: str, language: str) -> bytes:
        """A text in the instance's voice, as WAV of any rate; nothing is kept.

        Raises `NoVoice`, `SpeechFailed`.
        """
        async with self._speaking:
            return await self.speech.speak(text, language)

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


def is_slow_of(slow: Path, sound: bytes) -> bool:
    """Whether that file is the slow version of this very sound. Blocking."""
    try:
        made_from = _source_note(slow).read_text("ascii")
        length = slow.stat().st_size
    except (OSError, ValueError):
        return False
    whole = (len(sound) - _HEADER_BYTES) // (SAMPLE_WIDTH * SAMPLE_RATE // 1000)
    there = (length - _HEADER_BYTES) // (SAMPLE_WIDTH * SAMPLE_RATE // 1000)
    return there >= whole and made_from == hashlib.sha256(sound).hexdigest()


def put_slow(path: Path, slow: bytes, sound: bytes) -> None:
    """Put the slow version of `sound` in its place. Blocking; raises OSError.

    The note of its source is written behind it: what breaks off in between is made again.
    """
    note = _source_note(path)
    note.unlink(missing_ok=True)
    store_atomically(path, slow)
    store_atomically(note, hashlib.sha256(sound).hexdigest().encode())


def remove_slow(path: Path) -> None:
    """The slow version at `path` is of something that is no more. Blocking; raises OSError."""
    for file in (_source_note(path), path):
        with suppress(FileNotFoundError):
            file.unlink()


def _source_note(slow: Path) -> Path:
    return slow.with_name(f".{slow.stem}.from")
