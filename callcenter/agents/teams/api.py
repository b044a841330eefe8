"""REST: `/teams`, the groups agents work in. Read by everybody, kept by supervisors."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.model import NAME
from callcenter.agents.teams.model import MOST_TITLE, Team
from callcenter.agents.teams.service import TeamService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    set_etag,
    wanted_version,
)

# The model has these rules and their words: here they are only told.
_NAME: Final[dict[str, Any]] = {"pattern": f"^{NAME}$"}
_TITLE: Final[dict[str, Any]] = {"minLength": 1, "maxLength": MOST_TITLE}
TeamName = Annotated[str, InPath(json_schema_extra=_NAME)]


class TeamFields(Schema):
    title: Annotated[str, Field(json_schema_extra=_TITLE)]


class NewTeam(TeamFields):
    name: Annotated[str, Field(json_schema_extra=_NAME)]


class TeamReply(Schema):
    """`agents`: how many are in it."""

    name: str
    title: str
    agents: int
    version: int


def router(service: TeamService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    api = APIRouter(prefix="/teams", tags=["agents"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_teams(
        limit: Limit = 50, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[TeamReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1)
        return Page(
            items=[_reply(team) for team in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.post("", status_code=201)
    async def add_team(
        body: NewTeam, response: Response, _who: Principal = Depends(guard.supervisor)
    ) -> TeamReply:
        team = await service.add(body.name, body.title)
        set_etag(response, team.version)
        return _reply(team)

    @api.get("/{name}")
    async def get_team(
        name: TeamName, response: Response, _who: Principal = Depends(guard.agent)
    ) -> TeamReply:
        team = await service.get(name)
        set_etag(response, team.version)
        return _reply(team)

    @api.put("/{name}")
    async def change_team(
        if_match: IfMatch,
        name: TeamName,
        body: TeamFields,
        response: Response,
        _who: Principal = Depends(guard.supervisor),
    ) -> TeamReply:
        team = await service.change(name, body.title, based_on=wanted_version(if_match))
        set_etag(response, team.version)
        return _reply(team)

    @api.delete("/{name}", status_code=204)
    async def remove_team(
        if_match: IfMatch, name: TeamName, _who: Principal = Depends(guard.supervisor)
    ) -> None:
        """Refused while agents are in it."""
        await service.remove(name, based_on=wanted_version(if_match))

    return api


def _reply(team: Team) -> TeamReply:
    return TeamReply(name=team.name, title=team.title, agents=team.agents, version=team.version)
