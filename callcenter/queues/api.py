"""`/queues`: where callers wait for a person. Anybody logged in reads, admins edit.

A reply says `in_force: true` only when Asterisk, asked, described the queue as it was wanted; 202
with the reason in `detail` otherwise: the change is kept, and tried again.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from pydantic import Field, StrictInt

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
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
from callcenter.queues.model import (
    HIGHEST_LEVEL,
    LANGUAGE,
    MOST_PENALTY,
    MOST_REQUIREMENTS,
    MOST_STEPS,
    MOST_TITLE,
    MOST_WAITING,
    MOST_WEIGHT,
    MOST_WRAPUP_SECONDS,
    MUSIC,
    NEW_NAME,
    NUMBER,
    RING_SECONDS,
    SAY_EVERY_SECONDS,
    SKILL,
    STRATEGIES,
    WAIT_SECONDS,
    Cause,
    Exit,
    ExitTo,
    Kind,
    Member,
    MissedCalls,
    Queue,
    QueueEdit,
    Relaxation,
    Requirement,
)
from callcenter.queues.service import Changed, QueueService

_NAME = r"^[a-z][a-z0-9_]{0,39}$"

# A name that no queue can have is the name of none: 404.
QueuePath = Annotated[str, InPath(json_schema_extra={"pattern": _NAME})]
QueueName = Annotated[str, Field(pattern=_NAME)]
AgentId = Annotated[str, Field(pattern=r"^[1-9][0-9]{2,5}$")]
Every = Annotated[StrictInt, Field(ge=SAY_EVERY_SECONDS[0], le=SAY_EVERY_SECONDS[1])]


class RelaxationView(Schema):
    """From this wait on, `level` is enough; 0: it is not asked any more."""

    after_seconds: Annotated[StrictInt, Field(ge=1, le=WAIT_SECONDS[1])]
    level: Annotated[StrictInt, Field(ge=0, le=HIGHEST_LEVEL - 1)]


class Asked(Schema):
    """What is asked of an agent, at a level of 1 to 5, and what is enough as the wait grows."""

    level: Annotated[StrictInt, Field(ge=1, le=HIGHEST_LEVEL)]
    relax: list[RelaxationView] = Field(default_factory=list, max_length=MOST_STEPS)

    def requirement(self, kind: Kind, name: str) -> Requirement:
        """Raises `InvalidField`."""
        steps = tuple(Relaxation(step.after_seconds, step.level) for step in self.relax)
        return Requirement(kind, name, self.level, steps)


class SkillAsked(Asked):
    skill: Annotated[str, Field(pattern=f"^{SKILL}$")]


class LanguageAsked(Asked):
    """Callers of this language wait for those who speak it well enough."""

    language: Annotated[str, Field(pattern=f"^{LANGUAGE}$")]


class ExitView(Schema):
    """Where a caller goes whom the queue gives up: `voicemail`, `callback`, another `queue`, or the
    `number` of another unit.
    """

    to: ExitTo
    queue: QueueName | None = None
    number: Annotated[str, Field(pattern=f"^{NUMBER}$")] | None = None

    def exit(self) -> Exit:
        """Raises `InvalidField`."""
        return Exit(self.to, self.queue, self.number)


class Exits(Schema):
    """One for each cause: as many wait as may, waited as long as may be, nobody is there."""

    full: ExitView = ExitView(to=ExitTo.VOICEMAIL)
    timeout: ExitView = ExitView(to=ExitTo.VOICEMAIL)
    no_agents: ExitView = ExitView(to=ExitTo.VOICEMAIL)


class QueueFields(Schema):
    """What may be edited of a queue.

    `max_wait_seconds` null: as the instance's settings say; `max_waiting` 0: any number. Queues of
    less `weight` wait for those of more; of equal weight, who has waited longest is served first.
    `comfort_prompt` is said every `comfort_seconds`, the caller's place every `announce_seconds`.
    `offers_callback`: where there is a trunk to dial by, who waits may press 1 to be called back
    and is told so; elsewhere neither. `missed_calls` null: as the instance's settings say.
    """

    title: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    strategy: Annotated[str, Field(json_schema_extra={"enum": list(STRATEGIES)})] = "rrmemory"
    ring_seconds: Annotated[StrictInt, Field(ge=RING_SECONDS[0], le=RING_SECONDS[1])] = 15
    max_wait_seconds: Annotated[StrictInt, Field(ge=WAIT_SECONDS[0], le=WAIT_SECONDS[1])] | None = (
        None
    )
    max_waiting: Annotated[StrictInt, Field(ge=0, le=MOST_WAITING)] = 0
    weight: Annotated[StrictInt, Field(ge=0, le=MOST_WEIGHT)] = 0
    wrapup_seconds: Annotated[StrictInt, Field(ge=0, le=MOST_WRAPUP_SECONDS)] = 0
    music: Annotated[str, Field(json_schema_extra={"enum": list(MUSIC)})] = "default"
    comfort_prompt: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] | None = None
    comfort_seconds: Every = 60
    announce_position: Flag = False
    announce_seconds: Every = 60
    offers_callback: Flag = True
    missed_calls: MissedCalls | None = None
    skills: list[SkillAsked] = Field(default_factory=list, max_length=MOST_REQUIREMENTS)
    languages: list[LanguageAsked] = Field(default_factory=list, max_length=MOST_REQUIREMENTS)
    exits: Exits = Exits()

    def edit(self) -> QueueEdit:
        """Raises `InvalidField`."""
        plain = self.model_dump(include=set(_PLAIN))
        return QueueEdit(
            **plain,
            skills=tuple(one.requirement(Kind.SKILL, one.skill) for one in self.skills),
            languages=tuple(one.requirement(Kind.LANGUAGE, one.language) for one in self.languages),
            exits={
                Cause.FULL: self.exits.full.exit(),
                Cause.TIMEOUT: self.exits.timeout.exit(),
                Cause.NO_AGENTS: self.exits.no_agents.exit(),
            },
        )


#: Fields that are the model's, name for name.
_PLAIN = frozenset(QueueFields.model_fields) - {"skills", "languages", "exits"}


class MemberReply(Schema):
    agent_id: str
    penalty: int


class NewMember(Schema):
    """Those of lower `penalty` are asked first."""

    agent_id: AgentId
    penalty: Annotated[StrictInt, Field(ge=0, le=MOST_PENALTY)] = 0

    def member(self) -> Member:
        return Member(agent_id=self.agent_id, penalty=self.penalty)


Members = Annotated[list[NewMember], Field(max_length=2000)]


class NewMembers(Schema):
    """These agents and no others."""

    members: Members


class NewQueue(QueueFields):
    """A queue to be made; its name stays."""

    name: Annotated[str, Field(pattern=f"^{NEW_NAME}$")]
    members: Members = Field(default_factory=list)


class QueueReply(QueueFields):
    """A queue; `in_force`: Asterisk was seen to work by this version."""

    name: str
    is_default: bool
    version: int
    in_force: bool


class QueueWithMembers(QueueReply):
    members: list[MemberReply]


class ChangedQueue(QueueWithMembers):
    """A queue after a change; `detail` says why it is not in force."""

    detail: str | None = None


class RemovedQueue(Schema):
    """A removed queue Asterisk may still have."""

    name: str
    in_force: bool
    detail: str | None


def router(service: QueueService, guard: Guard) -> APIRouter:
    """`/queues…`, below `/api/v1`."""
    api = APIRouter(prefix="/queues", tags=["queues"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_queues(
        limit: Limit = 50, cursor: Cursor = None, _principal: Principal = Depends(guard.agent)
    ) -> Page[QueueReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1)
        return Page(
            items=[QueueReply(**_fields(queue)) for queue in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.get("/{name}")
    async def get_queue(
        name: QueuePath, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> QueueWithMembers:
        queue, members = await service.get(name)
        set_etag(response, queue.version)
        return QueueWithMembers(
            **_fields(queue), members=[MemberReply.model_validate(member) for member in members]
        )

    @api.post("", status_code=201, responses={202: {"model": ChangedQueue}})
    async def make_queue(
        body: NewQueue, response: Response, _admin: Principal = Depends(guard.admin)
    ) -> ChangedQueue:
        members = [member.member() for member in body.members]
        return _reply(await service.add(body.name, body.edit(), members), response)

    @api.put("/{name}", responses={202: {"model": ChangedQueue}})
    async def change_queue(
        if_match: IfMatch,
        name: QueuePath,
        body: QueueFields,
        response: Response,
        _admin: Principal = Depends(guard.admin),
    ) -> ChangedQueue:
        based_on = wanted_version(if_match)
        return _reply(await service.change(name, body.edit(), based_on=based_on), response)

    @api.put("/{name}/members", responses={202: {"model": ChangedQueue}})
    async def set_members(
        if_match: IfMatch,
        name: QueuePath,
        body: NewMembers,
        response: Response,
        _admin: Principal = Depends(guard.admin),
    ) -> ChangedQueue:
        based_on = wanted_version(if_match)
        members = [member.member() for member in body.members]
        return _reply(await service.set_members(name, members, based_on=based_on), response)

    @api.post("/{name}/default", responses={202: {"model": ChangedQueue}})
    async def make_default(
        if_match: IfMatch,
        name: QueuePath,
        response: Response,
        _admin: Principal = Depends(guard.admin),
    ) -> ChangedQueue:
        """Whoever has no other queue comes here from now on."""
        based_on = wanted_version(if_match)
        return _reply(await service.make_default(name, based_on=based_on), response)

    @api.delete(
        "/{name}", status_code=204, response_model=None, responses={202: {"model": RemovedQueue}}
    )
    async def remove_queue(
        if_match: IfMatch,
        name: QueuePath,
        response: Response,
        _admin: Principal = Depends(guard.admin),
    ) -> RemovedQueue | Response:
        """409 while something uses it; the reply names what."""
        outcome = await service.remove(name, based_on=wanted_version(if_match))
        if outcome.in_force:
            return Response(status_code=204)
        response.status_code = 202
        return RemovedQueue(name=name, in_force=False, detail=outcome.detail)

    return api


def _reply(changed: Changed, response: Response) -> ChangedQueue:
    set_etag(response, changed.queue.version)
    if not changed.in_force:
        response.status_code = 202
    fields = _fields(changed.queue) | {"in_force": changed.in_force}
    return ChangedQueue(
        **fields,
        members=[MemberReply.model_validate(member) for member in changed.members],
        detail=changed.detail,
    )


def _fields(queue: Queue) -> dict[str, Any]:
    return {
        **{name: getattr(queue, name) for name in _PLAIN},
        "name": queue.name,
        "is_default": queue.is_default,
        "version": queue.version,
        "in_force": queue.in_force,
        "skills": [SkillAsked(skill=one.name, **_asked(one)) for one in queue.skills],
        "languages": [LanguageAsked(language=one.name, **_asked(one)) for one in queue.languages],
        "exits": Exits(
            **{cause.value: ExitView.model_validate(queue.exit(cause)) for cause in Cause}
        ),
    }


def _asked(requirement: Requirement) -> dict[str, Any]:
    steps = [RelaxationView.model_validate(step) for step in requirement.relax]
    return {"level": requirement.level, "relax": steps}
