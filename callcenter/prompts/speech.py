"""Text to speech is a plug: `Speech` is what the prompt room needs, `EspeakSpeech` the default,
`CommandSpeech` any program a city names.

espeak-ng is understood, not pleasant: a city records its prompts, or plugs in a better voice.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from callcenter.platform import programs
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
            await programs.end(process)
        if process.returncode:
            raise SpeechFailed(f"espeak-ng ended with status {process.returncode}.")


#: Bytes of WAV a program may make of one text: five minutes at 48 kHz and 16 bit.
MOST_SPOKEN: Final = 30_000_000


class CommandSpeech:
    """Any program: the text comes to its standard input as UTF-8; it answers with a WAV file.

    `command` is a list of words, started without a shell. In each word `{language}` stands for the
    language (`zh`) and `{output}` for the file to write; without `{output}` the WAV is read from
    standard output. Which languages there are only the program knows: it ends with a status other
    than 0 for the others. The command is the voice's name: another command speaks everything anew.
    """

    def __init__(self, command: Sequence[str], *, limit: timedelta = SPEAKING_LIMIT) -> None:
        self._command = tuple(command)
        self._limit = limit
        digest = hashlib.sha256("\0".join(self._command).encode()).hexdigest()
        self._identity = f"command/{digest[:16]}"

    def voice(self, language: str) -> str:
        if not re.fullmatch("[a-z]{2}", language):
            raise NoVoice(language)
        return f"{self._identity}/{language}"

    async def speak(self, text: str, language: str) -> bytes:
        self.voice(language)
        with tempfile.TemporaryDirectory(prefix="cc-speech-") as folder:
            target = Path(folder) / "spoken.wav"
            values = {"{language}": language, "{output}": str(target)}
            words = [_filled(word, values) for word in self._command]
            to_file = any("{output}" in word for word in self._command)
            spoken = await self._run(words, text.encode(), Path(folder))
            if not to_file:
                return spoken
            try:
                if target.stat().st_size > MOST_SPOKEN:
                    raise SpeechFailed("The speech program wrote more than is taken.")
                return await asyncio.to_thread(target.read_bytes)
            except OSError as exc:
                raise SpeechFailed("The speech program wrote no audio.") from exc

    async def _run(self, words: Sequence[str], text: bytes, folder: Path) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # it may quote the text
                cwd=folder,
                # It may need its own keys and paths, and none of our secrets.
                env={k: v for k, v in os.environ.items() if not k.startswith("CALLCENTER_")},
                start_new_session=True,  # so that its children can be ended with it
            )
        except OSError as exc:
            raise SpeechFailed(f"Cannot start {words[0]}: {exc.strerror}.") from exc
        feeding = asyncio.create_task(_feed(process, text), name="speech-feed")
        try:
            async with asyncio.timeout(self._limit.total_seconds()):
                spoken = bytearray()
                assert process.stdout is not None
                while piece := await process.stdout.read(1 << 16):
                    spoken += piece
                    if len(spoken) > MOST_SPOKEN:
                        raise SpeechFailed("The speech program wrote more than is taken.")
                await process.wait()
        except TimeoutError as exc:
            raise SpeechFailed(
                f"The speech program did not finish within {self._limit.total_seconds():g} s."
            ) from exc
        finally:
            feeding.cancel()
            await programs.end(process, group=True)
            await asyncio.gather(feeding, return_exceptions=True)
        if process.returncode:
            raise SpeechFailed(f"The speech program ended with status {process.returncode}.")
        return bytes(spoken)


async def _feed(process: asyncio.subprocess.Process, text: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text)
        await process.stdin.drain()
    process.stdin.close()


def _filled(word: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word
