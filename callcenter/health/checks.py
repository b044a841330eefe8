"""The checks behind `/health/ready`: database, node, AMI, journal, AGI, trunk, disk, calendar."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import select

from callcenter.health.report import NodeReport
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.health import Check, CheckResult
from callcenter.platform.migrate import current_revision, newest_revision
from callcenter.platform.settings import Settings
from callcenter.schedules.store import missing_years
from callcenter.schedules.work_calendar import years_needed
from callcenter.switch.tables import node_status

#: A node that was silent for longer is taken for dead.
SILENCE: Final = timedelta(seconds=5)

#: A journal further behind than this shows calls too late.
MOST_LAG: Final = timedelta(seconds=10)

#: Less than this on the recordings' disk is about two hours of a busy line.
LEAST_FREE: Final = 2 * 1024**3

_START_NODE: Final = "start `callcenter node` on this Asterisk's machine; its log says why it ended"

#: State of the AMI link → how to mend it.
_MEND_AMI: Final = {
    "login_refused": "the secret in manager.conf is not the one in HOME/secrets: run "
    "`callcenter asterisk install`, then reload manager",
    "lost": "Asterisk is down or its AMI port closed: `callcenter doctor` tells which",
    "dead_peer": "Asterisk is alive but does not answer: look for a stuck lock "
    "(`core show locks`), else restart it",
}


#: State of the registration → how to mend it.
_MEND_REGISTRATION: Final = {
    "Rejected": "the provider refuses us: compare TRUNK_USERNAME and TRUNK_PASSWORD with its "
    "letter; the log of Asterisk says with which answer",
    "Unregistered": "wait some seconds; if it stays: TRUNK_HOST, TRUNK_TRANSPORT and the firewall",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkWanted:
    """What the settings say of the provider: how it is watched, whether we register."""

    options: bool
    registers: bool


async def read_report(database: Database, node: str) -> NodeReport | None:
    """The last report of a node; None if it never gave one."""
    async with database.transaction() as connection:
        row = (
            await connection.execute(
                select(node_status.c.heartbeat_at, node_status.c.report).where(
                    node_status.c.node == node
                )
            )
        ).one_or_none()
    if row is None:
        return None
    return NodeReport(row.heartbeat_at, row.report if isinstance(row.report, Mapping) else {})


def all_checks(
    database: Database,
    clock: Clock,
    *,
    node: str,
    recordings: Path,
    trunk: TrunkWanted | None = None,
) -> Mapping[str, Check]:
    """Every check, by name. `recordings` is the folder recordings are kept in; `trunk` is None
    where the provider only calls and is never asked anything."""
    return {
        "database": database_check(database),
        **node_checks(database, clock, node, trunk),
        "disk": disk_check(recordings),
        "work_calendar": work_calendar_check(database, clock),
    }


def database_check(database: Database) -> Check:
    """Answers, and is at the revision this code needs."""
    newest: list[str] = []

    async def check() -> CheckResult:
        if not newest:
            newest.append(await asyncio.to_thread(newest_revision))
        at = await current_revision(database)
        if at != newest[0]:
            return CheckResult(
                ok=False,
                detail=f"at revision {at or 'none'}, needed is {newest[0]}",
                mend="run `callcenter db upgrade`",
            )
        return CheckResult(ok=True, detail=f"answers, at revision {at}")

    return check


def node_checks(
    database: Database, clock: Clock, node: str, trunk: TrunkWanted | None
) -> Mapping[str, Check]:
    """The node's heartbeat, and what its report says of AMI, journal, AGI and trunk."""

    async def fresh() -> NodeReport | CheckResult:
        report = await read_report(database, node)
        if report is None:
            return CheckResult(ok=False, detail=f"{node} has never reported", mend=_START_NODE)
        silent = clock() - report.heartbeat_at
        if silent > SILENCE:
            return CheckResult(
                ok=False,
                detail=f"{node} is silent for {silent.total_seconds():.0f} s",
                mend=_START_NODE,
            )
        return report

    async def heartbeat() -> CheckResult:
        report = await fresh()
        if isinstance(report, CheckResult):
            return report
        version = report.text("asterisk", "version")
        return CheckResult(
            ok=True,
            detail=f"{node} reports; Asterisk {version}" if version else f"{node} reports",
        )

    async def ami() -> CheckResult:
        report = await fresh()
        if isinstance(report, CheckResult):
            return _unknown(report)
        state, detail = report.text("ami", "state"), report.text("ami", "detail")
        told = f"{state or 'not reported'}{': ' + detail if detail else ''}"
        if state == "connected":
            return CheckResult(ok=True, detail=told)
        return CheckResult(ok=False, detail=told, mend=_MEND_AMI.get(state or "", _START_NODE))

    async def journal() -> CheckResult:
        report = await fresh()
        if isinstance(report, CheckResult):
            return _unknown(report)
        lag = report.number("journal", "lag_seconds")
        rejects = report.number("journal", "rejects") or 0
        told = "not reported" if lag is None else f"{lag:.1f} s behind"
        if rejects:
            told += f", {rejects:.0f} lines refused (table journal_rejects)"
        ok = lag is not None and lag <= MOST_LAG.total_seconds()
        return CheckResult(
            ok=ok,
            detail=told,
            mend=None if ok else "see the log of `callcenter node`; is the database slow?",
        )

    async def agi() -> CheckResult:
        report = await fresh()
        if isinstance(report, CheckResult):
            return _unknown(report)
        answering, of = report.number("agi", "answering"), report.number("agi", "of")
        if answering is None or of is None:
            return CheckResult(ok=False, detail="not reported", mend=_START_NODE)
        # One that answers carries the calls; the dialplan tries them in turn.
        return CheckResult(
            ok=answering >= 1,
            detail=f"{answering:.0f} of {of:.0f} answer",
            mend=None if answering >= of else "start `callcenter agi`; callers go to the queue",
        )

    async def waiting() -> CheckResult:
        report = await fresh()
        if isinstance(report, CheckResult):
            return _unknown(report)
        stuck = report.number("queues", "stuck")
        if stuck is None:
            return CheckResult(ok=False, detail="not reported", mend=_START_NODE)
        now = report.words("queues", "stuck_now")
        if now:
            return CheckResult(
                ok=True,
                alarm=True,
                detail=f"somebody waits though an agent is free: {', '.join(now)}",
                mend="`queue show` and `core show locks` on Asterisk's console; do the queues of "
                "these agents have the same weight?",
            )
        return CheckResult(ok=True, detail=f"nobody waits beside a free agent ({stuck:.0f} times)")

    async def provider() -> CheckResult:
        assert trunk is not None
        report = await fresh()
        if isinstance(report, CheckResult):
            return _unknown(report)
        return _trunk_result(
            trunk,
            report.text("trunk", "contact") or "",
            report.text("trunk", "registration") or "",
        )

    checks: dict[str, Check] = {
        "node": heartbeat,
        "ami": ami,
        "journal": journal,
        "agi": agi,
        "queues": waiting,
    }
    return checks if trunk is None else {**checks, "trunk": provider}


def disk_check(folder: Path, *, least_free: int = LEAST_FREE) -> Check:
    """At least `least_free` bytes on the disk of `folder`, which is there."""

    async def check() -> CheckResult:
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, folder)
        except OSError as exc:
            return CheckResult(
                ok=False,
                detail=f"the recordings' folder: {exc.strerror}",
                mend="make the folder HOME/recordings, writable for Asterisk and for us",
            )
        free = f"{usage.free / 1024**3:.1f} GiB free for recordings"
        if usage.free < least_free:
            return CheckResult(
                ok=False,
                detail=free,
                mend="free space or move HOME to a larger disk: Asterisk records into nothing "
                "on a full one",
            )
        return CheckResult(ok=True, detail=free)

    return check


def work_calendar_check(database: Database, clock: Clock) -> Check:
    """The work calendar has data for this year and, from 1 December, for the next.

    An alarm, not a failure: without it schedules keep their weekly hours and calls go on.
    """

    async def check() -> CheckResult:
        needed = years_needed(clock())
        async with database.transaction() as connection:
            missing = await missing_years(connection, needed)
        if missing:
            return CheckResult(
                ok=True,
                alarm=True,
                detail=f"no data for {', '.join(map(str, missing))}: holidays and make-up workdays "
                "are not known, time limits in workdays cannot be counted",
                mend="update the package chinesecalendar, or enter the days and load the year "
                "with source manual (POST /api/v1/work-calendar/years)",
            )
        return CheckResult(ok=True, detail=f"has data for {', '.join(map(str, needed))}")

    return check


def _trunk_result(trunk: TrunkWanted, contact: str, registration: str) -> CheckResult:
    told, mend = [], None
    if trunk.registers:
        told.append(f"registration: {registration or 'not reported'}")
        if registration != "Registered":
            mend = _MEND_REGISTRATION.get(registration, _MEND_REGISTRATION["Unregistered"])
    if trunk.options:
        told.append(f"OPTIONS: {contact or 'not reported'}")
        if contact != "Reachable":
            # First of the two: who cannot be reached cannot take a registration either.
            mend = (
                "the provider does not answer: TRUNK_HOST, TRUNK_TRANSPORT, the firewall; one that "
                "never answers OPTIONS wants TRUNK_OPTIONS=false"
            )
    return CheckResult(ok=mend is None, detail=", ".join(told) or "not watched", mend=mend)


def trunk_wanted(settings: Settings) -> TrunkWanted | None:
    """What is to be checked of the provider; None without TRUNK_HOST."""
    if settings.trunk_host is None:
        return None
    return TrunkWanted(options=settings.trunk_options, registers=settings.trunk_register)


def _unknown(cause: CheckResult) -> CheckResult:
    return CheckResult(ok=False, detail=f"not known: {cause.detail}", mend=cause.mend)
