"""Bodies of requests and replies of `/articles`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from callcenter.knowledge.document import as_document, as_speech
from callcenter.knowledge.edition import (
    ArticleContent,
    ArticleEdition,
    ArticleKind,
    ArticleName,
    Day,
    ReasonText,
    Recorded,
    SpokenText,
)
from callcenter.knowledge.model import (
    MOST_RELATED,
    Article,
    ArticleAct,
    ArticleEventKind,
    ArticleState,
    PlayOutcome,
    Version,
)
from callcenter.knowledge.queries import Match, Where
from callcenter.knowledge.service import ArticleView, Published
from callcenter.platform.web import Schema


class NewArticle(ArticleEdition):
    """An article to be written."""

    name: ArticleName
    review_due_on: Day | None = None


class ArticleReason(Schema):
    """Why."""

    reason: ReasonText


class ArticleReview(ArticleReason):
    """Somebody read it again. `review_due_on`: the next time; null: never."""

    review_due_on: Day | None


class ChosenArticles(Schema):
    """Articles to be shown beside this one, first ones first."""

    articles: Annotated[list[ArticleName], Field(max_length=MOST_RELATED)]


class ArticleSummary(Schema):
    """Where an article stands. `state` is that of its newest edition; `current_version` is what is
    published now, `next_version` takes its place on `opens_on`.
    """

    name: str
    kind: ArticleKind
    department: str
    titles: dict[str, str]
    state: ArticleState
    current_version: int | None
    next_version: int | None
    opens_on: date | None
    valid_from: date | None
    valid_until: date | None
    review_due_on: date | None
    edited_by: str
    edited_at: datetime
    approved_by: str | None
    approved_at: datetime | None

    @classmethod
    def of_article(cls, article: Article) -> Self:
        return cls(**_summary(article))


class WholeArticle(ArticleSummary):
    """An article with its working edition. `in_force_version`: what callers hear now."""

    in_force_version: int | None
    content: dict[str, ArticleContent]
    keywords: list[str]
    authors: list[str]
    related: list[str]
    used_by: list[str]
    allowed: list[ArticleAct]
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, view: ArticleView) -> Self:
        article = view.article
        return cls(
            **_summary(article),
            in_force_version=view.in_force.number if view.in_force else None,
            content=article.edition.content,
            keywords=list(article.edition.keywords),
            authors=list(article.authors),
            related=list(article.related),
            used_by=list(view.used_by),
            allowed=list(article.allowed()),
            created_by=article.created_by,
            created_at=article.created_at,
        )


def _summary(article: Article) -> dict[str, Any]:
    edition = article.edition
    return {
        "name": article.name,
        "kind": edition.kind,
        "department": edition.department,
        "titles": {language: content.title for language, content in edition.content.items()},
        "state": article.state,
        "current_version": article.current_version,
        "next_version": article.next_version,
        "opens_on": article.opens_on,
        "valid_from": edition.valid_from,
        "valid_until": edition.valid_until,
        "review_due_on": article.review_due_on,
        "edited_by": article.edited_by,
        "edited_at": article.edited_at,
        "approved_by": article.approved_by,
        "approved_at": article.approved_at,
    }


class ArticleVersionSummary(Schema):
    """A published version."""

    version: int
    kind: ArticleKind
    department: str
    titles: dict[str, str]
    valid_from: date
    valid_until: date | None
    authors: list[str]
    approved_by: str
    approved_at: datetime
    published_by: str
    published_at: datetime
    reason: str

    @classmethod
    def of_version(cls, version: Version) -> Self:
        return cls(**_version(version))


def _version(version: Version) -> dict[str, Any]:
    content = version.edition.content
    return {
        "version": version.number,
        "kind": version.kind,
        "department": version.edition.department,
        "titles": {language: part.title for language, part in content.items()},
        "valid_from": version.valid_from,
        "valid_until": version.valid_until,
        "authors": list(version.authors),
        "approved_by": version.approved_by,
        "approved_at": version.approved_at,
        "published_by": version.published_by,
        "published_at": version.published_at,
        "reason": version.reason,
    }


class PublishedArticle(ArticleVersionSummary):
    """`in_force`: its audio is there and the next caller hears it. False before its first day."""

    in_force: bool

    @classmethod
    def of(cls, published: Published) -> Self:
        return cls(**_version(published.version), in_force=published.in_force)


class PlayedPrompt(Schema):
    """A recorded prompt."""

    prompt: str


class DocumentSection(Schema):
    heading: str
    text: str


class ArticleDocument(Schema):
    """A version as it is read on a screen or a fax, and what is said of it on the phone."""

    language: str
    title: str
    sections: list[DocumentSection]
    footer: str
    spoken: SpokenText | PlayedPrompt

    @classmethod
    def of_version(cls, version: Version, language: str) -> Self:
        return cls(**_document(version, language))


def _document(version: Version, language: str) -> dict[str, Any]:
    document = as_document(version, language)
    spoken = as_speech(version, language)
    return {
        "language": language,
        "title": document.title,
        "sections": [DocumentSection(heading=h, text=t) for h, t in document.sections],
        "footer": document.footer,
        "spoken": PlayedPrompt(prompt=spoken.prompt) if isinstance(spoken, Recorded) else spoken,
    }


class WholeArticleVersion(ArticleVersionSummary):
    """A version as it was written, and as it is read and heard."""

    content: dict[str, ArticleContent]
    keywords: list[str]
    documents: list[ArticleDocument]

    @classmethod
    def of(cls, version: Version) -> Self:
        content = version.edition.content
        return cls(
            **_version(version),
            content=content,
            keywords=list(version.edition.keywords),
            documents=[ArticleDocument.of_version(version, language) for language in content],
        )


class CurrentArticle(ArticleDocument):
    """What is in force now."""

    name: str
    version: int
    valid_from: date
    valid_until: date | None

    @classmethod
    def of(cls, version: Version, language: str) -> Self:
        return cls(
            **_document(version, language),
            name=version.article,
            version=version.number,
            valid_from=version.valid_from,
            valid_until=version.valid_until,
        )


class ArticleHistoryEntry(Schema):
    """Who did what when; `detail` has the reason."""

    seq: int
    at: datetime
    actor: str
    kind: ArticleEventKind
    detail: dict[str, Any]


class ArticleHistory(Schema):
    """Oldest first."""

    items: list[ArticleHistoryEntry]


class ArticleHit(Schema):
    """An article that was found; `version` is null for an edition that is not published."""

    article: str
    language: str
    version: int | None
    kind: ArticleKind
    department: str
    state: ArticleState
    title: str
    keywords: list[str]
    valid_from: date | None
    valid_until: date | None
    found_in: Where
    score: float


class ArticleHits(Schema):
    """Best first. `match`: how much of the query they have."""

    match: Match
    items: list[ArticleHit]


class RelatedArticle(Schema):
    """An article beside another one, and what they share."""

    article: str
    language: str
    title: str
    kind: ArticleKind
    chosen: bool
    keywords: list[str]
    words: list[str]
    same_kind: bool
    same_department: bool
    score: float


class RelatedArticles(Schema):
    """Those an editor chose first."""

    items: list[RelatedArticle]


class VersionFigures(Schema):
    """What callers did with one version in one language.

    `outcomes` has every outcome; `then_queued`: put through to a person later in the same call.
    The calls themselves are at `…/plays`.
    """

    version: int
    language: str
    plays: int
    outcomes: dict[PlayOutcome, int]
    then_queued: int


class ArticleFigures(Schema):
    """Newest version first."""

    items: list[VersionFigures]


class ArticlePlay(Schema):
    """One time it was played; the call is at `/calls/{call_id}`."""

    call_id: UUID
    seq: int
    at: datetime
    version: int
    language: str
    outcome: PlayOutcome
