"""REST: `/agents` and their phones."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field, StrictInt

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.model import (
    AGENT_ID,
    BEST_LEVEL,
    LEAST_LEVEL,
    MOST_DEPARTMENTS,
    MOST_LEVELS,
    MOST_NAME,
    NAME,
    Agent,
    AgentEdit,
    AgentFilter,
    Changed,
    NewSecret,
    sip_digest,
)
from callcenter.agents.phone import Phone, PhoneKind, Srtp, Transport, linphone_xml
from callcenter.agents.service import AgentService
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Flag,
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
_ID: Final = {"pattern": f"^{AGENT_ID}$"}
_NAME_TOLD: Final[dict[str, Any]] = {"pattern": f"^{NAME}$"}
_PERSON: Final[dict[str, Any]] = {"minLength": 1, "maxLength": MOST_NAME}
AgentId = Annotated[str, InPath(json_schema_extra=_ID)]

_XML: Final = "application/xml"
_XML_REPLY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_XML: {"schema": {"type": "string"}}}, "description": "lpconfig.xsd"}
}

#: Name → level.
Levels = Annotated[
    dict[str, Annotated[StrictInt, Field(ge=LEAST_LEVEL, le=BEST_LEVEL)]],
    Field(
        max_length=MOST_LEVELS,
        json_schema_extra={"propertyNames": _NAME_TOLD},
        description="Name to level: 1 a little, 5 as well as anybody.",
    ),
]
Name = Annotated[str, Field(json_schema_extra=_NAME_TOLD)]
Wanted = Annotated[str | None, Query(json_schema_extra=_NAME_TOLD)]


class AgentFields(Schema):
    """What may be edited of an agent.

    `languages` and dialects (`zh`, `en`, `yue` …) and `skills` have levels 1 to 5. `user` is the
    login of this person. `phone`: `sip` (any SIP phone) or `webrtc` (a browser); it has to be set
    up anew when this changes.
    """

    name: Annotated[str, Field(json_schema_extra=_PERSON)]
    languages: Levels = Field(default_factory=dict)
    skills: Levels = Field(default_factory=dict)
    team: Name | None = None
    departments: list[Name] = Field(default_factory=list, max_length=MOST_DEPARTMENTS)
    phone: PhoneKind = PhoneKind.SIP
    user: str | None = Field(None, description="Name of a user (GET /api/v1/users).")

    def edit(self, *, active: bool = True) -> AgentEdit:
        """Raises nothing: the model checks."""
        return AgentEdit(
            name=self.name,
            active=active,
            languages=self.languages,
            skills=self.skills,
            team=self.team,
            departments=tuple(self.departments),
            phone=self.phone,
            user=self.user,
        )


class AgentChange(AgentFields):
    """An agent who is not `active` has no phone and takes no calls."""

    active: Flag = True


class NewAgent(AgentFields):
    id: Annotated[str, Field(json_schema_extra=_ID)]
    queues: list[str] | None = Field(
        None, max_length=100, description="Names of queues; absent: the default queue."
    )


class AgentReply(Schema):
    id: str
    name: str
    active: bool
    created_at: datetime
    queues: list[str]
    languages: dict[str, int]
    skills: dict[str, int]
    team: str | None
    departments: list[str]
    phone: PhoneKind
    user: str | None
    version: int


class ChangedAgent(AgentReply):
    """`in_force`: what Asterisk must know of the change it was seen to know."""

    in_force: bool
    detail: str | None


class AgentQueues(Schema):
    queues: list[str] = Field(max_length=100, description="Names of queues.")


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
    kind: PhoneKind
    server: str = Field(description="host:port to register at by `transport`")
    host: str
    port: int
    transport: Transport = Field(description="The one to take: encrypted, where that is open.")
    transports: list[Transport]
    ports: dict[str, int] = Field(description="Port by transport.")
    websocket_url: str | None = Field(description="Where a browser phone connects.")
    realm: str
    codecs: list[str] = Field(description="Best first.")
    srtp: Srtp = Field(
        description="`optional`: speech is encrypted where the phone offers SDES over TLS; "
        "`required`: always (DTLS-SRTP)."
    )


def router(service: AgentService, guard: Guard) -> APIRouter:
    """`/agents…`: read by everybody who is logged in, phones by supervisors, kept by admins."""
    api = APIRouter(prefix="/agents", tags=["agents"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_agents(
        limit: Limit = 50,
        cursor: Cursor = None,
        team: Wanted = None,
        skill: Wanted = None,
        language: Wanted = None,
        queue: Wanted = None,
        department: Wanted = None,
        least_level: Annotated[
            int, Query(ge=LEAST_LEVEL, le=BEST_LEVEL, description="Of the skill or language.")
        ] = LEAST_LEVEL,
        _principal: Principal = Depends(guard.agent),
    ) -> Page[AgentReply]:
        """Who has all that is asked for."""
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        which = AgentFilter(
            team=team,
            skill=skill,
            language=language,
            queue=queue,
            department=department,
            least_level=least_level,
        )
        found = await service.list(after=after, limit=limit + 1, which=which)
        return Page(
            items=[_reply(agent) for agent in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].agent_id) if len(found) > limit else None,
        )

    @api.post("", status_code=201)
    async def add_agent(
        body: NewAgent, response: Response, admin: Principal = Depends(guard.admin)
    ) -> AgentWithSecret:
        made = await service.add(body.id, body.name, body.queues, body.edit(), by=admin.name)
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

    @api.put("/{agent_id}", responses={202: {"model": ChangedAgent}})
    async def change_agent(
        if_match: IfMatch,
        agent_id: AgentId,
        body: AgentChange,
        response: Response,
        admin: Principal = Depends(guard.admin),
    ) -> ChangedAgent:
        """202 with the reason in `detail` where Asterisk has not been seen to have it yet."""
        changed = await service.change(
            agent_id,
            body.edit(active=body.active),
            based_on=wanted_version(if_match),
            by=admin.name,
        )
        return _changed(response, changed)

    @api.put("/{agent_id}/queues", responses={202: {"model": ChangedAgent}})
    async def set_queues(
        if_match: IfMatch,
        agent_id: AgentId,
        body: AgentQueues,
        response: Response,
        supervisor: Principal = Depends(guard.supervisor),
    ) -> ChangedAgent:
        """The queues the agent's calls come from."""
        changed = await service.set_queues(
            agent_id, body.queues, based_on=wanted_version(if_match), by=supervisor.name
        )
        return _changed(response, changed)

    @api.delete("/{agent_id}")
    async def remove_agent(
        agent_id: AgentId, admin: Principal = Depends(guard.admin)
    ) -> RemovedReply:
        """A conversation that is going on is talked to its end."""
        outcome = await service.remove(agent_id, by=admin.name)
        return RemovedReply(id=agent_id, in_force=outcome.in_force, detail=outcome.detail)

    @api.get("/{agent_id}/phone")
    async def get_phone(
        agent_id: AgentId, principal: Principal = Depends(guard.agent)
    ) -> PhoneReply:
        """For supervisors, and for the agent whose phone it is."""
        return _phone(await service.phone(agent_id, asked_by=principal))

    @api.get("/{agent_id}/phone/linphone.xml", response_class=Response, responses=_XML_REPLY)
    async def get_linphone(
        agent_id: AgentId, principal: Principal = Depends(guard.agent)
    ) -> Response:
        """Provisioning for Linphone, without the secret: it asks for it when it registers."""
        phone = await service.phone(agent_id, asked_by=principal)
        return Response(linphone_xml(phone), media_type=_XML)

    @api.post(
        "/{agent_id}/phone/linphone.xml",
        response_class=Response,
        responses={
            **_XML_REPLY,
            202: _XML_REPLY[200] | {"description": "lpconfig.xsd; not in force yet"},
        },
    )
    async def make_linphone(agent_id: AgentId, admin: Principal = Depends(guard.admin)) -> Response:
        """A new secret, told this once as a provisioning file that holds its HA1 digest: whoever
        has the file has the phone. The old secret ends with this.
        """
        phone = await service.phone(agent_id, asked_by=admin)
        linphone_xml(phone)  # refused before the old secret ends
        made = await service.rotate_secret(agent_id, by=admin.name)
        response = Response(
            linphone_xml(phone, sip_digest(agent_id, made.secret)),
            status_code=200 if made.in_force else 202,
            media_type=_XML,
        )
        _told_once(response, made)
        return response

    @api.post("/{agent_id}/phone/secret")
    async def rotate_secret(
        agent_id: AgentId, response: Response, admin: Principal = Depends(guard.admin)
    ) -> SecretReply:
        """The old secret ends with this."""
        made = await service.rotate_secret(agent_id, by=admin.name)
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


def _changed(response: Response, changed: Changed) -> ChangedAgent:
    set_etag(response, changed.agent.version)
    if not changed.in_force:
        response.status_code = 202
    return ChangedAgent(
        **_reply(changed.agent).model_dump(), in_force=changed.in_force, detail=changed.detail
    )


def _reply(agent: Agent) -> AgentReply:
    return AgentReply(
        id=agent.agent_id,
        name=agent.name,
        active=agent.active,
        created_at=agent.created_at,
        queues=list(agent.queues),
        languages=dict(agent.languages),
        skills=dict(agent.skills),
        team=agent.team,
        departments=list(agent.departments),
        phone=agent.phone,
        user=agent.user,
        version=agent.version,
    )


def _phone(phone: Phone) -> PhoneReply:
    ports = phone.ports
    return PhoneReply(
        username=phone.username,
        kind=phone.kind,
        server=phone.address,
        host=phone.server.host,
        port=ports[phone.transport],
        transport=phone.transport,
        transports=list(ports),
        ports={str(way): port for way, port in ports.items()},
        websocket_url=phone.websocket_url,
        realm=phone.realm,
        codecs=list(phone.codecs),
        srtp=phone.srtp,
    )
