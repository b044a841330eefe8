"""What is true of prompts: names, texts, origins, states of their audio, and how long a text takes.

Pure: no disk, no database, no sound.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from callcenter.platform.errors import InvalidField, InvalidFields
from callcenter.platform.text import plain_text

NAME: Final = r"^[a-z][a-z0-9_]{0,62}$"
LANGUAGE: Final = r"^[a-z]{2}$"
MAX_TEXT: Final = 2000  #: characters of one language
MAX_LANGUAGES: Final = 10
MAX_TITLE: Final = 100
#: Slow mode plays everything at this speed.
SLOW: Final = 0.8


class Origin(StrEnum):
    """Where the audio of a prompt comes from."""

    RECORDED = "recorded"  #: somebody uploaded it
    SYNTHESISED = "synthesised"  #: the voice of this instance spoke it
    SHIPPED = "shipped"  #: it came with the release


class AudioState(StrEnum):
    """What a look at the disk says of an audio."""

    READY = "ready"  #: the file is the one that was made
    STALE = "stale"  #: there is a file, and it is another
    MISSING = "missing"  #: there is no file


class JobState(StrEnum):
    """How far a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PromptEdit:
    """What may be edited of a prompt. Build it with `checked`."""

    title: str
    texts: Mapping[str, str]

    @classmethod
    def checked(cls, title: str, texts: Mapping[str, str]) -> PromptEdit:
        """As it is kept. Raises `InvalidFields` naming each rule that is broken."""
        problems: list[tuple[str, str]] = []
        kept: dict[str, str] = {}
        if len(texts) > MAX_LANGUAGES:
            raise InvalidField("texts", f"at most {MAX_LANGUAGES} languages")
        try:
            title = plain_text("title", title, least=1, most=MAX_TITLE)
        except InvalidField as exc:
            problems.extend(exc.problems)
        for language, text in texts.items():
            if not re.fullmatch(LANGUAGE, language):
                problems.append(("texts", "a language is two small letters"))
                continue
            try:
                kept[language] = plain_text(
                    f"texts.{language}", text, least=1, most=MAX_TEXT, lines=True
                )
            except InvalidField as exc:
                problems.extend(exc.problems)
        if problems:
            raise InvalidFields(problems)
        return cls(title, kept)


@dataclass(frozen=True, slots=True)
class Audio:
    """The audio of a prompt in one language, as it was made.

    `sha256` is of the 8 kHz file, `wide_sha256` of the 16 kHz one (None: there is none).
    `text_sha256`: the text it was made from, None where nobody said. Levels in dBFS, 0 is full
    scale.
    """

    name: str
    language: str
    origin: Origin
    sha256: str
    wide_sha256: str | None
    text_sha256: str | None
    duration_ms: int
    loudness_dbfs: float
    peak_dbfs: float
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt. `is_fixed`: the dialplan or the flow runner plays it by itself."""

    name: str
    title: str
    texts: Mapping[str, str]
    is_shipped: bool
    is_fixed: bool
    version: int
    created_at: datetime
    created_by: str
    edited_at: datetime
    edited_by: str
    audio: Mapping[str, Audio] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class User:
    """Something that plays a prompt. `where`: `draft` or `active` for a flow."""

    kind: str
    name: str
    where: str


@dataclass(frozen=True, slots=True)
class RenderJob:
    """Texts of a prompt on their way to audio."""

    job_id: int
    prompt: str
    languages: Sequence[str]
    state: JobState
    done: int
    total: int
    error: str | None
    tries: int
    created_at: datetime
    created_by: str
    changed_at: datetime


def text_sha256(text: str) -> str:
    """Which text an audio was made from."""
    return hashlib.sha256(text.encode()).hexdigest()


#: Milliseconds; fitted to the shipped set (a test holds the error).
_IDEOGRAPH: Final = 175
_LETTER: Final = 68
_DIGIT: Final = 380
_PAUSE: Final = 320  #: at punctuation, except at the end: silence there is cut off
_ENDS: Final = 160


def estimated(text: str, language: str) -> timedelta:
    """About how long the default voice takes for a text nobody has spoken yet. Pure.

    By the characters, whatever the language: Chinese texts hold Latin words and English ones
    Chinese names.
    """
    del language  # the two voices we know are told apart by their scripts
    total, pauses = _ENDS, 0
    for character in text:
        category = unicodedata.category(character)
        if category == "Po":
            pauses += 1
            continue
        if category[0] not in "LN":
            continue
        total += pauses * _PAUSE
        pauses = 0
        if category == "Lo":
            total += _IDEOGRAPH
        elif category[0] == "L":
            total += _LETTER
        else:
            total += _DIGIT
    return timedelta(milliseconds=total)
