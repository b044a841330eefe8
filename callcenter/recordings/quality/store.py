"""SQL of quality forms and scores. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, exists, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agents
from callcenter.calls.tables import calls
from callcenter.recordings.model import RecordingKind, RecordingState
from callcenter.recordings.quality.model import (
    AgentFigures,
    Form,
    Objection,
    Question,
    Result,
    Sample,
    Score,
)
from callcenter.recordings.quality.tables import (
    quality_forms,
    quality_objections,
    quality_retirements,
    quality_samples,
    quality_scores,
)
from callcenter.recordings.tables import recordings

_F: Final = quality_forms.c
_S: Final = quality_scores.c


# Forms -------------------------------------------------------------------------------------------


def _form(row: RowMapping) -> Form:
    return Form(**{**row, "questions": tuple(Question(**one) for one in row["questions"])})


def _forms() -> Select[Any]:
    retired = exists().where(quality_retirements.c.name == _F.name)
    return select(quality_forms, retired.label("retired"))


async def form(connection: AsyncConnection, name: str, version: int | None = None) -> Form | None:
    """That version; None: the newest. None where there is none."""
    wanted = _forms().where(_F.name == name).order_by(_F.version.desc()).limit(1)
    if version is not None:
        wanted = wanted.where(_F.version == version)
    row = (await connection.execute(wanted)).mappings().first()
    return None if row is None else _form(row)


async def form_by_id(connection: AsyncConnection, form_id: int) -> Form:
    row = (await connection.execute(_forms().where(_F.form_id == form_id))).mappings().one()
    return _form(row)


async def newest_forms(connection: AsyncConnection, after: str, limit: int) -> Sequence[Form]:
    """The newest version of each form, by name, those behind `after`."""
    newer = quality_forms.alias("newer")
    superseded = exists().where(newer.c.name == _F.name, newer.c.version > _F.version)
    wanted = _forms().where(_F.name > after, ~superseded).order_by(_F.name).limit(limit)
    return [_form(row) for row in (await connection.execute(wanted)).mappings()]


async def versions(connection: AsyncConnection, name: str) -> Sequence[Form]:
    """Newest first."""
    wanted = _forms().where(_F.name == name).order_by(_F.version.desc()).limit(500)
    return [_form(row) for row in (await connection.execute(wanted)).mappings()]


async def hold_form(connection: AsyncConnection, name: str) -> None:
    """Until the end of the transaction nobody else makes a version of it."""
    await connection.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"quality/{name}", 0)))
    )


async def add_form(
    connection: AsyncConnection,
    *,
    name: str,
    version: int,
    title: str,
    questions: Sequence[Question],
    pass_mark: int,
    by: str,
    at: datetime,
) -> None:
    await connection.execute(
        insert(quality_forms).values(
            name=name,
            version=version,
            title=title,
            questions=[asdict(question) for question in questions],
            pass_mark=pass_mark,
            created_by=by,
            created_at=at,
        )
    )


async def retire(connection: AsyncConnection, name: str, *, by: str, at: datetime) -> None:
    await connection.execute(
        insert(quality_retirements)
        .values(name=name, retired_by=by, retired_at=at)
        .on_conflict_do_nothing()
    )


# Recordings --------------------------------------------------------------------------------------


def _hearable() -> Select[Any]:
    return (
        select(recordings.c.recording_id, recordings.c.call_id, calls.c.agent)
        .join(calls, calls.c.call_id == recordings.c.call_id)
        .where(
            recordings.c.kind == RecordingKind.CONVERSATION.value,
            recordings.c.state == RecordingState.READY.value,
            calls.c.agent.is_not(None),
        )
    )


async def hearable(connection: AsyncConnection, recording_id: UUID) -> RowMapping | None:
    """The recording's call and agent; None where there is nothing to hear."""
    wanted = _hearable().where(recordings.c.recording_id == recording_id)
    row: RowMapping | None = (await connection.execute(wanted)).mappings().first()
    return row


async def hearable_between(
    connection: AsyncConnection, begins_at: datetime, ends_at: datetime
) -> Mapping[str, Mapping[UUID, UUID]]:
    """Agent → recording → call, of conversations that began in that time."""
    wanted = _hearable().where(calls.c.started_at >= begins_at, calls.c.started_at < ends_at)
    found: dict[str, dict[UUID, UUID]] = {}
    for row in await connection.execute(wanted):
        found.setdefault(row.agent, {})[row.recording_id] = row.call_id
    return found


# Samples -----------------------------------------------------------------------------------------


async def agents_drawn(connection: AsyncConnection, week: date) -> set[str]:
    """Whose recordings of that week were drawn already."""
    wanted = select(quality_samples.c.agent).where(quality_samples.c.week == week).distinct()
    return set((await connection.execute(wanted)).scalars())


async def add_samples(connection: AsyncConnection, samples: Sequence[Sample]) -> None:
    if samples:
        await connection.execute(insert(quality_samples), [asdict(one) for one in samples])


async def samples(
    connection: AsyncConnection,
    *,
    week: date | None,
    agent: str | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> Sequence[Sample]:
    """By week and recording, those behind `after`."""
    c = quality_samples.c
    wanted = select(quality_samples).order_by(c.week, c.recording_id).limit(limit)
    if week is not None:
        wanted = wanted.where(c.week == week)
    if agent is not None:
        wanted = wanted.where(c.agent == agent)
    if after is not None:
        wanted = wanted.where(
            (c.week > after[0]) | ((c.week == after[0]) & (c.recording_id > after[1]))
        )
    return [Sample(**row) for row in (await connection.execute(wanted)).mappings()]


# Scores ------------------------------------------------------------------------------------------


async def add_score(
    connection: AsyncConnection,
    *,
    form_id: int,
    recording: RowMapping,
    answers: Mapping[str, int],
    result: Result,
    comment: str,
    by: str,
    at: datetime,
    corrects: int | None = None,
) -> int | None:
    """The score's id; None where there is one that it may not stand beside."""
    added: int | None = await connection.scalar(
        insert(quality_scores)
        .values(
            form_id=form_id,
            recording_id=recording["recording_id"],
            call_id=recording["call_id"],
            agent=recording["agent"],
            answers=dict(answers),
            **asdict(result),
            comment=comment,
            scored_by=by,
            scored_at=at,
            corrects=corrects,
        )
        .on_conflict_do_nothing()
        .returning(quality_scores.c.score_id)
    )
    return added


def _scores() -> Select[Any]:
    later = quality_scores.alias("later")
    objection = quality_objections
    return (
        select(
            quality_scores,
            _F.name.label("form"),
            _F.version.label("form_version"),
            later.c.score_id.label("corrected_by"),
            objection.c.text.label("objection_text"),
            objection.c.objected_by,
            objection.c.objected_at,
        )
        .join(quality_forms, _F.form_id == _S.form_id)
        .outerjoin(later, later.c.corrects == _S.score_id)
        .outerjoin(objection, objection.c.score_id == _S.score_id)
    )


def _score(row: RowMapping) -> Score:
    values = dict(row)
    del values["form_id"]
    text, by, at = (values.pop(n) for n in ("objection_text", "objected_by", "objected_at"))
    objection = None if text is None else Objection(text=text, objected_by=by, objected_at=at)
    return Score(**values, objection=objection)


async def agent_of_user(connection: AsyncConnection, user_id: UUID) -> str | None:
    """The agent whose login this is; None: no agent names the user."""
    found: str | None = await connection.scalar(
        select(agents.c.agent_id).where(agents.c.user_id == user_id)
    )
    return found


async def score(connection: AsyncConnection, score_id: int) -> Score | None:
    row = (await connection.execute(_scores().where(_S.score_id == score_id))).mappings().first()
    return None if row is None else _score(row)


async def form_id_of(connection: AsyncConnection, score_id: int) -> int:
    found = await connection.scalar(select(_S.form_id).where(_S.score_id == score_id))
    assert found is not None
    return int(found)


async def scores(
    connection: AsyncConnection,
    *,
    agent: str | None,
    scored_after: datetime | None,
    scored_before: datetime | None,
    before: int | None,
    limit: int,
) -> Sequence[Score]:
    """Newest first, those before the score `before`."""
    wanted = _scores().order_by(_S.score_id.desc()).limit(limit)
    if agent is not None:
        wanted = wanted.where(_S.agent == agent)
    if scored_after is not None:
        wanted = wanted.where(_S.scored_at >= scored_after)
    if scored_before is not None:
        wanted = wanted.where(_S.scored_at < scored_before)
    if before is not None:
        wanted = wanted.where(_S.score_id < before)
    return [_score(row) for row in (await connection.execute(wanted)).mappings()]


async def add_objection(
    connection: AsyncConnection, score_id: int, text: str, *, by: str, at: datetime
) -> bool:
    """False where there is one."""
    added = await connection.execute(
        insert(quality_objections)
        .values(score_id=score_id, text=text, objected_by=by, objected_at=at)
        .on_conflict_do_nothing()
        .returning(quality_objections.c.score_id)
    )
    return added.first() is not None


async def figures(
    connection: AsyncConnection,
    *,
    scored_after: datetime | None,
    scored_before: datetime | None,
    after: str,
    limit: int,
) -> Sequence[AgentFigures]:
    """By agent, those behind `after`; of scores that no correction stands in for."""
    later = quality_scores.alias("later")
    wanted = (
        select(
            _S.agent,
            func.count().label("scores"),
            func.sum(_S.points).label("points"),
            func.sum(_S.most_points).label("most_points"),
            func.count().filter(_S.passed).label("passed"),
            func.count(_S.failed).label("failed"),
        )
        .where(_S.agent > after, ~exists().where(later.c.corrects == _S.score_id))
        .group_by(_S.agent)
        .order_by(_S.agent)
        .limit(limit)
    )
    if scored_after is not None:
        wanted = wanted.where(_S.scored_at >= scored_after)
    if scored_before is not None:
        wanted = wanted.where(_S.scored_at < scored_before)
    return [AgentFigures(**row) for row in (await connection.execute(wanted)).mappings()]


# What is old -------------------------------------------------------------------------------------

#: A score goes together with its corrections, once the last word about them is old.
_OLD_SCORES: Final = """
WITH RECURSIVE chain (root, score_id, scored_at) AS (
  SELECT score_id, score_id, scored_at FROM quality_scores
   WHERE corrects IS NULL AND scored_at < :before
  UNION ALL
  SELECT chain.root, later.score_id, later.scored_at
    FROM chain JOIN quality_scores later ON later.corrects = chain.score_id
), old AS (
  SELECT root FROM chain LEFT JOIN quality_objections o USING (score_id)
   GROUP BY root HAVING greatest(max(scored_at), max(objected_at)) < :before
   ORDER BY root LIMIT :limit
)
SELECT score_id FROM chain JOIN old USING (root)
"""


async def forget_scores(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete scores, with their corrections and objections, that nobody has touched since; of
    `limit` recordings at most. How many scores went."""
    found = await connection.execute(text(_OLD_SCORES), {"before": before, "limit": limit})
    old = list(found.scalars())
    if old:
        objected = quality_objections.c.score_id
        await connection.execute(delete(quality_objections).where(objected.in_(old)))
        await connection.execute(delete(quality_scores).where(_S.score_id.in_(old)))
    return len(old)


async def forget_samples(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete what was drawn before; how many went."""
    c = quality_samples.c
    old = select(c.week, c.recording_id).where(c.drawn_at < before).order_by(c.week).limit(limit)
    gone = await connection.execute(
        delete(quality_samples).where(tuple_(c.week, c.recording_id).in_(old)).returning(c.week)
    )
    return len(gone.all())
