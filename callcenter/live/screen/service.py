"""Looking up what rings at an agent's phone."""

from __future__ import annotations

from callcenter.access.model import Principal, Role
from callcenter.agents.model import NoSuchAgent
from callcenter.agents.store import agent_of_user, find_agent
from callcenter.live.screen import store
from callcenter.live.screen.model import NotAnAgent, ScreenPop
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAllowed

#: In the place of an agent's id: the asker's own.
ME = "me"


class ScreenService:
    """Screen pops on request; over the WebSocket they come by themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def at_phone(self, agent_id: str, principal: Principal) -> tuple[str, ScreenPop | None]:
        """The agent and the call at that phone. Agents see their own only, supervisors all.

        Raises `NotAllowed`, `NoSuchAgent`; `NotAnAgent` where `ME` is none.
        """
        async with self._database.transaction() as connection:
            own = await agent_of_user(connection, principal.user_id)
            if agent_id == ME:
                if own is None:
                    raise NotAnAgent
                agent_id = own
            elif agent_id != own and not principal.reaches(Role.SUPERVISOR):
                raise NotAllowed("Agents see what is at their own phone only.")
            if await find_agent(connection, agent_id) is None:
                raise NoSuchAgent
            call_id = await store.call_at_phone(connection, agent_id)
            screens = await store.read_screens(connection, [call_id] if call_id else [])
        return agent_id, next(iter(screens.values()), None)
