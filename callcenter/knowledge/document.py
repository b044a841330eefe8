"""One version, three ways: spoken, shown, faxed. All of them are made here, of the same version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, Self

from callcenter.knowledge import edition
from callcenter.knowledge.edition import KIND_TITLES, ArticleKind, Recorded, Speech, guide_parts
from callcenter.knowledge.model import NoSuchLanguage, Version


class Section(NamedTuple):
    """A part of a document; `heading` may be empty. Lines of `text` are parted by `\\n`."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """An article as it is shown on a screen or printed on a fax page.

    `footer` says which version it is and how long it holds, so that a citizen at a counter and the
    clerk behind it can tell that they read the same thing.
    """

    title: str
    sections: tuple[Section, ...]
    footer: str


def as_document(version: Version, language: str) -> Document:
    """The version to be read, in one language. Raises `NoSuchLanguage`."""
    content = version.edition.content.get(language)
    if content is None:
        raise NoSuchLanguage
    sections = [Section("", content.body)] if content.body else []
    if content.guide is not None:
        for heading, lines, numbered in guide_parts(content.guide, language):
            text = "\n".join(
                f"{number}. {line}" if numbered else line for number, line in enumerate(lines, 1)
            )
            sections.append(Section(heading, text))
    return Document(content.title, tuple(sections), _footer(version, language))


def _footer(version: Version, language: str) -> str:
    kind = KIND_TITLES[version.kind].get(language, KIND_TITLES[version.kind]["en"])
    until, department = version.valid_until, version.edition.department
    if language == "zh":
        held = (
            f"{version.valid_from}起有效"
            if until is None
            else f"有效期{version.valid_from}至{until}"
        )
        return f"{kind} · {department} · {version.article} 第{version.number}版 · {held}"
    held = f"valid from {version.valid_from}" + (f" until {until}" if until else "")
    return f"{kind} · {department} · {version.article}, version {version.number}, {held}"


def as_speech(version: Version, language: str) -> Speech:
    """What a caller hears of it: text, or a recorded prompt. Raises `NoSuchLanguage`."""
    content = version.edition.content.get(language)
    if content is None:
        raise NoSuchLanguage
    return edition.as_speech(content, language)


@dataclass(frozen=True, slots=True)
class PlayableArticle:
    """What the voice side needs of a version, small enough to keep in memory and on disk.

    It holds on certain days only: ask `is_playable(article, at)` again when it is played.
    """

    name: str
    version: int
    kind: ArticleKind
    titles: Mapping[str, str]
    spoken: Mapping[str, Speech]
    valid_from: date
    valid_until: date | None

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted(self.titles))

    @property
    def texts(self) -> dict[str, str]:
        """What is spoken, by language; the other languages are `recorded`."""
        return {language: said for language, said in self.spoken.items() if isinstance(said, str)}

    @property
    def recorded(self) -> dict[str, str]:
        """Names of prompts that are played, by language."""
        return {
            language: said.prompt
            for language, said in self.spoken.items()
            if isinstance(said, Recorded)
        }

    def as_json(self) -> dict[str, Any]:
        """For the cache on disk; `from_json` reads it again."""
        return {
            "name": self.name,
            "version": self.version,
            "kind": str(self.kind),
            "titles": dict(self.titles),
            "spoken": {
                language: {"prompt": said.prompt} if isinstance(said, Recorded) else said
                for language, said in self.spoken.items()
            },
            "valid_from": self.valid_from.isoformat(),
            "valid_until": self.valid_until and self.valid_until.isoformat(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError, ValueError for what `as_json` did not write."""
        until = document["valid_until"]
        return cls(
            name=str(document["name"]),
            version=int(document["version"]),
            kind=ArticleKind(document["kind"]),
            titles=dict(document["titles"]),
            spoken={
                language: said if isinstance(said, str) else Recorded(str(said["prompt"]))
                for language, said in dict(document["spoken"]).items()
            },
            valid_from=date.fromisoformat(document["valid_from"]),
            valid_until=None if until is None else date.fromisoformat(until),
        )


def as_playable(version: Version) -> PlayableArticle:
    """What the voice side needs of this version."""
    content = version.edition.content
    return PlayableArticle(
        name=version.article,
        version=version.number,
        kind=version.kind,
        titles={language: part.title for language, part in content.items()},
        spoken={language: edition.as_speech(part, language) for language, part in content.items()},
        valid_from=version.valid_from,
        valid_until=version.valid_until,
    )
