"""What is done with queues: made, changed, removed, and confirmed once Asterisk works so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, Stale
from callcenter.platform.news import announce
from callcenter.queues import store
from callcenter.queues.model import (
    Member,
    NoSuchQueue,
    Queue,
    QueueEdit,
    QueueExists,
    QueueInUse,
    is_queue_name,
    members_of,
    must_follow,
    new_queue_name,
)
from callcenter.switch.model import SwitchOutcome, SwitchRequests

#: What a change of queues is called in `switch_changes`, and in the news.
SUBJECT: Final = "queues"
TOPIC: Final = "queue"
#: How long a reply waits for Asterisk; then it says that the change is not in force yet.
CONFIRMATION_LIMIT: Final = timedelta(seconds=5)

#: Prompts by name, with the languages each can be heard in now.
Prompts = Callable[[], Awaitable[Mapping[str, frozenset[str]]]]


@dataclass(frozen=True, slots=True)
class Changed:
    """A queue after a change, its members, and whether Asterisk works so; `detail` says why not."""

    queue: Queue
    members: Sequence[Member]
    in_force: bool
    detail: str | None


class QueueService:
    """Queues as they are configured; who is at the phone now is the live state's matter."""

    def __init__(
        self,
        database: Database,
        switch: SwitchRequests,
        prompts: Prompts,
        *,
        limit: timedelta = CONFIRMATION_LIMIT,
    ) -> None:
        self._database = database
        self._switch = switch
        self._prompts = prompts
        self._limit = limit

    async def list(self, *, after: str = "", limit: int = 50) -> Sequence[Queue]:
        """By name, those behind `after`."""
        async with self._database.transaction() as connection:
            return await store.list_queues(connection, after, limit)

    async def get(self, name: str) -> tuple[Queue, Sequence[Member]]:
        """A queue and its members, first asked first. Raises `NoSuchQueue`."""
        if not is_queue_name(name):
            raise NoSuchQueue
        async with self._database.transaction() as connection:
            queue = await store.find_queue(connection, name)
            if queue is None:
                raise NoSuchQueue
            return queue, await store.members(connection, name)

    async def add(self, name: str, edit: QueueEdit, members: Sequence[Member] = ()) -> Changed:
        """Raises `InvalidField` (what it names must be there), `QueueExists`."""
        new_queue_name(name)
        wanted = members_of(tuple(members))
        await self._must_be_heard(edit)
        async with self._database.transaction() as connection:
            await _must_fit(connection, name, edit)
            await _must_be_agents(connection, wanted)
            if not await store.add_queue(connection, name, edit):
                raise QueueExists
            await store.set_members(connection, name, wanted)
            change_id = await self._tell(connection, name)
        return await self._confirmed(name, change_id)

    async def change(self, name: str, edit: QueueEdit, *, based_on: int | None) -> Changed:
        """Raises `NoSuchQueue`, `Stale` when it was edited after `based_on` (None: any version),
        `InvalidField`.
        """
        await self._must_be_heard(edit)
        async with self._database.transaction() as connection:
            before = await _held(connection, name, based_on)
            must_follow(before, edit)
            await _must_fit(connection, name, edit)
            await store.replace_queue(connection, name, edit)
            change_id = await self._tell(connection, name)
        return await self._confirmed(name, change_id)

    async def set_members(
        self, name: str, members: Sequence[Member], *, based_on: int | None
    ) -> Changed:
        """These agents and no others. Raises `NoSuchQueue`, `Stale`, `InvalidField`."""
        wanted = members_of(tuple(members))
        async with self._database.transaction() as connection:
            await _held(connection, name, based_on)
            await _must_be_agents(connection, wanted)
            await store.set_members(connection, name, wanted)
            await store.next_version(connection, name)
            change_id = await self._tell(connection, name)
        return await self._confirmed(name, change_id)

    async def make_default(self, name: str, *, based_on: int | None) -> Changed:
        """Whoever has no other queue comes here. Raises `NoSuchQueue`, `Stale`."""
        async with self._database.transaction() as connection:
            await _held(connection, name, based_on)
            await store.make_default(connection, name)
            change_id = await self._tell(connection, name)
        return await self._confirmed(name, change_id)

    async def remove(self, name: str, *, based_on: int | None) -> SwitchOutcome:
        """In force: Asterisk has it no more.

        Raises `NoSuchQueue`, `Stale`, `QueueInUse` naming what uses it.
        """
        async with self._database.transaction() as connection:
            queue = await _held(connection, name, based_on)
            if queue.is_default:
                raise QueueInUse("It is the default queue: make another one the default first.")
            if users := await store.users_of(connection, name):
                raise QueueInUse(f"It is used by: {', '.join(users)}.")
            await store.remove_queue(connection, name)
            change_id = await self._tell(connection, name)
        return await self._switch.wait(change_id, self._limit)

    async def _must_be_heard(self, edit: QueueEdit) -> None:
        """The comfort message is there in each language that the queue asks for, one at least."""
        if edit.comfort_prompt is None:
            return
        known = (await self._prompts()).get(edit.comfort_prompt, frozenset())
        if not known:
            raise InvalidField("comfort_prompt", f"there is no prompt “{edit.comfort_prompt}”")
        missing = sorted({one.name for one in edit.languages} - known)
        if missing:
            rule = f"“{edit.comfort_prompt}” cannot be heard in {', '.join(missing)}"
            raise InvalidField("comfort_prompt", rule)

    async def _tell(self, connection: AsyncConnection, name: str) -> int:
        await announce(connection, TOPIC, name)
        return await self._switch.request(connection, SUBJECT)

    async def _confirmed(self, name: str, change_id: int) -> Changed:
        outcome = await self._switch.wait(change_id, self._limit)
        queue, members = await self.get(name)
        if outcome.in_force and not queue.in_force:
            detail = "Asterisk loaded an older state of this queue."
            return Changed(queue, members, False, detail)
        return Changed(queue, members, outcome.in_force and queue.in_force, outcome.detail)


async def _held(connection: AsyncConnection, name: str, based_on: int | None) -> Queue:
    queue = (
        await store.find_queue(connection, name, for_update=True) if is_queue_name(name) else None
    )
    if queue is None:
        raise NoSuchQueue
    if based_on is not None and based_on != queue.version:
        raise Stale
    return queue


async def _must_fit(connection: AsyncConnection, name: str, edit: QueueEdit) -> None:
    targets = sorted({way.queue for way in edit.exits.values() if way.queue is not None})
    if name in targets:
        raise InvalidField("exits", "a caller is not sent back to the queue that gave them up")
    if unknown := sorted(set(targets) - await store.existing(connection, targets)):
        raise InvalidField("exits", f"there is no queue “{unknown[0]}”")
    if edit.comfort_prompt is not None and not await store.prompt_exists(
        connection, edit.comfort_prompt
    ):
        rule = f"there is no prompt “{edit.comfort_prompt}”"
        raise InvalidField("comfort_prompt", rule)


async def _must_be_agents(connection: AsyncConnection, members: Sequence[Member]) -> None:
    names = [member.agent_id for member in members]
    if unknown := sorted(set(names) - await store.agents_there_are(connection, names)):
        raise InvalidField("members", f"there is no agent “{unknown[0]}”")
