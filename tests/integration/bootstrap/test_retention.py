"""What is old is deleted, what is not stays, and the audit tells how much went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.access.audit import AuditService
from callcenter.bootstrap.retention import Kept, forget_old, kept
from callcenter.lines.flags import store as flags
from callcenter.lines.surveys import store as surveys
from callcenter.platform.db import Database
from callcenter.platform.settings import Settings, load_settings
from callcenter.queues.seed import seed_queues
from callcenter.testing.desk import add_call
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
CLOCK = FixedClock(NOW)
#: Kept for a year (365 days); those of scores and surveys are three (1095).
OLD, NEW = NOW - timedelta(days=1096), NOW - timedelta(days=364)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path)


class Archive:
    """Records of any age."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._calls = 0

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def count(self, table: str) -> int:
        async with self.database.transaction() as connection:
            found = await connection.scalar(text(f"SELECT count(*) FROM {table}"))
        return int(found or 0)

    async def call(self) -> UUID:
        self._calls += 1
        async with self.database.transaction() as connection:
            return await add_call(connection, OLD, call_id=UUID(int=self._calls))

    async def survey(self, at: datetime) -> None:
        await self.sql(
            "INSERT INTO survey_answers (call_id, line, agent, language, asked_at)"
            " VALUES (:call, '12345', '1001', 'zh', :at)",
            call=await self.call(),
            at=at,
        )

    async def flag(self, at: datetime) -> None:
        await self.sql(
            "INSERT INTO call_flags (call_id, kind, flagged_by, flagged_at, reason)"
            " VALUES (:call, 'abuse', 'aki', :at, 'shouts')",
            call=await self.call(),
            at=at,
        )

    async def score(self, score_id: int, at: datetime, corrects: int | None = None) -> None:
        await self.sql(
            "INSERT INTO quality_scores (score_id, form_id, recording_id, call_id, agent, answers,"
            " points, most_points, passed, comment, scored_by, scored_at, corrects)"
            " OVERRIDING SYSTEM VALUE VALUES (:id, (SELECT form_id FROM quality_forms), :recording,"
            " :recording, '1001', '{}', 1, 1, true, '', 'ling', :at, :corrects)",
            id=score_id,
            recording=await self.recording() if corrects is None else UUID(int=1),
            at=at,
            corrects=corrects,
        )

    async def recording(self) -> UUID:
        call_id = await self.call()
        await self.sql(
            "INSERT INTO recordings (recording_id, call_id, kind, name, state, started_at)"
            " VALUES (:id, :id, 'conversation', :name, 'pending', :at)",
            id=call_id,
            name=str(call_id),
            at=OLD,
        )
        return call_id

    async def form(self) -> None:
        await self.sql(
            "INSERT INTO quality_forms (name, version, title, questions, pass_mark, created_by,"
            " created_at) VALUES ('standard', 1, 'x', '[{}]', 70, 'ling', :at)",
            at=OLD,
        )

    async def object(self, score_id: int, at: datetime) -> None:
        await self.sql(
            "INSERT INTO quality_objections (score_id, text, objected_by, objected_at)"
            " VALUES (:id, 'No.', 'anna', :at)",
            id=score_id,
            at=at,
        )


@pytest.fixture
async def archive(database: Database) -> Archive:
    async with database.transaction() as connection:
        await seed_queues(connection)
    return Archive(database)


async def test_what_is_old_goes_what_is_not_stays_and_the_audit_counts(
    archive: Archive, settings: Settings
) -> None:
    for at in (OLD, OLD, NEW):
        await archive.survey(at)
        await archive.flag(at)
    gone = await forget_old(archive.database, CLOCK, kept(settings))
    assert gone == {
        "quality_scores": 0,
        "quality_samples": 0,
        "survey_answers": 2,
        "call_flags": 2,
    }
    assert (await archive.count("survey_answers"), await archive.count("call_flags")) == (1, 1)
    records = await AuditService(archive.database).list(who="system:retention")
    assert [(record.subject, record.reason, record.detail) for record in records] == [
        (
            "call_flags",
            "older than 365 days",
            {"count": 2, "before": (NOW - timedelta(days=365)).isoformat()},
        ),
        (
            "survey_answers",
            "older than 1095 days",
            {"count": 2, "before": (NOW - timedelta(days=1095)).isoformat()},
        ),
    ]
    # Nothing more to do: nothing more is told.
    assert not any((await forget_old(archive.database, CLOCK, kept(settings))).values())
    assert len(await AuditService(archive.database).list(who="system:retention")) == 2


async def test_a_large_archive_goes_in_small_transactions_each_of_which_is_told(
    archive: Archive,
) -> None:
    for _ in range(5):
        await archive.survey(OLD)
    kinds = [Kept("survey_answers", 365, surveys.forget)]
    gone = await forget_old(archive.database, CLOCK, kinds, at_once=2)
    assert gone == {"survey_answers": 5}
    records = await AuditService(archive.database).list(who="system:retention")
    assert [record.detail["count"] for record in records] == [1, 2, 2]


async def test_a_score_goes_with_its_corrections_when_the_last_word_is_old(
    archive: Archive, settings: Settings
) -> None:
    await archive.form()
    await archive.score(1, OLD)
    await archive.score(2, OLD, corrects=1)
    await archive.object(2, OLD)
    # Corrected lately; objected to lately; new.
    await archive.score(3, OLD)
    await archive.score(4, NEW, corrects=3)
    await archive.score(5, OLD)
    await archive.object(5, NEW)
    await archive.score(6, NEW)
    gone = await forget_old(archive.database, CLOCK, kept(settings))
    assert gone["quality_scores"] == 2
    assert await archive.count("quality_scores WHERE score_id > 2") == 4
    assert await archive.count("quality_scores") == 4
    assert await archive.count("quality_objections") == 1


async def test_samples_that_were_drawn_long_ago_go(archive: Archive, settings: Settings) -> None:
    for at in (OLD, NEW):
        recording = await archive.recording()
        await archive.sql(
            "INSERT INTO quality_samples VALUES ('2026-11-16', :id, :id, '1001', 1, 1, 'li', :at)",
            id=recording,
            at=at,
        )
    gone = await forget_old(archive.database, CLOCK, kept(settings))
    assert (gone["quality_samples"], await archive.count("quality_samples")) == (1, 1)


@pytest.mark.parametrize("table", ["quality_scores", "quality_objections", "call_flags"])
async def test_nothing_but_retention_deletes_and_nobody_changes(
    archive: Archive, table: str
) -> None:
    await archive.form()
    await archive.score(1, OLD)
    await archive.object(1, OLD)
    await archive.flag(OLD)
    column = {"quality_scores": "comment", "quality_objections": "text", "call_flags": "reason"}
    with pytest.raises(DBAPIError, match="append-only"):
        await archive.sql(f"DELETE FROM {table}")
    async with archive.database.transaction() as connection:
        await connection.execute(text("SET LOCAL callcenter.retention = 'on'"))
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(f"UPDATE {table} SET {column[table]} = 'x'"))
    # What one transaction was allowed no later one is.
    await forget_old(archive.database, CLOCK, [Kept("call_flags", 3650, flags.forget)])
    with pytest.raises(DBAPIError, match="append-only"):
        await archive.sql(f"DELETE FROM {table}")


async def test_a_kind_that_cannot_be_deleted_keeps_no_other_from_its_date(
    archive: Archive,
) -> None:
    async def fails(_connection: object, _before: object, _most: int) -> int:
        raise RuntimeError("broken")

    await archive.flag(OLD)
    kinds = [Kept("quality_scores", 1, fails), Kept("call_flags", 365, flags.forget)]
    with pytest.raises(ExceptionGroup) as caught:
        await forget_old(archive.database, CLOCK, kinds)
    assert [str(one) for one in caught.value.exceptions] == ["broken"]
    assert await archive.count("call_flags") == 0
