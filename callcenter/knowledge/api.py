"""`/articles`: the hotline's answers. Agents read and search, supervisors write and approve, admins
decide what callers hear. A state is never patched: each act is a sub-resource with its reason.
"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.knowledge.edition import (
    ArticleEdition,
    ArticleKind,
    Day,
    Department,
    Edition,
    Language,
    parse_edition,
)
from callcenter.knowledge.model import (
    ArticleState,
    PlayOutcome,
)
from callcenter.knowledge.queries import SearchFilter
from callcenter.knowledge.schemas import (
    ArticleFigures,
    ArticleHistory,
    ArticleHistoryEntry,
    ArticleHit,
    ArticleHits,
    ArticlePlay,
    ArticleReason,
    ArticleReview,
    ArticleSummary,
    ArticleVersionSummary,
    ChosenArticles,
    CurrentArticle,
    NewArticle,
    PublishedArticle,
    RelatedArticle,
    RelatedArticles,
    VersionFigures,
    WholeArticle,
    WholeArticleVersion,
)
from callcenter.knowledge.search import MOST_QUERY
from callcenter.knowledge.service import ArticleService, ArticleView
from callcenter.platform.text import plain_text
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Moment,
    Page,
    a_moment,
    a_number,
    decode_cursor,
    encode_cursor,
    number_of,
    position_of,
    set_etag,
    wanted_version,
)

Name = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Number = Annotated[int, InPath(ge=1, le=1_000_000_000)]
From = Annotated[Moment | None, Query(alias="from", description="Included.")]
To = Annotated[Moment | None, Query(description="Not included.")]
InLanguage = Annotated[Language | None, Query()]
MostHits = Annotated[int, Query(ge=1, le=100, description="How many at most.")]


def router(service: ArticleService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/articles", tags=["articles"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_articles(
        kind: ArticleKind | None = None,
        department: Department | None = None,
        state: ArticleState | None = None,
        review_due_before: Day | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ArticleSummary]:
        """In order of name. `review_due_before` gives the list of reviews to be done."""
        rows = await service.articles(
            decode_cursor(cursor, 1)[0] if cursor else None,
            limit + 1,
            kind=kind,
            department=department,
            state=state,
            review_due_before=review_due_before,
        )
        return Page(
            items=[ArticleSummary.of_article(row) for row in rows[:limit]],
            next_cursor=encode_cursor(rows[limit - 1].name) if len(rows) > limit else None,
        )

    @routes.post("", status_code=201)
    async def create_article(
        body: NewArticle, response: Response, who: Principal = Depends(guard.supervisor)
    ) -> WholeArticle:
        created = await service.create(
            body.name, _edition(body), review_due_on=body.review_due_on, by=who.name
        )
        return _reply(created, response)

    @routes.get("/search")
    async def search_articles(
        q: Annotated[
            str,
            Query(
                min_length=1,
                max_length=MOST_QUERY,
                json_schema_extra={"pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"},
            ),
        ],
        state: ArticleState = ArticleState.PUBLISHED,
        kind: ArticleKind | None = None,
        department: Department | None = None,
        language: InLanguage = None,
        limit: MostHits = 20,
        _who: Principal = Depends(guard.agent),
    ) -> ArticleHits:
        """Published articles that hold today, unless another `state` is asked for."""
        plain_text("q", q, most=MOST_QUERY)
        narrow = SearchFilter(state=state, kind=kind, department=department, language=language)
        match, hits = await service.search(q, narrow, limit)
        return ArticleHits(match=match, items=[ArticleHit.model_validate(hit) for hit in hits])

    @routes.get("/{name}")
    async def read_article(
        name: Name, response: Response, _who: Principal = Depends(guard.agent)
    ) -> WholeArticle:
        return _reply(await service.article(name), response)

    @routes.put("/{name}")
    async def write_article(
        if_match: IfMatch,
        name: Name,
        body: ArticleEdition,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> WholeArticle:
        """Replaces the working edition; callers go on hearing the published version."""
        expected = wanted_version(if_match)
        edited = await service.edit(name, _edition(body), by=who.name, expected=expected)
        return _reply(edited, response)

    @routes.delete("/{name}", status_code=204, response_model=None)
    async def delete_article(
        name: Name, if_match: IfMatch, who: Principal = Depends(guard.supervisor)
    ) -> Response:
        """Refused (409) while callers hear it or a flow names it. Its history stays."""
        await service.delete(name, by=who.name, expected=wanted_version(if_match))
        return Response(status_code=204)

    @routes.post("/{name}/approve")
    async def approve(
        if_match: IfMatch,
        name: Name,
        body: ArticleReason,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> WholeArticle:
        """By somebody else than its authors; `If-Match` says what was read."""
        expected = wanted_version(if_match)
        done = await service.approve(name, body.reason, by=who.name, expected=expected)
        return _reply(done, response)

    @routes.post("/{name}/give-back")
    async def give_back(
        if_match: IfMatch,
        name: Name,
        body: ArticleReason,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> WholeArticle:
        """An approved edition goes back to its authors. `If-Match` may be left out."""
        done = await service.give_back(
            name, body.reason, by=who.name, expected=wanted_version(if_match or "*")
        )
        return _reply(done, response)

    @routes.post("/{name}/publish", status_code=201)
    async def publish(
        if_match: IfMatch,
        name: Name,
        body: ArticleReason,
        who: Principal = Depends(guard.admin),
    ) -> PublishedArticle:
        """`If-Match` may be left out: an edit takes the approval away."""
        done = await service.publish(
            name, body.reason, by=who.name, expected=wanted_version(if_match or "*")
        )
        return PublishedArticle.of(done)

    @routes.post("/{name}/withdraw")
    async def withdraw(
        if_match: IfMatch,
        name: Name,
        body: ArticleReason,
        response: Response,
        who: Principal = Depends(guard.admin),
    ) -> WholeArticle:
        """The next caller does not hear it; `used_by` says which flows name it or offer its kind.
        `If-Match` may be left out.
        """
        done = await service.withdraw(
            name, body.reason, by=who.name, expected=wanted_version(if_match or "*")
        )
        return _reply(done, response)

    @routes.post("/{name}/review")
    async def review(
        if_match: IfMatch,
        name: Name,
        body: ArticleReview,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> WholeArticle:
        """It was read again and is still right. `If-Match` may be left out."""
        done = await service.review(
            name,
            body.review_due_on,
            body.reason,
            by=who.name,
            expected=wanted_version(if_match or "*"),
        )
        return _reply(done, response)

    @routes.get("/{name}/related")
    async def list_related(
        name: Name,
        language: InLanguage = None,
        limit: MostHits = 10,
        _who: Principal = Depends(guard.agent),
    ) -> RelatedArticles:
        """Published articles beside this one, and why."""
        found = await service.related(name, language, limit)
        return RelatedArticles(items=[RelatedArticle.model_validate(one) for one in found])

    @routes.put("/{name}/related")
    async def choose_related(
        if_match: IfMatch,
        name: Name,
        body: ChosenArticles,
        response: Response,
        who: Principal = Depends(guard.supervisor),
    ) -> WholeArticle:
        expected = wanted_version(if_match)
        done = await service.relate(name, body.articles, by=who.name, expected=expected)
        return _reply(done, response)

    @routes.get("/{name}/history")
    async def read_history(name: Name, _who: Principal = Depends(guard.agent)) -> ArticleHistory:
        events = await service.history(name)
        return ArticleHistory(items=[ArticleHistoryEntry.model_validate(event) for event in events])

    @routes.get("/{name}/document")
    async def read_document(
        name: Name,
        language: Annotated[Language, Query()] = "zh",
        _who: Principal = Depends(guard.agent),
    ) -> CurrentArticle:
        """What callers hear and get by fax at this moment; 404 when nothing is in force."""
        return CurrentArticle.of(await service.in_force(name), language)

    @routes.get("/{name}/versions")
    async def list_versions(
        name: Name,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ArticleVersionSummary]:
        """Newest first."""
        rows = await service.versions(name, number_of(cursor), limit + 1)
        return Page(
            items=[ArticleVersionSummary.of_version(row) for row in rows[:limit]],
            next_cursor=encode_cursor(str(rows[limit - 1].number)) if len(rows) > limit else None,
        )

    @routes.get("/{name}/versions/{version}")
    async def read_version(
        name: Name, version: Number, _who: Principal = Depends(guard.agent)
    ) -> WholeArticleVersion:
        found = await service.version(name, version)
        return WholeArticleVersion.of(found)

    @routes.get("/{name}/figures")
    async def read_figures(
        name: Name,
        after: From = None,
        to: To = None,
        _who: Principal = Depends(guard.agent),
    ) -> ArticleFigures:
        found = await service.figures(name, after, to)
        return ArticleFigures(items=[VersionFigures.model_validate(one) for one in found])

    @routes.get("/{name}/plays")
    async def list_plays(
        name: Name,
        after: From = None,
        to: To = None,
        version: Annotated[int | None, Query(ge=1, le=1_000_000_000)] = None,
        language: InLanguage = None,
        outcome: PlayOutcome | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ArticlePlay]:
        """Newest first: the calls behind the figures."""
        rows = await service.plays(
            name,
            after=after,
            before=to,
            version=version,
            language=language,
            outcome=outcome,
            behind=position_of(cursor, a_moment, UUID, a_number),
            limit=limit + 1,
        )
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[ArticlePlay.model_validate(row) for row in rows[:limit]],
            next_cursor=encode_cursor(last.at.isoformat(), str(last.call_id), str(last.seq))
            if last
            else None,
        )

    return routes


_EDITION_FIELDS: Final = frozenset(ArticleEdition.model_fields)


def _edition(body: ArticleEdition) -> Edition:
    return parse_edition(body.model_dump(include=set(_EDITION_FIELDS)))


def _reply(view: ArticleView, response: Response) -> WholeArticle:
    set_etag(response, view.article.version)
    return WholeArticle.of(view)
