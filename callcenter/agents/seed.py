"""The agents there are out of the box."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents import store
from callcenter.agents.model import new_agent, sip_digest
from callcenter.platform.clock import Clock
from callcenter.queues import store as queue_store


def _queues_of(number: int) -> tuple[str, ...]:
    if number <= 1004:
        return ("general", "enterprise")
    return ("general", "legal") if number <= 1007 else ("general",)


async def seed_agents(
    connection: AsyncConnection, clock: Clock, secret_for: Callable[[str], str]
) -> None:
    """Add 1001–1010 where there is no agent at all, so that who was removed stays removed.

    Needs the queues of `seed_queues`. `secret_for` gives the phone's secret for an agent id.
    """
    if await store.any_agent(connection):
        return
    for number in range(1001, 1011):
        agent = new_agent(str(number), f"坐席{number}", _queues_of(number), clock())
        # Another process may be seeding: who comes second finds the rows there.
        if await store.add_agent(
            connection, agent, sip_digest(agent.agent_id, secret_for(agent.agent_id))
        ):
            await queue_store.add_members(
                connection, [(queue, agent.agent_id) for queue in agent.queues]
            )
