"""How conversations are judged: forms, which recordings are drawn, scores.

Pure: standard library only. Chance is a seed: who has it draws the same recordings again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict, InvalidField, InvalidFields, NotFound
from callcenter.platform.text import plain_text

MOST_QUESTIONS: Final = 50
MOST_POINTS: Final = 100
MOST_WEIGHT: Final = 100
MOST_TEXT: Final = 2000  #: characters of a comment or an objection
MOST_TITLE: Final = 100
MOST_QUESTION: Final = 200
MOST_SAMPLES: Final = 50  #: an agent and week
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class NoSuchForm(NotFound):
    """There is no such form, or no such version of it."""

    slug = "no-such-form"


class FormExists(Conflict):
    """There is a form of this name already: PUT makes its next version."""

    slug = "form-exists"


class FormRetired(Conflict):
    """This form was retired: it scores nothing any more."""

    slug = "form-retired"


class NoSuchScore(NotFound):
    """There is no such score."""

    slug = "no-such-score"


class NothingToHear(Conflict):
    """There is no finished recording of a conversation with an agent under this id."""

    slug = "nothing-to-hear"


class ScoredAlready(Conflict):
    """This recording has a score by this form: correct that one."""

    slug = "scored-already"


class CorrectedAlready(Conflict):
    """This score was corrected already: correct the newest one."""

    slug = "corrected-already"


class ObjectedAlready(Conflict):
    """An objection was made already; there is one a score."""

    slug = "objected-already"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a form: 0 to `most_points`, counted `weight` times. `critical`: 0 points
    there fail the whole conversation."""

    id: str
    text: str
    most_points: int
    weight: int = 1
    critical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A version of a form; it never changes. `pass_mark`: per cent of all points."""

    form_id: int
    name: str
    version: int
    title: str
    questions: tuple[Question, ...]
    pass_mark: int
    created_by: str
    created_at: datetime
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`failed`: the critical question that failed it, the first of them; the points are 0 then."""

    points: int
    most_points: int
    failed: str | None
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    text: str
    objected_by: str
    objected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score as it is kept. `corrects`: the score it stands in for; `corrected_by`: the one that
    stands in for it."""

    score_id: int
    form: str
    form_version: int
    recording_id: UUID
    call_id: UUID
    agent: str
    answers: Mapping[str, int]
    points: int
    most_points: int
    failed: str | None
    passed: bool
    comment: str
    scored_by: str
    scored_at: datetime
    corrects: int | None
    corrected_by: int | None = None
    objection: Objection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A recording that was drawn to be scored, out of `drawn_from` of that agent and week."""

    week: date
    recording_id: UUID
    call_id: UUID
    agent: str
    seed: int
    drawn_from: int
    drawn_by: str
    drawn_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """Of the scores that stand: how many, their points of all points, how many passed, and how many
    failed by a critical question."""

    agent: str
    scores: int
    points: int
    most_points: int
    passed: int
    failed: int


def checked_name(name: str) -> str:
    """Raises `InvalidField`."""
    if not _NAME.fullmatch(name):
        raise InvalidField("name", "a-z first, then a-z, 0-9, underscore; at most 40")
    return name


def checked_questions(questions: Sequence[Question]) -> tuple[Question, ...]:
    """The questions as they are kept. Raises `InvalidField` naming each that breaks a rule."""
    problems: list[tuple[str, str]] = []
    if not 1 <= len(questions) <= MOST_QUESTIONS:
        raise InvalidField("questions", f"1 to {MOST_QUESTIONS}")
    kept = []
    seen: set[str] = set()
    for number, question in enumerate(questions):
        where = f"questions.{number}"
        if not _NAME.fullmatch(question.id) or question.id in seen:
            problems.append((f"{where}.id", "a-z, 0-9, underscore; each once"))
        if not 1 <= question.most_points <= MOST_POINTS:
            problems.append((f"{where}.most_points", f"1 to {MOST_POINTS}"))
        if not 1 <= question.weight <= MOST_WEIGHT:
            problems.append((f"{where}.weight", f"1 to {MOST_WEIGHT}"))
        seen.add(question.id)
        text = plain_text(f"{where}.text", question.text, least=1, most=MOST_QUESTION)
        kept.append(
            Question(
                id=question.id,
                text=text,
                most_points=question.most_points,
                weight=question.weight,
                critical=question.critical,
            )
        )
    if problems:
        raise InvalidFields(problems)
    return tuple(kept)


def judged(questions: Sequence[Question], pass_mark: int, answers: Mapping[str, int]) -> Result:
    """The result of these answers: points by id of the question, one for each question.

    Raises `InvalidField`.
    """
    problems = [(f"answers.{q.id}", "is missing") for q in questions if q.id not in answers]
    known = {question.id: question for question in questions}
    for name, points in answers.items():
        question = known.get(name)
        if question is None:
            problems.append(("answers", "holds a question that the form does not have"))
        elif not 0 <= points <= question.most_points:
            problems.append((f"answers.{name}", f"0 to {question.most_points}"))
    if problems:
        raise InvalidFields(problems)
    most = sum(q.most_points * q.weight for q in questions)
    failed = next((q.id for q in questions if q.critical and answers[q.id] == 0), None)
    if failed is not None:
        return Result(points=0, most_points=most, failed=failed, passed=False)
    points = sum(answers[q.id] * q.weight for q in questions)
    return Result(
        points=points, most_points=most, failed=None, passed=points * 100 >= pass_mark * most
    )


def drawn(
    recordings: Sequence[UUID], *, seed: int, week: date, agent: str, wanted: int
) -> list[UUID]:
    """`wanted` of these recordings (all, where there are no more), by chance.

    The same seed draws the same, in whatever order they are given; agents and weeks are drawn
    independently of each other.
    """
    among = sorted(recordings)
    # Checked by whoever has the seed; nobody's secret.
    chance = random.Random(f"{seed}/{week.isoformat()}/{agent}")  # noqa: S311
    return sorted(chance.sample(among, min(wanted, len(among))))
