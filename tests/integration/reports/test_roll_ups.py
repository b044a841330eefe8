"""Roll-ups and rows together say what the rows alone say, whatever changes when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pprint import pformat
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agent_activity
from callcenter.calls.tables import agent_talks, calls, queue_visits
from callcenter.platform.db import Database
from callcenter.queues.callbacks.tables import callback_tries, callbacks
from callcenter.reports.model import Asked, Interval, Span
from callcenter.reports.queues.lowest import lowest_connection
from callcenter.reports.rollups import figures, quarters
from callcenter.reports.rollups.service import RollUps
from callcenter.reports.rollups.tables import (
    figure_days,
    figure_marks,
    figure_quarter_counts,
    figure_quarters,
    queue_member_spans,
)
from callcenter.reports.service import ReportService
from callcenter.testing.fixed_clock import FixedClock
from tests.integration.reports.conftest import AGENTS, BEGIN, NOW, QUEUES, made_up, write

pytestmark = pytest.mark.integration

END = BEGIN + timedelta(days=3)
#: Cut in the middle of quarters, and on the city's days.
TIMES = (
    (BEGIN, END),
    (BEGIN + timedelta(minutes=7, seconds=3), END - timedelta(hours=5, minutes=1)),
    (BEGIN - timedelta(days=1), END + timedelta(days=1)),
)


@pytest.fixture
def roll_ups(database: Database, clock: FixedClock) -> RollUps:
    return RollUps(database, clock, zone=ZoneInfo("Asia/Shanghai"))


async def told(service: ReportService, begin: datetime, end: datetime) -> dict[Any, Any]:
    """Every figure of a time, by queue, agent and part."""
    found: dict[Any, Any] = {}
    for threshold, interval in ((15, Interval.DAY), (21, None)):
        asked = service.asked(begin, end, threshold=timedelta(seconds=threshold))
        _, queues = await service.queues(asked, interval, None)
        for queue in queues:
            found[threshold, queue.queue, "lowest"] = queue.lowest
            for number, part in enumerate((queue.whole, *queue.parts)):
                key = (threshold, queue.queue, number)
                found[key] = (
                    part.offered,
                    part.answered,
                    part.abandoned,
                    part.abandoned_at_once,
                    part.undecided,
                )
                for figure, ratio in part.figures.items():
                    found[*key, figure] = (round(ratio.numerator, 3), round(ratio.denominator, 3))
    asked = service.asked(begin, end)
    for name, interval in ((None, Interval.DAY), ("general", None)):
        _, workers = await service.agents(asked, interval, agent=None, queue=name)
        for one in workers:
            for number, row in enumerate((one.whole, *one.parts)):
                found[name, one.agent_id, number] = {
                    key: round(value, 3) for key, value in asdict(row).items() if key != "agent_id"
                }
    return found


def check(found: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    other = {
        key: (found.get(key), wanted.get(key))
        for key in {*found, *wanted}
        if found.get(key) != wanted.get(key)
    }
    assert not other, pformat(other)


async def without(database: Database) -> None:
    """Roll-ups may be deleted at any time."""
    async with database.transaction() as connection:
        await connection.execute(delete(figure_quarters))
        await connection.execute(delete(figure_days))


async def members(database: Database) -> None:
    """1001 always was a member of general; 1002 from a noon on, 1003 until then and again later."""
    noon = BEGIN + timedelta(hours=36)
    spans = (
        ("1001", None, None),
        ("1002", noon, None),
        ("1003", None, noon),
        ("1003", noon + timedelta(hours=20, minutes=3), None),
    )
    async with database.transaction() as connection:
        await connection.execute(
            insert(queue_member_spans),
            [
                {"queue": "general", "agent_id": agent, "began_at": began, "ended_at": ended}
                for agent, began, ended in spans
            ],
        )


async def same(database: Database, service: ReportService, roll_ups: RollUps) -> None:
    """What is told with roll-ups as they are is told without any."""
    rolled = [await told(service, *time) for time in TIMES]
    async with database.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(figure_quarter_counts))
    await without(database)
    for time, wanted in zip(TIMES, rolled, strict=True):
        check(await told(service, *time), wanted)
    await roll_ups.keep(until=NOW)


async def test_a_rolled_up_time_is_told_as_it_is_counted(
    database: Database, service: ReportService, roll_ups: RollUps
) -> None:
    await write(database, made_up(Random(11), count=150))
    await members(database)
    assert await roll_ups.keep(until=NOW) > 0
    async with database.transaction() as connection:
        asked = service.asked(BEGIN, END)
        usable = await quarters.usable_quarters(connection, asked, [Span(BEGIN, END)])
        days = await connection.scalar(select(func.count()).select_from(figure_days))
    assert sum((span.end - span.begin for span in usable), timedelta()) > timedelta(days=2)
    assert days >= 3
    await same(database, service, roll_ups)
    # Nothing is left to do, but what no longer is.
    assert await roll_ups.keep(until=NOW) == 0


@pytest.mark.parametrize("seed", range(4))
async def test_the_lowest_24_hours_are_found_by_quarters(
    seed: int, database: Database, service: ReportService, roll_ups: RollUps
) -> None:
    """Many waits are pruned by quarters; here few are, and every run of them is looked at."""
    await write(database, made_up(Random(seed), count=60 if seed else 400))
    await roll_ups.keep(until=NOW)
    names: list[str | None] = [*QUEUES, None]
    for begin, end in TIMES:
        asked = service.asked(begin, end)
        span = Span(begin, end)
        async with database.transaction() as connection:
            sources = await figures.sources_of_queues(connection, asked, [span])
            assert sources.rolled_up
            found = await figures.lowest(connection, asked, sources, names, few=0)
            for name in names:
                assert found[name] == await lowest_connection(connection, span, name), name


Change = Callable[[AsyncConnection, Random], Awaitable[Any]]


async def _a_call(connection: AsyncConnection, random: Random) -> UUID:
    rows = await connection.scalars(select(queue_visits.c.call_id).order_by(queue_visits.c.call_id))
    return random.choice(list(rows))


async def _give_up(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    await connection.execute(
        update(queue_visits)
        .where(queue_visits.c.call_id == one, queue_visits.c.visit == 1)
        .values(
            outcome="abandoned",
            answered_at=None,
            agent=None,
            left_at=queue_visits.c.entered_at + timedelta(seconds=random.randrange(40)),
        )
    )


async def _move(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    by = timedelta(seconds=random.randrange(-9000, 0))
    await connection.execute(
        update(queue_visits)
        .where(queue_visits.c.call_id == one, queue_visits.c.visit == 1)
        .values(entered_at=queue_visits.c.entered_at + by)
    )


async def _vanish(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    await connection.execute(delete(queue_visits).where(queue_visits.c.call_id == one))


async def _forget_number(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    await connection.execute(update(calls).where(calls.c.call_id == one).values(caller_number=None))


async def _turn_round(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    await connection.execute(
        update(calls).where(calls.c.call_id == one).values(direction="outbound")
    )


async def _ring_longer(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    await connection.execute(
        update(calls)
        .where(calls.c.call_id == one)
        .values(started_at=calls.c.started_at - timedelta(seconds=random.randrange(90)))
    )


async def _come_late(connection: AsyncConnection, random: Random) -> None:
    """A call of days ago that the journal tells only now."""
    one = UUID(int=random.randrange(10**6, 10**9))
    at = BEGIN + timedelta(seconds=random.randrange(3 * 86_400))
    await connection.execute(
        insert(calls).values(
            call_id=one,
            node="n",
            linkedid=str(one),
            uniqueid=str(one),
            direction="inbound",
            caller_number="+8613",
            state="ended",
            started_at=at,
            ended_at=at + timedelta(minutes=9),
            disposition="answered",
            hangup_by="caller",
        )
    )
    answered_at = at + timedelta(seconds=random.randrange(40))
    await connection.execute(
        insert(queue_visits).values(
            call_id=one,
            visit=1,
            queue=random.choice(QUEUES),
            why="flow",
            entered_at=at,
            answered_at=answered_at,
            left_at=answered_at,
            agent="1001",
            outcome="answered",
        )
    )
    await connection.execute(
        insert(agent_talks).values(
            call_id=one,
            uniqueid="late",
            agent="1001",
            visit=1,
            began_at=answered_at,
            ended_at=answered_at + timedelta(minutes=3),
        )
    )


async def _talk_on(connection: AsyncConnection, random: Random) -> None:
    rows = await connection.execute(select(agent_talks).order_by(agent_talks.c.uniqueid))
    one = random.choice(list(rows))
    await connection.execute(
        update(agent_talks)
        .where(agent_talks.c.call_id == one.call_id, agent_talks.c.uniqueid == one.uniqueid)
        .values(ended_at=one.began_at + timedelta(seconds=random.randrange(5_000)))
    )


async def _wrap_up_otherwise(connection: AsyncConnection, random: Random) -> None:
    rows = await connection.execute(
        select(agent_activity)
        .where(agent_activity.c.state == "wrap_up")
        .order_by(agent_activity.c.activity_id)
    )
    one = random.choice(list(rows))
    await connection.execute(
        update(agent_activity)
        .where(agent_activity.c.activity_id == one.activity_id)
        .values(ended_at=one.began_at + timedelta(seconds=random.randrange(500)))
    )


async def _be_away(connection: AsyncConnection, random: Random) -> None:
    rows = await connection.execute(
        select(agent_activity)
        .where(agent_activity.c.ended_at.is_not(None))
        .order_by(agent_activity.c.activity_id)
    )
    one = random.choice(list(rows))
    await connection.execute(
        update(agent_activity)
        .where(agent_activity.c.activity_id == one.activity_id)
        .values(state="paused", call_id=None)
    )


async def _call_back(connection: AsyncConnection, random: Random) -> None:
    one = await _a_call(connection, random)
    at = (
        await connection.scalar(
            select(func.max(queue_visits.c.entered_at)).where(queue_visits.c.call_id == one)
        )
    ) + timedelta(minutes=random.randrange(40))
    taken = await connection.scalar(
        select(callbacks.c.callback_id).where(callbacks.c.call_id == one)
    )
    if taken is not None:
        return
    await connection.execute(
        insert(callbacks).values(
            callback_id=one,
            call_id=one,
            queue="general",
            number="+8613800138000",
            language="zh",
            wanted_at=at,
            state="done",
            outcome="not_reached",
            done_at=at,
            done_by="agent",
        )
    )
    await connection.execute(
        insert(callback_tries).values(
            callback_id=one,
            number=1,
            call_id=UUID(int=one.int + 1),
            node="n",
            state="ended",
            placed_at=at,
            dialled_at=at,
            ended_at=at,
            outcome="busy",
        )
    )


CHANGES: tuple[Change, ...] = (
    _give_up,
    _move,
    _vanish,
    _forget_number,
    _turn_round,
    _ring_longer,
    _come_late,
    _talk_on,
    _wrap_up_otherwise,
    _be_away,
    _call_back,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_a_late_change_is_told_at_once_and_rolled_up_anew(
    change: Change, database: Database, service: ReportService, roll_ups: RollUps
) -> None:
    random = Random(change.__name__)
    await write(database, made_up(random, count=100))
    await roll_ups.keep(until=NOW)
    for _ in range(5):
        async with database.transaction() as connection:
            await change(connection, random)
    async with database.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(figure_marks)), "no mark"
    # By the rows, while nothing was rolled up anew.
    before = await told(service, BEGIN, END)
    assert await roll_ups.keep(until=NOW) > 0
    async with database.transaction() as connection:
        assert not await connection.scalar(select(func.count()).select_from(figure_marks))
    check(await told(service, BEGIN, END), before)
    await without(database)
    check(await told(service, BEGIN, END), before)


@pytest.mark.parametrize("seed", range(3))
async def test_any_changes_in_any_order_leave_figures_that_the_rows_have(
    seed: int, database: Database, service: ReportService, roll_ups: RollUps
) -> None:
    random = Random(700 + seed)
    await write(database, made_up(random, count=90))
    await members(database)
    for _ in range(3):
        await roll_ups.keep(until=NOW)
        for _ in range(random.randrange(1, 9)):
            async with database.transaction() as connection:
                await random.choice(CHANGES)(connection, random)
            if random.random() < 0.2:
                await roll_ups.keep(until=NOW)
        await same(database, service, roll_ups)


async def test_what_a_transaction_has_not_committed_is_not_missed(
    database: Database, service: ReportService, roll_ups: RollUps
) -> None:
    await write(database, made_up(Random(3), count=60))
    await roll_ups.keep(until=NOW)
    async with database.transaction() as connection:
        await _give_up(connection, Random(4))
        await roll_ups.keep(until=NOW)
    rolled = await told(service, BEGIN, END)
    await without(database)
    check(await told(service, BEGIN, END), rolled)


async def test_nothing_of_the_last_hour_nor_of_an_older_transaction_s_hour_is_rolled_up(
    database: Database, roll_ups: RollUps
) -> None:
    async with database.transaction() as connection:
        now = await connection.scalar(text("SELECT now()"))
        one = UUID(int=1)
        at = now - timedelta(hours=3)
        await connection.execute(
            insert(calls).values(
                call_id=one,
                node="n",
                linkedid="1",
                uniqueid="1",
                direction="inbound",
                state="queued",
                started_at=at,
            )
        )
        await connection.execute(
            insert(queue_visits).values(
                call_id=one, visit=1, queue="general", why="flow", entered_at=at
            )
        )
    await roll_ups.keep()
    async with database.transaction() as connection:
        last = await connection.scalar(select(func.max(figure_quarters.c.begin_at)))
        assert last is not None
        assert last + timedelta(minutes=15) <= now - timedelta(minutes=59)
        assert last + timedelta(minutes=45) > now - timedelta(hours=1)


async def test_a_missed_call_that_is_not_due_yet_is_counted_when_it_is(
    database: Database, clock: FixedClock, service: ReportService, roll_ups: RollUps
) -> None:
    """Time alone changes this figure: a roll-up made before is not used after."""
    at = NOW - timedelta(minutes=40)
    async with database.transaction() as connection:
        one = UUID(int=1)
        left_at = at + timedelta(minutes=20)
        await connection.execute(
            insert(calls).values(
                call_id=one,
                node="n",
                linkedid="1",
                uniqueid="1",
                direction="inbound",
                caller_number="+86138",
                state="ended",
                started_at=at,
                ended_at=left_at,
                disposition="abandoned",
                hangup_by="caller",
            )
        )
        await connection.execute(
            insert(queue_visits).values(
                call_id=one,
                visit=1,
                queue="general",
                why="flow",
                entered_at=at,
                left_at=left_at,
                outcome="abandoned",
            )
        )
    await roll_ups.keep(until=NOW)
    for minutes, due in ((5, 0), (15, 1)):
        asked = Asked(begin=BEGIN, end=NOW, now=NOW + timedelta(minutes=minutes))
        _, reports = await service.queues(asked, None, "general")
        (ratio,) = [
            ratio
            for figure, ratio in reports[0].whole.figures.items()
            if figure == "missed_call_follow_up"
        ]
        assert ratio.denominator == due


async def test_agents_of_a_year_by_the_month(
    database: Database, clock: FixedClock, service: ReportService, roll_ups: RollUps
) -> None:
    await write(database, made_up(Random(5), count=120))
    begin = datetime(2025, 6, 30, 16, tzinfo=UTC)
    asked = service.asked(begin, begin + timedelta(days=365))
    before = await service.agents(asked, Interval.MONTH, agent=None, queue=None)
    await roll_ups.keep(until=NOW)
    spans, reports = await service.agents(asked, Interval.MONTH, agent=None, queue=None)
    assert len(spans) == 12
    assert [report.agent_id for report in reports] == [*AGENTS, None]
    for one, other in zip(reports, before[1], strict=True):
        assert one.whole.talks == other.whole.talks > 0
        for part, wanted in zip(one.parts, other.parts, strict=True):
            assert part.free == pytest.approx(wanted.free)
            assert part.talking == pytest.approx(wanted.talking)
    assert [part.talks > 0 for part in reports[-1].parts].count(True) == 1  # March
