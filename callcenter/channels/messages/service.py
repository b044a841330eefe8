"""What is done with messages: one comes of a call, its take is settled, people work it off."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.calls.facts import Fact, MessageLeft
from callcenter.cases.number import CaseNumber
from callcenter.cases.service import CaseService
from callcenter.channels.messages import store
from callcenter.channels.messages.model import (
    Message,
    MessageFilter,
    MessageOutcome,
    MessageState,
    NoSuchMessage,
    NotTaken,
    TakenByAnother,
    reason_of,
)
from callcenter.channels.messages.store import MessageView
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database
from callcenter.platform.news import announce
from callcenter.recordings.model import recording_id_of
from callcenter.recordings.service import RecordingService, Sound

#: Topic of the news about messages; the key is the call's id.
TOPIC: Final = "message"

#: Who acts where `node` does.
_NODE: Final = "system:node"

_SAID: Final = {
    MessageOutcome.REACHED: "已联系到来电人 caller reached",
    MessageOutcome.NOT_REACHED: "未联系到来电人 caller not reached",
    MessageOutcome.NO_CALLBACK_NEEDED: "无需回电 no callback needed",
}


class MessageKeeper:
    """The part that `node` plays. `deadline` is how long a message may wait."""

    def __init__(self, cases: CaseService, clock: Clock, *, deadline: timedelta) -> None:
        self._cases = cases
        self._clock = clock
        self._deadline = deadline

    async def on_facts(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        """A row for each message that was left, once, in the facts' transaction.

        After the call's case was opened and its recordings are expected.
        """
        for fact in facts:
            if isinstance(fact, MessageLeft):
                await self._left(connection, fact)

    async def _left(self, connection: AsyncConnection, fact: MessageLeft) -> None:
        origin = await store.origin_of(connection, fact.call_id)
        if origin is None:
            return
        message = Message(
            call_id=fact.call_id,
            case_number=origin.case_number,
            line=origin.line,
            queue=origin.queue,
            language=origin.language,
            reason=reason_of(fact.reason),
            recording_id=recording_id_of(fact.call_id, fact.name),
            left_at=fact.at,
            due_at=fact.at + self._deadline,
        )
        if await store.add(connection, message):
            await self._cases.set_due(
                connection, CaseNumber(message.case_number), message.due_at, by=_NODE
            )
            await _tell(connection, message)

    async def settle(self, connection: AsyncConnection, call_id: UUID) -> None:
        """A recording of the call has its outcome: which take counts, if there is a message."""
        message = await store.locked(connection, call_id)
        if message is None:
            return
        takes = await store.takes_of(connection, call_id)
        settled = message.settled(takes, by=_NODE, at=self._clock())
        if settled == message:
            return
        await store.save(connection, settled)
        if settled.state is MessageState.EMPTY:
            number = CaseNumber(message.case_number)
            await self._cases.set_due(connection, number, None, by=_NODE)
            await self._cases.note(
                connection, number, "留言中没有说话声 The message holds no words.", by=_NODE
            )
        await _tell(connection, settled)


class MessageService:
    """Messages as people see them. `by` is the user who acts; `may_override`: on others' too."""

    def __init__(
        self, database: Database, cases: CaseService, recordings: RecordingService, clock: Clock
    ) -> None:
        self._database = database
        self._cases = cases
        self._recordings = recordings
        self._clock = clock

    async def list(
        self, wanted: MessageFilter, *, behind: tuple[datetime, UUID] | None, limit: int
    ) -> builtins.list[MessageView]:
        """Those that are due first come first, behind that place."""
        async with self._database.transaction() as connection:
            return await store.list_views(
                connection, wanted, now=self._clock(), behind=behind, limit=limit
            )

    async def get(self, call_id: UUID) -> MessageView:
        """Raises `NoSuchMessage`."""
        async with self._database.transaction() as connection:
            return await _view(connection, call_id)

    async def take(self, call_id: UUID, *, by: str) -> MessageView:
        """Raises `NoSuchMessage`, `TakenByAnother`, `NothingToDo`."""
        return await self._act(
            call_id,
            lambda message, at: message.take(by=by, at=at),
            by=by,
            text="留言已接手 Message taken.",
        )

    async def release(self, call_id: UUID, *, by: str, may_override: bool) -> MessageView:
        """Raises `NoSuchMessage`, `NotTaken`, `TakenByAnother`, `NothingToDo`."""
        return await self._act(
            call_id,
            lambda message, _at: message.release(by=by, may_override=may_override),
            by=by,
            text="留言已放回 Message released.",
        )

    async def done(
        self, call_id: UUID, outcome: MessageOutcome, note: str, *, by: str, may_override: bool
    ) -> MessageView:
        """Raises `NoSuchMessage`, `InvalidField`, `NotTaken`, `TakenByAnother`, `NothingToDo`."""
        return await self._act(
            call_id,
            lambda message, at: message.done(
                outcome, note, by=by, may_override=may_override, at=at
            ),
            by=by,
            text=f"留言已办结 Message done: {_SAID[outcome]}.",
        )

    async def sound(self, call_id: UUID, *, by: str, may_override: bool) -> tuple[UUID, Sound]:
        """What was said, for who has taken the message (done ones too), with the recording's id.

        Raises `NoSuchMessage`, `NotTaken`, `TakenByAnother`; as `RecordingService.sound` does.
        """
        message = (await self.get(call_id)).message
        if not may_override and message.taken_by != by:
            raise NotTaken if message.taken_by is None else TakenByAnother(message.taken_by)
        return message.recording_id, await self._recordings.sound(message.recording_id)

    async def _act(
        self,
        call_id: UUID,
        act: Callable[[Message, datetime], Message],
        *,
        by: str,
        text: str,
    ) -> MessageView:
        async with self._database.transaction() as connection:
            message = await store.locked(connection, call_id)
            if message is None:
                raise NoSuchMessage
            changed = act(message, self._clock())
            if changed != message:
                await store.save(connection, changed)
                if changed.note:
                    text = f"{text}\n{changed.note}"
                await self._cases.note(connection, CaseNumber(message.case_number), text, by=by)
                await _tell(connection, changed)
            return await _view(connection, call_id)


async def _view(connection: AsyncConnection, call_id: UUID) -> MessageView:
    found = await store.view(connection, call_id)
    if found is None:
        raise NoSuchMessage
    return found


async def _tell(connection: AsyncConnection, message: Message) -> None:
    await announce(
        connection,
        TOPIC,
        str(message.call_id),
        {"state": message.state.value, "case_number": message.case_number},
    )
