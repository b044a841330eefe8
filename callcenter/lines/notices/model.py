"""What callers are told before they are recorded. A version once published never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from callcenter.platform.errors import Conflict, InvalidField, NotFound

#: Characters in one language: a caller waits through every one of them.
MOST_WORDS: Final = 300
MOST_COMMENT: Final = 1000


class NoSuchNotice(NotFound):
    """There is no recording notice of that name."""

    slug = "no-such-recording-notice"


class NoSuchNoticeVersion(NotFound):
    """The recording notice has no such version."""

    slug = "no-such-version"


class NoticeExists(Conflict):
    """There is a recording notice of that name already."""

    slug = "recording-notice-exists"


@dataclass(frozen=True, slots=True)
class NoticeVersion:
    """The words of a notice, per language, as they were published."""

    notice: str
    version: int
    words: Mapping[str, str]
    comment: str
    published_at: datetime
    published_by: str


@dataclass(frozen=True, slots=True)
class RecordingNotice:
    """A notice by name; callers are played the `latest` version."""

    name: str
    title: str
    created_at: datetime
    latest: NoticeVersion


def checked_words(words: Mapping[str, str], needed: frozenset[str]) -> dict[str, str]:
    """The words as they are kept. `needed`: languages of the lines that play the notice.

    Raises `InvalidField`.
    """
    missing = sorted(needed - words.keys())
    if missing:
        raise InvalidField("words", f"lines that play it begin in {', '.join(missing)} too")
    for language, text in words.items():
        if len(text) > MOST_WORDS:
            raise InvalidField(f"words.{language}", f"at most {MOST_WORDS} characters")
    return dict(words)
