"""`/ivr/flows`: drafts, their check, versions, and which of them callers hear.

A draft is read and written as the flow itself, `{"entry": …, "nodes": …}`; its ETag is in the
header. Anybody logged in reads, supervisors edit drafts, admins decide what callers hear.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.ivr.check import Code, Severity
from callcenter.ivr.model import Flow, InvalidFlow
from callcenter.ivr.service import FlowService
from callcenter.ivr.spoken import Title
from callcenter.ivr.store import FlowRow, VersionRow
from callcenter.platform.errors import InvalidField
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Cursor,
    IfMatch,
    Limit,
    Page,
    Schema,
    decode_cursor,
    encode_cursor,
    number_of,
    set_etag,
    wanted_version,
)

#: Bytes of a flow's document; 500 nodes of the usual size are a tenth of it.
MAX_FLOW_BYTES: Final = 2_000_000

FlowName = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
VersionNumber = Annotated[int, InPath(ge=1, le=1_000_000_000)]


class NewFlow(Schema):
    """A flow to be created."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    title: Title


class FlowView(Schema):
    """A flow by name. `active_version`: what callers hear; null: never published."""

    name: str
    title: str
    active_version: int | None
    draft_version: int
    draft_edited_at: datetime | None
    draft_edited_by: str | None
    created_at: datetime


class FindingView(Schema):
    """Something about a flow; `node` is null where it concerns the whole. Errors block publishing,
    `info` is a figure or a remark.
    """

    severity: Severity
    code: Code
    node: str | None
    message: str


class SecondsView(Schema):
    """Seconds until a call is a person's: by the best keys (menus heard out), by silence, and at
    most, with all that can be heard once. Null: nobody gets to a person so.
    """

    shortest: float | None
    by_silence: float | None
    longest: float | None


class Findings(Schema):
    """All of them, in the order of the document."""

    findings: list[FindingView]
    seconds: SecondsView
    checked_at: datetime


class Publication(Schema):
    """Why there is a new version."""

    comment: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""


class VersionView(Schema):
    """An immutable version."""

    version: int
    comment: str
    published_at: datetime
    published_by: str


class VersionInForce(VersionView):
    """`in_force`: the next caller hears it."""

    in_force: bool


class WholeVersion(VersionView):
    """A version with its definition."""

    definition: Flow


class Active(Schema):
    """The version callers are to hear, and why."""

    version: Annotated[Whole, Field(ge=1, le=1_000_000_000)]
    comment: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""


class ActivationView(Schema):
    """From `at` on callers heard `version` instead of `replaced`."""

    version: int
    replaced: int | None
    at: datetime
    by: str
    why: str


class ActiveVersion(Schema):
    """The version callers hear; null: none was published."""

    version: int | None


class Activated(Schema):
    """`in_force`: the next caller hears it."""

    version: int
    in_force: bool


async def flow_document(request: Request) -> object:
    """The body, read only as far as a flow may be long. Raises `InvalidField`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FLOW_BYTES:
            raise InvalidField("body", f"a flow has at most {MAX_FLOW_BYTES:,} bytes")
    try:
        document: object = json.loads(bytes(body), object_pairs_hook=_no_key_twice)
    except RecursionError as exc:
        raise InvalidField("body", "nested too deep") from exc
    except ValueError as exc:
        raise InvalidField("body", "must be JSON in UTF-8") from exc
    return document


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidFlow([(key[:100], "stands twice in the same object")])
        found[key] = value
    return found


#: The body is read by hand, for its size: OpenAPI is told of it here.
_FLOW_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Flow"}}},
    }
}


def router(service: FlowService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/ivr/flows", tags=["ivr"], responses=PROBLEM_RESPONSES)

    @routes.get("")
    async def list_flows(
        limit: Limit = 100, cursor: Cursor = None, _who: Principal = Depends(guard.agent)
    ) -> Page[FlowView]:
        after = decode_cursor(cursor, 1)[0] if cursor else None
        rows = await service.flows(after, limit + 1)
        return Page(
            items=[_flow_view(row) for row in rows[:limit]],
            next_cursor=encode_cursor(rows[limit - 1].name) if len(rows) > limit else None,
        )

    @routes.post("", status_code=201)
    async def create_flow(body: NewFlow, _who: Principal = Depends(guard.supervisor)) -> FlowView:
        return _flow_view(await service.create(body.name, body.title))

    @routes.get("/{name}")
    async def read_flow(name: FlowName, _who: Principal = Depends(guard.agent)) -> FlowView:
        return _flow_view(await service.flow(name))

    @routes.get("/{name}/draft", response_model=Flow, response_model_exclude_unset=True)
    async def read_draft(
        name: FlowName, response: Response, _who: Principal = Depends(guard.agent)
    ) -> Any:
        draft = await service.draft(name)
        set_etag(response, draft.edit_version)
        return draft.definition

    @routes.put(
        "/{name}/draft",
        response_model=Flow,
        response_model_exclude_unset=True,
        openapi_extra=_FLOW_BODY,
    )
    async def write_draft(
        if_match: IfMatch,
        name: FlowName,
        response: Response,
        who: Principal = Depends(guard.supervisor),
        document: object = Depends(flow_document),
    ) -> Any:
        based_on = wanted_version(if_match)
        draft = await service.edit(name, document, based_on=based_on, by=who.name)
        set_etag(response, draft.edit_version)
        return draft.definition

    @routes.post("/{name}/draft/check")
    async def check_draft(name: FlowName, _who: Principal = Depends(guard.agent)) -> Findings:
        found = await service.check_draft(name)
        return Findings.model_validate(found)

    @routes.post("/{name}/versions", status_code=201)
    async def publish(
        name: FlowName, body: Publication, who: Principal = Depends(guard.admin)
    ) -> VersionInForce:
        done = await service.publish(name, comment=body.comment, by=who.name)
        return VersionInForce(**_version_fields(done.version), in_force=done.in_force)

    @routes.get("/{name}/versions")
    async def list_versions(
        name: FlowName,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[VersionView]:
        rows = await service.versions(name, number_of(cursor), limit + 1)
        return Page(
            items=[VersionView(**_version_fields(row)) for row in rows[:limit]],
            next_cursor=encode_cursor(str(rows[limit - 1].version)) if len(rows) > limit else None,
        )

    @routes.get(
        "/{name}/versions/{version}", response_model=WholeVersion, response_model_exclude_unset=True
    )
    async def read_version(
        name: FlowName, version: VersionNumber, _who: Principal = Depends(guard.agent)
    ) -> Any:
        row = await service.version(name, version)
        return {**_version_fields(row), "definition": row.definition}

    @routes.get("/{name}/active")
    async def read_active(name: FlowName, _who: Principal = Depends(guard.agent)) -> ActiveVersion:
        return ActiveVersion(version=(await service.flow(name)).active_version)

    @routes.put("/{name}/active")
    async def activate(
        name: FlowName, body: Active, who: Principal = Depends(guard.admin)
    ) -> Activated:
        done = await service.activate(name, body.version, by=who.name, why=body.comment)
        return Activated(version=done.version.version, in_force=done.in_force)

    @routes.get("/{name}/activations")
    async def list_activations(
        name: FlowName,
        limit: Limit = 100,
        cursor: Cursor = None,
        _who: Principal = Depends(guard.agent),
    ) -> Page[ActivationView]:
        rows = await service.activations(name, number_of(cursor), limit + 1)
        more = encode_cursor(str(rows[limit - 1].activation_id)) if len(rows) > limit else None
        items = [
            ActivationView(
                version=row.version, replaced=row.replaced, at=row.at, by=row.by, why=row.why
            )
            for row in rows[:limit]
        ]
        return Page(items=items, next_cursor=more)

    return routes


def _flow_view(row: FlowRow) -> FlowView:
    return FlowView.model_validate(row)


def _version_fields(row: VersionRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "comment": row.comment,
        "published_at": row.published_at,
        "published_by": row.published_by,
    }
