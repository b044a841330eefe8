"""What is done with articles: written, approved, published, withdrawn, found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.knowledge import plays, queries, store
from callcenter.knowledge.edition import CITY_ZONE, ArticleKind, Edition, city_day
from callcenter.knowledge.model import (
    Article,
    ArticleEvent,
    ArticleExists,
    ArticleInUse,
    ArticleState,
    NoSuchArticle,
    NoSuchArticleVersion,
    NoSuchLanguage,
    NotInForce,
    Play,
    PlayOutcome,
    Version,
)
from callcenter.knowledge.plays import Figures
from callcenter.knowledge.queries import Hit, Match, Related, SearchFilter
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidFields, Stale
from callcenter.platform.news import announce

#: Topic of the news; the key is the article's name.
TOPIC: Final = "article"


class Renderer(Protocol):
    """What makes audio: `prompts.library.PromptLibrary` is one."""

    async def ensure(self, texts: Iterable[tuple[str, str]]) -> int:
        """See that every (language, text) has its audio."""

    async def available(self) -> Mapping[str, frozenset[str]]:
        """Every recorded prompt by name, with its languages."""


class PromptMissing(InvalidFields):
    """The article plays prompts that are not there."""

    slug = "prompt-missing"


@dataclass(frozen=True, slots=True)
class ArticleView:
    """An article, the version callers hear now, and the flows that name it or offer its kind."""

    article: Article
    in_force: Version | None
    used_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A new version. Not in force before its first day."""

    version: Version
    in_force: bool


class ArticleService:
    """Use cases of the REST API. `expected` is the article's version the asker has seen; None: any.

    `zone` says which day it is in the city.
    """

    def __init__(
        self, database: Database, renderer: Renderer, clock: Clock, *, zone: ZoneInfo = CITY_ZONE
    ) -> None:
        self._database = database
        self._renderer = renderer
        self._clock = clock
        self._zone = zone

    def _today(self) -> date:
        return city_day(self._clock(), self._zone)

    # Reading ------------------------------------------------------------------------------------

    async def articles(
        self,
        after: str | None,
        limit: int,
        *,
        kind: ArticleKind | None = None,
        department: str | None = None,
        state: ArticleState | None = None,
        review_due_before: date | None = None,
    ) -> Sequence[Article]:
        async with self._database.transaction() as connection:
            return await store.articles_after(
                connection,
                after,
                limit,
                kind=kind,
                department=department,
                state=state,
                review_due_before=review_due_before,
            )

    async def article(self, name: str) -> ArticleView:
        """Raises `NoSuchArticle`."""
        async with self._database.transaction() as connection:
            return await self._view(connection, await _found(connection, name))

    async def history(self, name: str) -> Sequence[ArticleEvent]:
        """Oldest first. Raises `NoSuchArticle`."""
        async with self._database.transaction() as connection:
            await _found(connection, name)
            return await store.history(connection, name)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[Version]:
        """Newest first. Raises `NoSuchArticle`."""
        async with self._database.transaction() as connection:
            await _found(connection, name)
            return await store.versions_before(connection, name, before, limit)

    async def version(self, name: str, number: int) -> Version:
        """Raises `NoSuchArticle`, `NoSuchArticleVersion`."""
        async with self._database.transaction() as connection:
            await _found(connection, name)
            version = await store.version_of(connection, name, number)
        if version is None:
            raise NoSuchArticleVersion
        return version

    async def in_force(self, name: str) -> Version:
        """What callers hear now. Raises `NoSuchArticle`, `NotInForce`."""
        async with self._database.transaction() as connection:
            article = await _found(connection, name)
            version = await store.version_in_force(connection, article, self._today())
        if version is None:
            raise NotInForce
        return version

    async def search(
        self, query: str, narrow: SearchFilter, limit: int
    ) -> tuple[Match, Sequence[Hit]]:
        async with self._database.transaction() as connection:
            return await queries.find(connection, query, narrow, self._today(), limit)

    async def related(self, name: str, language: str | None, limit: int) -> Sequence[Related]:
        """`language` None: the first the article is written in. Raises `NoSuchArticle`,
        `NoSuchLanguage`.
        """
        async with self._database.transaction() as connection:
            article = await _found(connection, name)
            chosen = language or next(iter(article.edition.content))
            if chosen not in article.edition.content:
                raise NoSuchLanguage
            return await queries.related(connection, article, chosen, self._today(), limit)

    async def figures(
        self, name: str, after: datetime | None, before: datetime | None
    ) -> Sequence[Figures]:
        """Raises `NoSuchArticle`."""
        async with self._database.transaction() as connection:
            await _found(connection, name)
            return await plays.figures(connection, name, after, before)

    async def plays(
        self,
        name: str,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        version: int | None = None,
        language: str | None = None,
        outcome: PlayOutcome | None = None,
        behind: tuple[datetime, UUID, int] | None = None,
        limit: int,
    ) -> Sequence[Play]:
        """Newest first. Raises `NoSuchArticle`."""
        async with self._database.transaction() as connection:
            await _found(connection, name)
            return await plays.plays(
                connection,
                name,
                after=after,
                before=before,
                version=version,
                language=language,
                outcome=outcome,
                behind=behind,
                limit=limit,
            )

    # Acts ---------------------------------------------------------------------------------------

    async def create(
        self, name: str, edition: Edition, *, review_due_on: date | None, by: str
    ) -> ArticleView:
        """A new draft. Raises `ArticleExists`, `InvalidField`."""
        article, event = Article.create(
            name, edition, review_due_on=review_due_on, by=by, at=self._clock()
        )
        async with self._database.transaction() as connection:
            if not await store.add_article(connection, article, event):
                raise ArticleExists
            await announce(connection, TOPIC, name)
            return await self._view(connection, article)

    async def edit(
        self, name: str, edition: Edition, *, by: str, expected: int | None
    ) -> ArticleView:
        """Replace the working edition. Raises `NoSuchArticle`, `Stale`, `IllegalArticleAct`."""
        return await self._act(
            name, expected, lambda article, at: article.edit(edition, by=by, at=at)
        )

    async def approve(
        self, name: str, reason: str, *, by: str, expected: int | None
    ) -> ArticleView:
        """Raises `NoSuchArticle`, `Stale`, `OwnWork`, `IllegalArticleAct`, `InvalidField`."""
        return await self._act(
            name, expected, lambda article, at: article.approve(reason, by=by, at=at)
        )

    async def give_back(
        self, name: str, reason: str, *, by: str, expected: int | None
    ) -> ArticleView:
        """Raises `NoSuchArticle`, `Stale`, `IllegalArticleAct`, `InvalidField`."""
        return await self._act(
            name, expected, lambda article, at: article.give_back(reason, by=by, at=at)
        )

    async def publish(self, name: str, reason: str, *, by: str, expected: int | None) -> Published:
        """Make the approved edition a version: heard, shown and faxed from its first day on.

        Its audio is made first, outside of any transaction: a version is never in force without
        it. Raises `NoSuchArticle`, `Stale` (also when it was edited meanwhile), `PastItsEnd`,
        `IllegalArticleAct`, `PromptMissing`, `InvalidField`, and what the renderer raises.
        """
        async with self._database.transaction() as connection:
            article = await _found(connection, name)
        if expected is not None and article.version != expected:
            raise Stale
        article.must_allow_publishing(self._today())
        await self._make_audio(article.edition)
        now = self._clock()
        today = city_day(now, self._zone)
        async with self._database.transaction() as connection:
            current = await _found(connection, name, lock=True)
            if current.version != article.version:
                raise Stale
            version, event = current.publish(reason, by=by, at=now, today=today)
            await store.save_article(connection, current, event, published=version)
            await announce(connection, TOPIC, name)
        return Published(version, in_force=version.valid_from <= today)

    async def withdraw(
        self, name: str, reason: str, *, by: str, expected: int | None
    ) -> ArticleView:
        """From now on no caller hears it. Raises `NoSuchArticle`, `Stale`, `IllegalArticleAct`,
        `InvalidField`.
        """
        return await self._act(
            name, expected, lambda article, at: article.withdraw(reason, by=by, at=at)
        )

    async def review(
        self, name: str, due_on: date | None, reason: str, *, by: str, expected: int | None
    ) -> ArticleView:
        """It is still right; the next look is due on that day. Raises `NoSuchArticle`, `Stale`,
        `InvalidField`.
        """
        return await self._act(
            name, expected, lambda article, at: article.review(due_on, reason, by=by, at=at)
        )

    async def relate(
        self, name: str, others: Sequence[str], *, by: str, expected: int | None
    ) -> ArticleView:
        """What an editor wants beside it. Raises `NoSuchArticle`, `Stale`, `InvalidField` for a
        name that is no article's.
        """
        async with self._database.transaction() as connection:
            known = await store.existing(connection, others)
        unknown = [
            (f"articles.{place}", "there is no article of that name")
            for place, other in enumerate(others)
            if other not in known
        ]
        if unknown:
            raise InvalidFields(unknown)
        return await self._act(
            name, expected, lambda article, at: article.relate(others, by=by, at=at)
        )

    async def delete(self, name: str, *, by: str, expected: int | None) -> None:
        """Take it out of every list. Its versions and history stay, and its name is used up.

        Raises `NoSuchArticle`, `Stale`, `ArticleInUse` while callers hear it, a flow names it, or
        it is the last of a kind that a flow offers.
        """
        at = self._clock()
        async with self._database.transaction() as connection:
            article = await _held(connection, name, expected)
            event = article.delete(by=by, at=at)
            flows = list(await store.flows_naming(connection, "article", name))
            if flows:
                raise ArticleInUse(f"It is named by: {', '.join(flows[:20])}.")
            kind = article.edition.kind
            flows = list(await store.flows_naming(connection, "category", kind))
            if flows and not await store.others_of_kind(connection, kind, name):
                raise ArticleInUse(
                    f"It is the last {kind}, which is offered by: {', '.join(flows[:20])}."
                )
            await store.save_article(connection, article, event)
            await announce(connection, TOPIC, name)

    async def _act(
        self,
        name: str,
        expected: int | None,
        act: Callable[[Article, datetime], ArticleEvent | None],
    ) -> ArticleView:
        async with self._database.transaction() as connection:
            article = await _held(connection, name, expected)
            event = act(article, self._clock())
            if event is not None:
                await store.save_article(connection, article, event)
                await announce(connection, TOPIC, name)
            return await self._view(connection, article)

    async def _view(self, connection: AsyncConnection, article: Article) -> ArticleView:
        by_name = await store.flows_naming(connection, "article", article.name)
        by_kind = await store.flows_naming(connection, "category", article.edition.kind)
        return ArticleView(
            article,
            await store.version_in_force(connection, article, self._today()),
            tuple(sorted({*by_name, *by_kind})),
        )

    async def _make_audio(self, edition: Edition) -> None:
        recorded = await self._renderer.available()
        missing = [
            (f"content.{language}.prompt", f"there is no prompt “{prompt}” in this language")
            for language, prompt in edition.prompts
            if language not in recorded.get(prompt, ())
        ]
        if missing:
            raise PromptMissing(missing)
        await self._renderer.ensure(edition.texts)


async def _found(connection: AsyncConnection, name: str, *, lock: bool = False) -> Article:
    article = await store.find_article(connection, name, lock=lock)
    if article is None:
        raise NoSuchArticle
    return article


async def _held(connection: AsyncConnection, name: str, expected: int | None) -> Article:
    article = await _found(connection, name, lock=True)
    if expected is not None and article.version != expected:
        raise Stale
    return article
