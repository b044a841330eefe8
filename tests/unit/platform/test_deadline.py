"""A hard limit on a wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from callcenter.platform.deadline import at_most

pytestmark = pytest.mark.unit

SOON = timedelta(milliseconds=20)


async def test_the_result_and_the_error_of_the_work_come_back() -> None:
    async def work(fails: bool) -> int:
        if fails:
            raise KeyError
        return 7

    assert await at_most(SOON, work(False), name="work") == 7
    with pytest.raises(KeyError):
        await at_most(SOON, work(True), name="work")


async def test_the_waiting_one_goes_on_though_the_work_takes_its_time_to_stop() -> None:
    freed, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await freed.wait()
            ended.set()

    with pytest.raises(TimeoutError):
        await at_most(SOON, work(), name="work")
    assert not ended.is_set()
    freed.set()
    await ended.wait()


async def test_who_stops_waiting_stops_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(at_most(timedelta(hours=1), work(), name="work"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ended.wait()
