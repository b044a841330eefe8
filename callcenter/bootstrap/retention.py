"""What is deleted when it is old: each night, in small transactions, with a count in the audit."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from procrastinate import App
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.lines.flags import store as flags
from callcenter.lines.surveys import store as surveys
from callcenter.platform.clock import Clock, system_clock
from callcenter.platform.db import Database
from callcenter.platform.settings import Settings
from callcenter.recordings.quality import store as quality

log = logging.getLogger(__name__)

BY: Final = "system:retention"
#: Rows of one transaction.
_AT_ONCE: Final = 1000

#: Deletes at most so many rows from before that moment; how many went.
Forget = Callable[[AsyncConnection, datetime, int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of record: its name in the audit, and for how many days it is kept."""

    subject: str
    days: int
    forget: Forget


def kept(settings: Settings) -> Sequence[Kept]:
    """Everything that is deleted by age, by the settings."""
    return (
        Kept("quality_scores", settings.quality_kept_days, quality.forget_scores),
        Kept("quality_samples", settings.quality_kept_days, quality.forget_samples),
        Kept("survey_answers", settings.surveys_kept_days, surveys.forget),
        Kept("call_flags", settings.flags_kept_days, flags.forget),
    )


async def forget_old(
    database: Database, clock: Clock, kinds: Sequence[Kept], *, at_once: int = _AT_ONCE
) -> dict[str, int]:
    """Delete what is older than it is kept; how many records of each kind went. Raises an
    `ExceptionGroup` where some kind could not be, after all others.

    Each transaction deletes `at_once` at most and has its own record in the audit, so that what is
    gone is told, also where the next one fails.
    """
    gone: dict[str, int] = {}
    faults: list[Exception] = []
    for kind in kinds:
        try:
            gone[kind.subject] = await _forget(database, clock(), kind, at_once)
        except Exception as exc:
            # One kind keeps no other from its date; the job fails all the same.
            log.exception("%s are not deleted", kind.subject)
            faults.append(exc)
    if faults:
        raise ExceptionGroup("some records were not deleted by age", faults)
    return gone


async def _forget(database: Database, now: datetime, kind: Kept, at_once: int) -> int:
    before = now - timedelta(days=kind.days)
    gone = 0
    while True:
        async with database.transaction() as connection:
            # The records never change otherwise: their triggers let nobody else delete (0022).
            await connection.execute(text("SELECT set_config('callcenter.retention', 'on', true)"))
            count = await kind.forget(connection, before, at_once)
            if count:
                await audit.record(
                    connection,
                    who=BY,
                    act="retention.delete",
                    subject=kind.subject,
                    reason=f"older than {kind.days} days",
                    at=now,
                    detail={"count": count, "before": before.isoformat()},
                )
        gone += count
        if count < at_once:
            return gone


def register_retention(jobs: App, database: Database, settings: Settings) -> None:
    """The nightly job (02:37 in China)."""

    @jobs.periodic(cron="37 18 * * *")
    @jobs.task(name="retention.forget", queueing_lock="retention.forget")
    async def forget(timestamp: int) -> None:
        gone = await forget_old(database, system_clock, kept(settings))
        log.info("deleted as old: %s", ", ".join(f"{n} {what}" for what, n in gone.items()))
