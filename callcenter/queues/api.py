"""REST: `/queues`."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
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
from callcenter.queues.service import QueueService


class QueueReply(Schema):
    name: str
    title: str
    strategy: str
    ring_seconds: int
    is_default: bool
    version: int


class MemberReply(Schema):
    agent_id: str
    penalty: int


class QueueWithMembers(QueueReply):
    members: list[MemberReply]


def router(service: QueueService, guard: Guard) -> APIRouter:
    """`/queues…`, for everybody who is logged in."""
    api = APIRouter(prefix="/queues", tags=["queues"], responses=PROBLEM_RESPONSES)

    @api.get("")
    async def list_queues(
        limit: Limit = 50, cursor: Cursor = None, _principal: Principal = Depends(guard.agent)
    ) -> Page[QueueReply]:
        after = decode_cursor(cursor, 1)[0] if cursor else ""
        found = await service.list(after=after, limit=limit + 1)
        return Page(
            items=[QueueReply.model_validate(queue) for queue in found[:limit]],
            next_cursor=encode_cursor(found[limit - 1].name) if len(found) > limit else None,
        )

    @api.get("/{name}")
    async def get_queue(
        name: str, response: Response, _principal: Principal = Depends(guard.agent)
    ) -> QueueWithMembers:
        queue, members = await service.get(name)
        set_etag(response, queue.version)
        return QueueWithMembers(
            **QueueReply.model_validate(queue).model_dump(),
            members=[MemberReply.model_validate(member) for member in members],
        )

    return api
