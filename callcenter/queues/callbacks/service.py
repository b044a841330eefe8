"""What is done with wishes to be called back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import NotFound
from callcenter.platform.news import announce
from callcenter.queues.callbacks import store
from callcenter.queues.callbacks.model import (
    Callback,
    CallbackState,
    Outcome,
    callable_number,
)

TOPIC = "callback"


class NoSuchCallback(NotFound):
    """There is no such callback."""

    slug = "no-such-callback"


async def take_callback(
    connection: AsyncConnection,
    call_id: UUID,
    *,
    queue: str,
    number: str,
    language: str,
    at: datetime,
) -> None:
    """Write the wish down, in the transaction that made sure of the call's row and case.

    Raises `InvalidField` for what cannot be dialled.
    """
    wish = Callback(
        callback_id=uuid4(),
        call_id=call_id,
        queue=queue,
        number=callable_number(number),
        language=language,
        wanted_at=at,
    )
    await store.add_callback(connection, wish)
    await announce(connection, TOPIC, str(call_id))


class CallbackService:
    """Use cases of the REST API."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self,
        *,
        state: CallbackState | None,
        queue: str | None,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Callback]:
        """Who has waited longest comes first."""
        async with self._database.transaction() as connection:
            return await store.callbacks_after(
                connection, state=state, queue=queue, after=after, limit=limit
            )

    async def get(self, callback_id: UUID) -> Callback:
        """Raises `NoSuchCallback`."""
        async with self._database.transaction() as connection:
            found = await store.callback_of(connection, callback_id)
        if found is None:
            raise NoSuchCallback
        return found

    async def finish(self, callback_id: UUID, outcome: Outcome, note: str, *, by: str) -> Callback:
        """Raises `NoSuchCallback`, `AlreadyDone`, `InvalidField`."""
        async with self._database.transaction() as connection:
            found = await store.callback_of(connection, callback_id, for_update=True)
            if found is None:
                raise NoSuchCallback
            done = found.finish(outcome, note, by=by, at=self._clock())
            await store.save_callback(connection, done)
            await announce(connection, TOPIC, str(done.call_id))
        return done
