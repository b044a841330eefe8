"""Health and metrics, as one without a token sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import event, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from callcenter.bootstrap.ready import is_ready
from callcenter.cases.service import CaseService
from callcenter.health.api import router
from callcenter.health.checks import TrunkWanted, all_checks, disk_check
from callcenter.health.metrics import Metrics
from callcenter.ivr.tables import ivr_flows
from callcenter.lines.tables import lines
from callcenter.platform.db import Database
from callcenter.platform.health import Check, CheckResult
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues.seed import seed_queues
from callcenter.recordings.tables import recordings
from callcenter.schedules.seed import seed_work_calendar
from callcenter.switch.tables import node_status
from callcenter.testing.desk import add_call
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

GOOD: dict[str, Any] = {
    "ami": {"state": "connected", "since": "2026-03-02T08:00:00Z", "detail": None,
            "reconnects": 3, "gaps": 1},
    "journal": {"lag_seconds": 0.2, "lag_bytes": 120, "rejects": 4},
    "agi": {"answering": 2, "of": 2},
    "queues": {"stuck": 3, "stuck_now": []},
    "asterisk": {"version": "22.10.1", "started_at": "2026-03-02T08:00:00Z"},
}  # fmt: skip


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def client(
    database: Database, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[AsyncClient]:
    checks = all_checks(database, clock, node="node1", recordings=tmp_path)
    async with client_of(dict(checks), database, clock) as client:
        yield client


def client_of(
    checks: dict[str, Check],
    database: Database,
    clock: FixedClock,
    keep: timedelta = timedelta(seconds=-1),
) -> AsyncClient:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(router(checks, Metrics(database, clock), keep=keep))
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://desk")


async def report(database: Database, at: datetime, **parts: Any) -> None:
    values = {"heartbeat_at": at, "report": GOOD | parts}
    async with database.transaction() as connection:
        await connection.execute(
            upsert(node_status)
            .values(node="node1", **values)
            .on_conflict_do_update(index_elements=["node"], set_=values)
        )


async def bad_checks(client: AsyncClient) -> dict[str, dict[str, Any]]:
    reply = await client.get("/health/ready")
    body = reply.json()
    bad = {check["name"]: check for check in body["checks"] if not check["ok"]}
    assert reply.status_code == (503 if bad else 200)
    assert body["status"] == ("not_ready" if bad else "ready")
    assert all(check["mend"] for check in bad.values())
    return bad


async def test_all_is_ready_while_the_node_reports_well(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await report(database, clock())
    assert await bad_checks(client) == {}
    body = (await client.get("/health/ready")).json()
    assert [check["name"] for check in body["checks"]] == [
        "database", "node", "ami", "journal", "agi", "queues", "disk", "work_calendar",
    ]  # fmt: skip
    assert (await client.get("/health/live")).json() == {"status": "ok"}


async def test_a_node_that_never_reported_or_went_silent_is_named(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    bad = await bad_checks(client)
    assert set(bad) == {"node", "ami", "journal", "agi", "queues"}
    assert "never reported" in bad["node"]["detail"]
    await report(database, clock())
    clock.forward(timedelta(seconds=5))
    assert await bad_checks(client) == {}
    clock.forward(timedelta(seconds=1))
    bad = await bad_checks(client)
    assert bad["node"]["detail"] == "node1 is silent for 6 s"
    assert "callcenter node" in bad["node"]["mend"]


@pytest.mark.parametrize(
    ("parts", "name", "told"),
    [
        ({"ami": {"state": "login_refused", "detail": "Authentication failed"}}, "ami",
         "login_refused: Authentication failed"),
        ({"ami": {"state": "lost", "detail": "Connection refused"}}, "ami", "lost"),
        ({"ami": {"state": "dead_peer", "detail": "no pong within 2 s"}}, "ami", "no pong"),
        ({"ami": {}}, "ami", "not reported"),
        ({"ami": "odd"}, "ami", "not reported"),
        ({"journal": {"lag_seconds": 31, "rejects": 2}}, "journal", "31.0 s behind, 2 lines"),
        ({"journal": {}}, "journal", "not reported"),
        ({"agi": {"answering": 0, "of": 2}}, "agi", "0 of 2"),
        ({"agi": {"answering": "many"}}, "agi", "not reported"),
        ({"queues": {"stuck": None}}, "queues", "not reported"),
    ],
)  # fmt: skip
async def test_each_part_that_fails_is_named_with_what_was_seen(
    client: AsyncClient,
    database: Database,
    clock: FixedClock,
    parts: dict[str, Any],
    name: str,
    told: str,
) -> None:
    await report(database, clock(), **parts)
    bad = await bad_checks(client)
    assert list(bad) == [name]
    assert told in bad[name]["detail"]


async def test_one_agi_process_of_two_still_carries_calls(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await report(database, clock(), agi={"answering": 1, "of": 2})
    assert await bad_checks(client) == {}


async def calendar_check(client: AsyncClient) -> tuple[bool, bool, str]:
    checks = (await client.get("/health/ready")).json()["checks"]
    (check,) = (check for check in checks if check["name"] == "work_calendar")
    assert (check["mend"] is not None) == check["alarm"]
    return check["ok"], check["alarm"], check["detail"]


async def test_a_year_without_work_calendar_is_an_alarm_and_serves_callers_all_the_same(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    missing = ("callcenter_work_calendar_years_missing", ())

    async def holds(at: datetime, years: int, *told: str) -> None:
        clock.now = at
        await report(database, clock())
        assert await bad_checks(client) == {}
        ok, alarm, detail = await calendar_check(client)
        assert (ok, alarm) == (True, years > 0)
        assert all(word in detail for word in told)
        assert (await scrape(client))[missing] == years

    await holds(clock(), 1, "no data for 2026")
    await holds(datetime(2026, 12, 1, tzinfo=UTC), 2, "no data for 2026, 2027")
    async with database.transaction() as connection:
        await seed_work_calendar(connection, clock)
        # Whatever the package knows when you read this: 2027 is not there.
        await connection.execute(text("DELETE FROM work_calendar_years WHERE year > 2026"))
    await holds(datetime(2026, 11, 30, 15, tzinfo=UTC), 0, "has data for 2026")
    # From 1 December in China the next year is wanted.
    await holds(datetime(2026, 11, 30, 16, tzinfo=UTC), 1, "no data for 2027")
    await holds(datetime(2027, 1, 1, tzinfo=UTC), 1, "no data for 2027")


async def test_a_database_at_another_revision_is_not_ready(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await report(database, clock())
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    bad = await bad_checks(client)
    assert list(bad) == ["database"]
    assert "0000" in bad["database"]["detail"]
    assert "db upgrade" in bad["database"]["mend"]


async def test_a_disk_that_is_full_or_away_is_named(tmp_path: Path) -> None:
    full = await disk_check(tmp_path, least_free=2**62)()
    away = await disk_check(tmp_path / "nowhere")()
    assert (full.ok, away.ok) == (False, False)
    assert "GiB free" in full.detail
    assert "No such file" in away.detail


async def test_those_who_ask_at_once_share_one_answer(
    database: Database, clock: FixedClock
) -> None:
    asked = 0

    async def check() -> CheckResult:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return CheckResult(ok=True, detail="fine")

    async with client_of({"x": check}, database, clock, timedelta(minutes=1)) as client:
        replies = await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
    assert {reply.status_code for reply in replies} == {200}
    assert asked == 1


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(client: AsyncClient) -> Samples:
    reply = await client.get("/metrics")
    assert reply.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


async def fill(database: Database, clock: FixedClock) -> None:
    now = clock()
    ended = {"state": "ended", "ended_at": now, "caller_number": "13800138000"}
    async with database.transaction() as connection:
        await seed_queues(connection)
        await connection.execute(
            insert(ivr_flows).values(name="main", title="Main", created_at=now)
        )
        await connection.execute(
            insert(lines).values(
                number="12345", title="Line", flow="main", queue="general", language="zh"
            )
        )
        for line, disposition, count in [
            ("12345", "abandoned", 2),
            ("12345", "self_served", 1),
            ("99999", "blocked", 1),
            ("88888", "blocked", 1),
        ]:
            for _ in range(count):
                await add_call(connection, now, line=line, disposition=disposition, **ended)
        await add_call(
            connection, now - timedelta(hours=25), line="12345", disposition="failed", **ended
        )
        call_id = await add_call(connection, now, line="12345", caller_name="王先生")
        old_call = await add_call(connection, now - timedelta(days=3), state="talking")
        for call, state, reason, age in [
            (call_id, "recording", None, 30),
            (call_id, "missing", "no file", 40),
            (old_call, "pending", None, 600),
            (old_call, "missing", "no file", 600),
        ]:
            name = str(uuid4())
            await connection.execute(
                insert(recordings).values(
                    recording_id=name,
                    call_id=call,
                    kind="conversation",
                    name=name,
                    state=state,
                    reason=reason,
                    started_at=now - timedelta(seconds=age),
                )
            )
    cases = CaseService(database, clock)
    for n in range(3):
        file = await cases.open(title="路灯不亮", by="aki")
        if n == 0:
            await cases.close(file.case.number, "done", by="aki")
    await report(database, now)


async def test_metrics_tell_what_the_rows_say(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await fill(database, clock)
    seen = await scrape(client)

    def value(name: str, **labels: str) -> float | None:
        return seen.get((f"callcenter_{name}", tuple(sorted(labels.items()))))

    assert value("up", part="database") == 1
    assert value("up", part="node:node1") == value("up", part="ami:node1") == 1
    assert value("calls_last_day", line="12345", disposition="abandoned") == 2
    assert value("calls_last_day", line="12345", disposition="self_served") == 1
    assert value("calls_last_day", line="other", disposition="blocked") == 2
    assert value("calls_last_day", line="12345", disposition="failed") is None
    assert value("calls_open", state="queued") == value("calls_open", state="talking") == 1
    assert value("cases", state="open") == 2
    assert value("cases_closed_last_day") == 1
    assert value("recordings", state="recording") == value("recordings", state="pending") == 1
    assert value("recordings", state="missing") == 1
    assert value("recordings_oldest_unfinished_seconds") == 600
    assert value("ami_reconnects_total", node="node1") == 3
    assert value("ami_gaps_total", node="node1") == 1
    assert value("journal_lag_seconds", node="node1") == 0.2
    assert value("journal_rejects_total", node="node1") == 4
    assert value("agi_answering", node="node1") == 2
    assert value("queues_stuck_total", node="node1") == 3
    assert ("process_cpu_seconds_total", ()) in seen
    clock.forward(timedelta(seconds=6))
    assert (await scrape(client))[("callcenter_up", (("part", "node:node1"),))] == 0


async def test_neither_health_nor_metrics_tells_of_a_person(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await fill(database, clock)
    figures = (await client.get("/metrics")).text.splitlines()
    # CPU seconds and bytes of memory may be any number.
    told = "\n".join(line for line in figures if not line.startswith(("process_", "python_")))
    told += (await client.get("/health/ready")).text
    assert "callcenter_calls_last_day" in told
    for personal in ("13800138000", "王先生", "路灯", "99999", "88888", "aki"):
        assert personal not in told


async def test_a_scrape_takes_eight_queries_at_most(
    client: AsyncClient, database: Database, clock: FixedClock
) -> None:
    await fill(database, clock)
    seen: list[str] = []
    event.listen(
        database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: seen.append(statement),
    )
    await scrape(client)
    assert 1 <= len(seen) <= 8


async def test_without_the_database_health_and_metrics_still_answer(
    clock: FixedClock, tmp_path: Path
) -> None:
    away = Database(f"postgresql://nobody@/none?host={tmp_path}")
    try:
        checks = dict(all_checks(away, clock, node="node1", recordings=tmp_path))
        async with client_of(checks, away, clock) as client:
            seen = await scrape(client)
            assert seen[("callcenter_up", (("part", "database"),))] == 0
            assert ("process_cpu_seconds_total", ()) in seen
            reply = await client.get("/health/ready")
            assert reply.status_code == 503
            bad = [check["name"] for check in reply.json()["checks"] if not check["ok"]]
            assert bad == ["database", "node", "ami", "journal", "agi", "queues", "work_calendar"]
            assert (await client.get("/health/live")).status_code == 200
    finally:
        await away.close()


async def test_a_database_that_hangs_does_not_hang_the_scrape(
    database: Database, clock: FixedClock
) -> None:
    metrics = Metrics(database, clock, limit=timedelta(seconds=0.2))
    async with database.transaction() as connection:
        await connection.execute(text("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"))
        async with asyncio.timeout(3):
            assert b'callcenter_up{part="database"} 0.0' in await metrics.scrape()
    assert b'callcenter_up{part="database"} 1.0' in await Metrics(database, clock).scrape()


@pytest.mark.parametrize(
    ("wanted", "contact", "registration", "told"),
    [
        ((True, True), "Reachable", "Registered", None),
        ((True, True), "Unreachable", "Registered", "OPTIONS: Unreachable"),
        ((True, True), "Reachable", "Rejected", "registration: Rejected"),
        ((True, True), "Reachable", "Unregistered", "registration: Unregistered"),
        ((True, True), "", "", "registration: not reported, OPTIONS: not reported"),
        ((True, False), "Reachable", "", None),
        ((True, False), "Unknown", "", "OPTIONS: Unknown"),
        ((False, True), "NonQualified", "Registered", None),
        ((False, True), "NonQualified", "Rejected", "registration: Rejected"),
    ],
)
async def test_the_trunk_is_told_as_it_is_watched(
    database: Database,
    clock: FixedClock,
    tmp_path: Path,
    wanted: tuple[bool, bool],
    contact: str,
    registration: str,
    told: str | None,
) -> None:
    trunk = TrunkWanted(options=wanted[0], registers=wanted[1])
    checks = all_checks(database, clock, node="node1", recordings=tmp_path, trunk=trunk)
    await report(database, clock(), trunk={"contact": contact, "registration": registration})
    async with client_of(dict(checks), database, clock) as client:
        bad = await bad_checks(client)
    assert set(bad) == ({"trunk"} if told else set())
    if told:
        assert told in bad["trunk"]["detail"]


async def test_the_start_does_not_wait_for_the_provider(
    database: Database, clock: FixedClock, tmp_path: Path
) -> None:
    trunk = TrunkWanted(options=True, registers=True)
    checks = all_checks(database, clock, node="node1", recordings=tmp_path, trunk=trunk)
    away = {"contact": "Unreachable", "registration": "Unregistered"}
    async with client_of(dict(checks), database, clock) as client:
        assert not await is_ready(client)  # the node has not reported
        await report(database, clock(), trunk=away)
        assert set(await bad_checks(client)) == {"trunk"}
        assert await is_ready(client)
