"""A desk with agents, teams and queues on it, and a switch that answers as told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from callcenter.agents.api import router as agents_router
from callcenter.agents.phone import PhoneServer
from callcenter.agents.service import AgentService
from callcenter.agents.teams.api import router as teams_router
from callcenter.agents.teams.service import TeamService
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.testing.desk import Desk, ScriptedSwitch, open_desk
from callcenter.testing.fixed_clock import FixedClock


@dataclass
class Phones:
    desk: Desk
    switch: ScriptedSwitch


@pytest.fixture
async def phones(database: Database) -> AsyncIterator[Phones]:
    """Every way in is open: UDP, TCP, TLS and browsers."""
    clock = FixedClock()
    switch = ScriptedSwitch(clock)
    server = PhoneServer(host="sip.example", port=5060, tls_port=5061, wss_port=8089)
    async with database.transaction() as connection:
        await seed_queues(connection)
    async with open_desk(
        database,
        lambda guard, _clock: [
            agents_router(AgentService(database, clock, switch, server), guard),
            teams_router(TeamService(database), guard),
        ],
    ) as desk:
        yield Phones(desk, switch)
