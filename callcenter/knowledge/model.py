"""The article: from draft to approved to published to expired, and who may do what when.

An article has one working edition (its draft) and any number of immutable versions. Each act is a
method that changes the article and returns the event for its history. What may follow what stands
in one table, `_NEXT`; its state says where the newest edition stands. What callers hear meanwhile
is another thing: `current_version`, until `next_version` takes its place on the day `opens_on`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from callcenter.knowledge.edition import MOST_REASON, RESERVED_NAMES, ArticleKind, Edition
from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

MOST_ACTOR: Final = 80
MOST_RELATED: Final = 20


class ArticleState(StrEnum):
    """Where the newest edition of an article stands."""

    DRAFT = "draft"  #: being written
    APPROVED = "approved"  #: somebody else than its authors has read it
    PUBLISHED = "published"  #: callers hear it from its first day on
    EXPIRED = "expired"  #: past its last day
    WITHDRAWN = "withdrawn"  #: taken back by somebody


class ArticleAct(StrEnum):
    """What can be done to an article."""

    EDIT = "edit"
    APPROVE = "approve"
    GIVE_BACK = "give_back"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


_S = ArticleState

#: state → act → next state. An act that is not listed is not allowed there. While a new edition is
#: being written the older one may still be heard: withdrawing or expiring ends that, and leaves
#: the new edition where it is.
_NEXT: Final[Mapping[ArticleState, Mapping[ArticleAct, ArticleState]]] = {
    _S.DRAFT: {
        ArticleAct.EDIT: _S.DRAFT,
        ArticleAct.APPROVE: _S.APPROVED,
        ArticleAct.WITHDRAW: _S.DRAFT,
        ArticleAct.EXPIRE: _S.DRAFT,
    },
    _S.APPROVED: {
        ArticleAct.EDIT: _S.DRAFT,  # what was approved is not what it says now
        ArticleAct.GIVE_BACK: _S.DRAFT,
        ArticleAct.PUBLISH: _S.PUBLISHED,
        ArticleAct.WITHDRAW: _S.APPROVED,
        ArticleAct.EXPIRE: _S.APPROVED,
    },
    _S.PUBLISHED: {
        ArticleAct.EDIT: _S.DRAFT,
        ArticleAct.WITHDRAW: _S.WITHDRAWN,
        ArticleAct.EXPIRE: _S.EXPIRED,
    },
    _S.EXPIRED: {ArticleAct.EDIT: _S.DRAFT},
    _S.WITHDRAWN: {ArticleAct.EDIT: _S.DRAFT},
}

#: These need a published version that was neither withdrawn nor expired.
_NEEDS_PUBLISHED: Final = frozenset({ArticleAct.WITHDRAW, ArticleAct.EXPIRE})


class ArticleEventKind(StrEnum):
    """Kinds of history entries."""

    CREATED = "created"
    EDITED = "edited"
    APPROVED = "approved"
    GIVEN_BACK = "given_back"
    PUBLISHED = "published"
    CAME_INTO_FORCE = "came_into_force"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVIEWED = "reviewed"
    RELATED_SET = "related_set"
    DELETED = "deleted"


class PlayOutcome(StrEnum):
    """What a caller did with an article that was played."""

    FINISHED = "finished"
    SKIPPED = "skipped"
    HUNG_UP = "hung_up"
    ASKED_PERSON = "asked_person"
    FAXED = "faxed"
    REPEATED = "repeated"


class NoSuchArticle(NotFound):
    """There is no article of that name."""

    slug = "no-such-article"


class NoSuchArticleVersion(NotFound):
    """This article has no such version."""

    slug = "no-such-version"


class NoSuchLanguage(NotFound):
    """This article is not written in that language."""

    slug = "no-such-language"


class NotInForce(NotFound):
    """No version of this article is in force now."""

    slug = "not-in-force"


class ArticleExists(Conflict):
    """There is, or was, an article of that name: its history stays, choose another name."""

    slug = "article-exists"


class ArticleInUse(Conflict):
    """The article is in use."""

    slug = "article-in-use"


class OwnWork(Conflict):
    """Who wrote an edition cannot approve it: somebody else has to read it."""

    slug = "own-work"


class PastItsEnd(Conflict):
    """The last day of this edition is over: set another `valid_until` first."""

    slug = "past-its-end"


class IllegalArticleAct(Conflict):
    """The article does not allow that in the state it is in."""

    slug = "illegal-transition"

    def __init__(self, article: Article, act: ArticleAct) -> None:
        self.allowed = article.allowed()
        super().__init__(
            f"An article that is {article.state} does not allow {act} now; allowed: "
            f"{', '.join(self.allowed)}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleEvent:
    """One entry of the history: who, when, what, and why."""

    seq: int
    at: datetime
    actor: str
    kind: ArticleEventKind
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A published version: never changed. `valid_from` and `valid_until` are days in the city."""

    article: str
    number: int
    edition: Edition
    valid_from: date
    authors: tuple[str, ...]
    approved_by: str
    approved_at: datetime
    published_by: str
    published_at: datetime
    reason: str

    @property
    def kind(self) -> ArticleKind:
        return self.edition.kind

    @property
    def valid_until(self) -> date | None:
        return self.edition.valid_until


@dataclass(slots=True, kw_only=True)
class Article:
    """An article as it stands. `version` counts acts (the ETag), not published versions.

    `authors`: everybody who wrote on the working edition. `current_version`: published, neither
    withdrawn nor expired. `next_version`: published too, its first day `opens_on` is to come.
    """

    name: str
    edition: Edition
    state: ArticleState
    authors: tuple[str, ...]
    edited_by: str
    edited_at: datetime
    created_by: str
    created_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    current_version: int | None = None
    next_version: int | None = None
    opens_on: date | None = None
    last_version: int = 0
    review_due_on: date | None = None
    related: tuple[str, ...] = ()
    deleted_at: datetime | None = None
    version: int = 0

    @classmethod
    def create(
        cls, name: str, edition: Edition, *, review_due_on: date | None, by: str, at: datetime
    ) -> tuple[Self, ArticleEvent]:
        """A new article and its first event. Raises `InvalidField`."""
        if name in RESERVED_NAMES:
            raise InvalidField("name", "is a word of the API: choose another one")
        article = cls(
            name=name,
            edition=edition,
            state=ArticleState.DRAFT,
            authors=(_actor(by),),
            edited_by=by,
            edited_at=at,
            created_by=by,
            created_at=at,
            review_due_on=review_due_on,
        )
        return article, article._event(ArticleEventKind.CREATED, by=by, at=at)

    def edit(self, edition: Edition, *, by: str, at: datetime) -> ArticleEvent | None:
        """Replace the working edition; None where nothing changed. An approval lapses.

        A published version stays as it is, and callers go on hearing it. What was withdrawn or has
        expired is a draft again even unchanged: that is the way back of a wrong withdrawal. Raises
        `IllegalArticleAct`.
        """
        changed = _changed(self.edition, edition)
        if not changed and self.state not in (ArticleState.EXPIRED, ArticleState.WITHDRAWN):
            return None
        # A new edition begins a new list of authors: the one before was published.
        begins = self.state not in (ArticleState.DRAFT, ArticleState.APPROVED)
        self._move(ArticleAct.EDIT)
        authors = {_actor(by)} if begins else {*self.authors, _actor(by)}
        self.authors = tuple(sorted(authors))
        self.edition, self.edited_by, self.edited_at = edition, by, at
        self.approved_by = self.approved_at = None
        return self._event(ArticleEventKind.EDITED, by=by, at=at, detail={"changed": changed})

    def approve(self, reason: str, *, by: str, at: datetime) -> ArticleEvent:
        """Raises `OwnWork`, `IllegalArticleAct`, `InvalidField`."""
        detail = _reason(reason)
        if by in self.authors and ArticleAct.APPROVE in _NEXT[self.state]:
            raise OwnWork
        self._move(ArticleAct.APPROVE)
        self.approved_by, self.approved_at = by, at
        return self._event(ArticleEventKind.APPROVED, by=by, at=at, detail=detail)

    def give_back(self, reason: str, *, by: str, at: datetime) -> ArticleEvent:
        """An approved edition goes back to its authors. Raises `IllegalArticleAct`."""
        detail = _reason(reason)
        self._move(ArticleAct.GIVE_BACK)
        self.approved_by = self.approved_at = None
        return self._event(ArticleEventKind.GIVEN_BACK, by=by, at=at, detail=detail)

    def must_allow_publishing(self, today: date) -> None:
        """Raises `IllegalArticleAct`, `PastItsEnd`."""
        if ArticleAct.PUBLISH not in self.allowed():
            raise IllegalArticleAct(self, ArticleAct.PUBLISH)
        if self.edition.valid_until is not None and self.edition.valid_until < today:
            raise PastItsEnd

    def publish(
        self, reason: str, *, by: str, at: datetime, today: date
    ) -> tuple[Version, ArticleEvent]:
        """Make the approved edition the next version. Its audio must be there already.

        `today` is the day in the city. Raises `IllegalArticleAct`, `PastItsEnd`, `InvalidField`.
        """
        detail = _reason(reason)
        self.must_allow_publishing(today)
        assert self.approved_by is not None
        assert self.approved_at is not None
        self._move(ArticleAct.PUBLISH)
        number = self.last_version + 1
        version = Version(
            article=self.name,
            number=number,
            edition=self.edition,
            valid_from=self.edition.valid_from or today,
            authors=self.authors,
            approved_by=self.approved_by,
            approved_at=self.approved_at,
            published_by=_actor(by),
            published_at=at,
            reason=detail["reason"],
        )
        self.last_version = number
        if version.valid_from > today:
            # Until then the version before it goes on.
            self.next_version, self.opens_on = number, version.valid_from
        else:
            # What was to come is older than this one: it has no day any more.
            self.current_version, self.next_version, self.opens_on = number, None, None
        detail |= {"version": number, "valid_from": version.valid_from.isoformat()}
        return version, self._event(ArticleEventKind.PUBLISHED, by=by, at=at, detail=detail)

    def open(self, *, at: datetime, today: date, by: str) -> ArticleEvent | None:
        """The first day of a published version has come; None where it has not."""
        if self.opens_on is None or self.opens_on > today:
            return None
        self.current_version, self.next_version, self.opens_on = self.next_version, None, None
        detail = {"version": self.current_version}
        return self._event(ArticleEventKind.CAME_INTO_FORCE, by=by, at=at, detail=detail)

    def withdraw(self, reason: str, *, by: str, at: datetime) -> ArticleEvent:
        """No caller hears any version of it from now on. Raises `IllegalArticleAct`."""
        detail = _reason(reason) | {"version": self.current_version or self.next_version}
        self._move(ArticleAct.WITHDRAW)
        self.current_version = self.next_version = self.opens_on = None
        return self._event(ArticleEventKind.WITHDRAWN, by=by, at=at, detail=detail)

    def expire(
        self, current: Version, *, by: str, at: datetime, today: date
    ) -> ArticleEvent | None:
        """The last day of its current version is over; None where it is not."""
        assert current.number == self.current_version
        if current.valid_until is None or current.valid_until >= today:
            return None
        if self.next_version is None:
            self._move(ArticleAct.EXPIRE)
        self.current_version = None
        detail = {"version": current.number, "valid_until": current.valid_until.isoformat()}
        return self._event(ArticleEventKind.EXPIRED, by=by, at=at, detail=detail)

    def review(self, due_on: date | None, reason: str, *, by: str, at: datetime) -> ArticleEvent:
        """Somebody read it again: still right, next look on `due_on` (None: never)."""
        before, self.review_due_on = self.review_due_on, due_on
        detail = _reason(reason) | {"from": _iso(before), "to": _iso(due_on)}
        return self._event(ArticleEventKind.REVIEWED, by=by, at=at, detail=detail)

    def relate(self, names: Sequence[str], *, by: str, at: datetime) -> ArticleEvent | None:
        """Set which articles an editor wants shown beside it. Raises `InvalidField`."""
        if len(names) > MOST_RELATED:
            raise InvalidField("articles", f"at most {MOST_RELATED} articles")
        if len(set(names)) != len(names) or self.name in names:
            raise InvalidField("articles", "each other article at most once")
        if tuple(names) == self.related:
            return None
        self.related = tuple(names)
        return self._event(
            ArticleEventKind.RELATED_SET, by=by, at=at, detail={"related": list(names)}
        )

    def delete(self, *, by: str, at: datetime) -> ArticleEvent:
        """Take it out of every list; its versions and history stay. Raises `ArticleInUse`."""
        if self.is_published:
            raise ArticleInUse("Callers hear it: withdraw it first.")
        self.deleted_at = at
        return self._event(ArticleEventKind.DELETED, by=by, at=at)

    @property
    def is_published(self) -> bool:
        """Whether callers hear a version of it, or will."""
        return self.current_version is not None or self.next_version is not None

    def version_on(self, today: date) -> int | None:
        """Which version's turn it is on this day; it may be past its end."""
        has_begun = self.opens_on is not None and self.opens_on <= today
        return self.next_version if has_begun else self.current_version

    def allowed(self) -> tuple[ArticleAct, ...]:
        """The acts this article allows now."""
        return tuple(
            act for act in _NEXT[self.state] if self.is_published or act not in _NEEDS_PUBLISHED
        )

    def _move(self, act: ArticleAct) -> None:
        if act not in self.allowed():
            raise IllegalArticleAct(self, act)
        self.state = _NEXT[self.state][act]

    def _event(
        self,
        kind: ArticleEventKind,
        *,
        by: str,
        at: datetime,
        detail: Mapping[str, Any] | None = None,
    ) -> ArticleEvent:
        actor = _actor(by)
        self.version += 1
        return ArticleEvent(seq=self.version, at=at, actor=actor, kind=kind, detail=detail or {})


def _actor(by: str) -> str:
    return plain_text("actor", by, least=1, most=MOST_ACTOR)


def _reason(reason: str) -> dict[str, Any]:
    return {"reason": plain_text("reason", reason, least=1, most=MOST_REASON, lines=True)}


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _changed(before: Edition, after: Edition) -> list[str]:
    """Which fields differ: `department`, `content.zh.body` … in order."""
    changed = [
        name
        for name in ("kind", "department", "keywords", "valid_from", "valid_until")
        if getattr(before, name) != getattr(after, name)
    ]
    for language in sorted({*before.content, *after.content}):
        one, other = before.content.get(language), after.content.get(language)
        if one is None or other is None:
            changed.append(f"content.{language}")
        else:
            changed += [
                f"content.{language}.{name}"
                for name in type(one).model_fields
                if getattr(one, name) != getattr(other, name)
            ]
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One time an article was played to a caller; `seq` counts the plays of that call."""

    call_id: UUID
    seq: int
    article: str
    version: int
    language: str
    at: datetime
    outcome: PlayOutcome
