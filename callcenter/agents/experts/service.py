"""Expert groups over REST, and the voice side's question: whose phones ring?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.experts import store
from callcenter.agents.experts.model import (
    MOST_QUESTION,
    Group,
    GroupExists,
    GroupOwesAnswers,
    NoSuchGroup,
    NoSuchTask,
    Task,
    TaskOutcome,
    TaskState,
    checked,
    whom_to_ring,
)
from callcenter.agents.rosters.store import existing_agents
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.errors import InvalidField, Stale
from callcenter.platform.ids import Ids, random_ids
from callcenter.platform.news import announce
from callcenter.platform.text import plain_text
from callcenter.switch.model import SwitchOutcome, SwitchRequests
from callcenter.switch.service import CONFIRMATION_LIMIT

#: What the switch is asked to load after each change: the extensions agents dial.
SUBJECT = "experts"
TOPIC = "expert_task"


class ExpertService:
    """Use cases of the REST API and of the voice side."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        switch: SwitchRequests,
        *,
        ids: Ids = random_ids,
    ) -> None:
        self._database = database
        self._clock = clock
        self._switch = switch
        self._ids = ids

    def now(self) -> datetime:
        return self._clock()

    async def groups(self) -> Sequence[Group]:
        """All, by name: there are few."""
        async with self._database.transaction() as connection:
            return await store.groups(connection)

    async def group(self, name: str) -> Group:
        """Raises `NoSuchGroup`."""
        async with self._database.transaction() as connection:
            found = await store.group_of(connection, name=name)
        if found is None:
            raise NoSuchGroup
        return found

    async def add(self, group: Group) -> tuple[Group, SwitchOutcome]:
        """Raises `InvalidField`, `GroupExists`."""
        new = checked(group)
        async with self._database.transaction() as connection:
            await _check_members(connection, new)
            if await store.is_taken(connection, new.name, new.extension):
                raise GroupExists
            await store.write_group(connection, new, new=True)
            change_id = await self._switch.request(connection, SUBJECT)
        return new, await self._switch.wait(change_id, CONFIRMATION_LIMIT)

    async def change(self, group: Group, *, version: int | None) -> tuple[Group, SwitchOutcome]:
        """Raises `NoSuchGroup`, `Stale`, `InvalidField`, `GroupExists`."""
        changed = checked(group)
        async with self._database.transaction() as connection:
            found = await store.group_of(connection, name=group.name, for_update=True)
            if found is None:
                raise NoSuchGroup
            if version is not None and version != found.version:
                raise Stale
            await _check_members(connection, changed)
            if await store.extension_is_taken(connection, changed.name, changed.extension):
                raise GroupExists
            changed = replace(changed, version=found.version + 1)
            await store.write_group(connection, changed, new=False)
            change_id = await self._switch.request(connection, SUBJECT)
        return changed, await self._switch.wait(change_id, CONFIRMATION_LIMIT)

    async def remove(self, name: str) -> SwitchOutcome:
        """Raises `NoSuchGroup`, `GroupOwesAnswers`."""
        async with self._database.transaction() as connection:
            if await store.group_of(connection, name=name, for_update=True) is None:
                raise NoSuchGroup
            if await store.has_tasks(connection, name):
                raise GroupOwesAnswers("Tasks refer to this group: take its members out instead.")
            await store.remove_group(connection, name)
            change_id = await self._switch.request(connection, SUBJECT)
        return await self._switch.wait(change_id, CONFIRMATION_LIMIT)

    async def ring(self, extension: str, caller: str | None) -> tuple[Group, Sequence[str]]:
        """The group behind an extension, and whose phones ring now. Raises `NoSuchGroup`."""
        now = self._clock()
        async with self._database.transaction() as connection:
            group = await store.group_of(connection, extension=extension)
            if group is None:
                raise NoSuchGroup
            members = [agent_id for agent_id, _ in group.members]
            duty = await store.on_duty(connection, members, now)
            states = await store.states(connection, members)
        return group, whom_to_ring(group, on_duty=duty, states=states, caller=caller)

    async def owe(
        self,
        name: str,
        *,
        by: str,
        call_id: UUID | None = None,
        case_number: str | None = None,
        question: str = "",
    ) -> Task | None:
        """The group owes this citizen a call; None where it does already for this call.

        Raises `NoSuchGroup`, `InvalidField`.
        """
        words = plain_text("question", question, most=MOST_QUESTION, lines=True)
        now = self._clock()
        async with self._database.transaction() as connection:
            group = await store.group_of(connection, name=name)
            if group is None:
                raise NoSuchGroup
            if case_number is not None and not await store.is_case(connection, case_number):
                raise InvalidField("case_number", "the number of a case")
            if case_number is None and call_id is not None:
                case_number = await store.case_of_call(connection, call_id)
            if case_number is None and call_id is None:
                raise InvalidField("case_number", "a case or a call the answer is about")
            task = Task(
                task_id=self._ids(),
                group_name=name,
                call_id=call_id,
                case_number=case_number,
                question=words,
                made_at=now,
                made_by=by,
                due_at=now + group.answer_within,
            )
            if not await store.add_task(connection, task):
                return None
            await announce(connection, TOPIC, str(task.task_id))
        return task

    async def tasks(
        self,
        *,
        group: str | None,
        state: TaskState | None,
        overdue: bool,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Task]:
        """What is due first comes first."""
        async with self._database.transaction() as connection:
            return await store.tasks_after(
                connection,
                group=group,
                state=state,
                overdue_at=self._clock() if overdue else None,
                after=after,
                limit=limit,
            )

    async def task(self, task_id: UUID) -> Task:
        """Raises `NoSuchTask`."""
        async with self._database.transaction() as connection:
            found = await store.task_of(connection, task_id)
        if found is None:
            raise NoSuchTask
        return found

    async def take(self, task_id: UUID, *, who: str) -> Task:
        """Raises `NoSuchTask`, `TaskIsOver`, `TaskIsTaken`."""
        async with self._database.transaction() as connection:
            found = await store.task_of(connection, task_id, for_update=True)
            if found is None:
                raise NoSuchTask
            taken = found.take(who, self._clock())
            await store.save_task(connection, taken)
            await announce(connection, TOPIC, str(task_id))
        return taken

    async def finish(self, task_id: UUID, outcome: TaskOutcome, note: str, *, who: str) -> Task:
        """Raises `NoSuchTask`, `TaskIsOver`, `InvalidField`."""
        async with self._database.transaction() as connection:
            found = await store.task_of(connection, task_id, for_update=True)
            if found is None:
                raise NoSuchTask
            done = found.finish(outcome, note, who=who, at=self._clock())
            await store.save_task(connection, done)
            await announce(connection, TOPIC, str(task_id))
        return done


async def owe_by_extension(
    connection: AsyncConnection,
    extension: str,
    call_id: UUID,
    *,
    at: datetime,
    ids: Ids = random_ids,
) -> None:
    """The group behind `*<extension>` owes the citizen of this call an answer; within the
    transaction of the journal's record. A group that is gone meanwhile owes nothing."""
    group = await store.group_of(connection, extension=f"*{extension}")
    if group is None:
        return
    task = Task(
        task_id=ids(),
        group_name=group.name,
        call_id=call_id,
        case_number=await store.case_of_call(connection, call_id),
        question="",
        made_at=at,
        made_by="system:node",
        due_at=at + group.answer_within,
    )
    if await store.add_task(connection, task):
        await announce(connection, TOPIC, str(task.task_id))


async def _check_members(connection: AsyncConnection, group: Group) -> None:
    agents = [agent_id for agent_id, _ in group.members]
    if agents and set(agents) - await existing_agents(connection, agents):
        raise InvalidField("members", "each an agent (GET /api/v1/agents)")
