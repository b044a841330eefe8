"""What an agent has done in a conversation: allowed by the rows, done once by the node, and told
back as the journal tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import phonenumbers
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.access.model import Principal, Role
from callcenter.agents.directory import store as directory
from callcenter.agents.directory.model import Entry
from callcenter.agents.in_call import store
from callcenter.agents.in_call.model import (
    Act,
    CallNow,
    LegNow,
    NoSuchParty,
    NotInThisCall,
    NotNow,
    NotReachable,
    NoTrunk,
    Party,
    Purpose,
    Result,
    Target,
    checked_digits,
    checked_officer,
    checked_reason,
    must_be_emergency,
)
from callcenter.calls.in_call import uniqueid_of_party
from callcenter.cases.model import NoSuchCall
from callcenter.cases.service import CaseService
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import Unavailable
from callcenter.switch.acts import ActOrders, ActRefused

#: How long a reply waits for the journal to tell what the node saw.
_TOLD_WITHIN: Final = timedelta(seconds=2)
_LOOK_EVERY_SECONDS: Final = 0.05
#: Agents of a queue who are tried, one after the other, where each gets a call in that moment.
_MOST_ASKED: Final = 3

#: Makes the arguments of an act, in its transaction; may write rows that belong to it.
_Arguments = Callable[[AsyncConnection, CallNow, LegNow], Awaitable[dict[str, Any]]]


async def _nothing_more(_c: AsyncConnection, _now: CallNow, _leg: LegNow) -> dict[str, Any]:
    return {}


class InCallService:
    """Acts in a call. `who` must be the agent in it, or a supervisor.

    Every act raises `NoSuchCall`, `NotInThisCall`, `NotNow` (with what is allowed), and as
    `ActOrders.wait`: `ActRefused` where Asterisk did not do it, `ActUnknown` where nobody can tell.
    It returns the call as the journal tells it after the act.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        acts: ActOrders,
        cases: CaseService,
        *,
        has_trunk: bool,
        region: str,
        pause_limit: timedelta,
        default_language: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._acts = acts
        self._cases = cases
        self._has_trunk = has_trunk
        self._region = region
        self._pause_limit = pause_limit
        self._default_language = default_language

    async def now(self, call_id: UUID) -> CallNow:
        """Raises `NoSuchCall`."""
        async with self._database.transaction() as connection:
            now = await store.call_now(connection, call_id)
        if now is None:
            raise NoSuchCall
        return now

    async def hold(self, call_id: UUID, *, who: Principal) -> CallNow:
        """The citizen hears music."""
        await self._do(call_id, Act.HOLD, who)
        return await self._told(call_id, lambda now: now.held_since is not None)

    async def unhold(self, call_id: UUID, *, who: Principal) -> CallNow:
        await self._do(call_id, Act.UNHOLD, who)
        return await self._told(call_id, lambda now: now.held_since is None)

    async def transfer(self, call_id: UUID, to: Target, *, who: Principal) -> CallNow:
        """The citizen goes there, unannounced. Raises `NotReachable`, `NoTrunk` too."""

        async def arguments(
            connection: AsyncConnection, now: CallNow, leg: LegNow
        ) -> dict[str, Any]:
            await self._must_be_reachable(connection, now, to)
            return {"to": to.exten}

        await self._do(call_id, Act.TRANSFER, who, arguments)
        return await self.now(call_id)

    async def consult(self, call_id: UUID, to: Target, *, who: Principal) -> CallNow:
        """The citizen hears music while the agent asks; `complete` or `cancel` ends it. Of a queue
        a ready agent is asked, of the same level the one who is ready longest.

        Raises `NotReachable`, `NoTrunk` too.
        """
        if to.queue is None:
            return await self._call_in(call_id, Act.TRANSFER, Purpose.CONSULTATION, to, who=who)
        refused: ActRefused | NotReachable = NotReachable(
            f"Nobody of queue {to.queue} is free now: nobody can be asked."
        )
        for agent_id in await self._ready_in(call_id, to, who):
            asked = Target(agent=agent_id)
            try:
                return await self._call_in(
                    call_id, Act.TRANSFER, Purpose.CONSULTATION, asked, who=who
                )
            except ActRefused as exc:
                refused = exc  # a call came to them first: the next one
        raise refused

    async def _ready_in(self, call_id: UUID, to: Target, who: Principal) -> Sequence[str]:
        """Whom of a queue `who` may ask now, who is to be asked first ahead."""
        assert to.queue is not None
        async with self._database.transaction() as connection:
            now = await store.call_now(connection, call_id)
            if now is None:
                raise NoSuchCall
            await self._leg_of(connection, now, Act.TRANSFER, who)
            now.must_allow(Act.TRANSFER)
            await self._must_be_reachable(connection, now, to)
            ready = await store.ready_in(
                connection,
                to.queue,
                now.language,
                default_language=self._default_language,
                now=self._clock(),
            )
        return [agent_id for agent_id in ready if now.leg_of(agent_id) is None][:_MOST_ASKED]

    async def complete(self, call_id: UUID, *, who: Principal) -> CallNow:
        """The citizen goes to whom was asked, and the agent leaves."""
        await self._do(call_id, Act.COMPLETE, who)
        return await self._told(call_id, lambda now: now.held_since is None)

    async def cancel(self, call_id: UUID, *, who: Principal) -> CallNow:
        """Whom was asked goes, and the citizen comes back."""

        async def arguments(
            _connection: AsyncConnection, now: CallNow, _leg: LegNow
        ) -> dict[str, Any]:
            asked = now.consultation
            assert asked is not None, "only a consultation can be cancelled"
            return {"leg": asked.uniqueid}

        await self._do(call_id, Act.CANCEL, who, arguments)
        return await self._told(
            call_id, lambda now: now.held_since is None and now.consultation is None
        )

    async def three_way(
        self, call_id: UUID, number: str, officer: str, *, who: Principal
    ) -> CallNow:
        """Agent, citizen and an officer of a department. Raises `NotReachable`, `NoTrunk` too."""
        to = Target(number=number)
        return await self._call_in(
            call_id, Act.THREE_WAY, Purpose.THREE_WAY, to, who=who, officer=officer
        )

    async def conference(self, call_id: UUID, agent: str, *, who: Principal) -> CallNow:
        """Another agent joins. Raises `NotReachable` too."""
        to = Target(agent=agent)
        return await self._call_in(call_id, Act.CONFERENCE, Purpose.CONFERENCE, to, who=who)

    async def call_out(
        self, call_id: UUID, number: str, officer: str, *, who: Principal
    ) -> CallNow:
        """Another unit is called for the citizen and does not see the citizen's number.

        Raises `NotReachable`, `NoTrunk` too.
        """
        to = Target(number=number)
        return await self._call_in(
            call_id, Act.CALL_OUT, Purpose.CALL_OUT, to, who=who, officer=officer
        )

    async def emergency(
        self, call_id: UUID, service: str, *, stays: bool, who: Principal
    ) -> CallNow:
        """An emergency service joins and sees the citizen's number; the agent goes when it
        answers, unless he `stays`. Raises `NotReachable`, `NoTrunk` too."""
        to = Target(number=service)
        return await self._call_in(
            call_id, Act.EMERGENCY, Purpose.EMERGENCY, to, who=who, releases=not stays
        )

    async def release(self, call_id: UUID, number: int, *, who: Principal) -> CallNow:
        """Who was called in goes. Raises `NoSuchParty` too."""

        async def arguments(
            _connection: AsyncConnection, now: CallNow, _leg: LegNow
        ) -> dict[str, Any]:
            return {"leg": _party(now, number, is_there=True).uniqueid}

        await self._do(call_id, Act.RELEASE, who, arguments)
        return await self._told(
            call_id, lambda now: all(party.number != number for party in now.called_in)
        )

    async def result(
        self, call_id: UUID, number: int, result: Result, *, who: Principal
    ) -> CallNow:
        """What came of the conversation with another unit; noted in the case, also afterwards.

        Raises `NoSuchParty`, `NotInThisCall`.
        """
        async with self._database.transaction() as connection:
            now = await store.call_now(connection, call_id, for_update=True)
            if now is None:
                raise NoSuchCall
            party = _party(now, number)
            mine = party.wanted_by == who.name
            if not mine and not who.reaches(Role.SUPERVISOR):
                raise NotInThisCall(
                    "Only who called them in, or a supervisor, says what came of it."
                )
            await store.set_result(connection, call_id, number, result, who.name)
            await self._cases.note_for_call(
                connection,
                call_id,
                f"{party.name} {party.officer}".strip() + f": {_RESULTS[result]}",
                title="来电 Call",
                by=who.name,
                at=self._clock(),
            )
        return await self.now(call_id)

    async def dtmf(self, call_id: UUID, digits: str, *, who: Principal) -> CallNow:
        """Keys for the machine of another unit, where one is there, else for the citizen."""
        checked_digits(digits)

        async def arguments(
            _connection: AsyncConnection, now: CallNow, _leg: LegNow
        ) -> dict[str, Any]:
            outside = [party for party in now.called_in if not party.agent and party.answered_at]
            far = outside[-1].uniqueid if outside else now.citizen.uniqueid
            return {"far": far, "digits": digits}

        await self._do(call_id, Act.DTMF, who, arguments, forget_digits=True)
        return await self.now(call_id)

    async def pause(self, call_id: UUID, reason: str, *, who: Principal) -> CallNow:
        """The recording holds silence from now on."""
        reason = checked_reason(reason)

        async def arguments(
            _connection: AsyncConnection, _now: CallNow, _leg: LegNow
        ) -> dict[str, Any]:
            return {"reason": reason, "limit_seconds": int(self._pause_limit.total_seconds())}

        await self._do(call_id, Act.PAUSE, who, arguments)
        return await self.now(call_id)

    async def resume(self, call_id: UUID, *, who: Principal) -> CallNow:
        await self._do(call_id, Act.RESUME, who)
        return await self.now(call_id)

    async def _call_in(
        self,
        call_id: UUID,
        act: Act,
        purpose: Purpose,
        to: Target,
        *,
        who: Principal,
        officer: str = "",
        releases: bool = False,
    ) -> CallNow:
        officer = checked_officer(officer)
        numbers: list[int] = []

        async def arguments(
            connection: AsyncConnection, now: CallNow, leg: LegNow
        ) -> dict[str, Any]:
            entry = await self._must_be_reachable(connection, now, to)
            if purpose is Purpose.EMERGENCY:
                assert entry is not None, "an emergency service is a number"
                must_be_emergency(entry)
            number = len(now.parties) + 1
            numbers.append(number)
            uniqueid = uniqueid_of_party(call_id, number)
            row = {
                "call_id": call_id,
                "number": number,
                "uniqueid": uniqueid,
                "purpose": purpose.value,
                "agent": to.agent,
                "directory": to.number,
                "name": entry.name if entry else f"坐席 Agent {to.agent}",
                "officer": officer,
                "releases": leg.uniqueid if releases else None,
                "wanted_by": who.name,
                "wanted_at": self._clock(),
            }
            await store.add_party(connection, row)
            shown = self._national(now.caller_number) if purpose is Purpose.EMERGENCY else None
            return {
                "leg": uniqueid,
                "held": purpose is Purpose.CONSULTATION,
                "endpoint": to.agent,
                "dialled": entry.number_dialled if entry else None,
                # What the other side sees: our line, or in an emergency the citizen.
                "caller_id": (leg.agent or "") if to.agent else (shown or now.line or ""),
                "hidden": purpose is Purpose.CALL_OUT,
                "asserted": shown,
            }

        try:
            await self._do(call_id, act, who, arguments)
        except Unavailable:
            raise
        except Exception:
            # It was certainly not done: nobody was called.
            if numbers:
                async with self._database.transaction() as connection:
                    at = self._clock()
                    await store.party_not_called(connection, call_id, numbers[0], at)
            raise
        return await self._told(
            call_id,
            lambda now: any(p.number == numbers[0] and p.began_at for p in now.parties),
        )

    async def _do(
        self,
        call_id: UUID,
        act: Act,
        who: Principal,
        arguments: _Arguments = _nothing_more,
        *,
        forget_digits: bool = False,
    ) -> dict[str, Any]:
        async with self._database.transaction() as connection:
            now = await store.call_now(connection, call_id, for_update=True)
            if now is None:
                raise NoSuchCall
            leg = await self._leg_of(connection, now, act, who)
            now.must_allow(act)
            said = {
                "call_id": str(call_id),
                "citizen": now.citizen.uniqueid,
                "agent": leg.uniqueid,
                "agent_id": leg.agent,
                **await arguments(connection, now, leg),
            }
            act_id = await self._acts.order(connection, f"in_call.{act}", said, by=who.name)
            await audit.record(
                connection,
                who=who.name,
                act=f"in_call.{act}",
                subject=f"call/{call_id}",
                reason=str(said.get("reason", "")),
                at=self._clock(),
                detail={
                    "act_id": act_id,
                    **{name: said[name] for name in ("to", "leg", "dialled") if name in said},
                },
            )
        try:
            return await self._acts.wait(act_id)
        finally:
            if forget_digits:
                async with self._database.transaction() as connection:
                    await store.forget_digits(connection, act_id)

    async def _leg_of(
        self, connection: AsyncConnection, now: CallNow, act: Act, who: Principal
    ) -> LegNow:
        """The leg of the agent who acts; of a supervisor, who acts for the call's agent."""
        mine = await store.agent_of_user(connection, who)
        leg = now.leg_of(mine) if mine else None
        if leg is None and not who.reaches(Role.SUPERVISOR):
            raise NotInThisCall
        leg = leg or next(iter(now.talking), None)
        if leg is None:
            raise NotNow(act, now.allowed())
        return leg

    async def _must_be_reachable(
        self, connection: AsyncConnection, now: CallNow, to: Target
    ) -> Entry | None:
        """The number's entry in the directory. Raises `NotReachable`, `NoTrunk`."""
        if to.agent is not None:
            if not await store.agent_is_there(connection, to.agent):
                raise NotReachable(f"There is no agent {to.agent}.")
            if now.leg_of(to.agent) is not None:
                raise NotReachable(f"Agent {to.agent} is in this call.")
        if to.queue is not None and not await store.queue_is_there(connection, to.queue):
            raise NotReachable(f"There is no queue {to.queue}.")
        if to.number is None:
            return None
        entry = await directory.entry_of(connection, to.number)
        if entry is None or not entry.active:
            raise NotReachable(f"{to.number} is not in the directory (GET /api/v1/directory).")
        if not self._has_trunk:
            raise NoTrunk
        return entry

    def _national(self, number: str | None) -> str | None:
        """A citizen's number as it is dialled here."""
        if number is None:
            return None
        try:
            parsed = phonenumbers.parse(number, self._region)
        except phonenumbers.NumberParseException:
            return number
        if parsed.country_code != phonenumbers.country_code_for_region(self._region):
            return number
        national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        return "".join(character for character in national if character.isdigit())

    async def _told(self, call_id: UUID, holds: Callable[[CallNow], bool]) -> CallNow:
        """The call once the journal has told what the node saw; as it is, where that takes long."""
        deadline = asyncio.get_running_loop().time() + _TOLD_WITHIN.total_seconds()
        while True:
            now = await self.now(call_id)
            if now.ended or holds(now) or asyncio.get_running_loop().time() > deadline:
                return now
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


_RESULTS: Final = {
    Result.DIRECT_ANSWERED: "当场答复 answered directly",
    Result.TO_BE_DISPATCHED: "需派单 to be dispatched",
    Result.NO_ANSWER_GIVEN: "未答复 no answer given",
}


def _party(now: CallNow, number: int, *, is_there: bool = False) -> Party:
    for party in now.called_in if is_there else now.parties:
        if party.number == number:
            return party
    raise NoSuchParty
