"""Words for the index and for a query: Chinese has no spaces, so its pairs of characters count.

    身份证办理 → 身份 份证 证办 办理, and each character alone for queries of one character
    Passport renewal → passport renewal

Text and query are folded alike: NFKC (full-width letters and digits become half-width), lower case.
Traditional characters stay what they are. Tokens are letters and digits only, whatever is searched
for: nothing of a query can become an operator.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

#: Longest query and most of its tokens that are looked for; what is beyond is left out.
MOST_QUERY: Final = 200
MOST_TOKENS: Final = 32
#: A longer word is cut: nobody looks for the rest of it.
MOST_WORD: Final = 40
#: PostgreSQL keeps positions up to here.
_LAST_POSITION: Final = 16383

#: Han with its extensions and compatibility forms, kana, hangul, bopomofo.
_CJK: Final = (
    "\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"
)
_RUNS = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK = re.compile(rf"[{_CJK}]")


def folded(text: str) -> str:
    """Full-width to half-width, lower case: the form that is compared."""
    return unicodedata.normalize("NFKC", text).lower()


def runs(text: str) -> list[str]:
    """The stretches of one script that a text is made of, folded, punctuation left out."""
    return _RUNS.findall(folded(text))


def is_cjk(run: str) -> bool:
    return _IS_CJK.match(run) is not None


def pairs(run: str) -> list[str]:
    """Overlapping pairs of characters; a single character is itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def index_tokens(text: str) -> list[str]:
    """Every token a text can be found by, in order; the characters follow their pairs."""
    found: list[str] = []
    for run in runs(text):
        if is_cjk(run):
            found += pairs(run)
            if len(run) > 1:
                found += run
        else:
            found.append(run[:MOST_WORD])
    return found


def query_tokens(query: str) -> list[str]:
    """What a query looks for, each once, at most `MOST_TOKENS`. Empty: nothing to look for."""
    found: dict[str, None] = {}
    for run in runs(query[:MOST_QUERY]):
        for token in pairs(run) if is_cjk(run) else [run[:MOST_WORD]]:
            found[token] = None
            if len(found) == MOST_TOKENS:
                return list(found)
    return list(found)


def fragments(query: str) -> list[tuple[str, ...]]:
    """Pieces of a query of which a text should have one when it has not all: three characters of
    Chinese (two pairs side by side), or a word.
    """
    found: dict[tuple[str, ...], None] = {}
    for run in runs(query[:MOST_QUERY]):
        if not is_cjk(run):
            found[(run[:MOST_WORD],)] = None
        elif len(run) > 2:
            two = pairs(run)
            found |= dict.fromkeys(itertools.pairwise(two))
        else:
            found[(run,)] = None
        if len(found) >= MOST_TOKENS:
            break
    return list(found)[:MOST_TOKENS]


# What PostgreSQL is handed ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One article in one language: texts of a `tsvector` each, written out by us.

    `head` is title and keywords, `document` all of it. What a search is narrowed by (kind,
    department, language, state) are lexemes too, so that one index answers the whole question.
    """

    head: str
    document: str


def marks(**by: str) -> list[str]:
    """Lexemes to narrow by. A colon stands in no token: a text cannot forge them."""
    return [f"{name}:{value}" for name, value in by.items()]


def index_entry(
    title: str, keywords: Iterable[str], body: str, narrowed_by: Sequence[str]
) -> IndexEntry:
    """The index entry of an article. Weights: title A, keywords B, body D."""
    places: dict[str, list[str]] = {mark: [] for mark in narrowed_by}
    position = _put(places, title, "A", 1)
    for keyword in keywords:
        position = _put(places, keyword, "B", position + 1)
    head = _vector(places)
    _put(places, body, "", position + 1)
    return IndexEntry(head, _vector(places))


def _put(places: dict[str, list[str]], text: str, weight: str, position: int) -> int:
    for token in index_tokens(text):
        position = min(position + 1, _LAST_POSITION)
        kept = places.setdefault(token, [])
        # The first few say enough for the rank.
        if len(kept) < 4:
            kept.append(f"{position}{weight}")
    return position


def _vector(places: dict[str, list[str]]) -> str:
    return " ".join(
        _quoted(lexeme) + (":" + ",".join(at) if at else "") for lexeme, at in places.items()
    )


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def all_of(lexemes: Iterable[str]) -> str:
    """A `tsquery` that wants all of them."""
    return " & ".join(_quoted(lexeme) for lexeme in lexemes)


def any_of(groups: Iterable[Sequence[str]]) -> str:
    """A `tsquery` that wants all of at least one group."""
    return " | ".join("(" + all_of(group) + ")" for group in groups)


def narrowed(query: str, narrowed_by: Sequence[str]) -> str:
    """The query, and all the marks."""
    return f"({query})" + "".join(f" & {_quoted(mark)}" for mark in narrowed_by)
