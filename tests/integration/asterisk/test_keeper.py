"""What Asterisk refuses to load is told as failed, and tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.errors import ActionRefused
from callcenter.asterisk.install import Installation
from callcenter.asterisk.keeper import SwitchKeeper
from callcenter.platform.db import Database
from callcenter.platform.settings import load_settings
from callcenter.queues import store
from callcenter.queues.seed import seed_queues
from callcenter.switch.service import SwitchService
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration


class Asterisk:
    """Answers AMI: without app_queue, and describes nothing."""

    status = SimpleNamespace(state=LinkState.CONNECTED)

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def action(self, name: str, headers: Mapping[str, str]) -> None:
        self.asked.append(headers["Module"])
        if headers["Module"] == "app_queue.so":
            raise ActionRefused(name, "No such module.")

    async def list_action(self, _name: str, _headers: Mapping[str, str] | None = None) -> list[Any]:
        return []


async def no_problem() -> list[str]:
    return []


async def test_a_module_that_does_not_reload_is_told_and_nothing_is_in_force(
    database: Database, tmp_path: Path
) -> None:
    async with database.transaction() as connection:
        await seed_queues(connection)
    settings = load_settings(home=tmp_path)
    switch = SwitchService(database, FixedClock(), settings.node)
    installation = Installation(
        version="22.10.1",
        modules_dir=Path("/usr/lib/asterisk/modules"),
        data_dir=Path("/usr/share/asterisk"),
        binary=Path("/usr/sbin/asterisk"),
        root=None,
    )
    asterisk = Asterisk()
    keeper = SwitchKeeper(
        database, switch, cast(AmiClient, asterisk), settings, installation, no_problem
    )
    async with database.transaction() as connection:
        change_id = await switch.request(connection, "queues")
    running = asyncio.create_task(keeper.run(), name="keeper")
    try:
        keeper.wake()
        outcome = await switch.wait(change_id, timedelta(seconds=20))
        assert outcome.in_force is False
        assert "app_queue.so" in (outcome.detail or "")
        assert "No such module" in (outcome.detail or "")
        asterisk.asked.clear()
        keeper.wake()
        async with asyncio.timeout(20):
            while not asterisk.asked:
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    async with database.transaction() as connection:
        assert not any(queue.in_force for queue in await store.list_queues(connection))
