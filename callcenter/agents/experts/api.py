"""`/expert-groups` and `/expert-tasks`: whom agents hand citizens on to, and who is owed a call.

Anybody logged in reads and works tasks off; admins keep the groups.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.experts.model import (
    EXTENSION,
    LONGEST_PROMISE,
    LONGEST_RING_SECONDS,
    MOST_MEMBERS,
    MOST_NOTE,
    MOST_QUESTION,
    MOST_TITLE,
    SHORTEST_PROMISE,
    SHORTEST_RING_SECONDS,
    Group,
    Task,
    TaskOutcome,
    TaskState,
)
from callcenter.agents.experts.service import ExpertService
from callcenter.agents.model import AGENT_ID
from callcenter.platform.errors import Conflict
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    Flag,
    IfMatch,
    Limit,
    Page,
    Schema,
    a_moment,
    encode_cursor,
    position_of,
    set_etag,
    wanted_version,
)
from callcenter.switch.model import SwitchOutcome

_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
_MINUTE: Final = timedelta(minutes=1)
Name = Annotated[str, Field(pattern=_NAME)]
NameInPath = Annotated[str, InPath(pattern=_NAME)]


class Member(Schema):
    """Lower ranks ring first."""

    agent_id: Annotated[str, Field(pattern=f"^{AGENT_ID}$")]
    rank: Annotated[Whole, Field(ge=1, le=100)] = 1


class GroupFields(Schema):
    """`extension`: what agents dial, or transfer a citizen to."""

    title: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_TITLE})]
    extension: Annotated[str, Field(pattern=f"^{EXTENSION}$")]
    ring_seconds: Annotated[Whole, Field(ge=SHORTEST_RING_SECONDS, le=LONGEST_RING_SECONDS)] = 20
    only_on_duty: Flag = True
    answer_within_minutes: Annotated[
        Whole, Field(ge=SHORTEST_PROMISE // _MINUTE, le=LONGEST_PROMISE // _MINUTE)
    ] = 1440
    members: list[Member] = Field(default_factory=list, max_length=MOST_MEMBERS)


class NewGroup(GroupFields):
    name: Name


class GroupView(NewGroup):
    version: int


class GroupReply(GroupView):
    """`in_force`: agents reach the group by its extension."""

    in_force: bool
    detail: str | None


class Removed(Schema):
    in_force: bool
    detail: str | None


class NewTask(Schema):
    """A citizen whom the group is to call: about a call, a case, or both."""

    call_id: UUID | None = None
    case_number: Annotated[str | None, Field(pattern=r"^[0-9]{8,20}$")] = None
    question: Annotated[str, Field(json_schema_extra={"maxLength": MOST_QUESTION})] = ""


class FinishedTask(Schema):
    """Who did not reach the citizen says why."""

    outcome: TaskOutcome
    note: Annotated[str, Field(json_schema_extra={"maxLength": MOST_NOTE})] = ""


class TaskView(Schema):
    task_id: UUID
    group_name: str
    call_id: UUID | None
    case_number: str | None
    question: str
    made_at: datetime
    made_by: str
    due_at: datetime
    overdue: bool
    state: TaskState
    taken_by: str | None
    taken_at: datetime | None
    done_at: datetime | None
    done_by: str | None
    outcome: TaskOutcome | None
    note: str


def router(service: ExpertService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(responses=PROBLEM_RESPONSES)
    routes.include_router(_group_routes(service, guard))
    routes.include_router(_task_routes(service, guard))
    return routes


def _group_routes(service: ExpertService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/expert-groups", tags=["experts"])

    @routes.get("")
    async def list_groups(_who: Principal = Depends(guard.agent)) -> Page[GroupView]:
        return Page(items=[_view(group) for group in await service.groups()])

    @routes.post("", status_code=201)
    async def add_group(
        body: NewGroup, response: Response, _who: Principal = Depends(guard.admin)
    ) -> GroupReply:
        group, outcome = await service.add(_group(body.name, body))
        set_etag(response, group.version)
        return _reply(group, outcome)

    @routes.get("/{name}")
    async def read_group(
        name: NameInPath, response: Response, _who: Principal = Depends(guard.agent)
    ) -> GroupView:
        group = await service.group(name)
        set_etag(response, group.version)
        return _view(group)

    @routes.put("/{name}")
    async def change_group(
        name: NameInPath,
        body: GroupFields,
        response: Response,
        if_match: IfMatch,
        _who: Principal = Depends(guard.admin),
    ) -> GroupReply:
        group, outcome = await service.change(_group(name, body), version=wanted_version(if_match))
        set_etag(response, group.version)
        return _reply(group, outcome)

    @routes.delete("/{name}")
    async def remove_group(name: NameInPath, _who: Principal = Depends(guard.admin)) -> Removed:
        outcome = await service.remove(name)
        return Removed(in_force=outcome.in_force, detail=outcome.detail)

    @routes.post("/{name}/tasks", status_code=201)
    async def owe_an_answer(
        name: NameInPath, body: NewTask, who: Principal = Depends(guard.agent)
    ) -> TaskView:
        task = await service.owe(
            name,
            by=who.name,
            call_id=body.call_id,
            case_number=body.case_number,
            question=body.question,
        )
        if task is None:
            raise Conflict("The group owes this call an answer already.")
        return _task_view(task, service.now())

    return routes


def _task_routes(service: ExpertService, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/expert-tasks", tags=["experts"])

    @routes.get("")
    async def list_tasks(
        group: Annotated[str | None, Query(pattern=_NAME)] = None,
        state: TaskState | None = None,
        overdue: bool = False,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[TaskView]:
        found = await service.tasks(
            group=group,
            state=state,
            overdue=overdue,
            after=position_of(cursor, a_moment, UUID),
            limit=limit + 1,
        )
        last = found[limit - 1] if len(found) > limit else None
        now = service.now()
        return Page(
            items=[_task_view(task, now) for task in found[:limit]],
            next_cursor=encode_cursor(last.due_at.isoformat(), str(last.task_id)) if last else None,
        )

    @routes.get("/{task_id}")
    async def read_task(task_id: UUID, _who: Principal = Depends(guard.agent)) -> TaskView:
        return _task_view(await service.task(task_id), service.now())

    @routes.post("/{task_id}/take")
    async def take_task(task_id: UUID, who: Principal = Depends(guard.agent)) -> TaskView:
        return _task_view(await service.take(task_id, who=who.name), service.now())

    @routes.post("/{task_id}/done")
    async def finish_task(
        task_id: UUID, body: FinishedTask, who: Principal = Depends(guard.agent)
    ) -> TaskView:
        done = await service.finish(task_id, body.outcome, body.note, who=who.name)
        return _task_view(done, service.now())

    return routes


def _group(name: str, body: GroupFields) -> Group:
    return Group(
        name=name,
        title=body.title,
        extension=body.extension,
        ring_seconds=body.ring_seconds,
        only_on_duty=body.only_on_duty,
        answer_within=body.answer_within_minutes * _MINUTE,
        members=tuple((member.agent_id, member.rank) for member in body.members),
    )


def _view(group: Group) -> GroupView:
    return GroupView(
        name=group.name,
        title=group.title,
        extension=group.extension,
        ring_seconds=group.ring_seconds,
        only_on_duty=group.only_on_duty,
        answer_within_minutes=group.answer_within // _MINUTE,
        members=[Member(agent_id=agent_id, rank=rank) for agent_id, rank in group.members],
        version=group.version,
    )


def _reply(group: Group, outcome: SwitchOutcome) -> GroupReply:
    return GroupReply(**_view(group).model_dump(), in_force=outcome.in_force, detail=outcome.detail)


def _task_view(task: Task, now: datetime) -> TaskView:
    values = {name: getattr(task, name) for name in TaskView.model_fields if name != "overdue"}
    return TaskView(**values, overdue=task.is_overdue(now))
