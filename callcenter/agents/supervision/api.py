"""`/agents/{id}/listen whisper join force-pause force-log-off force-ready`,
`/calls/{id}/take-over queue priority`, `/supervision/spying`. Supervisors only;
each act needs a reason and leaves an audit record.

A reply of 200 means that Asterisk was seen to do it. `pickup` `ringing`: the supervisor's phone was
called and not picked up yet; it rings for 20 s.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.model import AGENT_ID
from callcenter.agents.sessions.model import Record
from callcenter.agents.supervision.model import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    MOST_REASON,
    Pickup,
    Spying,
    SpyMode,
)
from callcenter.agents.supervision.service import Brought, Place, SupervisionService
from callcenter.platform.numbers import Whole
from callcenter.platform.web import PROBLEM_RESPONSES, Flag, Schema

# The model has these rules and their words: here they are only told.
_ID: Final = {"pattern": f"^{AGENT_ID}$"}
AgentId = Annotated[str, InPath(json_schema_extra=_ID)]
Phone = Annotated[
    str, Field(json_schema_extra=_ID, description="Id of the agent whose phone is called.")
]
Reason = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_REASON})]


class Named(Schema):
    """Which phone it is about, and why."""

    supervisor_phone: Phone
    reason: Reason


class Bring(Named):
    """Which phone is called, and why. `auto_answer`: it is asked to answer by itself, where it can;
    absent: where it is your own (the agent whose `user` you are). Anybody else's always rings."""

    auto_answer: Flag | None = None


class MoveTo(Schema):
    """Where the caller shall wait, and why."""

    queue: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")]
    reason: Reason


class NewPriority(Schema):
    """0: as all; 20 is served before everybody. And why."""

    priority: Annotated[Whole, Field(ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY)]
    reason: Reason


class Force(Schema):
    """Why."""

    reason: Reason


class ForcePause(Force):
    """`pause_reason`: one of `/pause-reasons` that a supervisor may give."""

    pause_reason: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")] = "forced"


class ForcedOut(Schema):
    """How the agent is: a pause or log-off that is wished for in a talk comes after it. `in_force`:
    Asterisk was seen to follow; what agents' states say (`/agents/{id}/state`) has the rest."""

    agent_id: str
    state: str
    logged_in: bool
    wanted_pause: str | None
    in_force: bool


class BroughtOut(Schema):
    """`call_id`: the call that is heard or taken; `spying_call_id`: the supervisor's own call."""

    call_id: UUID
    supervisor_phone: str
    pickup: Pickup
    mode: SpyMode | None = None
    spying_call_id: UUID | None = None


class StoppedOut(Schema):
    """The supervisor's phone hears the agent no more."""

    supervisor_phone: str
    agent: str


class PlaceOut(Schema):
    """Where the caller waits now, by Asterisk's word."""

    call_id: UUID
    queue: str
    position: int
    priority: int


class SpyingOut(Schema):
    """Who hears whom. `wanted_by` is the user; null where only the journal knows of it."""

    spying_call_id: UUID
    supervisor_phone: str
    agent: str
    call_id: UUID
    mode: SpyMode
    since: datetime
    wanted_by: str | None
    reason: str | None


class SpyingList(Schema):
    items: list[SpyingOut]


def router(service: SupervisionService, guard: Guard) -> APIRouter:
    """The routes of this room."""
    routes = APIRouter(tags=["supervision"], responses=PROBLEM_RESPONSES)

    async def spy(agent: str, body: Bring, mode: SpyMode, who: Principal) -> BroughtOut:
        done = await service.spy(
            agent,
            body.supervisor_phone,
            mode,
            body.reason,
            by=who,
            auto_answer=body.auto_answer,
        )
        return _brought(done, mode)

    @routes.post("/agents/{agent_id}/listen")
    async def listen(
        agent_id: AgentId, body: Bring, who: Principal = Depends(guard.supervisor)
    ) -> BroughtOut:
        """The phone is called and hears the agent's conversation; nobody hears it."""
        return await spy(agent_id, body, SpyMode.LISTEN, who)

    @routes.post("/agents/{agent_id}/whisper")
    async def whisper(
        agent_id: AgentId, body: Bring, who: Principal = Depends(guard.supervisor)
    ) -> BroughtOut:
        """As listen; the agent hears the supervisor, the citizen does not."""
        return await spy(agent_id, body, SpyMode.WHISPER, who)

    @routes.post("/agents/{agent_id}/join")
    async def join(
        agent_id: AgentId, body: Bring, who: Principal = Depends(guard.supervisor)
    ) -> BroughtOut:
        """As listen; agent and citizen hear the supervisor."""
        return await spy(agent_id, body, SpyMode.JOIN, who)

    @routes.post("/agents/{agent_id}/listen/stop")
    async def stop(
        agent_id: AgentId, body: Named, who: Principal = Depends(guard.supervisor)
    ) -> StoppedOut:
        """Hang up the supervisor's phone, in whichever mode it hears this agent."""
        await service.stop_spying(agent_id, body.supervisor_phone, body.reason, by=who.name)
        return StoppedOut(supervisor_phone=body.supervisor_phone, agent=agent_id)

    @routes.post("/agents/{agent_id}/force-pause")
    async def force_pause(
        agent_id: AgentId, body: ForcePause, who: Principal = Depends(guard.supervisor)
    ) -> ForcedOut:
        """No more calls for this agent until somebody ends the pause; a talk goes on."""
        return _forced(
            await service.force(
                agent_id, "paused", body.reason, by=who, pause_reason=body.pause_reason
            )
        )

    @routes.post("/agents/{agent_id}/force-log-off")
    async def force_log_off(
        agent_id: AgentId, body: Force, who: Principal = Depends(guard.supervisor)
    ) -> ForcedOut:
        """The agent takes no calls until logged in again; a talk goes on."""
        return _forced(await service.force(agent_id, "offline", body.reason, by=who))

    @routes.post("/agents/{agent_id}/force-ready")
    async def force_ready(
        agent_id: AgentId, body: Force, who: Principal = Depends(guard.supervisor)
    ) -> ForcedOut:
        """Ends a pause, or logs the agent in."""
        return _forced(await service.force(agent_id, "ready", body.reason, by=who))

    @routes.get("/supervision/spying")
    async def spying(_who: Principal = Depends(guard.supervisor)) -> SpyingList:
        """Who hears whom now, longest first."""
        return SpyingList(items=[_spying(one) for one in await service.spying()])

    @routes.post("/calls/{call_id}/take-over")
    async def take_over(
        call_id: UUID, body: Bring, who: Principal = Depends(guard.supervisor)
    ) -> BroughtOut:
        """The caller, who waits or talks, is brought to the phone; the agent is released. Nobody
        picks up in 20 s: back to the head of the queue."""
        done = await service.take_over(
            call_id, body.supervisor_phone, body.reason, by=who, auto_answer=body.auto_answer
        )
        return _brought(done, None)

    @routes.post("/calls/{call_id}/queue")
    async def move(
        call_id: UUID, body: MoveTo, who: Principal = Depends(guard.supervisor)
    ) -> PlaceOut:
        """A waiting caller waits in another queue from now on, before who came later."""
        return _place(await service.move(call_id, body.queue, body.reason, by=who.name))

    @routes.post("/calls/{call_id}/priority")
    async def prioritise(
        call_id: UUID, body: NewPriority, who: Principal = Depends(guard.supervisor)
    ) -> PlaceOut:
        """A waiting caller comes before all who have less, behind those who have as much."""
        return _place(await service.prioritise(call_id, body.priority, body.reason, by=who.name))

    return routes


def _forced(record: Record) -> ForcedOut:
    return ForcedOut(
        agent_id=record.session.agent_id,
        state=record.state.value,
        logged_in=record.session.logged_in,
        wanted_pause=record.session.paused_for,
        in_force=record.in_force,
    )


def _brought(done: Brought, mode: SpyMode | None) -> BroughtOut:
    return BroughtOut(
        call_id=done.call_id,
        supervisor_phone=done.phone,
        pickup=done.pickup,
        mode=mode,
        spying_call_id=done.spying_call,
    )


def _place(place: Place) -> PlaceOut:
    return PlaceOut(
        call_id=place.call_id,
        queue=place.queue,
        position=place.position,
        priority=place.priority,
    )


def _spying(one: Spying) -> SpyingOut:
    return SpyingOut(
        spying_call_id=one.spying_call,
        supervisor_phone=one.phone,
        agent=one.agent,
        call_id=one.spied_call,
        mode=one.mode,
        since=one.since,
        wanted_by=one.wanted_by,
        reason=one.reason,
    )
