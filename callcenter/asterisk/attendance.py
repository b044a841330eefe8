"""Keeps agents' sessions and Asterisk's queue members one: the node's part of agents' states.

Events only say whom to look at. What is true is read each time: the rows of the agent, the members
Asterisk has, what the phone does. What is not as wanted is mended and looked at again; only then
the row says that it is in force. Everybody is looked at every two seconds and after each reconnect.

Asterisk goes on alone while this is away: members and pauses are in its own database. The dialplan
pauses an agent for a wrap-up only while this gives signs of life (`Global.NODE_ALIVE`), because
nobody else would end it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.model import is_agent_id
from callcenter.agents.sessions import model, store
from callcenter.agents.sessions.model import Record, Seen, Session, State
from callcenter.agents.sessions.service import TOPIC_STATE, TOPIC_WISH, take_wish
from callcenter.asterisk import members
from callcenter.asterisk.agent_codes import DialledCodes
from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.ami.messages import AmiMessage
from callcenter.asterisk.attendance_rows import Rows, read_rows
from callcenter.asterisk.desk_phones import DeskPhones, ringing_channels
from callcenter.asterisk.dialplan import (
    Global,
)
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.asterisk.members_kept import KeptMembers, Looked, by_agent
from callcenter.calls.facts import AgentAnswered, AgentRang, AgentTalkEnded, Fact
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import announce, listen
from callcenter.queues.membership import Attendance, wanted_members

log = logging.getLogger(__name__)

#: How often everybody is compared.
EVERY: Final = timedelta(seconds=2)
#: Events that belong together come within this time: one look for all of them.
_SETTLES: Final = timedelta(milliseconds=20)
_CASE: Final = "case"
_MEMBER_EVENTS: Final = (
    "QueueMemberAdded",
    "QueueMemberPause",
    "QueueMemberPenalty",
    "QueueMemberRemoved",
)


class AttendanceKeeper:
    """One for each node. `run` and `follow` are to be supervised; `reconcile` is for whoever must
    know that Asterisk has the members the rows want.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ami: AmiClient,
        bus: AmiBus,
        *,
        default_language: str,
    ) -> None:
        self._default_language = default_language
        self._database = database
        self._clock = clock
        self._ami = ami
        self._phones = DeskPhones()
        self._codes = DialledCodes(ami)
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._dirty: set[str] = set()
        self._all_due = True
        self._missed: list[tuple[str, datetime]] = []
        self._lost: set[str] = set()
        self._calls: dict[str, UUID] = {}
        self._wrap_ups: dict[str, datetime] = {}
        self._members = KeptMembers(ami)
        #: What Asterisk has not as wanted, as of the last look at everybody.
        self.problems: tuple[str, ...] = ("not looked yet",)
        phones = self._phones
        bus.on("DeviceStateChange", lambda event: self._touch(phones.on_device(event)))
        for name in ("AgentCalled", "AgentConnect"):
            bus.on(name, lambda event: self._touch(phones.on_queue_call(event)))
        bus.on("AgentRingNoAnswer", self._on_no_answer)
        bus.on("ContactStatus", self._on_contact)
        for name in ("Hold", "Unhold"):
            bus.on(name, lambda event: self._touch(phones.on_hold(event)))
        for name in _MEMBER_EVENTS:
            bus.on(name, self._on_member)
        bus.on("UserEvent", self._on_user_event)
        bus.on_snapshot(self._on_snapshot)

    @property
    def drift_repaired(self) -> int:
        """Fields of members that changed without anybody's wish, and were mended."""
        return self._members.drift_repaired

    # What wakes it.

    def _touch(self, agent_id: str | None) -> None:
        if agent_id is not None:
            self._dirty.add(agent_id)
            self._wake.set()

    def _on_no_answer(self, event: AmiMessage) -> None:
        """The journal tells the same, but only with the record that comes next: when the phone
        rings again."""
        agent_id = members.agent_of(event.get("Interface") or "")
        if is_agent_id(agent_id):
            self._missed.append((agent_id, self._clock()))
            self._touch(agent_id)

    def _on_contact(self, event: AmiMessage) -> None:
        agent_id = self._phones.on_contact(event)
        if agent_id is not None:
            self._lost.add(agent_id)
            self._touch(agent_id)

    def _on_member(self, event: AmiMessage) -> None:
        agent_id = members.agent_of(event.get("Interface") or "")
        self._touch(agent_id if is_agent_id(agent_id) else None)

    def _on_user_event(self, event: AmiMessage) -> None:
        agent_id = self._codes.on_user_event(event)
        if agent_id is not None:
            self._phones.on_code(agent_id)
            self._touch(agent_id)

    async def _on_snapshot(self, _ami: AmiClient) -> None:
        """Asterisk may be another one than before, and codes may have been dialled meanwhile."""
        self._codes.look_them_up()
        self._look_at_all()

    def _look_at_all(self) -> None:
        self._all_due = True
        self._wake.set()

    async def follow(self) -> None:
        """Wake at news of wishes and of saved cases, for ever."""
        async for news in listen(self._database):
            if news is None:
                continue
            if news.topic == TOPIC_WISH:
                self._touch(news.key)
            elif news.topic == _CASE:
                for agent_id in self._wrap_ups:
                    self._touch(agent_id)

    async def on_facts(self, connection: AsyncConnection, facts: Sequence[Fact]) -> None:
        """What the journal says of agents, in the transaction of the call's row: the news leave
        with its commit."""
        for fact in facts:
            match fact:
                case AgentRang():
                    self._calls[fact.agent] = fact.call_id
                case AgentAnswered():
                    self._calls[fact.agent] = fact.call_id
                    await take_wish(connection, fact.agent, model.answered, fact.at)
                case AgentTalkEnded():
                    pass
                case _:
                    continue
            await announce(connection, TOPIC_WISH, fact.agent)

    # The work.

    async def run(self) -> None:
        """Look and mend, for ever."""
        loop = asyncio.get_running_loop()
        last = loop.time() - EVERY.total_seconds()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._idle(last + EVERY.total_seconds() - loop.time())):
                    await self._wake.wait()
                await asyncio.sleep(_SETTLES.total_seconds())
            self._wake.clear()
            everybody = self._all_due or loop.time() - last >= EVERY.total_seconds()
            if everybody:
                last, self._all_due = loop.time(), False
            if self._ami.status.state is not LinkState.CONNECTED:
                continue  # everybody is looked at as soon as it is
            now = self._clock()
            self._dirty.update(i for i, until_at in self._wrap_ups.items() if until_at <= now)
            agent_ids = None if everybody else frozenset(self._dirty)
            self._dirty.clear()
            if agent_ids is not None and not agent_ids:
                continue
            try:
                await self._pass(agent_ids)
                if everybody:
                    await self._show_life()
            except (DatabaseUnavailable, AsteriskError) as exc:
                self.problems = (exc.message,)
                log.warning("agents' states are not kept now: %s", exc.message)
            except Exception:
                self.problems = ("A fault of the node; its log tells more.",)
                log.exception("agents' states are not kept now, by a fault of ours")

    def _idle(self, until_all: float) -> float:
        now = self._clock()
        ends = ((until_at - now).total_seconds() for until_at in self._wrap_ups.values())
        return max(0.0, min(until_all, min(ends, default=until_all)))

    async def _show_life(self) -> None:
        """Only one who reads, mends and writes is alive."""
        seconds = str(int(self._clock().timestamp()))
        await self._ami.action("Setvar", {"Variable": Global.NODE_ALIVE, "Value": seconds})

    async def reconcile(self) -> list[str]:
        """Bring everybody's memberships in force; what is not as wanted then, in words.

        Raises `AsteriskError`s, `DatabaseUnavailable`.
        """
        return await self._pass(None)

    async def _pass(self, agent_ids: Collection[str] | None) -> list[str]:
        async with self._lock:
            await self._take_word()
            looked = await self._look(agent_ids)
            # A code's word comes before what it did to the members.
            await self._take_word()
            async with self._database.transaction() as connection:
                rows = await read_rows(
                    connection,
                    agent_ids,
                    self._phones,
                    default_language=self._default_language,
                    now=self._clock(),
                )
            now = self._clock()
            sessions = {
                agent_id: model.now(record, self._seen(record, rows, looked), now, rows.wrap_ups)
                for agent_id, record in rows.records.items()
            }
            wanted = by_agent(
                wanted_members(rows.places, {i: _attendance(s) for i, s in sessions.items()}),
                sessions.keys() | looked.keys(),
            )
            problems = await self._members.mend(wanted, looked)
            await self._write(rows, sessions, problems.keys(), now)
            said = [line for lines in problems.values() for line in lines]
            if agent_ids is None:
                self.problems = tuple(said)
                await self._forget(sessions.keys(), now)
            return said

    async def _take_word(self) -> None:
        """Keep what was wished for by phone, and calls that rang unanswered."""
        for agent_id, wish in await self._codes.taken():
            async with self._database.transaction() as connection:
                await take_wish(
                    connection,
                    agent_id,
                    partial(model.wished, wish=wish),
                    wish.at,
                )
            await self._codes.is_kept(agent_id, wish)
        while self._missed:
            agent_id, at = self._missed[0]
            async with self._database.transaction() as connection:
                await take_wish(connection, agent_id, partial(model.did_not_answer, at=at), at)
            self._missed.pop(0)

    async def _look(self, agent_ids: Collection[str] | None) -> Looked:
        ask = self._ami.list_action
        if agent_ids is None:
            self._phones.take_devices(await ask("DeviceStateList"))
        if agent_ids is None or self._lost or self._phones.unclear(agent_ids):
            channels = await ask("CoreShowChannels")
            self._phones.take_channels(channels)
            await self._end_rings_of_the_lost(channels)
        return await self._members.look(agent_ids)

    async def _end_rings_of_the_lost(self, channels: Sequence[AmiMessage]) -> None:
        """A phone that is gone does not ring: Queue() goes on to the next agent at once."""
        lost, self._lost = self._lost, set()
        for channel in ringing_channels(channels, lost):
            with suppress(ActionRefused):  # it ended by itself
                await self._ami.action("Hangup", {"Channel": channel})

    def _seen(self, record: Record, rows: Rows, looked: Looked) -> Seen:
        agent_id = record.session.agent_id
        return rows.seen(
            record,
            self._phones.of(agent_id),
            self._calls.get(agent_id),
            looked.get(agent_id, ()),
        )

    async def _write(
        self,
        rows: Rows,
        sessions: Mapping[str, Session],
        problems: Collection[str],
        now: datetime,
    ) -> None:
        changed = []
        for agent_id, session in sessions.items():
            before = rows.records[agent_id]
            seen = agent_id not in problems
            record = model.noted(before, session, now, rows.limits, seen=seen)
            if record.state is State.WRAP_UP and record.until_at is not None:
                self._wrap_ups[agent_id] = record.until_at
            else:
                self._wrap_ups.pop(agent_id, None)
            if not before.is_kept or model.differ(before, record):
                changed.append((before, record))
        for before, record in changed:
            # One transaction each: who holds several agents' rows waits for the journal's reader.
            async with self._database.transaction() as connection:
                await self._write_one(connection, before, record)

    async def _write_one(self, connection: AsyncConnection, before: Record, record: Record) -> None:
        agent_id = record.session.agent_id
        if not await store.save(connection, record):
            self._touch(agent_id)  # a newer wish came in between
            return
        was, now = (before.state, before.reason), (record.state, record.reason)
        if was != now or not before.is_kept:
            await store.begin_span(connection, record)
        elif before.session.call_id != record.session.call_id:
            await store.complete_span(connection, record)
        if record.over_limit and not before.over_limit:
            log.warning("agent %s is over the limit of %s", agent_id, record.reason)
        await announce(connection, TOPIC_STATE, agent_id, _told(record))

    async def _forget(self, known: Collection[str], now: datetime) -> None:
        """Agents who were removed."""
        gone = self._members.forget(known)
        if not gone:
            return
        for agent_id in gone:
            self._calls.pop(agent_id, None)
            self._wrap_ups.pop(agent_id, None)
        self._phones.forget(gone)
        async with self._database.transaction() as connection:
            await store.end_spans_of_the_gone(connection, now)


def _attendance(session: Session) -> Attendance:
    return Attendance(
        logged_in=session.active and session.logged_in,
        out_of=session.out_of,
        paused_for=model.pause_of(session),
    )


def _told(record: Record) -> dict[str, object]:
    session = record.session
    return {
        "state": record.state.value,
        "reason": record.reason,
        "since": record.since.isoformat(),
        "until_at": record.until_at.isoformat() if record.until_at else None,
        "over_limit": record.over_limit,
        "call_id": str(session.call_id) if session.call_id else None,
        "queue": session.queue,
    }
