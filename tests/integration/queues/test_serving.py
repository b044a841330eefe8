"""Who serves which queue now, from the rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from callcenter.agents.seed import seed_agents
from callcenter.platform.db import Database
from callcenter.queues import store
from callcenter.queues.model import Kind, QueueEdit, Relaxation, Requirement
from callcenter.queues.queries import serving
from callcenter.queues.seed import seed_queues
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

ENGLISH = Requirement(Kind.LANGUAGE, "en", 4, (Relaxation(20, 2), Relaxation(40, 0)))
LAW = Requirement(Kind.SKILL, "law", 3, (Relaxation(30, 1),))


@pytest.fixture
async def clock(database: Database) -> FixedClock:
    clock = FixedClock()
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, clock, lambda agent_id: agent_id * 4)
        for agent_id, kind, name, level in (
            ("1001", "language", "en", 5),
            ("1001", "language", "zh", 5),
            ("1002", "language", "en", 2),
            ("1002", "language", "zh", 5),
            ("1005", "skill", "law", 4),
            ("1006", "skill", "law", 1),
        ):
            await connection.execute(
                text("INSERT INTO agent_skills VALUES (:agent, :kind, :name, :level)"),
                {"agent": agent_id, "kind": kind, "name": name, "level": level},
            )
    return clock


async def change(database: Database, queue: str, **rules: Any) -> None:
    async with database.transaction() as connection:
        await store.replace_queue(connection, queue, QueueEdit(title="x", **rules))


async def waits(
    database: Database, clock: FixedClock, queue: str, language: str, seconds: float
) -> None:
    """Somebody began to wait so long ago; nobody else waits."""
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO calls (call_id, linkedid, uniqueid, node, state, direction,"
                " started_at) VALUES (:id, 'l', 'u', 'node1', 'queued', 'inbound', :at)"
                " ON CONFLICT DO NOTHING"
            ),
            {"id": UUID(int=1), "at": clock()},
        )
        await connection.execute(text("DELETE FROM queue_visits"))
        await connection.execute(
            text(
                "INSERT INTO queue_visits (call_id, visit, queue, why, language, entered_at)"
                " VALUES (:id, 1, :queue, 'flow', :language, :at)"
            ),
            {
                "id": UUID(int=1),
                "queue": queue,
                "language": language,
                "at": clock() - timedelta(seconds=seconds),
            },
        )


async def who(
    database: Database, clock: FixedClock, queue: str, agents: list[str] | None = None
) -> dict[str, int]:
    async with database.transaction() as connection:
        places = await serving(connection, agents, default_language="zh", now=clock())
    return {place.agent_id: place.penalty for place in places if place.queue == queue}


async def test_queues_that_ask_for_nothing_have_their_agents(
    database: Database, clock: FixedClock
) -> None:
    assert list(await who(database, clock, "legal")) == ["1005", "1006", "1007"]
    assert len(await who(database, clock, "general")) == 10
    assert await who(database, clock, "legal", ["1005", "1001"]) == {"1005": 0}


async def test_a_skill_is_relaxed_by_whoever_waits_longest(
    database: Database, clock: FixedClock
) -> None:
    await change(database, "legal", skills=(LAW,))
    assert await who(database, clock, "legal") == {"1005": 1}
    await waits(database, clock, "legal", "zh", 29)
    assert await who(database, clock, "legal") == {"1005": 1}
    await waits(database, clock, "legal", "zh", 31)
    assert await who(database, clock, "legal") == {"1005": 1, "1006": 4}
    assert await who(database, clock, "legal", ["1006"]) == {"1006": 4}


async def test_a_language_is_a_queue_of_asterisks_own(
    database: Database, clock: FixedClock
) -> None:
    await change(database, "general", languages=(ENGLISH,))
    assert await who(database, clock, "general-en") == {"1001": 0}
    await waits(database, clock, "general", "zh", 100)
    assert await who(database, clock, "general-en") == {"1001": 0}, "another language's caller"
    await waits(database, clock, "general", "en", 21)
    assert await who(database, clock, "general-en") == {"1001": 0, "1002": 3}
    await waits(database, clock, "general", "en", 41)
    assert len(await who(database, clock, "general-en")) == 10
    await waits(database, clock, "general", "en", 46)
    assert await who(database, clock, "general-en") == {"1001": 0}, "let go by the dialplan"
    assert len(await who(database, clock, "general")) == 10


async def test_who_is_not_there_does_not_keep_the_level_up(
    database: Database, clock: FixedClock
) -> None:
    await change(database, "legal", skills=(LAW,))
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO agent_states (agent_id, state, since, logged_in, phone)"
                " VALUES ('1005', 'offline', now(), true, 'away')"
            )
        )
    assert set(await who(database, clock, "legal")) == {"1005", "1006"}


async def test_who_is_logged_out_of_the_queue_does_not_either(
    database: Database, clock: FixedClock
) -> None:
    await change(database, "legal", skills=(LAW,))
    async with database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO agent_queue_logouts VALUES ('1005', 'legal', now())")
        )
    assert set(await who(database, clock, "legal")) == {"1005", "1006"}
