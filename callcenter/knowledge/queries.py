"""Finding articles: by words, and beside one another.

The question to PostgreSQL is one GIN index: words, kind, department, language and state are all
lexemes. Work is bounded whatever is asked: of more than `_CANDIDATES` that match, the ones the
index gives first are ranked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.knowledge import search
from callcenter.knowledge.edition import ArticleKind
from callcenter.knowledge.model import Article, ArticleState
from callcenter.knowledge.tables import article_search

_CANDIDATES: Final = 1000
#: Documents are long: fewer of them are read from disk.
_DOCUMENTS: Final = 300
#: Weights of D, C, B, A: body, –, keywords, title.
_WEIGHTS: Final = "{0.05, 0.1, 0.4, 1.0}"

Where = Literal["title", "keywords", "text"]
#: How much of the query was found: all of it, a stretch of it, or any part.
Match = Literal["all", "part", "any", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilter:
    """What a search is narrowed to; None: any."""

    state: ArticleState
    kind: ArticleKind | None = None
    department: str | None = None
    language: str | None = None

    def marks(self) -> list[str]:
        by = {"s": self.state.value}
        if self.kind is not None:
            by["k"] = self.kind.value
        if self.department is not None:
            by["d"] = self.department
        if self.language is not None:
            by["l"] = self.language
        return search.marks(**by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An article that was found. `found_in`: the best place the whole query stands in."""

    article: str
    language: str
    version: int | None
    kind: ArticleKind
    department: str
    state: ArticleState
    title: str
    keywords: tuple[str, ...]
    valid_from: date | None
    valid_until: date | None
    found_in: Where
    score: float


async def find(
    connection: AsyncConnection, query: str, narrow: SearchFilter, today: date, limit: int
) -> tuple[Match, Sequence[Hit]]:
    """The best matches, title before keywords before text.

    All of the query must stand in an article; where no article has it all, a stretch of it
    (three characters, a word), and where none has that, any pair of characters.
    """
    tokens = search.query_tokens(query)
    if not tokens:
        return "nothing", []
    await use_the_index(connection)
    attempts: tuple[tuple[Match, str], ...] = (
        ("all", search.all_of(tokens)),
        ("part", search.any_of(search.fragments(query))),
        ("any", search.any_of([(token,) for token in tokens])),
    )
    # Of a single pair there is no part.
    for match, words in attempts if len(tokens) > 1 else attempts[:1]:
        hits = await _ranked(connection, query, words, narrow, today, limit)
        if hits:
            return match, hits
    return "nothing", []


async def use_the_index(connection: AsyncConnection) -> None:
    """For this transaction: no walk through the whole table, whatever the statistics promise of a
    LIMIT, no compiling, and an end in any case.
    """
    settings = {"enable_seqscan": "off", "jit": "off", "statement_timeout": "2s"}
    await connection.execute(
        select(*(func.set_config(name, value, True) for name, value in settings.items()))
    )


async def _ranked(
    connection: AsyncConnection,
    query: str,
    words: str,
    narrow: SearchFilter,
    today: date,
    limit: int,
) -> list[Hit]:
    found: dict[tuple[str, str], Hit] = {}
    for statement in (heads(query, words, narrow, today), documents(words, narrow, today)):
        for row in await connection.execute(statement.limit(limit)):
            key = (row.article, row.language)
            # On the first day of a new version both may be there until the keeper has come by.
            if key not in found or (found[key].version or 0) < (row.version or 0):
                found[key] = Hit(
                    article=row.article,
                    language=row.language,
                    version=row.version,
                    kind=ArticleKind(row.kind),
                    department=row.department,
                    state=ArticleState(row.state),
                    title=row.title,
                    keywords=tuple(row.keywords),
                    valid_from=row.valid_from,
                    valid_until=row.valid_until,
                    found_in=row.found_in,
                    score=round(row.score, 4),
                )
        if len(found) >= limit:
            break
    best = sorted(found.values(), key=lambda hit: (-hit.score, hit.article, hit.language))
    return best[:limit]


_SHOWN: Final = (
    "article",
    "language",
    "version",
    "kind",
    "department",
    "state",
    "title",
    "keywords",
    "valid_from",
    "valid_until",
)


def _tsquery(value: str) -> ColumnElement[Any]:
    return cast(cast(literal(value), Text), TSQUERY)


def _rank(vector: ColumnElement[Any], words: str) -> ColumnElement[float]:
    weights: ColumnElement[Any] = literal_column(f"'{_WEIGHTS}'::real[]")
    return cast(func.ts_rank(weights, vector, _tsquery(words)), Float)


def heads(query: str, words: str, narrow: SearchFilter, today: date) -> Select[Any]:
    """Articles with the words in title and keywords, best first."""
    wanted = (
        select(article_search)
        .where(
            article_search.c.head.op("@@")(_tsquery(search.narrowed(words, narrow.marks()))),
            *_holds(narrow, today),
        )
        .limit(_CANDIDATES)
        .subquery("found")
    )
    in_title = func.ts_filter(wanted.c.head, literal_column("'{a}'::\"char\"[]")).op("@@")(
        _tsquery(words)
    )
    as_written = func.strpos(wanted.c.title_folded, search.folded(query).strip()) > 0
    # The phrase itself, then all its words in the title, then in title and keywords. Among equals
    # a short title says more.
    score = (
        case((as_written, 30.0), (in_title, 20.0), else_=10.0)
        + _rank(wanted.c.head, words)
        + 1.0 / (1 + func.char_length(wanted.c.title))
    )
    return select(
        *(wanted.c[name] for name in _SHOWN),
        case((or_(as_written, in_title), "title"), else_="keywords").label("found_in"),
        score.label("score"),
    ).order_by(score.desc(), wanted.c.article, wanted.c.language)


def documents(words: str, narrow: SearchFilter, today: date) -> Select[Any]:
    """Articles with the words anywhere, best first."""
    wanted = (
        select(article_search)
        .where(
            article_search.c.document.op("@@")(_tsquery(search.narrowed(words, narrow.marks()))),
            *_holds(narrow, today),
        )
        .limit(_DOCUMENTS)
        .subquery("found")
    )
    score = _rank(wanted.c.document, words)
    return select(
        *(wanted.c[name] for name in _SHOWN),
        literal("text").label("found_in"),
        score.label("score"),
    ).order_by(score.desc(), wanted.c.article, wanted.c.language)


def _holds(narrow: SearchFilter, today: date) -> list[ColumnElement[bool]]:
    """What is published is found while it holds; what is being written, always."""
    if narrow.state is not ArticleState.PUBLISHED:
        return []
    return [
        or_(article_search.c.valid_from.is_(None), article_search.c.valid_from <= today),
        or_(article_search.c.valid_until.is_(None), article_search.c.valid_until >= today),
    ]


# Related questions ------------------------------------------------------------------------------

#: How much each thing two articles share counts.
_KEYWORD, _WORD, _KIND, _DEPARTMENT = 3.0, 1.0, 1.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """An article beside another one, and why."""

    article: str
    language: str
    title: str
    kind: ArticleKind
    chosen: bool  #: an editor put it there
    keywords: tuple[str, ...]  #: that both have
    words: tuple[str, ...]  #: of title and keywords that both have
    same_kind: bool
    same_department: bool
    score: float


async def related(
    connection: AsyncConnection, article: Article, language: str, today: date, limit: int
) -> Sequence[Related]:
    """Published articles beside this one: an editor's choice first, then by what they share."""
    title = article.edition.content[language].title
    keywords = frozenset(search.folded(word) for word in article.edition.keywords)
    words = _words(title, article.edition.keywords)
    groups = search.fragments(title) + [
        tuple(tokens) for word in sorted(keywords) if (tokens := search.query_tokens(word))
    ]
    narrow = SearchFilter(state=ArticleState.PUBLISHED, language=language)
    shown = [article_search.c[name] for name in _SHOWN]
    chosen = select(*shown).where(
        article_search.c.article.in_(article.related),
        article_search.c.language == language,
        article_search.c.state == ArticleState.PUBLISHED.value,
        *_holds(narrow, today),
    )
    rows = list(await connection.execute(chosen))
    if groups:
        await use_the_index(connection)
        alike = search.any_of(groups)
        found = (
            select(*shown, article_search.c.head)
            .where(
                article_search.c.head.op("@@")(_tsquery(search.narrowed(alike, narrow.marks()))),
                *_holds(narrow, today),
            )
            .limit(_CANDIDATES)
            .subquery("found")
        )
        rows += await connection.execute(
            select(*(found.c[name] for name in _SHOWN))
            .order_by(_rank(found.c.head, alike).desc(), found.c.article)
            .limit(200)
        )
    best: dict[str, Related] = {}
    for row in rows:
        if row.article == article.name or row.article in best:
            continue
        shared = tuple(word for word in row.keywords if search.folded(word) in keywords)
        common = tuple(word for word in _words(row.title, row.keywords) if word in words)
        same_kind = row.kind == article.edition.kind
        same_department = row.department == article.edition.department
        score = (
            _KEYWORD * len(shared)
            + _WORD * len(common)
            + _KIND * same_kind
            + _DEPARTMENT * same_department
        )
        best[row.article] = Related(
            article=row.article,
            language=row.language,
            title=row.title,
            kind=ArticleKind(row.kind),
            chosen=row.article in article.related,
            keywords=shared,
            words=common,
            same_kind=same_kind,
            same_department=same_department,
            score=score,
        )

    def place(one: Related) -> tuple[int, float, str]:
        order = article.related.index(one.article) if one.chosen else len(article.related)
        return order, -one.score, one.article

    return sorted(best.values(), key=place)[:limit]


def _words(title: str, keywords: Iterable[str]) -> dict[str, None]:
    """What an article is about, in order."""
    return dict.fromkeys(
        token for part in (title, *keywords) for token in search.query_tokens(part)
    )
