"""The audit: who did what to whom and why, written in the transaction of what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.tables import audit_records
from callcenter.platform.db import Database

#: Characters of a reason.
MOST_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """`who` is a user's name or `system:<part>`, `act` such as `supervision.listen`, `subject` such
    as `call/<id>` or `agent/1001`. `detail` holds no number or name of a citizen."""

    record_id: int
    at: datetime
    who: str
    act: str
    subject: str
    reason: str
    detail: dict[str, Any]


async def record(
    connection: AsyncConnection,
    *,
    who: str,
    act: str,
    subject: str,
    reason: str,
    at: datetime,
    detail: dict[str, Any] | None = None,
) -> int:
    """Write a record into the running transaction; its id. Records never change."""
    record_id = await connection.scalar(
        insert(audit_records)
        .values(who=who, act=act, subject=subject, reason=reason, at=at, detail=detail or {})
        .returning(audit_records.c.record_id)
    )
    assert record_id is not None
    return int(record_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What a list is narrowed to; None does not narrow. `before` is exclusive."""

    subject: str | None = None
    who: str | None = None
    act: str | None = None
    after: datetime | None = None
    before: datetime | None = None


class AuditService:
    """Reads the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        *,
        subject: str | None = None,
        who: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[AuditRecord]:
        """Newest first, those before the record `before`."""
        wanted = select(audit_records).order_by(audit_records.c.record_id.desc()).limit(limit)
        if subject is not None:
            wanted = wanted.where(audit_records.c.subject == subject)
        if who is not None:
            wanted = wanted.where(audit_records.c.who == who)
        if before is not None:
            wanted = wanted.where(audit_records.c.record_id < before)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(wanted)).mappings()
            return [AuditRecord(**row) for row in rows]

    async def search(
        self, by: AuditFilter, *, behind: int | None, limit: int
    ) -> Sequence[AuditRecord]:
        """Newest first, those behind the record `behind`."""
        records = audit_records.c
        wanted = select(audit_records).order_by(records.record_id.desc()).limit(limit)
        for column, value in (
            (records.subject, by.subject),
            (records.who, by.who),
            (records.act, by.act),
        ):
            if value is not None:
                wanted = wanted.where(column == value)
        if by.after is not None:
            wanted = wanted.where(records.at >= by.after)
        if by.before is not None:
            wanted = wanted.where(records.at < by.before)
        if behind is not None:
            wanted = wanted.where(records.record_id < behind)
        async with self._database.transaction() as connection:
            rows = (await connection.execute(wanted)).mappings()
            return [AuditRecord(**row) for row in rows]
