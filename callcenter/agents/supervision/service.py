"""What supervisors do: each act is ordered and audited in one transaction, and answered when the
node saw Asterisk do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.access.model import Principal
from callcenter.agents.model import NoSuchAgent, is_agent_id
from callcenter.agents.sessions.model import Record
from callcenter.agents.store import agent_of_user
from callcenter.agents.supervision import store
from callcenter.agents.supervision.model import (
    LiveCall,
    Pickup,
    Spying,
    SpyMode,
    answers_by_itself,
    changed_mode,
    checked_reason,
    may_move,
    may_prioritise,
    may_spy,
    may_take_over,
)
from callcenter.calls.facts import CallEnded, Fact, SpyingBegan
from callcenter.calls.service import NoSuchCall
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField
from callcenter.switch.acts import ActOrders

#: Kinds of acts; `asterisk.supervision` does them.
SPY: Final = "spy"
SPY_MODE: Final = "spy_mode"
SPY_STOP: Final = "spy_stop"
TAKE_OVER: Final = "take_over"
MOVE: Final = "move_caller"
PRIORITY: Final = "caller_priority"

#: How long the node waits for the supervisor's phone to be picked up before it says `ringing`.
PICKUP_LIMIT: Final = timedelta(seconds=4)
#: How long a reply waits for the act: longer than the node works on one.
_LIMIT: Final = timedelta(seconds=9)
#: How long it waits then for the journal to say the same, so that who reads next reads it.
JOURNAL_LIMIT: Final = timedelta(seconds=2)
_LOOK_EVERY: Final = timedelta(milliseconds=25)

Look = Callable[[AsyncConnection], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A supervisor's phone that was called; `call_id` is the call that is heard or taken."""

    call_id: UUID
    phone: str
    pickup: Pickup
    spying_call: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a caller waits after the act, as Asterisk tells it; `position` from 1."""

    call_id: UUID
    queue: str
    position: int
    priority: int


class AgentWishes(Protocol):
    """Who brings agents into states; `agents.sessions.service.SessionService` does. Writes the
    audit record with the wish, and returns once Asterisk was seen to follow, or after its wait."""

    async def set_state(
        self,
        agent_id: str,
        state: str,
        *,
        by: Principal,
        reason: str | None = None,
        because: str = "",
    ) -> tuple[Record, frozenset[str]]: ...


class SupervisionService:
    """Use cases of the REST API. `node` is the Asterisk that acts; `new_id` names spying calls."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        acts: ActOrders,
        wishes: AgentWishes,
        *,
        node: str,
        new_id: Callable[[], UUID],
        journal_limit: timedelta = JOURNAL_LIMIT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._acts = acts
        self._wishes = wishes
        self._node = node
        self._new_id = new_id
        self._journal_limit = journal_limit

    async def force(
        self, agent: str, state: str, reason: str, *, by: Principal, pause_reason: str | None = None
    ) -> Record:
        """Bring somebody else's agent into a state: `ready`, `paused` (with its reason), `offline`.

        Raises `InvalidField`, `NoSuchAgent`, `WrongState`.
        """
        why = checked_reason(reason)
        record, _queues = await self._wishes.set_state(
            agent, state, by=by, reason=pause_reason, because=why
        )
        return record

    async def spy(
        self,
        agent: str,
        phone: str,
        mode: SpyMode,
        reason: str,
        *,
        by: Principal,
        auto_answer: bool | None = None,
    ) -> Brought:
        """Have the supervisor's phone hear this agent; where it does, change the mode.

        `auto_answer`: the phone is asked to answer by itself; None: where it is the user's own.
        Raises `NoSuchAgent`, `InvalidField`, `NotAllowed`, `NotNow`, `ActRefused`, `ActUnknown`.
        """
        why = checked_reason(reason)
        async with self._database.transaction() as connection:
            await _must_be_agent(connection, agent)
            await _must_be_phone(connection, phone)
            by_itself = await _by_itself(connection, phone, by, auto_answer)
            state = await store.state_of(connection, agent)
            talk = may_spy(agent, state, await store.talk_of(connection, agent, self._node), phone)
            now = changed_mode(agent, talk, mode, await store.spying_of(connection, phone))
            spying_call = now.spying_call if now else self._new_id()
            if now is None:
                await store.add_spying(
                    connection,
                    {
                        "spying_call": spying_call,
                        "phone": phone,
                        "agent": agent,
                        "spied_call": talk.call_id,
                        "mode": mode.value,
                        "wanted_by": by.name,
                        "wanted_at": self._clock(),
                        "reason": why,
                    },
                )
            act_id = await self._ordered(
                connection,
                SPY if now is None else SPY_MODE,
                {
                    "spying_call": str(spying_call),
                    "phone": phone,
                    "agent": agent,
                    "mode": mode.value,
                    "call_id": str(talk.call_id),
                    "uniqueid": talk.uniqueid,
                    "channel": talk.channel,
                    "auto_answer": by_itself,
                },
                audited=f"supervision.{mode.value}",
                subject=f"agent/{agent}",
                reason=why,
                by=by.name,
                detail={
                    "phone": phone,
                    "call_id": str(talk.call_id),
                    "spying_call": str(spying_call),
                },
            )
        pickup = Pickup((await self._acts.wait(act_id, _LIMIT))["pickup"])
        if pickup is Pickup.CONNECTED:

            async def hears(connection: AsyncConnection) -> bool:
                now = await store.spying_of(connection, phone)
                return now is not None and (now.agent, now.mode) == (agent, mode)

            await self._told_by_the_journal(hears)
        return Brought(call_id=talk.call_id, phone=phone, pickup=pickup, spying_call=spying_call)

    async def stop_spying(self, agent: str, phone: str, reason: str, *, by: str) -> None:
        """Raises `NoSuchAgent`, `InvalidField`, `ActRefused`, `ActUnknown`."""
        why = checked_reason(reason)
        async with self._database.transaction() as connection:
            await _must_be_agent(connection, agent)
            await _must_be_phone(connection, phone)
            act_id = await self._ordered(
                connection,
                SPY_STOP,
                {"phone": phone, "agent": agent},
                audited="supervision.stop",
                subject=f"agent/{agent}",
                reason=why,
                by=by,
                detail={"phone": phone},
            )
        await self._acts.wait(act_id, _LIMIT)

        async def hears_nobody(connection: AsyncConnection) -> bool:
            return await store.spying_of(connection, phone) is None

        await self._told_by_the_journal(hears_nobody)

    async def spying(self) -> Sequence[Spying]:
        """Who hears whom now, by the journal."""
        async with self._database.transaction() as connection:
            return await store.all_spying(connection)

    async def take_over(
        self,
        call_id: UUID,
        phone: str,
        reason: str,
        *,
        by: Principal,
        auto_answer: bool | None = None,
    ) -> Brought:
        """Bring the caller to the supervisor's phone; the agent, if there is one, is released.

        `auto_answer` as in `spy`. Raises `NoSuchCall`, `InvalidField`, `NotAllowed`, `NotNow`,
        `ActRefused`, `ActUnknown`.
        """
        why = checked_reason(reason)
        async with self._database.transaction() as connection:
            call = await _live(connection, call_id)
            await _must_be_phone(connection, phone)
            by_itself = await _by_itself(connection, phone, by, auto_answer)
            may_take_over(call, phone)
            act_id = await self._ordered(
                connection,
                TAKE_OVER,
                {
                    "call_id": str(call_id),
                    "uniqueid": call.uniqueid,
                    "phone": phone,
                    "auto_answer": by_itself,
                },
                audited="supervision.take_over",
                subject=f"call/{call_id}",
                reason=why,
                by=by.name,
                detail={"phone": phone, "agent": call.agent, "queue": call.queue},
            )
        pickup = Pickup((await self._acts.wait(act_id, _LIMIT))["pickup"])
        if pickup is Pickup.CONNECTED:

            async def has_it(connection: AsyncConnection) -> bool:
                now = await store.live_call(connection, call_id)
                return now is not None and now.agent == phone

            await self._told_by_the_journal(has_it)
        return Brought(call_id=call_id, phone=phone, pickup=pickup)

    async def move(self, call_id: UUID, queue: str, reason: str, *, by: str) -> Place:
        """Have a waiting caller wait in another queue, at the place the time waited gives there.

        Raises `NoSuchCall`, `InvalidField`, `NotNow`, `ActRefused`, `ActUnknown`.
        """
        why = checked_reason(reason)
        async with self._database.transaction() as connection:
            call = await _live(connection, call_id)
            if not await store.queue_exists(connection, queue):
                raise InvalidField("queue", "must be the name of a queue (GET /api/v1/queues)")
            may_move(call, queue)
            act_id = await self._ordered(
                connection,
                MOVE,
                {
                    "call_id": str(call_id),
                    "uniqueid": call.uniqueid,
                    "from": call.queue,
                    "to": queue,
                },
                audited="supervision.move",
                subject=f"call/{call_id}",
                reason=why,
                by=by,
                detail={"from": call.queue, "to": queue},
            )
        result = await self._acts.wait(act_id, _LIMIT)

        async def waits_there(connection: AsyncConnection) -> bool:
            now = await store.live_call(connection, call_id)
            return now is not None and now.queue == queue

        await self._told_by_the_journal(waits_there)
        return _place(call_id, queue, result)

    async def prioritise(self, call_id: UUID, priority: int, reason: str, *, by: str) -> Place:
        """Set how far ahead of others a waiting caller is: 0 (as all) to 20.

        Raises `NoSuchCall`, `InvalidField`, `NotNow`, `ActRefused`, `ActUnknown`.
        """
        why = checked_reason(reason)
        async with self._database.transaction() as connection:
            call = await _live(connection, call_id)
            may_prioritise(call)
            assert call.queue is not None
            act_id = await self._ordered(
                connection,
                PRIORITY,
                {
                    "call_id": str(call_id),
                    "uniqueid": call.uniqueid,
                    "linkedid": call.linkedid,
                    "queue": call.queue,
                    "priority": priority,
                },
                audited="supervision.priority",
                subject=f"call/{call_id}",
                reason=why,
                by=by,
                detail={"queue": call.queue, "from": call.priority, "to": priority},
            )
        result = await self._acts.wait(act_id, _LIMIT)
        return _place(call_id, call.queue, result)

    async def _told_by_the_journal(self, look: Look) -> None:
        """Asterisk was seen to do it; wait a moment until the rows say so too."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._journal_limit.total_seconds()
        while loop.time() < until:
            async with self._database.transaction() as connection:
                if await look(connection):
                    return
            await asyncio.sleep(_LOOK_EVERY.total_seconds())

    async def _ordered(
        self,
        connection: AsyncConnection,
        kind: str,
        arguments: dict[str, Any],
        *,
        audited: str,
        subject: str,
        reason: str,
        by: str,
        detail: dict[str, Any],
    ) -> int:
        """The act and its audit record, both or neither."""
        act_id = await self._acts.order(connection, kind, arguments, by=by)
        await audit.record(
            connection,
            who=by,
            act=audited,
            subject=subject,
            reason=reason,
            at=self._clock(),
            detail={**detail, "act_id": act_id},
        )
        return act_id


async def on_facts(connection: AsyncConnection, facts: Sequence[Fact]) -> None:
    """Keep the spans of who hears whom, in the transaction of the facts."""
    for fact in facts:
        match fact:
            case SpyingBegan():
                await store.begin_span(
                    connection,
                    spying_call=fact.call_id,
                    phone=fact.phone,
                    agent=fact.agent,
                    spied_call=UUID(fact.spied_call),
                    mode=fact.mode,
                    at=fact.at,
                )
            case CallEnded():
                await store.end_spans(connection, fact.call_id, fact.at)
            case _:
                pass


def _place(call_id: UUID, queue: str, result: dict[str, Any]) -> Place:
    return Place(
        call_id=call_id,
        queue=queue,
        position=int(result["position"]),
        priority=int(result["priority"]),
    )


async def _must_be_agent(connection: AsyncConnection, agent: str) -> None:
    if not is_agent_id(agent) or not await store.agent_exists(connection, agent):
        raise NoSuchAgent


async def _must_be_phone(connection: AsyncConnection, phone: str) -> None:
    if not is_agent_id(phone) or not await store.agent_exists(connection, phone):
        raise InvalidField("supervisor_phone", "must be the id of an agent (GET /api/v1/agents)")


async def _by_itself(
    connection: AsyncConnection, phone: str, by: Principal, wanted: bool | None
) -> bool:
    own = await agent_of_user(connection, by.user_id) == phone
    return answers_by_itself(wanted, own=own)


async def _live(connection: AsyncConnection, call_id: UUID) -> LiveCall:
    call = await store.live_call(connection, call_id)
    if call is None:
        raise NoSuchCall
    return call
