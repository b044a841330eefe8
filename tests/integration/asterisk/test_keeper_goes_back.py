"""A configuration Asterisk does not take: said to be so, undone, and not tried again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callcenter.agents.model import new_agent
from callcenter.agents.store import add_agent, remove_agent
from callcenter.asterisk import keeper as keeper_module
from callcenter.asterisk.ami.client import LinkState
from callcenter.asterisk.config.inforce import Difference, Snapshot
from callcenter.asterisk.config.model import AgentConfig, SwitchConfig
from callcenter.asterisk.errors import ActionRefused
from callcenter.asterisk.install import locate
from callcenter.asterisk.keeper import SwitchKeeper
from callcenter.platform.db import Database
from callcenter.platform.settings import load_settings
from callcenter.queues.seed import seed_queues
from callcenter.switch.model import SwitchOutcome
from callcenter.switch.service import SwitchService
from callcenter.testing.eventually import eventually
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

FIVE_SECONDS = timedelta(seconds=5)
BACK = "The former configuration stays in force"


@dataclass
class FakeAsterisk:
    """Reads the agents of the generation in force at each reload, unless it does not take one."""

    etc: Path
    #: An agent it never takes, a module it never reloads.
    allergy: str = ""
    broken: str = ""
    reloads: list[str] = field(default_factory=list)
    agents: frozenset[str] = frozenset()
    status: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(state=LinkState.CONNECTED)
    )

    async def action(self, name: str, headers: Mapping[str, str]) -> None:
        assert name == "Reload"
        module = headers["Module"]
        self.reloads.append(module)
        if module == self.broken:
            raise ActionRefused(name, "Module not loaded")
        if module == "res_pjsip.so":
            text = (self.etc / "pjsip_agents.conf").read_text()
            found = frozenset(line[1:5] for line in text.splitlines() if line[1:5].isdigit())
            if self.allergy not in found:
                self.agents = found

    async def list_action(self, _name: str, _headers: object = None) -> list[Any]:
        return []


@dataclass
class Scene:
    database: Database
    switch: SwitchService
    keeper: SwitchKeeper
    asterisk: FakeAsterisk

    async def wish(self, agent_id: str, *, gone: bool = False) -> SwitchOutcome:
        async with self.database.transaction() as connection:
            if gone:
                await remove_agent(connection, agent_id)
            else:
                agent = new_agent(agent_id, "x", (), FixedClock()())
                await add_agent(connection, agent, "a" * 32)
            change = await self.switch.request(connection, "agents")
        return await self.switch.wait(change, FIVE_SECONDS)

    @property
    def on_disk(self) -> str:
        return (self.asterisk.etc / "pjsip_agents.conf").read_text()


@pytest.fixture
async def scene(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    asterisk = FakeAsterisk(tmp_path / "asterisk" / "etc")

    def not_in_force(config: SwitchConfig, _snapshot: Snapshot) -> list[Difference]:
        wanted = {agent.agent_id for agent in config.agents}
        return [Difference(f"endpoint {a}", "differs") for a in sorted(wanted ^ asterisk.agents)]

    def phone_differences(_agents: Iterable[AgentConfig], _details: object) -> list[Difference]:
        return []

    monkeypatch.setattr(keeper_module, "not_in_force", not_in_force)
    monkeypatch.setattr(keeper_module, "phone_differences", phone_differences)
    settings = load_settings(home=tmp_path)
    installation = locate()
    assert installation is not None
    async with database.transaction() as connection:
        await seed_queues(connection)
    switch = SwitchService(database, FixedClock(), settings.node)

    async def no_problem() -> list[str]:
        return []

    keeper = SwitchKeeper(database, switch, asterisk, settings, installation, no_problem)  # type: ignore[arg-type]
    tasks = [asyncio.create_task(keeper.run()), asyncio.create_task(keeper.follow())]
    keeper.wake()
    yield Scene(database, switch, keeper, asterisk)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_not_taken_is_undone_and_what_was_there_stays(scene: Scene) -> None:
    assert await scene.wish("2001") == SwitchOutcome(True, None)
    scene.asterisk.allergy = "2002"
    outcome = await scene.wish("2002")
    assert outcome == SwitchOutcome(False, f"{BACK}; endpoint 2002: differs")
    assert scene.asterisk.agents == {"2001"}
    assert "[2001]" in scene.on_disk
    assert "[2002]" not in scene.on_disk, "a restart must not find what was refused"
    assert scene.keeper.problems[0] == BACK


async def test_a_reload_that_is_refused_is_undone_in_what_was_reloaded_before_it(
    scene: Scene,
) -> None:
    await scene.wish("2001")
    scene.asterisk.broken = "pbx_config.so"
    outcome = await scene.wish("2002")
    assert outcome.in_force is False
    assert "pbx_config.so was not reloaded: Module not loaded" in str(outcome.detail)
    assert scene.asterisk.agents == {"2001"}
    assert "[2002]" not in scene.on_disk


async def test_what_was_refused_is_left_alone_until_the_next_wish(scene: Scene) -> None:
    await scene.wish("2001")
    scene.asterisk.allergy = "2002"
    await scene.wish("2002")
    before = len(scene.asterisk.reloads)
    for _ in range(3):
        scene.keeper._wake.set()
        await asyncio.sleep(0.1)  # absence has no condition to wait for
    assert len(scene.asterisk.reloads) == before
    scene.asterisk.allergy = ""
    assert await scene.wish("2003") == SwitchOutcome(True, None)
    assert scene.asterisk.agents == {"2001", "2002", "2003"}


async def test_the_cause_taken_away_everything_is_in_force_again(scene: Scene) -> None:
    await scene.wish("2001")
    scene.asterisk.allergy = "2002"
    await scene.wish("2002")
    assert await scene.wish("2002", gone=True) == SwitchOutcome(True, None)
    assert scene.keeper.problems == ()


async def test_another_asterisk_than_before_is_brought_to_the_rows_at_the_next_wish(
    scene: Scene,
) -> None:
    await scene.wish("2001")
    scene.asterisk.agents = frozenset()
    scene.keeper.wake()
    await eventually(lambda: scene.keeper.problems != (), "the loss is seen", within=FIVE_SECONDS)
    assert await scene.wish("2002") == SwitchOutcome(True, None)
    assert scene.asterisk.agents == {"2001", "2002"}
