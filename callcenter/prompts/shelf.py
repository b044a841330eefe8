"""The files of prompts by name: what callers hear, and a copy to put back. Blocking, for a thread.

    <directory>/<language>/<name>.wav       8 kHz, what the telephone network carries
    <directory>/<language>/<name>.wav16     16 kHz: Asterisk's name for it (format_wav.c)
    <directory>/<language>/slow/<name>.wav  at 0.8 of its speed
    <directory>/.audio/<sha256>.wav         the copy, by what is in it

Each file is put in its place by a rename: a call that plays the old one goes on with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from callcenter.platform.files import put_whole
from callcenter.prompts.audio import Finished
from callcenter.prompts.library import PromptLibrary, put_slow, remove_slow, store_atomically
from callcenter.prompts.model import Audio, AudioState, Origin

COPIES: Final = ".audio"
#: A copy no row knows is kept so long: the row of an upload may still be on its way.
_UNKNOWN_KEPT: Final = timedelta(hours=1)


def sha256_of(sound: bytes) -> str:
    return hashlib.sha256(sound).hexdigest()


@dataclass(frozen=True)
class Shelf:
    """The files of one instance. `shipped`: the folder shipped audio can be taken from again."""

    library: PromptLibrary
    shipped: Path | None = None

    def narrow(self, name: str, language: str) -> Path:
        """Raises `NoSuchPrompt` for what cannot be a prompt's name."""
        return self.library.prompt(name, language)

    def wide(self, name: str, language: str) -> Path:
        """Raises `NoSuchPrompt`."""
        return self.narrow(name, language).with_suffix(".wav16")

    def keep(self, finished: Finished) -> list[Path]:
        """Keep a copy to put back later; the files that are new. Raises OSError, and keeps none."""
        new: list[Path] = []
        try:
            for sound in (finished.narrow, finished.wide):
                if sound is not None and not (path := self._copy(sha256_of(sound))).exists():
                    put_whole(path, sound)
                    new.append(path)
        except OSError:
            for path in new:
                path.unlink(missing_ok=True)
            raise
        return new

    def put(self, name: str, language: str, finished: Finished, slow: bytes | None = None) -> None:
        """From now on callers hear this. Raises OSError.

        Without `slow`, callers in slow mode hear it at its own speed until there is one.
        """
        narrow, wide = self.narrow(name, language), self.wide(name, language)
        store_atomically(narrow, finished.narrow)
        if finished.wide is not None:
            store_atomically(wide, finished.wide)
        else:
            wide.unlink(missing_ok=True)
        if slow is not None:
            put_slow(self.library.slow(narrow), slow, finished.narrow)
        else:
            remove_slow(self.library.slow(narrow))

    def remove(self, name: str, language: str) -> None:
        """From now on callers hear nothing under this name. Raises OSError."""
        narrow = self.narrow(name, language)
        narrow.unlink(missing_ok=True)
        self.wide(name, language).unlink(missing_ok=True)
        remove_slow(self.library.slow(narrow))

    def look(self, audio: Audio) -> AudioState:
        """Whether the files are the ones that were made: every byte is compared."""
        wanted = [(self.narrow(audio.name, audio.language), audio.sha256)]
        if audio.wide_sha256 is not None:
            wanted.append((self.wide(audio.name, audio.language), audio.wide_sha256))
        for path, digest in wanted:
            try:
                if sha256_of(path.read_bytes()) != digest:
                    return AudioState.STALE
            except FileNotFoundError:
                return AudioState.MISSING
            except OSError:
                return AudioState.STALE
        return AudioState.READY

    def put_back(self, audio: Audio) -> bool:
        """Put what was made in its place again; False: there is no copy of it. Raises OSError."""
        narrow = self._found(audio, audio.sha256)
        wide = None if audio.wide_sha256 is None else self._found(audio, audio.wide_sha256)
        if narrow is None or (wide is None and audio.wide_sha256 is not None):
            return False
        target = self.narrow(audio.name, audio.language)
        store_atomically(target, narrow)
        if wide is not None:
            store_atomically(self.wide(audio.name, audio.language), wide)
        else:
            self.wide(audio.name, audio.language).unlink(missing_ok=True)
        remove_slow(self.library.slow(target))
        return True

    def settle(self, name: str, language: str, audio: Audio | None) -> None:
        """Undo a change whose rows were not written; `audio`: what they say. Raises OSError."""
        if audio is None:
            self.remove(name, language)
        elif self.look(audio) is not AudioState.READY:
            self.put_back(audio)

    def forget_copies(self, known: Iterable[str], now: float) -> int:
        """Remove copies no row knows, an hour after they were made; how many."""
        wanted = set(known)
        removed = 0
        for path in (self.library.directory / COPIES).glob("*.wav"):
            with suppress(FileNotFoundError):
                old = now - path.stat().st_mtime > _UNKNOWN_KEPT.total_seconds()
                if old and path.stem not in wanted:
                    path.unlink()
                    removed += 1
        return removed

    def _copy(self, digest: str) -> Path:
        return self.library.directory / COPIES / f"{digest}.wav"

    def _found(self, audio: Audio, digest: str) -> bytes | None:
        places = [self._copy(digest)]
        if audio.origin is Origin.SHIPPED and self.shipped is not None:
            places.append(self.shipped / audio.language / f"{audio.name}.wav")
        for path in places:
            with suppress(OSError):
                sound = path.read_bytes()
                if sha256_of(sound) == digest:
                    return sound
        return None
