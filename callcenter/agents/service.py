"""Keeping agents and their phones: written here, in force when the node says so."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.access.model import Principal, Role, is_user_name
from callcenter.agents import store
from callcenter.agents.model import (
    Agent,
    AgentEdit,
    AgentExists,
    AgentFilter,
    Changed,
    NewSecret,
    NoSuchAgent,
    UserTaken,
    checked,
    is_agent_id,
    new_agent,
    sip_digest,
)
from callcenter.agents.phone import NoBrowserPhones, Phone, PhoneKind, PhoneServer
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, NotAllowed, Stale, Unavailable
from callcenter.queues import store as queue_store
from callcenter.queues.model import is_queue_name
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: What the switch is asked to load after each change: phones and who is in which queue.
SUBJECT: Final = "agents"

#: How long a reply waits for the node; then it says that the change is not in force yet.
WAIT: Final = timedelta(seconds=5)

_QUEUES_RULE: Final = "each the name of a queue (GET /api/v1/queues)"


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

    async def list(
        self, *, after: str = "", limit: int = 50, which: AgentFilter | None = None
    ) -> Sequence[Agent]:
        """By id, those behind `after` that `which` lets through."""
        async with self._database.transaction() as connection:
            return await store.list_agents(connection, after, limit, which)

    async def get(self, agent_id: str) -> Agent:
        """Raises `NoSuchAgent`."""
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            agent = await store.find_agent(connection, agent_id)
        if agent is None:
            raise NoSuchAgent
        return agent

    async def phone(self, agent_id: str, *, asked_by: Principal) -> Phone:
        """What the agent's phone is set up with, but for the secret: told to supervisors, and to
        the agent.

        Raises `NoSuchAgent`, `NotAllowed`, `NoBrowserPhones`.
        """
        agent = await self.get(agent_id)
        if not asked_by.reaches(Role.SUPERVISOR) and agent.user_id != asked_by.user_id:
            raise NotAllowed
        return Phone(
            username=agent.agent_id, name=agent.name, kind=agent.phone, server=self._server
        )

    async def add(
        self,
        agent_id: str,
        name: str,
        queues: Sequence[str] | None = None,
        edit: AgentEdit | None = None,
        *,
        by: str = "system:api",
    ) -> NewSecret:
        """Add an agent to `queues` (absent: the default queue).

        Raises `InvalidField`, `AgentExists`, `UserTaken`, `NoBrowserPhones`.
        """
        secret = self._new_secret()
        async with self._database.transaction() as connection:
            if queues is None:
                default = await queue_store.default_queue(connection)
                queues = [default] if default else []
            agent = new_agent(agent_id, name, tuple(queues), self._clock(), edit)
            await self._check_queues(connection, agent.queues)
            agent = await self._resolved(connection, agent, None)
            if not await store.add_agent(connection, agent, sip_digest(agent_id, secret)):
                raise AgentExists
            await queue_store.add_members(connection, [(q, agent_id) for q in agent.queues])
            await self._noted(connection, by, "agent.add", agent_id)
            change_id = await self._switch.request(connection, SUBJECT)
        return self._told(agent, secret, await self._outcome(change_id))

    async def change(
        self, agent_id: str, edit: AgentEdit, *, based_on: int | None, by: str = "system:api"
    ) -> Changed:
        """Edit an agent; Asterisk is asked only where it must know.

        A call that is going on goes on, also where the agent is switched off. Raises `NoSuchAgent`,
        `Stale`, `InvalidField`, `UserTaken`, `NoBrowserPhones`.
        """
        kept = checked(edit)
        change_id: int | None = None
        async with self._database.transaction() as connection:
            before = await self._locked(connection, agent_id, based_on)
            after = replace(
                before,
                name=kept.name,
                active=kept.active,
                languages=kept.languages,
                skills=kept.skills,
                team=kept.team,
                departments=kept.departments,
                phone=kept.phone,
                user=kept.user,
                version=before.version + 1,
            )
            after = await self._resolved(connection, after, before)
            await store.change_agent(connection, after)
            if after.known_to_asterisk != before.known_to_asterisk:
                change_id = await self._switch.request(connection, SUBJECT)
            await self._noted(connection, by, "agent.change", agent_id)
        return await self._changed(after, change_id)

    async def set_queues(
        self, agent_id: str, queues: Sequence[str], *, based_on: int | None, by: str = "system:api"
    ) -> Changed:
        """Let the agent's calls come from these queues. Who stays in one keeps the place there.

        Raises `NoSuchAgent`, `Stale`, `InvalidField`.
        """
        wanted = tuple(sorted(set(queues)))
        async with self._database.transaction() as connection:
            before = await self._locked(connection, agent_id, based_on)
            await self._check_queues(connection, wanted)
            await store.change_queues(connection, before, wanted)
            await self._noted(connection, by, "agent.queues", agent_id)
            change_id = await self._switch.request(connection, SUBJECT)
        after = replace(before, queues=wanted, version=before.version + 1)
        return await self._changed(after, change_id)

    async def rotate_secret(self, agent_id: str, *, by: str = "system:api") -> NewSecret:
        """A new secret for the phone; the old one ends. Raises `NoSuchAgent`."""
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        secret = self._new_secret()
        async with self._database.transaction() as connection:
            if not await store.set_digest(connection, agent_id, sip_digest(agent_id, secret)):
                raise NoSuchAgent
            agent = await store.find_agent(connection, agent_id)
            assert agent is not None
            await self._noted(connection, by, "agent.new_secret", agent_id)
            change_id = await self._switch.request(connection, SUBJECT)
        return self._told(agent, secret, await self._outcome(change_id))

    async def remove(self, agent_id: str, *, by: str = "system:api") -> SwitchOutcome:
        """Remove an agent, the phone and the places in queues. Raises `NoSuchAgent`.

        Calls the agent took keep the id; one that is going on is talked to its end.
        """
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            if not await store.remove_agent(connection, agent_id):
                raise NoSuchAgent
            await self._noted(connection, by, "agent.remove", agent_id)
            change_id = await self._switch.request(connection, SUBJECT)
        return await self._outcome(change_id)

    async def _locked(
        self, connection: AsyncConnection, agent_id: str, based_on: int | None
    ) -> Agent:
        agent = None
        if is_agent_id(agent_id):
            agent = await store.find_agent(connection, agent_id, lock=True)
        if agent is None:
            raise NoSuchAgent
        if based_on not in (None, agent.version):
            raise Stale
        return agent

    @staticmethod
    async def _check_queues(connection: AsyncConnection, queues: Collection[str]) -> None:
        if not all(is_queue_name(queue) for queue in queues) or (
            set(queues) - await store.queues_stay(connection, queues)
        ):
            raise InvalidField("queues", _QUEUES_RULE)

    async def _resolved(
        self, connection: AsyncConnection, agent: Agent, before: Agent | None
    ) -> Agent:
        """The agent with the user's id; what the rows must hold for it is seen to be there."""
        was_browser = before is not None and before.phone is PhoneKind.WEBRTC
        if agent.phone is PhoneKind.WEBRTC and not was_browser and not self._server.takes_browsers:
            raise NoBrowserPhones
        if agent.team is not None and not await store.team_stays(connection, agent.team):
            raise InvalidField("team", "the name of a team (GET /api/v1/teams)")
        if agent.user is None:
            return replace(agent, user_id=None)
        if before is not None and agent.user == before.user:
            return replace(agent, user_id=before.user_id)
        user_id = None
        if is_user_name(agent.user):
            user_id = await store.user_for_agent(connection, agent.user)
        if user_id is None:
            raise InvalidField("user", "the name of a user who may log in (GET /api/v1/users)")
        if await store.agent_of_user(connection, user_id) not in (None, agent.agent_id):
            raise UserTaken
        return replace(agent, user_id=user_id)

    async def _noted(self, connection: AsyncConnection, by: str, act: str, agent_id: str) -> None:
        await audit.record(
            connection,
            who=by,
            act=act,
            subject=f"agent/{agent_id}",
            reason="",
            at=self._clock(),
        )

    async def _changed(self, agent: Agent, change_id: int | None) -> Changed:
        outcome = SwitchOutcome(in_force=True, detail=None)
        if change_id is not None:
            outcome = await self._outcome(change_id)
        return Changed(agent=agent, in_force=outcome.in_force, detail=outcome.detail)

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
