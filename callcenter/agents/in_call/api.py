"""`/calls/{call_id}/…`: what an agent has done in a conversation.

By the agent in the call, or a supervisor. A reply says how the call is after the act; 409 tells
what is allowed now, 503 that nobody knows whether it was done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from pydantic import Field

from callcenter.access.guard import Guard
from callcenter.access.model import Principal
from callcenter.agents.directory.model import NUMBER
from callcenter.agents.in_call.model import (
    MOST_DIGITS,
    MOST_OFFICER,
    MOST_REASON,
    Act,
    CallNow,
    HeldBy,
    Purpose,
    Result,
    Target,
)
from callcenter.agents.in_call.service import InCallService
from callcenter.agents.model import AGENT_ID
from callcenter.platform.web import PROBLEM_RESPONSES, Flag, Schema

AgentId = Annotated[str, Field(pattern=f"^{AGENT_ID}$")]
DirectoryNumber = Annotated[str, Field(pattern=f"^{NUMBER}$")]
QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
PartyNumber = Annotated[int, InPath(ge=1, le=1000)]
# The model has these rules and their words: here they are only told.
Officer = Annotated[str, Field(json_schema_extra={"maxLength": MOST_OFFICER})]
Reason = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MOST_REASON})]
_KEYS: Final = {"pattern": f"^[0-9*#A-D]{{1,{MOST_DIGITS}}}$"}


class TransferTo(Schema):
    """Exactly one of the three; `number` is of the directory."""

    agent: AgentId | None = None
    queue: QueueName | None = None
    number: DirectoryNumber | None = None


class Transfer(Schema):
    """`blind`: the citizen goes there at once. `consulted`: hears music while the agent asks, until
    `/transfer/complete` or `/transfer/cancel`."""

    to: TransferTo
    kind: Literal["blind", "consulted"] = "blind"


class CallUnit(Schema):
    """A number of the directory, and who is to speak there."""

    number: DirectoryNumber
    officer_name: Officer = ""


class AddAgent(Schema):
    agent: AgentId


class Emergency(Schema):
    """The service sees the citizen's number. The agent leaves when it answers, unless `stays`."""

    service: Literal["110", "119", "120", "122"]
    stays: Flag = False


class Keys(Schema):
    digits: Annotated[str, Field(json_schema_extra=_KEYS)]


class Why(Schema):
    reason: Reason


class PartyOutcome(Schema):
    """What came of the conversation with another unit."""

    result: Result


class PartyView(Schema):
    """Somebody called in: rings from `began_at`, hears the others from `answered_at` on."""

    number: int
    purpose: Purpose
    agent: str | None
    directory: str | None
    name: str
    officer: str
    wanted_by: str
    wanted_at: datetime
    began_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    result: Result | None


class PauseView(Schema):
    """The recording holds silence; it goes on by itself at `until_at`."""

    began_at: datetime
    began_by: str
    reason: str
    until_at: datetime


class HoldView(Schema):
    """Somebody was held: the citizen by an `act`, or the others by an agent's `phone`."""

    by: HeldBy
    agent: str | None
    began_at: datetime
    ended_at: datetime | None


class InCallView(Schema):
    """A conversation: which acts it allows now, who is there, whether the citizen is put aside.

    `held_since` is of an act; `holds` are all spans, those by phones too.
    """

    call_id: UUID
    allowed: list[Act]
    agents: list[str]
    held_since: datetime | None
    holds: list[HoldView]
    parties: list[PartyView]
    recording_paused: PauseView | None


def _view(now: CallNow) -> InCallView:
    return InCallView(
        call_id=now.call_id,
        allowed=list(now.allowed()),
        agents=[leg.agent for leg in now.talking if leg.agent],
        held_since=now.held_since,
        holds=[HoldView.model_validate(hold) for hold in now.holds],
        parties=[
            PartyView.model_validate(
                {name: getattr(party, name) for name in PartyView.model_fields}
            )
            for party in now.parties
        ],
        recording_paused=None if now.pause is None else PauseView.model_validate(now.pause),
    )


def router(service: InCallService, guard: Guard) -> APIRouter:
    """The routes of this room, below `/api/v1`."""
    api = APIRouter(prefix="/calls/{call_id}", tags=["in a call"], responses=PROBLEM_RESPONSES)

    @api.get("/in-call")
    async def read(call_id: UUID, _who: Principal = Depends(guard.agent)) -> InCallView:
        return _view(await service.now(call_id))

    @api.post("/hold")
    async def hold(call_id: UUID, who: Principal = Depends(guard.agent)) -> InCallView:
        """The citizen hears music, for 10 minutes at most."""
        return _view(await service.hold(call_id, who=who))

    @api.post("/unhold")
    async def unhold(call_id: UUID, who: Principal = Depends(guard.agent)) -> InCallView:
        return _view(await service.unhold(call_id, who=who))

    @api.post("/transfer")
    async def transfer(
        call_id: UUID, body: Transfer, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        to = Target(agent=body.to.agent, queue=body.to.queue, number=body.to.number)
        act = service.transfer if body.kind == "blind" else service.consult
        return _view(await act(call_id, to, who=who))

    @api.post("/transfer/complete")
    async def complete(call_id: UUID, who: Principal = Depends(guard.agent)) -> InCallView:
        """The citizen goes to whom was asked, and the agent leaves."""
        return _view(await service.complete(call_id, who=who))

    @api.post("/transfer/cancel")
    async def cancel(call_id: UUID, who: Principal = Depends(guard.agent)) -> InCallView:
        """Whom was asked goes, and the citizen comes back."""
        return _view(await service.cancel(call_id, who=who))

    @api.post("/three-way")
    async def three_way(
        call_id: UUID, body: CallUnit, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        """Agent, citizen and an officer of a department talk; noted in the case."""
        return _view(await service.three_way(call_id, body.number, body.officer_name, who=who))

    @api.post("/conference")
    async def conference(
        call_id: UUID, body: AddAgent, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        """Another agent joins."""
        return _view(await service.conference(call_id, body.agent, who=who))

    @api.post("/call-out")
    async def call_out(
        call_id: UUID, body: CallUnit, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        """Another unit is called for the citizen and sees our number only; noted in the case."""
        return _view(await service.call_out(call_id, body.number, body.officer_name, who=who))

    @api.post("/emergency")
    async def emergency(
        call_id: UUID, body: Emergency, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        """An emergency service joins and sees the citizen's number; noted in the case."""
        return _view(await service.emergency(call_id, body.service, stays=body.stays, who=who))

    @api.post("/parties/{number}/release")
    async def release(
        call_id: UUID, number: PartyNumber, who: Principal = Depends(guard.agent)
    ) -> InCallView:
        """Who was called in goes."""
        return _view(await service.release(call_id, number, who=who))

    @api.post("/parties/{number}/result")
    async def result(
        call_id: UUID,
        number: PartyNumber,
        body: PartyOutcome,
        who: Principal = Depends(guard.agent),
    ) -> InCallView:
        """What came of it; noted in the case. Also after the call."""
        return _view(await service.result(call_id, number, body.result, who=who))

    @api.post("/dtmf")
    async def dtmf(call_id: UUID, body: Keys, who: Principal = Depends(guard.agent)) -> InCallView:
        """Keys for the other unit's machine, or the citizen's; not kept."""
        return _view(await service.dtmf(call_id, body.digits, who=who))

    @api.post("/recording/pause")
    async def pause(call_id: UUID, body: Why, who: Principal = Depends(guard.agent)) -> InCallView:
        """The recording holds silence from now on, so that its length stays true."""
        return _view(await service.pause(call_id, body.reason, who=who))

    @api.post("/recording/resume")
    async def resume(call_id: UUID, who: Principal = Depends(guard.agent)) -> InCallView:
        return _view(await service.resume(call_id, who=who))

    return api
