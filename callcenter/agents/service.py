"""Keeping agents and their phones: written here, in force when the node says so."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from callcenter.agents import store
from callcenter.agents.model import (
    Agent,
    AgentExists,
    NewSecret,
    NoSuchAgent,
    Phone,
    PhoneServer,
    is_agent_id,
    new_agent,
    sip_digest,
)
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, Unavailable
from callcenter.queues import store as queue_store
from callcenter.queues.model import is_queue_name
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: What the switch is asked to load after each change: phones and who is in which queue.
SUBJECT: Final = "agents"

#: How long a reply waits for the node; then it says that the change is not in force yet.
WAIT: Final = timedelta(seconds=5)


def _random_secret() -> str:
    return secrets.token_urlsafe(18)


class AgentService:
    """Agents and phones. `server` is where phones register."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switch: SwitchRequests,
        server: PhoneServer,
        *,
        new_secret: Callable[[], str] = _random_secret,
        wait: timedelta = WAIT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._switch = switch
        self._server = server
        self._new_secret = new_secret
        self._wait = wait

    async def list(self, *, after: str = "", limit: int = 50) -> Sequence[Agent]:
        """By id, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.list_agents(connection, after, limit)

    async def get(self, agent_id: str) -> Agent:
        """Raises `NoSuchAgent`."""
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            agent = await store.find_agent(connection, agent_id)
        if agent is None:
            raise NoSuchAgent
        return agent

    async def phone(self, agent_id: str) -> Phone:
        """What the agent's phone is set up with, but for the secret. Raises `NoSuchAgent`."""
        return Phone(username=(await self.get(agent_id)).agent_id, server=self._server)

    async def add(self, agent_id: str, name: str, queues: Sequence[str] | None = None) -> NewSecret:
        """Add an agent to `queues` (absent: the default queue).

        Raises `InvalidField`, `AgentExists`.
        """
        secret = self._new_secret()
        async with self._database.transaction() as connection:
            if queues is None:
                default = await queue_store.default_queue(connection)
                queues = [default] if default else []
            elif not all(is_queue_name(queue) for queue in queues) or (
                set(queues) - await queue_store.existing(connection, queues)
            ):
                raise InvalidField("queues", "each the name of a queue (GET /api/v1/queues)")
            agent = new_agent(agent_id, name, tuple(queues), self._clock())
            if not await store.add_agent(connection, agent, sip_digest(agent_id, secret)):
                raise AgentExists
            await queue_store.add_members(connection, [(q, agent_id) for q in agent.queues])
            change_id = await self._switch.request(connection, SUBJECT)
        return self._told(agent, secret, await self._outcome(change_id))

    async def rotate_secret(self, agent_id: str) -> NewSecret:
        """A new secret for the phone; the old one ends. Raises `NoSuchAgent`."""
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        secret = self._new_secret()
        async with self._database.transaction() as connection:
            if not await store.set_digest(connection, agent_id, sip_digest(agent_id, secret)):
                raise NoSuchAgent
            agent = await store.find_agent(connection, agent_id)
            assert agent is not None
            change_id = await self._switch.request(connection, SUBJECT)
        return self._told(agent, secret, await self._outcome(change_id))

    async def remove(self, agent_id: str) -> SwitchOutcome:
        """Remove an agent, the phone and the places in queues. Raises `NoSuchAgent`.

        Calls the agent took keep the id.
        """
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            if not await store.remove_agent(connection, agent_id):
                raise NoSuchAgent
            change_id = await self._switch.request(connection, SUBJECT)
        return await self._outcome(change_id)

    async def _outcome(self, change_id: int) -> SwitchOutcome:
        # The change is committed: whatever becomes of the waiting, the secret must be told.
        try:
            return await self._switch.wait(change_id, self._wait)
        except Unavailable as exc:
            return SwitchOutcome(in_force=False, detail=exc.message)

    @staticmethod
    def _told(agent: Agent, secret: str, outcome: SwitchOutcome) -> NewSecret:
        return NewSecret(
            agent=agent, secret=secret, in_force=outcome.in_force, detail=outcome.detail
        )
