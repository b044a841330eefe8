"""`/lines/{number}/survey`, `/surveys/answers`, `/surveys/figures`.

A switched survey is in force for the next call. Figures have numerator and denominator; `/surveys/
answers` with the same filters lists what they were counted from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.lines.surveys.model import Answer, AnswerFilter, Figures, GroupBy, LineSurvey
from callcenter.lines.surveys.service import SurveyService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Flag,
    IfMatch,
    Limit,
    Moment,
    Page,
    Schema,
    a_moment,
    decode_cursor,
    encode_cursor,
    position_of,
    set_etag,
    wanted_version,
)

Number = Annotated[str, InPath(pattern=r"^[+]?[0-9]{2,15}$")]
_Text = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_+]*$")]


class SurveySwitch(Schema):
    enabled: Flag


class LineSurveyOut(Schema):
    """Whether this line's callers are asked."""

    line: str
    enabled: bool
    version: int


class AnswerOut(Schema):
    """What a caller answered; null: not answered."""

    call_id: UUID
    line: str
    agent: str
    queue: str | None
    case_number: str | None
    language: str
    asked_at: datetime
    solved: bool | None
    satisfied: bool | None
    answered_at: datetime | None


class Share(Schema):
    """`numerator` of `denominator`; `ratio` is null where nobody answered."""

    numerator: int
    denominator: int
    ratio: float | None


class FiguresOut(Schema):
    """`asked` callers, `answered`: those who said anything; `solved` and `satisfied`: yes, of those
    who answered that question."""

    group: str | None
    asked: int
    answered: Share
    solved: Share
    satisfied: Share


def router(service: SurveyService, guard: Guard) -> APIRouter:
    """The routes of this room."""
    routes = APIRouter(tags=["surveys"], responses=PROBLEM_RESPONSES)

    @routes.get("/lines/{number}/survey")
    async def read_survey(
        number: Number, response: Response, _who: Principal = Depends(guard.agent)
    ) -> LineSurveyOut:
        return _survey(response, await service.of_line(number))

    @routes.put("/lines/{number}/survey")
    async def switch_survey(
        number: Number,
        body: SurveySwitch,
        response: Response,
        if_match: IfMatch,
        who: Principal = Depends(guard.supervisor),
    ) -> LineSurveyOut:
        """In force for the next call."""
        changed = await service.switch(
            number, enabled=body.enabled, based_on=wanted_version(if_match), by=who.name
        )
        return _survey(response, changed)

    @routes.get("/surveys/answers")
    async def list_answers(
        agent: _Text = None,
        line: _Text = None,
        queue: _Text = None,
        asked_after: Moment | None = None,
        asked_before: Moment | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[AnswerOut]:
        """Newest first."""
        by = AnswerFilter(
            agent=agent, line=line, queue=queue, asked_after=asked_after, asked_before=asked_before
        )
        behind = position_of(cursor, a_moment, UUID)
        found = await service.answers(by, behind=behind, limit=limit + 1)
        further = None
        if len(found) > limit:
            last = found[limit - 1]
            further = encode_cursor(last.asked_at.isoformat(), str(last.call_id))
        return Page(items=[_answer(one) for one in found[:limit]], next_cursor=further)

    @routes.get("/surveys/figures")
    async def read_figures(
        group_by: GroupBy = GroupBy.ALL,
        agent: _Text = None,
        line: _Text = None,
        queue: _Text = None,
        asked_after: Moment | None = None,
        asked_before: Moment | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[FiguresOut]:
        """For all together, or by agent, line or queue."""
        by = AnswerFilter(
            agent=agent, line=line, queue=queue, asked_after=asked_after, asked_before=asked_before
        )
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.figures(by, group_by, after=after, limit=limit + 1)
        return Page(
            items=[_figures(one) for one in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].group or "") if len(found) > limit else None,
        )

    return routes


def _survey(response: Response, survey: LineSurvey) -> LineSurveyOut:
    set_etag(response, survey.version)
    return LineSurveyOut(line=survey.line, enabled=survey.enabled, version=survey.version)


def _answer(one: Answer) -> AnswerOut:
    return AnswerOut.model_validate({n: getattr(one, n) for n in AnswerOut.model_fields})


def _figures(one: Figures) -> FiguresOut:
    return FiguresOut(
        group=one.group,
        asked=one.asked,
        answered=_share(one.answered, one.asked),
        solved=_share(one.solved_yes, one.solved_of),
        satisfied=_share(one.satisfied_yes, one.satisfied_of),
    )


def _share(numerator: int, denominator: int) -> Share:
    ratio = numerator / denominator if denominator else None
    return Share(numerator=numerator, denominator=denominator, ratio=ratio)
