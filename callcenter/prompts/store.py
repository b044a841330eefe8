"""Rows of prompts, their audio, their jobs, and who plays them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Text,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ivr.tables import ivr_flows, ivr_references
from callcenter.knowledge.tables import article_versions, articles
from callcenter.lines.tables import lines
from callcenter.prompts.model import Audio, JobState, Origin, Prompt, PromptEdit, RenderJob, User
from callcenter.prompts.tables import prompt_audio, prompt_jobs, prompts, prompts_removed
from callcenter.queues.tables import queues


def _audio(row: RowMapping) -> Audio:
    return Audio(**{**row, "origin": Origin(row["origin"])})


def _job(row: RowMapping) -> RenderJob:
    return RenderJob(**{**row, "state": JobState(row["state"])})


async def prompt_of(
    connection: AsyncConnection, name: str, *, for_update: bool = False
) -> Prompt | None:
    """With its audio. `for_update` holds the row: whoever changes its files holds it."""
    wanted = select(prompts).where(prompts.c.name == name)
    result = await connection.execute(wanted.with_for_update() if for_update else wanted)
    row = result.mappings().first()
    if row is None:
        return None
    return Prompt(**row, audio=(await _audio_of(connection, [name])).get(name, {}))


async def prompts_after(
    connection: AsyncConnection, name: str | None = None, limit: int | None = None
) -> Sequence[Prompt]:
    """Prompts with their audio in order of name, after `name`."""
    wanted = select(prompts).order_by(prompts.c.name).limit(limit)
    if name is not None:
        wanted = wanted.where(prompts.c.name > name)
    rows = (await connection.execute(wanted)).mappings().all()
    audio = await _audio_of(connection, [row["name"] for row in rows])
    return [Prompt(**row, audio=audio.get(row["name"], {})) for row in rows]


async def _audio_of(
    connection: AsyncConnection, names: Sequence[str]
) -> Mapping[str, Mapping[str, Audio]]:
    wanted = (
        select(prompt_audio)
        .where(prompt_audio.c.name.in_(names))
        .order_by(prompt_audio.c.name, prompt_audio.c.language)
    )
    found: dict[str, dict[str, Audio]] = {}
    for row in (await connection.execute(wanted)).mappings():
        found.setdefault(row["name"], {})[row["language"]] = _audio(row)
    return found


async def add_prompt(
    connection: AsyncConnection,
    name: str,
    edit: PromptEdit,
    *,
    by: str,
    at: datetime,
    is_shipped: bool = False,
    is_fixed: bool = False,
) -> None:
    await connection.execute(
        insert(prompts).values(
            name=name,
            title=edit.title,
            texts=dict(edit.texts),
            is_shipped=is_shipped,
            is_fixed=is_fixed,
            created_at=at,
            created_by=by,
            edited_at=at,
            edited_by=by,
        )
    )


async def edit_prompt(
    connection: AsyncConnection, name: str, edit: PromptEdit, *, by: str, at: datetime
) -> None:
    """A new version of title and texts."""
    await connection.execute(
        update(prompts)
        .where(prompts.c.name == name)
        .values(
            title=edit.title,
            texts=dict(edit.texts),
            version=prompts.c.version + 1,
            edited_at=at,
            edited_by=by,
        )
    )


async def mark_shipped(connection: AsyncConnection, name: str, *, is_fixed: bool) -> None:
    await connection.execute(
        update(prompts).where(prompts.c.name == name).values(is_shipped=True, is_fixed=is_fixed)
    )


async def remove_prompt(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(prompt_audio).where(prompt_audio.c.name == name))
    await connection.execute(delete(prompts).where(prompts.c.name == name))


async def put_audio(connection: AsyncConnection, audio: Audio) -> None:
    """What callers hear of a prompt in a language, whatever was there."""
    values = {**asdict(audio), "origin": audio.origin.value}
    statement = upsert(prompt_audio).values(values)
    changes = {key: value for key, value in values.items() if key not in ("name", "language")}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["name", "language"], set_=changes)
    )


async def known_copies(connection: AsyncConnection) -> set[str]:
    """Every hash a row names."""
    rows = await connection.execute(select(prompt_audio.c.sha256, prompt_audio.c.wide_sha256))
    return {digest for row in rows for digest in row if digest is not None}


async def users_of(connection: AsyncConnection, name: str) -> Sequence[User]:
    """Who plays it: drafts and active versions of flows, articles, lines, queues; each in order of
    name."""
    wanted = (
        select(ivr_references.c.flow, ivr_references.c.version)
        .join(ivr_flows, ivr_flows.c.name == ivr_references.c.flow)
        .where(
            ivr_references.c.kind == "prompt",
            ivr_references.c.name == name,
            or_(
                ivr_references.c.version == 0,
                ivr_references.c.version == ivr_flows.c.active_version,
            ),
        )
        .order_by(ivr_references.c.flow, ivr_references.c.version)
    )
    rows = await connection.execute(wanted)
    flows = [User("flow", row.flow, "active" if row.version else "draft") for row in rows]
    return [
        *flows,
        *await _articles_with(connection, name),
        *await _lines_with(connection, name),
        *await _queues_with(connection, name),
    ]


async def _articles_with(connection: AsyncConnection, name: str) -> list[User]:
    """Articles that are recorded as this prompt: as edited, in force, or about to be."""
    heard = exists().where(
        articles.c.name == article_versions.c.article,
        article_versions.c.version.in_([articles.c.current_version, articles.c.next_version]),
        _names(article_versions.c.content, name),
    )
    wanted = (
        select(articles.c.name, heard)
        .where(articles.c.deleted_at.is_(None), or_(_names(articles.c.content, name), heard))
        .order_by(articles.c.name)
    )
    rows = await connection.execute(wanted)
    return [User("article", row[0], "active" if row[1] else "draft") for row in rows]


def _names(content: Column[Any], name: str) -> ColumnElement[bool]:
    """Each language of an article may name a prompt: {"zh": {"prompt": "…", …}, …}."""
    return func.jsonb_path_exists(
        cast(content, JSONB),
        cast("$.*.prompt ? (@ == $name)", JSONPATH),
        func.jsonb_build_object("name", cast(name, Text)),
    )


async def _lines_with(connection: AsyncConnection, name: str) -> list[User]:
    """Lines that say it at their door."""
    named = {"prompt": name}
    rows = await connection.scalars(
        select(lines.c.number)
        .where(or_(lines.c.welcome.contains(named), lines.c.closed_say.contains(named)))
        .order_by(lines.c.number)
    )
    return [User("line", number, "active") for number in rows]


async def _queues_with(connection: AsyncConnection, name: str) -> list[User]:
    """Queues that say it to who waits."""
    rows = await connection.scalars(
        select(queues.c.name).where(queues.c.comfort_prompt == name).order_by(queues.c.name)
    )
    return [User("queue", queue, "active") for queue in rows]


async def removed(connection: AsyncConnection) -> frozenset[str]:
    """Shipped prompts the city has deleted."""
    return frozenset((await connection.scalars(select(prompts_removed.c.name))).all())


async def note_removal(connection: AsyncConnection, name: str, *, by: str, at: datetime) -> None:
    await connection.execute(
        upsert(prompts_removed)
        .values(name=name, removed_at=at, removed_by=by)
        .on_conflict_do_nothing()
    )


async def add_job(
    connection: AsyncConnection, prompt: str, languages: Sequence[str], *, by: str, at: datetime
) -> RenderJob:
    """A job that waits to be taken."""
    result = await connection.execute(
        insert(prompt_jobs)
        .values(
            prompt=prompt,
            languages=list(languages),
            total=len(languages),
            created_at=at,
            created_by=by,
            changed_at=at,
        )
        .returning(prompt_jobs)
    )
    return _job(result.mappings().one())


async def job_of(connection: AsyncConnection, job_id: int) -> RenderJob | None:
    result = await connection.execute(select(prompt_jobs).where(prompt_jobs.c.job_id == job_id))
    row = result.mappings().first()
    return None if row is None else _job(row)


async def take_job(connection: AsyncConnection, job_id: int, at: datetime) -> RenderJob | None:
    """The job, running from now on; None when it is over (or was never there)."""
    result = await connection.execute(
        update(prompt_jobs)
        .where(prompt_jobs.c.job_id == job_id, prompt_jobs.c.state.in_(["queued", "running"]))
        .values(state="running", done=0, tries=prompt_jobs.c.tries + 1, changed_at=at)
        .returning(prompt_jobs)
    )
    row = result.mappings().first()
    return None if row is None else _job(row)


async def change_job(
    connection: AsyncConnection, job_id: int, values: Mapping[str, Any], at: datetime
) -> None:
    await connection.execute(
        update(prompt_jobs).where(prompt_jobs.c.job_id == job_id).values(**values, changed_at=at)
    )


async def jobs_left_behind(
    connection: AsyncConnection, *, running_since: datetime, queued_since: datetime
) -> Sequence[RenderJob]:
    """Jobs whose worker has shown nothing for too long; held until the transaction ends."""
    wanted = (
        select(prompt_jobs)
        .where(
            or_(
                (prompt_jobs.c.state == "running") & (prompt_jobs.c.changed_at < running_since),
                (prompt_jobs.c.state == "queued") & (prompt_jobs.c.changed_at < queued_since),
            )
        )
        .order_by(prompt_jobs.c.job_id)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    return [_job(row) for row in (await connection.execute(wanted)).mappings()]


async def forget_jobs(connection: AsyncConnection, before: datetime) -> None:
    await connection.execute(
        delete(prompt_jobs).where(
            prompt_jobs.c.state.in_(["done", "failed"]), prompt_jobs.c.changed_at < before
        )
    )
