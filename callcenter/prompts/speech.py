"""Text to speech is a plug: `Speech` is what the prompt room needs, `EspeakSpeech` the default.

espeak-ng is understood, not pleasant: a city records its prompts, or plugs in a better voice.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from callcenter.platform.errors import InvalidField, Unavailable

SPEAKING_LIMIT: Final = timedelta(seconds=20)


class SpeechFailed(Unavailable):
    """The text-to-speech program did not speak."""

    slug = "speech-failed"


class NoVoice(InvalidField):
    """There is no voice for that language."""

    slug = "no-voice"

    def __init__(self, language: str) -> None:
        super().__init__("language", f"there is no voice for “{language}”")


class Speech(Protocol):
    """Turns text into sound."""

    def voice(self, language: str) -> str:
        """Which voice speaks, with all that changes its sound: part of the audio's name.

        Raises `NoVoice`.
        """

    async def speak(self, text: str, language: str) -> bytes:
        """The text as a WAV file of any rate. Raises `NoVoice`, `SpeechFailed`."""


#: Our language → espeak-ng's voice. Others are tried by their own name only when listed here.
ESPEAK_VOICES: Final = {"zh": "cmn", "en": "en-gb"}
#: Words a minute, slow enough for a telephone and for old people.
ESPEAK_SPEED: Final = {"zh": 225, "en": 155}


class EspeakSpeech:
    """espeak-ng as a program: `command` starts it (with loader and `--path` where it is private).

    The text goes in by standard input as UTF-8, never by the command line: it cannot become an
    option, and the process list does not show it.
    """

    def __init__(self, command: Sequence[str], *, limit: timedelta = SPEAKING_LIMIT) -> None:
        self._command = tuple(command)
        self._limit = limit

    def voice(self, language: str) -> str:
        if language not in ESPEAK_VOICES:
            raise NoVoice(language)
        return f"espeak-ng/{ESPEAK_VOICES[language]}/{ESPEAK_SPEED[language]}"

    async def speak(self, text: str, language: str) -> bytes:
        self.voice(language)
        with tempfile.TemporaryDirectory(prefix="cc-speech-") as folder:
            # To a file: what goes to a pipe has a header that announces 2 GB.
            target = Path(folder) / "spoken.wav"
            voice, speed = ESPEAK_VOICES[language], str(ESPEAK_SPEED[language])
            options = ["-v", voice, "-s", speed, "-b", "1", "-w", str(target), "--stdin"]
            await self._run(options, text.encode())
            try:
                return await asyncio.to_thread(target.read_bytes)
            except OSError as exc:
                raise SpeechFailed("espeak-ng wrote no audio.") from exc

    async def _run(self, arguments: Sequence[str], text: bytes) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,  # it may quote the text
                env={"LANG": "C.UTF-8", "PATH": os.defpath},
            )
        except OSError as exc:
            raise SpeechFailed(
                f"Cannot start {self._command[0]}: {exc.strerror}. `callcenter asterisk install` "
                "brings espeak-ng."
            ) from exc
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                await process.communicate(text)
        except TimeoutError as exc:
            raise SpeechFailed(
                f"espeak-ng did not finish within {self._limit.total_seconds():g} s."
            ) from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise SpeechFailed(f"espeak-ng ended with status {process.returncode}.")
