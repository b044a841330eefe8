"""`/quality/forms samples scores figures`: conversations judged by their recordings.

Supervisors judge. An agent reads the own scores (a user whose name is the agent's id) and may
object to each once.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Day,
    Flag,
    IfMatch,
    Limit,
    Moment,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    number_of,
    position_of,
    set_etag,
    wanted_version,
)
from callcenter.recordings.quality.model import (
    MOST_POINTS,
    MOST_QUESTION,
    MOST_QUESTIONS,
    MOST_SAMPLES,
    MOST_TEXT,
    MOST_TITLE,
    MOST_WEIGHT,
    AgentFigures,
    Form,
    Question,
    Sample,
    Score,
)
from callcenter.recordings.quality.service import QualityService

_NAME = r"^[a-z][a-z0-9_]{0,39}$"
FormName = Annotated[str, InPath(pattern=_NAME)]
ScoreId = Annotated[int, InPath(ge=1, le=2**63 - 1)]
_AgentFilter = Annotated[str | None, Query(pattern=r"^[0-9]{3,6}$")]


class QuestionBody(Schema):
    """0 to `most_points`, counted `weight` times. `critical`: 0 points fail the conversation."""

    id: Annotated[str, Field(pattern=_NAME)]
    text: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_QUESTION})]
    most_points: Annotated[Whole, Field(ge=1, le=MOST_POINTS)]
    weight: Annotated[Whole, Field(ge=1, le=MOST_WEIGHT)] = 1
    critical: Flag = False


class FormFields(Schema):
    """`pass_mark`: per cent of all points that pass."""

    title: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    questions: Annotated[list[QuestionBody], Field(min_length=1, max_length=MOST_QUESTIONS)]
    pass_mark: Annotated[Whole, Field(ge=0, le=100)] = 80


class NewForm(FormFields):
    name: Annotated[str, Field(pattern=_NAME)]


class FormOut(Schema):
    """A version of a form. `retired`: it scores nothing any more."""

    name: str
    version: int
    title: str
    questions: list[QuestionBody]
    pass_mark: int
    created_by: str
    created_at: datetime
    retired: bool


class FormList(Schema):
    items: list[FormOut]


class Draw(Schema):
    """`week`: its Monday; the week must be over. The same `seed` draws the same."""

    week: Day
    per_agent: Annotated[Whole, Field(ge=1, le=MOST_SAMPLES)] = 3
    seed: Annotated[Whole, Field(ge=0, lt=2**53)] | None = None


class SampleOut(Schema):
    """A recording that was drawn, out of `drawn_from` of that agent and week."""

    week: date
    recording_id: UUID
    call_id: UUID
    agent: str
    seed: int
    drawn_from: int
    drawn_by: str
    drawn_at: datetime


class SampleList(Schema):
    items: list[SampleOut]


_Answers = Annotated[
    dict[Annotated[str, Field(pattern=_NAME)], Annotated[Whole, Field(ge=0, le=MOST_POINTS)]],
    Field(max_length=MOST_QUESTIONS, description="Points by id of the question."),
]
_Comment = Annotated[str, Field(json_schema_extra={"maxLength": MOST_TEXT})]


class NewScore(Schema):
    """By the newest version of the form."""

    recording_id: UUID
    form: Annotated[str, Field(pattern=_NAME)]
    answers: _Answers
    comment: _Comment = ""


class Correction(Schema):
    """A new score in the place of an old one, and why."""

    answers: _Answers
    comment: _Comment = ""
    reason: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 500})]


class NewObjection(Schema):
    text: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TEXT})]


class ObjectionOut(Schema):
    text: str
    objected_by: str
    objected_at: datetime


class ScoreOut(Schema):
    """`failed`: the critical question that failed it. `corrected_by`: the score that counts in its
    place."""

    score_id: int
    form: str
    form_version: int
    recording_id: UUID
    call_id: UUID
    agent: str
    answers: dict[str, int]
    points: int
    most_points: int
    failed: str | None
    passed: bool
    comment: str
    scored_by: str
    scored_at: datetime
    corrects: int | None
    corrected_by: int | None
    objection: ObjectionOut | None


class Part(Schema):
    """`numerator` of `denominator`."""

    numerator: int
    denominator: int
    ratio: float


class AgentFiguresOut(Schema):
    """Of the scores that stand: points of all points, how many passed, how many failed by a
    critical question."""

    agent: str
    scores: int
    points: Part
    passed: Part
    failed: Part


def router(service: QualityService, guard: Guard) -> APIRouter:
    """The routes of this room."""
    routes = APIRouter(prefix="/quality", tags=["quality"], responses=PROBLEM_RESPONSES)

    @routes.get("/forms")
    async def list_forms(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[FormOut]:
        """The newest version of each."""
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.forms(after=after, limit=limit + 1)
        return Page(
            items=[_form(one) for one in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @routes.post("/forms", status_code=201)
    async def add_form(
        body: NewForm, response: Response, who: Principal = Depends(guard.supervisor)
    ) -> FormOut:
        made = await service.add_form(
            body.name, body.title, _questions(body), body.pass_mark, by=who.name
        )
        return _told(response, made)

    @routes.get("/forms/{name}")
    async def read_form(
        name: FormName, response: Response, _who: Principal = Depends(guard.agent)
    ) -> FormOut:
        return _told(response, await service.form(name))

    @routes.put("/forms/{name}")
    async def edit_form(
        name: FormName,
        body: FormFields,
        response: Response,
        if_match: IfMatch,
        who: Principal = Depends(guard.supervisor),
    ) -> FormOut:
        """Makes the next version; what was scored stays with the version it was scored by."""
        made = await service.edit_form(
            name,
            body.title,
            _questions(body),
            body.pass_mark,
            based_on=wanted_version(if_match),
            by=who.name,
        )
        return _told(response, made)

    @routes.delete("/forms/{name}")
    async def retire_form(name: FormName, who: Principal = Depends(guard.supervisor)) -> FormOut:
        """Nothing is scored by it any more; its versions and scores stay."""
        return _form(await service.retire_form(name, by=who.name))

    @routes.get("/forms/{name}/versions")
    async def list_versions(name: FormName, _who: Principal = Depends(guard.agent)) -> FormList:
        """Newest first."""
        return FormList(items=[_form(one) for one in await service.versions(name)])

    @routes.post("/samples", status_code=201)
    async def draw(body: Draw, who: Principal = Depends(guard.supervisor)) -> SampleList:
        """Of each agent's conversations of that week, by chance. Agents for whom that was done keep
        what was drawn."""
        made = await service.draw(body.week, body.per_agent, body.seed, by=who.name)
        return SampleList(items=[_sample(one) for one in made])

    @routes.get("/samples")
    async def list_samples(
        week: Day | None = None,
        agent: _AgentFilter = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[SampleOut]:
        found = await service.samples(
            week=week,
            agent=agent,
            after=position_of(cursor, date.fromisoformat, UUID),
            limit=limit + 1,
        )
        further = None
        if len(found) > limit:
            last = found[limit - 1]
            further = encode_cursor(last.week.isoformat(), str(last.recording_id))
        return Page(items=[_sample(one) for one in found[:limit]], next_cursor=further)

    @routes.post("/scores", status_code=201)
    async def add_score(body: NewScore, who: Principal = Depends(guard.supervisor)) -> ScoreOut:
        made = await service.add_score(
            body.recording_id, body.form, body.answers, body.comment, by=who.name
        )
        return _score(made)

    @routes.get("/scores")
    async def list_scores(
        agent: _AgentFilter = None,
        scored_after: Moment | None = None,
        scored_before: Moment | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        who: Principal = Depends(guard.agent),
    ) -> Page[ScoreOut]:
        """Newest first; an agent sees the own ones, whatever is asked for."""
        found = await service.scores(
            agent=agent,
            scored_after=scored_after,
            scored_before=scored_before,
            before=number_of(cursor, 18),
            limit=limit + 1,
            who=who,
        )
        further = encode_cursor(str(found[limit - 1].score_id)) if len(found) > limit else None
        return Page(items=[_score(one) for one in found[:limit]], next_cursor=further)

    @routes.get("/scores/{score_id}")
    async def read_score(score_id: ScoreId, who: Principal = Depends(guard.agent)) -> ScoreOut:
        return _score(await service.score(score_id, who=who))

    @routes.post("/scores/{score_id}/correction", status_code=201)
    async def correct(
        score_id: ScoreId, body: Correction, who: Principal = Depends(guard.supervisor)
    ) -> ScoreOut:
        """A new score that counts in the place of this one; this one stays to be read."""
        made = await service.correct(score_id, body.answers, body.comment, body.reason, by=who.name)
        return _score(made)

    @routes.post("/scores/{score_id}/objection", status_code=201)
    async def object_to(
        score_id: ScoreId, body: NewObjection, who: Principal = Depends(guard.agent)
    ) -> ScoreOut:
        """By the agent who was scored, once."""
        made = await service.object(score_id, body.text, who=who)
        return _score(made)

    @routes.get("/figures")
    async def read_figures(
        scored_after: Moment | None = None,
        scored_before: Moment | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.supervisor),
    ) -> Page[AgentFiguresOut]:
        """By agent; a corrected score counts as its correction only."""
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.figures(
            scored_after=scored_after, scored_before=scored_before, after=after, limit=limit + 1
        )
        return Page(
            items=[_figures(one) for one in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].agent) if len(found) > limit else None,
        )

    return routes


def _questions(body: FormFields) -> list[Question]:
    return [Question(**one.model_dump()) for one in body.questions]


def _form(form: Form) -> FormOut:
    return FormOut.model_validate({n: getattr(form, n) for n in FormOut.model_fields})


def _told(response: Response, form: Form) -> FormOut:
    set_etag(response, form.version)
    return _form(form)


def _sample(sample: Sample) -> SampleOut:
    return SampleOut.model_validate({n: getattr(sample, n) for n in SampleOut.model_fields})


def _score(score: Score) -> ScoreOut:
    return ScoreOut.model_validate({n: getattr(score, n) for n in ScoreOut.model_fields})


def _figures(one: AgentFigures) -> AgentFiguresOut:
    def part(numerator: int, denominator: int) -> Part:
        return Part(numerator=numerator, denominator=denominator, ratio=numerator / denominator)

    return AgentFiguresOut(
        agent=one.agent,
        scores=one.scores,
        points=part(one.points, one.most_points),
        passed=part(one.passed, one.scores),
        failed=part(one.failed, one.scores),
    )
