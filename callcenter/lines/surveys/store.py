"""Rows of surveys. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    RowMapping,
    Select,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.tables import agent_talks, call_legs, calls
from callcenter.cases.tables import case_calls
from callcenter.lines.callers.model import ListName
from callcenter.lines.callers.tables import listed_callers
from callcenter.lines.flags.tables import call_flags
from callcenter.lines.surveys.model import (
    Answer,
    AnswerFilter,
    Figures,
    GroupBy,
    LineSurvey,
    Question,
)
from callcenter.lines.surveys.tables import line_surveys, survey_answers
from callcenter.lines.tables import lines
from callcenter.queues.callbacks.tables import callback_tries

_A: Final = survey_answers.c
_Rows = TypeVar("_Rows", bound=Select[*tuple[Any, ...]])


async def survey_of(
    connection: AsyncConnection, line: str, *, for_update: bool = False
) -> LineSurvey | None:
    """None: there is no such line."""
    number = select(lines.c.number).where(lines.c.number == line)
    if await connection.scalar(number.with_for_update() if for_update else number) is None:
        return None
    row = (
        (await connection.execute(select(line_surveys).where(line_surveys.c.line == line)))
        .mappings()
        .first()
    )
    if row is None:
        return LineSurvey(line=line, enabled=False, version=0)
    return LineSurvey(line=line, enabled=row["enabled"], version=row["version"])


async def set_survey(
    connection: AsyncConnection, survey: LineSurvey, *, by: str, at: datetime
) -> None:
    values = {
        "enabled": survey.enabled,
        "version": survey.version,
        "changed_by": by,
        "changed_at": at,
    }
    await connection.execute(
        insert(line_surveys)
        .values(line=survey.line, **values)
        .on_conflict_do_update(index_elements=["line"], set_=values)
    )


async def to_be_asked(
    connection: AsyncConnection, call_id: UUID, *, line: str, language: str, at: datetime
) -> RowMapping | None:
    """The answer that this caller has to give, not written yet; None: the caller is not asked.

    `line`: of a citizen whom we called back, for their own call nobody dialled a number of ours.

    Not asked are: callers of lines without a survey, of calls that were flagged, of numbers on the
    nuisance list, who talked with no agent of ours, or with somebody else last, and who were asked
    before.
    """
    # Who was called back and hung up on before the two heard each other has nothing to judge.
    reached = exists().where(
        callback_tries.c.call_id == calls.c.call_id, callback_tries.c.outcome == "reached"
    )
    ended = (
        select(func.max(agent_talks.c.ended_at))
        .where(agent_talks.c.call_id == calls.c.call_id)
        .scalar_subquery()
    )
    handed_on = exists().where(
        call_legs.c.call_id == calls.c.call_id,
        call_legs.c.uniqueid != calls.c.uniqueid,
        call_legs.c.agent.is_(None),
        # The citizen who is called back is no other party, a half of a Local channel nobody at all.
        call_legs.c.role != "citizen",
        call_legs.c.channel.not_like("Local/%"),
        call_legs.c.answered_at.is_not(None),
        or_(call_legs.c.ended_at.is_(None), call_legs.c.ended_at > ended),
    )
    last = (
        select(agent_talks.c.agent)
        .where(agent_talks.c.call_id == calls.c.call_id)
        .order_by(agent_talks.c.began_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    case = (
        select(case_calls.c.case_number)
        .where(case_calls.c.call_id == calls.c.call_id)
        .order_by(case_calls.c.relation != "origin", case_calls.c.linked_at)
        .limit(1)
        .scalar_subquery()
    )
    of_line = func.coalesce(calls.c.line, line)
    wanted = (
        select(
            calls.c.call_id,
            of_line.label("line"),
            last.label("agent"),
            calls.c.queue,
            case.label("case_number"),
            literal(language).label("language"),
            literal(at).label("asked_at"),
        )
        .join(line_surveys, line_surveys.c.line == of_line)
        .where(
            calls.c.call_id == call_id,
            line_surveys.c.enabled,
            last.is_not(None),
            ~handed_on,
            or_(calls.c.direction != "outbound", reached),
            ~exists().where(call_flags.c.call_id == calls.c.call_id),
            ~exists().where(survey_answers.c.call_id == calls.c.call_id),
            ~exists().where(
                listed_callers.c.number == calls.c.caller_number,
                listed_callers.c.list == ListName.BLOCKED.value,
                listed_callers.c.lifted_at.is_(None),
                or_(listed_callers.c.expires_at.is_(None), listed_callers.c.expires_at > at),
            ),
        )
    )
    return (await connection.execute(wanted)).mappings().first()


async def add_asked(connection: AsyncConnection, values: RowMapping) -> bool:
    """False where another process asks already."""
    added = await connection.execute(
        insert(survey_answers)
        .values(**values)
        .on_conflict_do_nothing()
        .returning(survey_answers.c.call_id)
    )
    return added.first() is not None


async def set_answer(
    connection: AsyncConnection, call_id: UUID, question: Question, yes: bool, at: datetime
) -> None:
    await connection.execute(
        update(survey_answers)
        .where(_A.call_id == call_id)
        .values({question.value: yes, "answered_at": func.greatest(at, _A.asked_at)})
    )


def _narrowed(wanted: _Rows, by: AnswerFilter) -> _Rows:
    for column, value in ((_A.agent, by.agent), (_A.line, by.line), (_A.queue, by.queue)):
        if value is not None:
            wanted = wanted.where(column == value)
    if by.asked_after is not None:
        wanted = wanted.where(_A.asked_at >= by.asked_after)
    if by.asked_before is not None:
        wanted = wanted.where(_A.asked_at < by.asked_before)
    return wanted


async def answers(
    connection: AsyncConnection,
    by: AnswerFilter,
    *,
    behind: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Answer]:
    """Newest first, those behind that place."""
    wanted = _narrowed(select(survey_answers), by)
    if behind is not None:
        wanted = wanted.where(tuple_(_A.asked_at, _A.call_id) < behind)
    wanted = wanted.order_by(_A.asked_at.desc(), _A.call_id.desc()).limit(limit)
    return [Answer(**row) for row in (await connection.execute(wanted)).mappings()]


async def figures(
    connection: AsyncConnection, by: AnswerFilter, group: GroupBy, *, after: str, limit: int
) -> Sequence[Figures]:
    """In order of the group, those behind `after`."""
    counts = (
        func.count().label("asked"),
        func.count(_A.answered_at).label("answered"),
        func.count().filter(_A.solved).label("solved_yes"),
        func.count(_A.solved).label("solved_of"),
        func.count().filter(_A.satisfied).label("satisfied_yes"),
        func.count(_A.satisfied).label("satisfied_of"),
    )
    if group is GroupBy.ALL:
        row = (await connection.execute(_narrowed(select(*counts), by))).mappings().one()
        return [Figures(group=None, **row)]
    column = _A[group.value]
    wanted = (
        _narrowed(select(column.label("group"), *counts), by)
        .where(column > after)
        .group_by(column)
        .order_by(column)
        .limit(limit)
    )
    return [Figures(**row) for row in (await connection.execute(wanted)).mappings()]


async def forget(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete answers of callers who were asked before; how many went."""
    old = select(_A.call_id).where(_A.asked_at < before).order_by(_A.asked_at).limit(limit)
    gone = await connection.execute(
        delete(survey_answers).where(_A.call_id.in_(old)).returning(_A.call_id)
    )
    return len(gone.all())
