"""Keeping teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.model import plain_name
from callcenter.agents.teams import store
from callcenter.agents.teams.model import (
    NoSuchTeam,
    Team,
    TeamExists,
    TeamInUse,
    new_team,
    team_title,
)
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, Stale


class TeamService:
    """Teams of agents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, after: str = "", limit: int = 50) -> Sequence[Team]:
        """By name, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.list_teams(connection, after, limit)

    async def get(self, name: str) -> Team:
        """Raises `NoSuchTeam`."""
        async with self._database.transaction() as connection:
            return await self._found(connection, name, lock=False)

    async def add(self, name: str, title: str) -> Team:
        """Raises `InvalidField`, `TeamExists`."""
        team = new_team(name, title)
        async with self._database.transaction() as connection:
            if not await store.add_team(connection, team):
                raise TeamExists
        return team

    async def change(self, name: str, title: str, *, based_on: int | None) -> Team:
        """Give it another title. Raises `InvalidField`, `NoSuchTeam`, `Stale`."""
        kept = team_title(title)
        async with self._database.transaction() as connection:
            team = await self._based(connection, name, based_on)
            team = replace(team, title=kept, version=team.version + 1)
            await store.change_team(connection, team)
        return team

    async def remove(self, name: str, *, based_on: int | None) -> None:
        """Raises `NoSuchTeam`, `Stale`, `TeamInUse`."""
        async with self._database.transaction() as connection:
            await self._based(connection, name, based_on)
            # Asked anew: who joined while we waited for the lock is not in what was read with it.
            if await store.has_agents(connection, name):
                raise TeamInUse
            await store.remove_team(connection, name)

    @staticmethod
    async def _found(connection: AsyncConnection, name: str, *, lock: bool) -> Team:
        try:
            plain_name("name", name)
        except InvalidField:
            raise NoSuchTeam from None
        team = await store.find_team(connection, name, lock=lock)
        if team is None:
            raise NoSuchTeam
        return team

    async def _based(self, connection: AsyncConnection, name: str, based_on: int | None) -> Team:
        team = await self._found(connection, name, lock=True)
        if based_on not in (None, team.version):
            raise Stale
        return team
