"""`/ivr/flows/{name}/…`: simulations, replays, differences, figures, and flows as YAML.

Anybody logged in may look; supervisors may import a draft. Nothing here changes what callers hear.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.calls.model import LedBy, led_by
from callcenter.ivr.api import MAX_FLOW_BYTES, FlowName, VersionNumber
from callcenter.ivr.model import Flow
from callcenter.ivr.service import FlowService
from callcenter.ivr.spoken import Language
from callcenter.ivr.studio.service import DRAFT, StudioService
from callcenter.ivr.studio.simulation import Gone, SimulatedStep, exit_document
from callcenter.ivr.studio.text_form import from_yaml, to_yaml
from callcenter.platform.clock import Clock
from callcenter.platform.errors import InvalidField
from callcenter.platform.numbers import Whole
from callcenter.platform.web import (
    PROBLEM_RESPONSES,
    Flag,
    IfMatch,
    Moment,
    Schema,
    set_etag,
    wanted_version,
)

_HANG_UP: Final = "hangup"
_YAML: Final = "application/yaml"
#: Figures and replays look back so far where no `from` is given.
_USUAL: Final = timedelta(days=7)

WhichVersion = Annotated[Whole, Field(ge=1, le=1_000_000_000)] | Literal["draft"]
Keys = Annotated[str, Field(pattern=r"^([0-9*#]{1,20}|hangup)$")]
From = Annotated[Moment | None, Query(alias="from", description="Calls begun since then.")]
To = Annotated[Moment | None, Query(description="… and before; now where it is absent.")]
WhichQuery = Annotated[str, Query(pattern=r"^(draft|[1-9][0-9]{0,8})$")]


class SimulationWish(Schema):
    """A caller to be led through a version. `keys`: what is pressed at each question, in order;
    null waits for the time-out, `hangup` hangs up; who has none left presses nothing.
    """

    version: WhichVersion = "draft"
    keys: Annotated[list[Keys | None], Field(max_length=200)] = Field(default_factory=list)
    language: Language | None = None
    at: Moment | None = None
    caller_number: Annotated[str, Field(pattern=r"^[+]?[0-9]{2,20}$")] | None = None
    line: Annotated[str, Field(pattern=r"^[+]?[0-9]{2,15}$")] | None = None
    case_found: Flag = True


class SimulationStep(Schema):
    """A node the caller came to: what led there, what was heard, how long the caller stayed."""

    node: str
    flow: str
    version: int | None
    heard: str
    key: str | None
    led_by: LedBy
    about: str
    seconds: float


class Simulation(Schema):
    """What the phone would have done. `fault`: the version is broken there; a person helps."""

    path: list[SimulationStep]
    exit: dict[str, Any]
    seconds: float
    keys_left: int
    fault: bool


class ReplayWish(Schema):
    """Whose keys are tried: the youngest `limit` calls that heard this flow in that time."""

    version: WhichVersion = "draft"
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None
    limit: Annotated[Whole, Field(ge=1, le=2000)] = 500


class MoveView(Schema):
    """Calls that ended in `before` and would end in `after`; the first ones by id."""

    before: dict[str, Any]
    after: dict[str, Any]
    count: int
    calls: list[UUID]


class Replay(Schema):
    """`calls` = `same` + `moved` + `not_replayable` (digits were keyed, which are never stored; or
    a process was lost) + `unlike` (the library or the hours changed since).
    """

    calls: int
    same: int
    moved: int
    not_replayable: int
    unlike: int
    exits_before: dict[str, int]
    exits_after: dict[str, int]
    moves: list[MoveView]


class ChangeView(Schema):
    """A field that differs; null where it is not written."""

    before: Any
    after: Any


class ChangedNodeView(Schema):
    """A node of both versions and its fields that differ."""

    node: str
    fields: dict[str, ChangeView]


class DifferenceView(Schema):
    """Nodes added, removed and changed from one version to the other."""

    entry: ChangeView | None
    added: list[str]
    removed: list[str]
    changed: list[ChangedNodeView]


class NodeFiguresView(Schema):
    """One node. A visit is counted once however often its menu was said again. `left_by`: visits
    ended by each key; `hung_up`: callers who hung up there; `went_to_a_person`: calls that were
    queued at last, `reached_a_person`: that were answered.
    """

    node: str
    entered: int
    left_by: dict[str, int]
    timed_out: int
    went_on: int
    wrong_keys: int
    hung_up: int
    ended_here: int
    calls: int
    went_to_a_person: int
    reached_a_person: int
    seconds: float
    median_seconds: float


class Figures(Schema):
    """Figures of one version, by node, of ended calls begun in [`from`, `to`)."""

    version: int
    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    nodes: list[NodeFiguresView]


#: What the YAML is read as.
_FLOW: Final = {"$ref": "#/components/schemas/Flow"}
_YAML_REPLY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_YAML: {"schema": _FLOW}}, "description": "The flow as YAML"}
}
_YAML_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {_YAML: {"schema": _FLOW}}}
}


async def yaml_document(request: Request) -> object:
    """The body, read only as far as a flow may be long. Raises `InvalidField`, `BadYaml`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FLOW_BYTES:
            raise InvalidField("body", f"a flow has at most {MAX_FLOW_BYTES:,} bytes")
    try:
        return from_yaml(body.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise InvalidField("body", "must be YAML in UTF-8") from exc


def router(studio: StudioService, flows: FlowService, guard: Guard, clock: Clock) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    routes = APIRouter(prefix="/ivr/flows/{name}", tags=["ivr"], responses=PROBLEM_RESPONSES)

    @routes.post("/simulations")
    async def simulate(
        name: FlowName, body: SimulationWish, _who: Principal = Depends(guard.agent)
    ) -> Simulation:
        done = await studio.simulate(
            name,
            body.version,
            [Gone.HANG_UP if keys == _HANG_UP else keys for keys in body.keys],
            language=body.language,
            at=_sane(body.at, "at"),
            caller=body.caller_number,
            line=body.line,
            case_found=body.case_found,
        )
        return Simulation(
            path=[_step(step) for step in done.path],
            exit=dict(exit_document(done.exit)),
            seconds=round(done.seconds, 2),
            keys_left=done.presses_left,
            fault=done.is_fault,
        )

    @routes.post("/replays")
    async def replay(
        name: FlowName, body: ReplayWish, _who: Principal = Depends(guard.supervisor)
    ) -> Replay:
        begin, end = _stretch(body.from_, body.to, clock())
        done = await studio.replay(name, body.version, begin=begin, end=end, most=body.limit)
        return Replay.model_validate(done)

    @routes.get("/diff")
    async def diff(
        name: FlowName,
        before: Annotated[WhichQuery, Query(alias="from")],
        after: Annotated[WhichQuery, Query(alias="to")] = "draft",
        _who: Principal = Depends(guard.agent),
    ) -> DifferenceView:
        found = await studio.difference(name, _which(before), _which(after))
        return DifferenceView.model_validate(found)

    @routes.get("/versions/{version}/figures")
    async def figures(
        name: FlowName,
        version: VersionNumber,
        from_: From = None,
        to: To = None,
        _who: Principal = Depends(guard.agent),
    ) -> Figures:
        begin, end = _stretch(from_, to, clock())
        found = await studio.figures(name, version, begin=begin, end=end)
        nodes = [NodeFiguresView.model_validate(one) for one in found]
        return Figures.model_validate(
            {"version": version, "from": begin, "to": end, "nodes": nodes}
        )

    @routes.get("/draft/yaml", response_class=Response, responses=_YAML_REPLY)
    async def export_draft(name: FlowName, _who: Principal = Depends(guard.agent)) -> Response:
        draft = await flows.draft(name)
        reply = _as_yaml(await studio.flow(name, "draft"))
        set_etag(reply, draft.edit_version)
        return reply

    @routes.put(
        "/draft/yaml",
        response_model=Flow,
        response_model_exclude_unset=True,
        openapi_extra=_YAML_BODY,
    )
    async def import_draft(
        if_match: IfMatch,
        name: FlowName,
        response: Response,
        who: Principal = Depends(guard.supervisor),
        document: object = Depends(yaml_document),
    ) -> Any:
        based_on = wanted_version(if_match)
        draft = await flows.edit(name, document, based_on=based_on, by=who.name)
        set_etag(response, draft.edit_version)
        return draft.definition

    @routes.get("/versions/{version}/yaml", response_class=Response, responses=_YAML_REPLY)
    async def export_version(
        name: FlowName, version: VersionNumber, _who: Principal = Depends(guard.agent)
    ) -> Response:
        return _as_yaml(await studio.flow(name, version))

    return routes


def _as_yaml(flow: Flow) -> Response:
    return Response(to_yaml(flow), media_type=_YAML)


def _which(text: str) -> int | Literal["draft"]:
    return "draft" if text == "draft" else int(text)


def _step(step: SimulatedStep) -> SimulationStep:
    key, why = led_by(step.key)
    return SimulationStep(
        node=step.node,
        flow=step.flow,
        version=None if step.version == DRAFT else step.version,
        heard=" ".join(words for words in step.heard if words),
        key=key,
        led_by=why,
        about=step.about,
        seconds=round(step.seconds, 2),
    )


def _sane(moment: datetime | None, field: str) -> datetime | None:
    # Beyond these years a shift of the time zone leaves what can be computed.
    if moment is not None and not 1990 <= moment.year <= 2200:
        raise InvalidField(field, "a time between the years 1990 and 2200")
    return moment


def _stretch(
    begin: datetime | None, end: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    until = _sane(end, "to") or now
    return _sane(begin, "from") or until - _USUAL, until
