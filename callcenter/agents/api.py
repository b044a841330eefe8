"""REST: `/agents` and their phones."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.model import AGENT_ID, MOST_NAME, Agent, NewSecret
from callcenter.agents.service import AgentService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    set_etag,
)

# The model has these rules and their words: here they are only told.
_ID: Final = {"pattern": f"^{AGENT_ID}$"}
AgentId = Annotated[str, InPath(json_schema_extra=_ID)]


class AgentReply(Schema):
    id: str
    name: str
    active: bool
    created_at: datetime
    queues: list[str]
    version: int


class NewAgent(Schema):
    id: Annotated[str, Field(json_schema_extra=_ID)]
    name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_NAME})]
    queues: list[str] | None = Field(
        None, max_length=100, description="Names of queues; absent: the default queue."
    )


class AgentWithSecret(AgentReply):
    """The phone's secret is told this once; `in_force`: Asterisk was seen to know it."""

    secret: str
    in_force: bool
    detail: str | None


class SecretReply(Schema):
    """The new secret, told this once."""

    id: str
    username: str
    secret: str
    in_force: bool
    detail: str | None


class RemovedReply(Schema):
    """`in_force`: Asterisk was seen to have forgotten the phone."""

    id: str
    in_force: bool
    detail: str | None


class PhoneReply(Schema):
    """What to type into a softphone; the secret was told when it was made."""

    username: str
    server: str = Field(description="host:port to register at")
    host: str
    port: int
    transport: str = Field(description="The first choice of `transports`.")
    transports: list[str]
    realm: str


def router(service: AgentService, guard: Guard) -> APIRouter:
    """`/agents…`: read by everybody who is logged in, phones by supervisors, kept by admins."""
    api = APIRouter(prefix="/agents", tags=["agents"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_agents(
        limit: Limit = 50, cursor: Cursor = None, _principal: Principal = Depends(guard.agent)
    ) -> Page[AgentReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1)
        return Page(
            items=[_reply(agent) for agent in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].agent_id) if len(found) > limit else None,
        )

    @api.post("", status_code=201)
    async def add_agent(
        body: NewAgent, response: Response, _admin: Principal = Depends(guard.admin)
    ) -> AgentWithSecret:
        made = await service.add(body.id, body.name, body.queues)
        _told_once(response, made)
        return AgentWithSecret(
            **_reply(made.agent).model_dump(),
            secret=made.secret,
            in_force=made.in_force,
            detail=made.detail,
        )

    @api.get("/{agent_id}")
    async def get_agent(
        agent_id: AgentId, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> AgentReply:
        agent = await service.get(agent_id)
        set_etag(response, agent.version)
        return _reply(agent)

    @api.delete("/{agent_id}")
    async def remove_agent(
        agent_id: AgentId, _admin: Principal = Depends(guard.admin)
    ) -> RemovedReply:
        outcome = await service.remove(agent_id)
        return RemovedReply(id=agent_id, in_force=outcome.in_force, detail=outcome.detail)

    @api.get("/{agent_id}/phone")
    async def get_phone(
        agent_id: AgentId, _principal: Principal = Depends(guard.supervisor)
    ) -> PhoneReply:
        phone = await service.phone(agent_id)
        return PhoneReply(
            username=phone.username,
            server=f"{phone.server.host}:{phone.server.port}",
            host=phone.server.host,
            port=phone.server.port,
            transport=phone.server.transports[0],
            transports=list(phone.server.transports),
            realm=phone.realm,
        )

    @api.post("/{agent_id}/phone/secret")
    async def rotate_secret(
        agent_id: AgentId, response: Response, _admin: Principal = Depends(guard.admin)
    ) -> SecretReply:
        """The old secret ends with this."""
        made = await service.rotate_secret(agent_id)
        _told_once(response, made)
        return SecretReply(
            id=agent_id,
            username=agent_id,
            secret=made.secret,
            in_force=made.in_force,
            detail=made.detail,
        )

    return api


def _told_once(response: Response, made: NewSecret) -> None:
    response.headers["Cache-Control"] = "no-store"
    set_etag(response, made.agent.version)


def _reply(agent: Agent) -> AgentReply:
    return AgentReply(
        id=agent.agent_id,
        name=agent.name,
        active=agent.active,
        created_at=agent.created_at,
        queues=list(agent.queues),
        version=agent.version,
    )
