"""A wish to Asterisk and the word that comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from callcenter.platform.db import Database
from callcenter.platform.news import News, listen
from callcenter.switch.model import SwitchOutcome
from callcenter.switch.service import SwitchService
from callcenter.testing.eventually import eventually
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

SOON = timedelta(milliseconds=300)


@pytest.fixture
def switch(database: Database) -> SwitchService:
    return SwitchService(database, FixedClock(), "node1")


async def request(database: Database, switch: SwitchService, subject: str = "lines") -> int:
    async with database.transaction() as connection:
        return await switch.request(connection, subject)


async def test_a_wish_waits_until_it_is_settled(database: Database, switch: SwitchService) -> None:
    first = await request(database, switch)
    second = await request(database, switch, "queues")
    other = SwitchService(database, FixedClock(), "node2")
    async with database.transaction() as connection:
        waiting = await switch.open_changes(connection)
        assert [(c.change_id, c.subject) for c in waiting] == [(first, "lines"), (second, "queues")]
        assert await other.open_changes(connection) == []
        await switch.settle(connection, first, in_force=True, detail=None)
        assert [c.change_id for c in await switch.open_changes(connection)] == [second]
    assert await switch.wait(first, SOON) == SwitchOutcome(True, None)


async def test_the_first_word_about_a_wish_stands(
    database: Database, switch: SwitchService
) -> None:
    change = await request(database, switch)
    async with database.transaction() as connection:
        await switch.settle(connection, change, in_force=False, detail="no such module")
        await switch.settle(connection, change, in_force=True, detail=None)
    assert await switch.wait(change, SOON) == SwitchOutcome(False, "no such module")


async def test_without_a_word_it_is_not_in_force_and_says_so_in_time(
    database: Database, switch: SwitchService
) -> None:
    change = await request(database, switch)
    began = asyncio.get_running_loop().time()
    outcome = await switch.wait(change, SOON)
    assert not outcome.in_force
    assert "node1 did not confirm within 0.3 s" in (outcome.detail or "")
    assert asyncio.get_running_loop().time() - began < 2
    async with database.transaction() as connection:
        assert len(await switch.open_changes(connection)) == 1


async def test_who_waits_is_woken_by_news(database: Database, switch: SwitchService) -> None:
    change = await request(database, switch)
    following = asyncio.create_task(switch.follow(), name="follow")
    waiting = asyncio.create_task(switch.wait(change, timedelta(seconds=5)), name="wait")
    try:
        await asyncio.sleep(0)
        async with database.transaction() as connection:
            await switch.settle(connection, change, in_force=True, detail=None)
        assert (await waiting).in_force
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_a_wish_and_its_news_leave_together_or_not_at_all(
    database: Database, switch: SwitchService
) -> None:
    heard: list[News] = []

    async def note() -> None:
        async for news in listen(database):
            if news is None:
                ready.set()
            else:
                heard.append(news)

    ready = asyncio.Event()
    noting = asyncio.create_task(note(), name="note")
    try:
        await ready.wait()
        with pytest.raises(RuntimeError):
            await _fails_after_its_wish(database, switch)
        await request(database, switch)
        await eventually(lambda: heard, "the news")
        assert [(news.topic, news.key) for news in heard] == [("switch", "node1")]
        async with database.transaction() as connection:
            assert len(await switch.open_changes(connection)) == 1
    finally:
        noting.cancel()
        with suppress(asyncio.CancelledError):
            await noting


async def _fails_after_its_wish(database: Database, switch: SwitchService) -> None:
    async with database.transaction() as connection:
        await switch.request(connection, "lines")
        raise RuntimeError
