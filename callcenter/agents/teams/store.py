"""SQL of teams. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import agents, teams
from callcenter.agents.teams.model import Team


def _query() -> Select[Any]:
    size = (
        select(func.count())
        .select_from(agents)
        .where(agents.c.team == teams.c.name)
        .scalar_subquery()
    )
    return select(teams, size.label("agents"))


def _team(row: Row[Any]) -> Team:
    return Team(name=row.name, title=row.title, version=row.version, agents=row.agents)


async def list_teams(connection: AsyncConnection, after: str, limit: int) -> Sequence[Team]:
    rows = await connection.execute(
        _query().where(teams.c.name > after).order_by(teams.c.name).limit(limit)
    )
    return [_team(row) for row in rows]


async def find_team(connection: AsyncConnection, name: str, *, lock: bool = False) -> Team | None:
    """`lock` keeps others from editing it, and from joining it, until the end."""
    query = _query().where(teams.c.name == name)
    if lock:
        query = query.with_for_update(of=teams)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _team(row)


async def add_team(connection: AsyncConnection, team: Team) -> bool:
    """False where the name is taken."""
    added = await connection.scalar(
        upsert(teams)
        .values(name=team.name, title=team.title, version=team.version)
        .on_conflict_do_nothing()
        .returning(teams.c.name)
    )
    return added is not None


async def change_team(connection: AsyncConnection, team: Team) -> None:
    await connection.execute(
        update(teams)
        .where(teams.c.name == team.name)
        .values(title=team.title, version=team.version)
    )


async def remove_team(connection: AsyncConnection, name: str) -> None:
    await connection.execute(delete(teams).where(teams.c.name == name))


async def has_agents(connection: AsyncConnection, name: str) -> bool:
    found = await connection.scalar(select(agents.c.agent_id).where(agents.c.team == name).limit(1))
    return found is not None
