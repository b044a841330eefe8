"""What calls make of callbacks: places kept, attempts settled, missed calls taken up as a duty.

Everything here happens in the transaction of the facts it follows from, so that no call is missed
without its task, and no attempt ends without its outcome, whatever dies between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls import facts as fa
from callcenter.calls.facts import Fact
from callcenter.calls.numbers import NumberRule
from callcenter.platform.errors import InvalidField
from callcenter.platform.news import announce
from callcenter.queues.callbacks import store
from callcenter.queues.callbacks.case_files import CaseFiles
from callcenter.queues.callbacks.model import (
    Callback,
    CallbackState,
    Kind,
    Outcome,
    Policy,
    Try,
    TryOutcome,
    TryState,
    callable_number,
    outcome_of_dialling,
    words,
)
from callcenter.queues.callbacks.service import TOPIC
from callcenter.queues.model import MissedCalls
from callcenter.queues.store import default_queue, existing, missed_calls

BY: Final = "system:callback"


class CallbackDuty:
    """Follows the facts of calls; `settle` is the dialler's too."""

    def __init__(self, cases: CaseFiles, policy: Policy, rule: NumberRule) -> None:
        self._cases = cases
        self._policy = policy
        self._rule = rule

    async def on_facts(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        tried = await store.tries_by_call(connection, {fact.call_id for fact in facts})
        for fact in facts:
            one = tried.get(fact.call_id)
            if one is not None:
                tried[fact.call_id] = await self._of_a_try(connection, one, fact)
            elif isinstance(fact, fa.AgentAnswered):
                await self._answered(connection, fact)
        ended = {
            fact.call_id: fact
            for fact in facts
            if isinstance(fact, fa.CallEnded) and fact.call_id not in tried
        }
        if ended:
            for call in await store.ended_calls(connection, ended.keys()):
                await self._call_over(connection, call)

    # Attempts ------------------------------------------------------------------------------------

    async def _of_a_try(self, connection: AsyncConnection, one: Try, fact: Fact) -> Try:
        if one.state is TryState.ENDED:
            return one
        match fact:
            case fa.AgentRang():
                callback = await store.callback_of(connection, one.callback_id)
                assert callback is not None, "an attempt has its callback"
                await self._cases.belongs(connection, callback, fact.call_id, fact.at)
            case fa.CitizenDialled():
                one = replace(one, state=TryState.DIALLING, dialled_at=max(fact.at, one.placed_at))
                await store.save_try(connection, one)
                await announce(connection, TOPIC, str(fact.call_id))
            case fa.CitizenReached():
                return await self.settle(connection, one, TryOutcome.REACHED, at=fact.at)
            case fa.CitizenNotReached():
                # Dial() says ANSWER too of somebody who hung up before the agent was heard.
                outcome = outcome_of_dialling(fact.status)
                return await self.settle(connection, one, outcome, at=fact.at, cause=fact.cause)
            case fa.CallEnded():
                return await self.settle(connection, one, _broken_off(one, fact), at=fact.at)
            case _:
                pass
        return one

    async def settle(
        self,
        connection: AsyncConnection,
        one: Try,
        outcome: TryOutcome,
        *,
        at: datetime,
        cause: int | None = None,
    ) -> Try:
        """The attempt is over: the citizen was reached, or is tried again, or given up."""
        callback = await store.callback_of(connection, one.callback_id, for_update=True)
        assert callback is not None, "an attempt has its callback"
        # Dialler and journal may settle at once: the second one sees, behind the lock, the first.
        one = next(
            other
            for other in (await store.tries_of(connection, [one.callback_id]))[one.callback_id]
            if other.number == one.number
        )
        if one.state is TryState.ENDED:
            return one
        if outcome is TryOutcome.NOT_SERVED and callback.state is CallbackState.DONE:
            outcome = TryOutcome.WITHDRAWN
        dialled_at = one.dialled_at
        if outcome is TryOutcome.REACHED and dialled_at is None:
            dialled_at = max(at, one.placed_at)
        one = replace(
            one,
            state=TryState.ENDED,
            outcome=outcome,
            dialled_at=dialled_at,
            ended_at=max(at, dialled_at or one.placed_at),
            cause=cause,
        )
        await store.save_try(connection, one)
        await announce(connection, TOPIC, str(one.call_id))
        tries = (await store.tries_of(connection, [one.callback_id]))[one.callback_id]
        if one.dialled_at is not None:
            count = sum(other.dialled_at is not None for other in tries)
            await self._cases.note(connection, callback, words(one, count), at)
        if callback.state is CallbackState.DONE:
            return one
        if outcome is TryOutcome.REACHED:
            done = callback.finish(Outcome.REACHED, "", by=BY, at=at)
        elif self._policy.gives_up(tries):
            done = callback.finish(Outcome.NOT_REACHED, "", by=BY, at=at)
        else:
            done = replace(callback, next_try_at=self._policy.after(tries, at))
        await store.save_callback(connection, done)
        return one

    # Calls of citizens ---------------------------------------------------------------------------

    async def _answered(self, connection: AsyncConnection, fact: fa.AgentAnswered) -> None:
        """Whoever waits for a call of ours, and calls and is answered, waits no more."""
        for call in await store.inbound_numbers(connection, [fact.call_id]):
            for callback in await store.open_to(connection, call["caller_number"]):
                done = callback.finish(Outcome.CALLED_AGAIN, "", by=BY, at=fact.at)
                await store.save_callback(connection, done)
                await store.join_call(connection, done.callback_id, fact.call_id, fact.at)
                await announce(connection, TOPIC, str(done.callback_id))

    async def _call_over(self, connection: AsyncConnection, call: RowMapping) -> None:
        if call["first_entered_at"] is not None:
            await store.keep_place(connection, call["call_id"], call["first_entered_at"])
        number = call["caller_number"]
        if number is None or not self._was_missed(call):
            return
        queue = call["queue"] if await existing(connection, [call["queue"]]) else None
        queue = queue or await default_queue(connection)
        try:
            callable_number(number)
        except InvalidField:
            return  # an extension, a service: nobody a citizen would be called back at
        if queue is None:
            return
        await store.lock_number(connection, number)
        if await store.answered_since(connection, number, call["started_at"]):
            return
        if await store.callback_of_call(connection, call["call_id"]) is not None:
            return
        at = call["ended_at"]
        others = await store.open_to(connection, number)
        if others:
            await store.join_call(connection, others[0].callback_id, call["call_id"], at)
            await announce(connection, TOPIC, str(others[0].callback_id))
            return
        missed = Callback(
            callback_id=uuid4(),
            call_id=call["call_id"],
            kind=Kind.MISSED,
            queue=queue,
            line=call["line"],
            number=number,
            language=call["language"] or "zh",
            wanted_at=at,
            place_at=call["first_entered_at"],
            due_at=self._policy.due(at),
            next_try_at=self._first_try(number, at, await missed_calls(connection, queue)),
        )
        await store.add_callback(connection, missed)
        await announce(connection, TOPIC, str(call["call_id"]))

    def _was_missed(self, call: RowMapping) -> bool:
        """Whether the caller waited for a person and left without one, and with nothing left."""
        if call["entered_at"] is None:
            return False
        if call["disposition"] == "abandoned":
            left_at = call["left_at"] or call["ended_at"]
            return bool(left_at - call["first_entered_at"] >= self._policy.shortest_wait)
        # Nobody was free and no message was left; or it was we who broke down.
        return call["disposition"] in ("overflowed", "failed")

    def _first_try(self, number: str, at: datetime, said: MissedCalls | None) -> datetime | None:
        """`said`: what the queue says of its missed calls, if anything."""
        if not (self._policy.dials_missed if said is None else said is MissedCalls.DIAL):
            return None
        try:
            self._rule.allowed(number)
        except InvalidField:
            return None
        return self._policy.hours.next_allowed(at)


def _broken_off(one: Try, fact: fa.CallEnded) -> TryOutcome:
    """The call ended without a word of what dialling came to."""
    if fact.reconciled:
        return TryOutcome.LOST
    if one.dialled_at is None:
        return TryOutcome.NOT_SERVED
    # Who picks up and hangs up before the agent is heard has answered nothing.
    return TryOutcome.AGENT_LEFT if fact.hangup_by == "agent" else TryOutcome.NO_ANSWER
