"""What is done with callbacks by people: taken down, listed, documented, closed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.calls.numbers import NumberRule
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, NotFound
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text
from callcenter.queues.callbacks import store
from callcenter.queues.callbacks.case_files import CaseFiles
from callcenter.queues.callbacks.model import (
    BY_HAND,
    MOST_NOTE,
    AlreadyDone,
    Callback,
    CallbackState,
    Kind,
    OpenElsewhere,
    Outcome,
    Policy,
    Try,
    TryOutcome,
    TryState,
    callable_number,
    machine_answered,
    words,
)
from callcenter.queues.store import existing

TOPIC: Final = "callback"
_LONGEST_LANGUAGE: Final = 2


class NoSuchCallback(NotFound):
    """There is no such callback."""

    slug = "no-such-callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackFilter:
    """What a list is narrowed to; None does not narrow."""

    state: CallbackState | None = None
    kind: Kind | None = None
    queue: str | None = None
    overdue: bool = False

    def columns(self) -> dict[str, str]:
        wanted = {"state": self.state, "kind": self.kind, "queue": self.queue}
        return {name: str(value) for name, value in wanted.items() if value is not None}


@dataclass(frozen=True, slots=True)
class CallbackView:
    """A callback with its attempts, the further calls it answers, and what follows of the time.

    `position`: the place among those who wait in its queue, from 1; None where it is not waiting to
    be dialled (or in a list).
    """

    callback: Callback
    tries: Sequence[Try] = field(default=())
    joined: Sequence[UUID] = field(default=())
    overdue: bool = False
    position: int | None = None


async def take_callback(
    connection: AsyncConnection,
    call_id: UUID,
    *,
    queue: str,
    number: str,
    language: str,
    at: datetime,
    line: str | None = None,
    policy: Policy | None = None,
    dials: bool = False,
) -> None:
    """Write the wish down, in the transaction that made sure of the call's row and case.

    Where we may dial (`dials`, with a `policy`) the citizen is dialled when their turn comes. The
    same said again changes number and queue; a number that waits already is one callback, which
    keeps the earlier place. Raises `InvalidField` for what cannot be dialled.
    """
    number = callable_number(number)
    await store.lock_number(connection, number)
    fresh: dict[str, Any] = {
        "queue": queue,
        "number": number,
        "language": language[:_LONGEST_LANGUAGE],
        "next_try_at": policy.hours.next_allowed(at) if policy and dials else None,
    }
    own = await store.callback_of_call(connection, call_id)
    if own is not None:
        if own.state is CallbackState.WAITING:
            await store.save_callback(connection, replace(own, **fresh))
    elif others := await store.open_to(connection, number):
        # One citizen, one callback: who asks again after a missed call has asked.
        first = others[0]
        await store.join_call(connection, first.callback_id, call_id, at)
        await store.save_callback(connection, replace(first, kind=Kind.WISH, **fresh))
    else:
        wish = Callback(
            callback_id=uuid4(),
            call_id=call_id,
            line=line or None,
            wanted_at=at,
            place_at=at,
            due_at=None if policy is None else policy.due(at),
            **fresh,
        )
        await store.add_callback(connection, wish)
    await announce(connection, TOPIC, str(call_id))


class CallbackService:
    """Use cases of the REST API. `rule`: which numbers are called; without one every number that
    has the form of one, and people dial. `cases`: told of what was heard at the other end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policy: Policy,
        rule: NumberRule | None = None,
        cases: CaseFiles | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy
        self._rule = rule
        self._cases = cases

    async def list(
        self, wanted: CallbackFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[CallbackView]:
        """Who has waited longest comes first."""
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await store.callbacks_after(
                connection,
                where=wanted.columns(),
                overdue_at=now if wanted.overdue else None,
                after=after,
                limit=limit,
            )
            ids = [one.callback_id for one in found]
            tries = await store.tries_of(connection, ids)
            joined = await store.joined_calls(connection, ids)
        return [
            CallbackView(
                one,
                tries.get(one.callback_id, ()),
                joined.get(one.callback_id, ()),
                one.is_overdue(now),
            )
            for one in found
        ]

    async def get(self, callback_id: UUID) -> CallbackView:
        """Raises `NoSuchCallback`."""
        async with self._database.transaction() as connection:
            found = await store.callback_of(connection, callback_id)
            if found is None:
                raise NoSuchCallback
            return await self._view(connection, found)

    async def create(
        self,
        *,
        queue: str,
        number: str,
        language: str,
        case_number: str | None,
        note: str,
        by: str,
    ) -> CallbackView:
        """An agent promises a citizen a call. One that waits for that number already is returned.

        Raises `InvalidField`.
        """
        now = self._clock()
        called = callable_number(number)
        dialled = False
        if self._rule is not None:
            called = replace(self._rule, dials=True).allowed(number)
            dialled = self._rule.dials
        note = plain_text("note", note, most=MOST_NOTE, lines=True)
        async with self._database.transaction() as connection:
            if not await existing(connection, [queue]):
                raise InvalidField("queue", "there is no queue of that name")
            if case_number is not None and not await store.case_exists(connection, case_number):
                raise InvalidField("case_number", "there is no case of that number")
            await store.lock_number(connection, called)
            others = await store.open_to(connection, called)
            if others:
                return await self._view(connection, others[0])
            made = Callback(
                callback_id=uuid4(),
                call_id=None,
                queue=queue,
                number=called,
                language=language,
                case_number=case_number,
                wanted_at=now,
                place_at=now,
                due_at=self._policy.due(now),
                next_try_at=self._policy.hours.next_allowed(now) if dialled else None,
                note=note or f"promised by {by}",
            )
            await store.add_callback(connection, made)
            await announce(connection, TOPIC, str(made.callback_id))
            return await self._view(connection, made)

    async def document(
        self, callback_id: UUID, outcome: TryOutcome, note: str, *, by: str
    ) -> CallbackView:
        """An attempt made by hand. One that reached the citizen closes the callback.

        Raises `NoSuchCallback`, `AlreadyDone`, `InvalidField`.
        """
        if outcome not in BY_HAND:
            raise InvalidField("outcome", f"one of {', '.join(BY_HAND)}")
        note = plain_text("note", note, most=MOST_NOTE, lines=True)
        now = self._clock()

        def act(found: Callback, tries: Sequence[Try]) -> Callback:
            if outcome is TryOutcome.REACHED:
                return found.finish(Outcome.REACHED, note, by=by, at=now)
            # Not at once again: the pause is the citizen's, whoever dialled.
            later = None if found.next_try_at is None else self._policy.after(tries, now)
            return replace(found, next_try_at=later)

        def attempt(number: int) -> Try:
            return Try(
                callback_id=callback_id,
                number=number,
                state=TryState.ENDED,
                placed_at=now,
                dialled_at=now,
                ended_at=now,
                outcome=outcome,
                by=by,
                note=note,
            )

        return await self._act(callback_id, act, attempt)

    async def finish(
        self, callback_id: UUID, outcome: Outcome, note: str, *, by: str
    ) -> CallbackView:
        """Raises `NoSuchCallback`, `AlreadyDone`, `TriesMissing`, `MissedCallStays`,
        `InvalidField`."""
        if outcome is Outcome.CALLED_AGAIN:
            raise InvalidField("outcome", "called_again is concluded from the citizen's own call")
        now, wanted = self._clock(), self._policy.tries
        return await self._act(
            callback_id,
            lambda found, tries: found.finish(
                outcome, note, by=by, at=now, tries=tries, wanted=wanted
            ),
        )

    async def not_reached(self, callback_id: UUID, note: str, *, by: str) -> CallbackView:
        """A machine answered the last attempt: it counts, and the citizen waits for the next one.

        Raises `NoSuchCallback`, `NobodyReached`, `AlreadyDone`, `OpenElsewhere`, `InvalidField`.
        """
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await store.callback_of(connection, callback_id)
            if found is None:
                raise NoSuchCallback
            # Before the row, as whoever takes a wish does.
            await store.lock_number(connection, found.number)
            others = await store.open_to(connection, found.number)
            found = await store.callback_of(connection, callback_id, for_update=True)
            assert found is not None, "callbacks stay"
            tries = (await store.tries_of(connection, [callback_id])).get(callback_id, [])
            changed, last = machine_answered(found, tries, self._policy, note, by=by, at=now)
            if others:
                raise OpenElsewhere(f"The citizen waits for callback {others[0].callback_id}.")
            await store.save_try(connection, last)
            await store.save_callback(connection, changed)
            count = sum(one.dialled_at is not None for one in tries)
            if self._cases is not None:
                await self._cases.note(connection, changed, words(last, count), now)
            await audit.record(
                connection,
                who=by,
                act="callback.not_reached",
                subject=f"callback/{callback_id}",
                reason="a machine answered",
                at=now,
                detail={"attempt": last.number},
            )
            await announce(connection, TOPIC, str(changed.call_id or callback_id))
            return await self._view(connection, changed)

    async def _act(
        self,
        callback_id: UUID,
        act: Callable[[Callback, Sequence[Try]], Callback],
        attempt: Callable[[int], Try] | None = None,
    ) -> CallbackView:
        async with self._database.transaction() as connection:
            found = await store.callback_of(connection, callback_id, for_update=True)
            if found is None:
                raise NoSuchCallback
            tries = builtins.list(
                (await store.tries_of(connection, [callback_id])).get(callback_id, ())
            )
            if attempt is not None:
                tries.append(attempt(max((one.number for one in tries), default=0) + 1))
                if found.state is CallbackState.DONE:
                    raise AlreadyDone
            changed = act(found, tries)
            if attempt is not None:
                await store.add_try(connection, tries[-1])
            await store.save_callback(connection, changed)
            await announce(connection, TOPIC, str(changed.call_id or callback_id))
            return await self._view(connection, changed)

    async def _view(self, connection: AsyncConnection, found: Callback) -> CallbackView:
        key = found.callback_id
        tries = (await store.tries_of(connection, [key])).get(key, [])
        joined = (await store.joined_calls(connection, [key])).get(key, [])
        position = None
        if found.next_try_at is not None:
            before = await store.waits_before(connection, found.queue, found.place_at, key)
            position = before + 1
        return CallbackView(found, tries, joined, found.is_overdue(self._clock()), position)
