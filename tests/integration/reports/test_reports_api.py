"""`/reports` over HTTP: what is told, how it opens, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, event, insert, select, text

from callcenter.agents.tables import agent_activity, agents
from callcenter.health.metrics import Metrics
from callcenter.platform.db import Database
from callcenter.queues.callbacks.tables import callback_calls, callback_tries, callbacks
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queue_members
from callcenter.reports.agents import store as agent_store
from callcenter.reports.gauges import QueueGauges
from callcenter.reports.model import Figure, Interval, Part, Span, spans
from callcenter.reports.queues import store
from callcenter.reports.queues.lowest import lowest_connection
from callcenter.reports.rollups.tables import queue_member_spans
from callcenter.reports.service import ReportService
from callcenter.testing.fixed_clock import FixedClock
from tests.integration.reports.conftest import (
    BEGIN,
    NOW,
    Ask,
    Journey,
    Rows,
    Wait,
    made_up,
    write,
)

pytestmark = pytest.mark.integration

DAY = {"from": BEGIN.isoformat(), "to": (BEGIN + timedelta(days=1)).isoformat()}


def waited(seconds: float, outcome: str, queue: str = "general", after: float = 0) -> Wait:
    entered_at = BEGIN + timedelta(hours=9, seconds=after)
    left_at = entered_at + timedelta(seconds=seconds)
    answered = outcome == "answered"
    return Wait(
        queue,
        "flow",
        entered_at,
        outcome,
        left_at,
        "1001" if answered else None,
        (left_at, left_at + timedelta(seconds=100)) if answered else None,
    )


def call(number: int, *waits: Wait, ringing: float = 10, caller: str | None = "+86138") -> Journey:
    started_at = waits[0].entered_at - timedelta(seconds=ringing)
    return Journey(
        UUID(int=number), started_at, started_at + timedelta(hours=1), "inbound", caller, [*waits]
    )


@pytest.fixture
async def morning(database: Database) -> None:
    """Answered after 8, 15, 30 s; given up after 5, 40 s; moved on and answered there."""
    rows = Rows(
        [
            call(1, waited(8, "answered")),
            call(2, waited(15, "answered")),
            call(3, waited(30, "answered")),
            call(4, waited(5, "abandoned")),
            call(5, waited(40, "abandoned")),
            call(6, waited(60, "moved"), waited(3, "answered", "legal", after=61)),
        ]
    )
    await write(database, rows)


async def test_the_definitions_on_a_morning_that_can_be_counted_by_hand(
    morning: None, ask: Ask
) -> None:
    reply = await ask("/queues", by="agent", **DAY)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["zone"] == "Asia/Shanghai"
    assert (body["threshold_seconds"], body["short_abandon_seconds"]) == (15, 5)
    by_queue = {item["queue"]: item for item in body["items"]}
    assert set(by_queue) == {"general", "enterprise", "legal", None}
    general = by_queue["general"]["whole"]
    assert [general[name] for name in ("offered", "answered", "abandoned", "other")] == [6, 3, 2, 1]
    assert general["abandoned_at_once"] == 1
    told = {name: figure["text"] for name, figure in general["figures"].items()}
    assert told == {
        "answered_within_threshold": "40.0 % (2 of 5)",
        "answered_within_20_seconds": "40.0 % (2 of 5)",
        "answered_within_threshold_of_answered": "66.7 % (2 of 3)",
        "connection_rate": "50.0 % (3 of 6)",
        "abandonment": "20.0 % (1 of 5)",
        "average_speed_of_answer": "17.7 s (3)",
        "average_handling_time": "100.0 s (3)",
        "missed_call_follow_up": "0.0 % (0 of 1)",
        # Ten seconds of ringing and menu before the queue.
        "answered_within_threshold_from_ring": "0.0 % (0 of 6)",
        "answered_within_20_seconds_from_ring": "16.7 % (1 of 6)",
        "abandonment_from_ring": "33.3 % (2 of 6)",
        "average_speed_of_answer_from_ring": "27.7 s (3)",
    }
    nothing = by_queue["enterprise"]["whole"]["figures"]
    assert {figure["text"] for figure in nothing.values()} == {"none due"}
    assert {figure["value"] for figure in nothing.values()} == {None}
    assert by_queue["enterprise"]["lowest_24_hours"] is None
    assert by_queue["general"]["lowest_24_hours"]["text"] == "50.0 % (3 of 6)"


async def test_a_caller_in_two_queues_counts_in_each_and_once_in_all(
    morning: None, ask: Ask
) -> None:
    items = (await ask("/queues", **DAY)).json()["items"]
    legal = next(item for item in items if item["queue"] == "legal")["whole"]
    whole = next(item for item in items if item["queue"] is None)["whole"]
    assert (legal["offered"], legal["answered"]) == (1, 1)
    assert legal["figures"]["average_speed_of_answer"]["numerator"] == 3
    # Six calls; the one that moved on waited 64 s in all, and was answered.
    assert (whole["offered"], whole["answered"], whole["other"]) == (6, 4, 0)
    assert whole["figures"]["average_speed_of_answer"]["numerator"] == 8 + 15 + 30 + 64
    opened = await ask(whole["figures"]["connection_rate"]["calls"])
    assert [row["call_id"] for row in opened.json()["items"]] == [
        str(UUID(int=number)) for number in (1, 2, 3, 6)
    ]


async def test_every_link_opens_to_as_many_calls_as_the_figure_says(
    database: Database, ask: Ask
) -> None:
    await write(database, made_up(Random(7), count=80))
    reply = await ask(
        "/queues",
        interval="day",
        queue="general",
        threshold_seconds=20,
        **{"from": BEGIN.isoformat(), "to": (BEGIN + timedelta(days=2)).isoformat()},
    )
    (item,) = reply.json()["items"]
    assert len(item["parts"]) == 3  # the city's days begin at 16:00 UTC
    for part in item["parts"][:2]:
        for name, figure in part["figures"].items():
            rows = (await ask(figure["calls_of_denominator"], limit=500)).json()["items"]
            assert len(rows) == figure["denominator"], name
    lowest = item["lowest_24_hours"]
    rows = (await ask(lowest["calls_of_denominator"], limit=500)).json()["items"]
    assert len(rows) == lowest["denominator"]


async def test_pages_of_calls_follow_each_other(morning: None, ask: Ask) -> None:
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = await ask(
            "/queues/calls",
            figure="connection_rate",
            part="denominator",
            queue="general",
            limit=2,
            **DAY,
            **more,
        )
        found += page.json()["items"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert len({row["call_id"] for row in found}) == len(found) == 6
    assert [row["outcome"] for row in found].count("answered") == 3
    assert found[0]["wait_from_ring_seconds"] == found[0]["wait_seconds"] + 10


async def test_a_missed_call_is_due_after_half_an_hour_and_followed_up_when_somebody_called(
    database: Database, ask: Ask
) -> None:
    late = NOW - BEGIN - timedelta(hours=9, minutes=10)
    rows = Rows(
        [
            call(1, waited(40, "abandoned")),
            call(2, waited(40, "abandoned")),
            call(3, waited(40, "abandoned"), caller=None),
            call(4, waited(40, "abandoned", after=late.total_seconds())),
            call(5, waited(40, "abandoned")),
            call(6, waited(40, "abandoned")),
            call(7, waited(40, "abandoned")),
        ]
    )
    await write(database, rows)
    async with database.transaction() as connection:
        for number, minutes in ((1, 29), (2, 31)):
            await connection.execute(
                insert(callbacks).values(
                    callback_id=UUID(int=number),
                    call_id=UUID(int=number),
                    queue="general",
                    number="+8613800138000",
                    language="zh",
                    wanted_at=BEGIN + timedelta(hours=9),
                    state="done",
                    outcome="reached",
                    done_at=BEGIN + timedelta(hours=9, seconds=40, minutes=minutes),
                    done_by="agent",
                )
            )
        # 5: dialled in time and not reached; 6: the same call back is for this call, too;
        # 7: written down, and never dialled.
        missed = {
            "queue": "general",
            "language": "zh",
            "wanted_at": BEGIN + timedelta(hours=9),
            "kind": "missed",
            "due_at": BEGIN + timedelta(hours=10),
        }
        for number in (5, 7):
            await connection.execute(
                insert(callbacks).values(
                    callback_id=UUID(int=number),
                    call_id=UUID(int=number),
                    number=f"+861380013800{number}",
                    **missed,
                )
            )
        await connection.execute(
            insert(callback_calls).values(
                callback_id=UUID(int=5), call_id=UUID(int=6), joined_at=BEGIN + timedelta(hours=9)
            )
        )
        placed_at = BEGIN + timedelta(hours=9, minutes=10)
        for number, dialled_at, outcome in ((5, placed_at, "busy"), (7, None, "refused")):
            await connection.execute(
                insert(callback_tries).values(
                    callback_id=UUID(int=number),
                    number=1,
                    call_id=UUID(int=100 + number),
                    node="n",
                    state="ended",
                    placed_at=placed_at,
                    dialled_at=dialled_at,
                    ended_at=placed_at + timedelta(seconds=20),
                    outcome=outcome,
                )
            )
    params = {"from": BEGIN.isoformat(), "to": NOW.isoformat()}
    items = (await ask("/queues", **params)).json()["items"]
    told = {
        item["queue"]: item["whole"]["figures"]["missed_call_follow_up"]["text"] for item in items
    }
    assert told["general"] == "60.0 % (3 of 5)"
    assert told[None] == "60.0 % (3 of 5)"


async def test_agents_are_told_to_supervisors_with_their_talks(morning: None, ask: Ask) -> None:
    assert (await ask("/agents", by="agent", **DAY)).status_code == 403
    body = (await ask("/agents", interval="hour", agent="1001", **DAY)).json()
    one, together = body["items"]
    assert (one["agent"], together["agent"]) == ("1001", None)
    assert one["whole"]["talks"] == 4
    figures = one["whole"]["figures"]
    assert figures["average_talk_time"]["text"] == "100.0 s (4)"
    # No log of states: nobody knows who was free.
    assert figures["occupancy"]["text"] == "none due"
    assert sum(part["talks"] for part in one["parts"]) == 4
    opened = (await ask(figures["average_talk_time"]["calls"])).json()
    assert len(opened["items"]) == 4
    page = (await ask("/agents/talks", limit=3, **DAY)).json()
    rest = (await ask("/agents/talks", limit=3, cursor=page["next_cursor"], **DAY)).json()
    assert len(page["items"]) == 3
    assert [row["queue"] for row in rest["items"]] == ["legal"]
    assert rest["next_cursor"] is None


async def test_the_agents_of_a_queue_are_its_members_while_they_were(
    morning: None, ask: Ask, database: Database
) -> None:
    assert (await ask("/agents", queue="legal", **DAY)).json()["items"][0]["agent"] is None
    nine = BEGIN + timedelta(hours=9)
    async with database.transaction() as connection:
        await connection.execute(
            insert(queue_member_spans).values(
                queue="legal", agent_id="1001", began_at=None, ended_at=nine + timedelta(seconds=20)
            )
        )
        await connection.execute(
            insert(agent_activity).values(
                agent_id="1001", state="ready", began_at=nine, ended_at=nine + timedelta(hours=1)
            )
        )
    items = (await ask("/agents", queue="legal", **DAY)).json()["items"]
    assert [item["agent"] for item in items] == ["1001", None]
    # Talks from 9:00:08, 9:00:15 and 9:00:30 on: the last one began when 1001 was out of the queue.
    whole = items[0]["whole"]
    assert (whole["talks"], whole["talking_seconds"], whole["free_seconds"]) == (2, 12, 8)
    assert whole["figures"]["occupancy"]["text"] == "60.0 % (12 of 20)"
    opened = (await ask("/agents/talks", queue="legal", **DAY)).json()["items"]
    assert len(opened) == 2


async def test_membership_is_kept_over_time(database: Database) -> None:
    async def spans_of() -> list[tuple[str, bool]]:
        async with database.transaction() as connection:
            found = await connection.execute(
                select(queue_member_spans).order_by(queue_member_spans.c.span_id)
            )
            return [(row.queue, row.ended_at is None) for row in found]

    async with database.transaction() as connection:
        await seed_queues(connection)
        await connection.execute(
            insert(agents).values(agent_id="1001", name="A", sip_digest="0" * 32, created_at=NOW)
        )
        await connection.execute(insert(queue_members).values(queue="legal", agent_id="1001"))
    assert await spans_of() == [("legal", True)]
    # Members are written as a whole: out and in at once is no change.
    async with database.transaction() as connection:
        await connection.execute(delete(queue_members))
        await connection.execute(insert(queue_members).values(queue="legal", agent_id="1001"))
        await connection.execute(insert(queue_members).values(queue="general", agent_id="1001"))
    assert await spans_of() == [("legal", True), ("general", True)]
    async with database.transaction() as connection:
        await connection.execute(delete(queue_members).where(queue_members.c.queue == "legal"))
    assert await spans_of() == [("legal", False), ("general", True)]
    async with database.transaction() as connection:
        await connection.execute(insert(queue_members).values(queue="legal", agent_id="1001"))
    assert await spans_of() == [("legal", False), ("general", True), ("legal", True)]


@pytest.mark.parametrize(
    ("path", "params", "field"),
    [
        ("/queues", {"from": "yesterday"}, "from"),
        ("/queues", {"from": "2026-03-03T00:00:00"}, "from"),
        ("/queues", {"to": DAY["from"]}, "to"),
        ("/queues", {"to": "2027-03-05T00:00:00Z"}, "to"),
        ("/queues", {"interval": "15min", "to": "2026-04-30T00:00:00Z"}, "interval"),
        ("/queues", {"interval": "week"}, "interval"),
        ("/queues", {"queue": "No Queue"}, "queue"),
        ("/queues", {"threshold_seconds": 10**30}, "threshold_seconds"),
        ("/queues/calls", {"figure": "happiness"}, "figure"),
        ("/queues/calls", {"figure": "abandonment", "cursor": "AAAA"}, "cursor"),
        ("/agents", {"to": "2027-05-01T00:00:00Z"}, "to"),
        ("/agents", {"to": "2026-06-01T00:00:00Z", "interval": "hour"}, "interval"),
        ("/agents", {"agent": "\u0000"}, "agent"),
        ("/agents/talks", {"cursor": "WyJhIiwiYiIsImMiXQ"}, "cursor"),
    ],
)
async def test_what_cannot_be_told_is_refused_by_its_field(
    ask: Ask, path: str, params: dict[str, Any], field: str
) -> None:
    reply = await ask(path, **(DAY | params))
    assert reply.status_code == 422, reply.text
    assert field in [problem["field"] for problem in reply.json()["errors"]]


async def test_seats_for_a_load(ask: Ask) -> None:
    reply = await ask(
        "/staffing",
        calls=100,
        handling_seconds=180,
        interval_seconds=1800,
        target=0.8,
        threshold_seconds=20,
        most_busy=1,
        away=0.3,
    )
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["service"]["model"] == "erlang_c"
    assert body["service"]["agents"] == 14
    assert body["service"]["answered_within_threshold"] == pytest.approx(0.888350, abs=1e-6)
    assert body["seats"] == 20
    assert body["trunks"] == 18
    patient = await ask("/staffing", calls=100, handling_seconds=180, patience_seconds=300)
    assert patient.json()["service"]["model"] == "erlang_a"
    slow = await ask(
        "/staffing", calls=100_000, interval_seconds=60, handling_seconds=1, patience_seconds=86_400
    )
    assert slow.status_code == 422, slow.text
    for bad in (
        {"calls": 0},
        {"calls": "nan"},
        {"calls": 1e-320},
        {"calls": 100_000, "handling_seconds": 36_000},
    ):
        refused = await ask("/staffing", **({"calls": 1, "handling_seconds": 60} | bad))
        assert refused.status_code == 422, refused.text


@contextmanager
def _recorded(database: Database, seen: list[tuple[str, Any]]) -> Iterator[None]:
    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        seen.append((statement, values))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_a_day_of_a_long_year_is_read_by_indexes(
    database: Database, service: ReportService
) -> None:
    async with database.transaction() as connection:
        now = {"now": NOW}
        for statement in (
            "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, state, started_at,"
            " ended_at, disposition, hangup_by) SELECT gen_random_uuid(), 'n', n::text, n::text,"
            " 'inbound', 'ended', CAST(:now AS timestamptz) - n * interval '20 minutes',"
            " CAST(:now AS timestamptz), 'answered', 'caller' FROM generate_series(1, 20000) AS n",
            "INSERT INTO queue_visits (call_id, visit, queue, why, entered_at, answered_at, agent,"
            " left_at, outcome) SELECT call_id, 1, 'general', 'flow', started_at, started_at,"
            " '1001', started_at, 'answered' FROM calls",
            "INSERT INTO agent_talks (call_id, uniqueid, agent, visit, began_at, ended_at)"
            " SELECT call_id, 'leg', '1001', 1, started_at, started_at + interval '1 minute'"
            " FROM calls",
            "INSERT INTO agent_activity (agent_id, state, call_id, began_at, ended_at) SELECT"
            " '1001', 'wrap_up', call_id, started_at + interval '1 minute',"
            " started_at + interval '2 minutes' FROM calls",
            "INSERT INTO agent_activity (agent_id, state, began_at, ended_at) SELECT '1001',"
            " 'ready', started_at + interval '2 minutes', started_at + interval '20 minutes'"
            " FROM calls",
        ):
            await connection.execute(text(statement), now if ":now" in statement else {})
        tables = ("calls", "queue_visits", "agent_talks", "agent_activity")
        for table in tables:
            await connection.execute(text(f"ANALYZE {table}"))
        asked = service.asked(BEGIN, BEGIN + timedelta(days=1))
        parts = spans(asked.begin, asked.end, Interval.HOUR, service.zone)
        seen: list[tuple[str, Any]] = []
        with _recorded(database, seen):
            for by_queue in (True, False):
                assert await store.counted(connection, asked, parts, by_queue=by_queue)
            for queue in ("general", None):
                whole = Span(asked.begin, asked.end)
                assert await lowest_connection(connection, whole, queue)
                assert await store.calls_of(
                    connection,
                    asked,
                    Figure.HANDLING_TIME,
                    Part.NUMERATOR,
                    queue=queue,
                    behind=None,
                    limit=10,
                )
            assert await agent_store.worked(connection, asked, parts, None)
            assert await agent_store.talks_of(connection, asked, None, behind=None, limit=10)
        assert len(seen) >= 8
        for statement, values in seen:
            found = await connection.exec_driver_sql(f"EXPLAIN {statement}", values)
            plan = "\n".join(row[0] for row in found)
            for table in tables:
                assert f"Seq Scan on {table}" not in plan, plan


async def test_a_report_is_planned_for_the_time_it_is_asked_for_and_read_from_one_snapshot(
    morning: None, database: Database, service: ReportService
) -> None:
    seen: list[tuple[str, Any]] = []
    asked = service.asked(BEGIN, BEGIN + timedelta(days=1))
    with _recorded(database, seen):
        await service.queues(asked, None, None)
        await service.agents(asked, None, agent=None, queue=None)
    first = [number for number, (statement, _) in enumerate(seen) if "REPEATABLE" in statement]
    assert len(first) == 2
    for number in first:
        assert "force_custom_plan" in seen[number + 1][0]


async def test_the_day_so_far_is_scraped_by_queue(morning: None, database: Database) -> None:
    clock = FixedClock(BEGIN + timedelta(hours=12))
    gauges = QueueGauges(
        zone=ZoneInfo("Asia/Shanghai"),
        threshold=timedelta(seconds=15),
        short=timedelta(seconds=5),
    )
    text_of = (await Metrics(database, clock, rooms=[gauges]).scrape()).decode()
    line = 'callcenter_queue_answered_within_threshold_today{part="%s",queue="general"} %s'
    assert line % ("numerator", "2.0") in text_of
    assert line % ("denominator", "5.0") in text_of
    assert 'callcenter_queue_waiting{queue="legal"} 0.0' in text_of
    # Tomorrow is another day.
    clock.forward(timedelta(hours=24))
    text_of = (await Metrics(database, clock, rooms=[gauges]).scrape()).decode()
    assert 'queue="general"' not in text_of
