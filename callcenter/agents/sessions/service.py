"""Agents' states over the API: a wish is written here, the node brings it in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access import audit
from callcenter.access.model import Principal, Role
from callcenter.agents.model import NoSuchAgent, is_agent_id
from callcenter.agents.sessions import model, store
from callcenter.agents.sessions.model import Act, Record, Session, Wish
from callcenter.agents.sessions.reasons import givable
from callcenter.agents.sessions.store import Span
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, NotAllowed
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text

#: News of a wish; key: the agent. The node looks at once.
TOPIC_WISH: Final = "agent_wish"
#: News of a state the node noted; key: the agent.
TOPIC_STATE: Final = "agent_state"

#: How long a reply waits for the node.
WAIT: Final = timedelta(seconds=5)
_LOOK_EVERY: Final = timedelta(milliseconds=25)
_MOST_REASON: Final = audit.MOST_REASON


async def take_wish(
    connection: AsyncConnection,
    agent_id: str,
    change: Callable[[Session], Session],
    at: datetime,
) -> int | None:
    """Write a changed wish into the running transaction, with its news; its version, None where
    there is no such agent or nothing changed."""
    record = await store.record_for_update(connection, agent_id)
    if record is None:
        return None
    session = change(record.session)
    if session == record.session:
        return None
    await announce(connection, TOPIC_WISH, agent_id)
    return await store.save_wish(connection, replace(record, session=session))


class SessionService:
    """What the API does with agents' states."""

    def __init__(self, database: Database, clock: Clock, *, wait: timedelta = WAIT) -> None:
        self._database = database
        self._clock = clock
        self._wait = wait

    async def get(self, agent_id: str) -> tuple[Record, frozenset[str]]:
        """How an agent is, and the queues the agent belongs to. Raises `NoSuchAgent`."""
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            record = (await store.records(connection, [agent_id])).get(agent_id)
            if record is None:
                raise NoSuchAgent
            return record, await store.places_of(connection, agent_id)

    async def list(
        self, *, after: str = "", limit: int = 50, state: str | None = None
    ) -> Sequence[Record]:
        """By agent's id, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.page(connection, after, limit, state)

    async def set_state(
        self,
        agent_id: str,
        state: str,
        *,
        by: Principal,
        reason: str | None = None,
        queues: Collection[str] | None = None,
        because: str = "",
    ) -> tuple[Record, frozenset[str]]:
        """Bring an agent into a state: `ready`, `paused` (with a reason), `offline`, and where
        `queues` are given log in to those and out of the others.

        Returns how the agent is once Asterisk was seen to follow, or after the wait. `because` goes
        into the audit when it is somebody else's agent. Raises `NoSuchAgent`, `NotAllowed`,
        `InvalidField`, `WrongState`.
        """
        because = plain_text("reason_text", because, most=_MOST_REASON)
        async with self._database.transaction() as connection:
            record = await self._held(connection, agent_id, by)
            model.refuse_wrong(record.session, state)
            act = Act(state)
            if act is Act.PAUSE:
                await _check_reason(connection, reason, by)
            elif reason is not None:
                raise InvalidField("reason", "only a pause has one")
            if queues is not None:
                await self._log_in_to(connection, record, queues)
            wish = Wish(act=act, reason=reason, at=self._clock(), by=by.name)
            version = await self._wish(connection, record, wish)
            await self._audit(
                connection,
                agent_id,
                by,
                f"agent.{'pause' if act is Act.PAUSE else act.value}",
                because,
                {"reason": reason} if reason else {},
            )
        return await self._in_force(agent_id, version)

    async def end_wrap_up(self, agent_id: str, *, by: Principal) -> tuple[Record, frozenset[str]]:
        """Raises as `set_state`."""
        async with self._database.transaction() as connection:
            record = await self._held(connection, agent_id, by)
            model.refuse_wrong(record.session, Act.DONE)
            version = await self._wish(
                connection, record, Wish(act=Act.DONE, at=self._clock(), by=by.name)
            )
            await self._audit(connection, agent_id, by, "agent.end_wrap_up", "", {})
        return await self._in_force(agent_id, version)

    async def set_queue(
        self, agent_id: str, queue: str, *, logged_in: bool, by: Principal
    ) -> tuple[Record, frozenset[str]]:
        """Log in to one queue, or out of it. Raises as `set_state`."""
        async with self._database.transaction() as connection:
            record = await self._held(connection, agent_id, by)
            theirs = await store.places_of(connection, agent_id)
            if queue not in theirs:
                raise InvalidField("queue", "one the agent belongs to")
            out_of = record.session.out_of & theirs
            out_of = out_of - {queue} if logged_in else out_of | {queue}
            await store.save_logouts(connection, agent_id, out_of, self._clock())
            version = await self._touch(connection, record)
            act = "agent.queue_login" if logged_in else "agent.queue_logout"
            await self._audit(connection, agent_id, by, act, "", {"queue": queue})
        return await self._in_force(agent_id, version)

    async def activity(
        self,
        agent_id: str,
        *,
        since: datetime,
        until: datetime,
        after: tuple[datetime, int] | None,
        limit: int,
    ) -> Sequence[Span]:
        """States of an agent that overlap a time, oldest first; agents who are gone keep theirs.

        Raises `NoSuchAgent` for what is no agent's id.
        """
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        async with self._database.transaction() as connection:
            return await store.spans(
                connection,
                agent_id,
                until=until,
                since=since,
                after=after,
                limit=limit,
            )

    async def _held(self, connection: AsyncConnection, agent_id: str, by: Principal) -> Record:
        if not is_agent_id(agent_id):
            raise NoSuchAgent
        if not by.reaches(Role.SUPERVISOR) and not await store.is_user_of(
            connection, agent_id, by.name
        ):
            raise NotAllowed("Agents change their own state; a supervisor changes that of others.")
        record = await store.record_for_update(connection, agent_id)
        if record is None:
            raise NoSuchAgent
        return record

    async def _log_in_to(
        self, connection: AsyncConnection, record: Record, queues: Collection[str]
    ) -> None:
        agent_id = record.session.agent_id
        theirs = await store.places_of(connection, agent_id)
        if not set(queues) <= theirs:
            raise InvalidField("queues", "each one the agent belongs to")
        await store.save_logouts(connection, agent_id, theirs - set(queues), self._clock())

    async def _wish(self, connection: AsyncConnection, record: Record, wish: Wish) -> int:
        session = model.wished(record.session, wish)
        await announce(connection, TOPIC_WISH, session.agent_id)
        return await store.save_wish(connection, replace(record, session=session))

    async def _touch(self, connection: AsyncConnection, record: Record) -> int:
        """A new version without another wish: the queues changed."""
        await announce(connection, TOPIC_WISH, record.session.agent_id)
        return await store.save_wish(connection, record)

    async def _audit(
        self,
        connection: AsyncConnection,
        agent_id: str,
        by: Principal,
        act: str,
        because: str,
        detail: dict[str, object],
    ) -> None:
        if not await store.is_user_of(connection, agent_id, by.name):
            await audit.record(
                connection,
                who=by.name,
                act=act,
                subject=f"agent/{agent_id}",
                reason=because,
                at=self._clock(),
                detail=detail,
            )

    async def _in_force(self, agent_id: str, version: int) -> tuple[Record, frozenset[str]]:
        """How the agent is as soon as Asterisk was seen to follow this wish, or after the wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait.total_seconds()
        while True:
            found = await self.get(agent_id)
            if found[0].in_force_version >= version or loop.time() > deadline:
                return found
            await asyncio.sleep(_LOOK_EVERY.total_seconds())


async def _check_reason(connection: AsyncConnection, reason: str | None, by: Principal) -> None:
    allowed = await givable(connection, supervisor=by.reaches(Role.SUPERVISOR))
    if reason not in allowed:
        raise InvalidField("reason", f"one of {', '.join(allowed)} (GET /api/v1/pause-reasons)")
