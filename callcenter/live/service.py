"""Keeping the live picture: one a process, made of durable rows only, shared by all clients.

News say which rows to read again; every few seconds all are, so that lost news cost seconds, not
truth. Nothing is read while nobody looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, time, timedelta, tzinfo
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.access.model import Principal, Session
from callcenter.access.service import TOPIC as ACCESS
from callcenter.access.service import AccessService
from callcenter.agents.sessions.service import TOPIC_STATE, TOPIC_WISH
from callcenter.live import store
from callcenter.live.clients import TICK, Client, End, Stage, Wanted, view_of
from callcenter.live.model import Picture, Rows, Scene, Topic, View, compose, scene
from callcenter.live.screen.model import ScreenPop
from callcenter.live.screen.store import read_screens
from callcenter.platform.clock import Clock
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.errors import TooMany
from callcenter.platform.news import News, listen

log = logging.getLogger(__name__)

#: All rows are read again so often, whatever the news say.
RECONCILE: Final = timedelta(seconds=3)
#: The day's counts walk through the day's waits: read less often.
COUNT: Final = timedelta(seconds=5)
#: A read that takes longer counts as a database that is away.
READ_LIMIT: Final = timedelta(seconds=5)
#: All tokens are looked at so often, in case the news of one were lost.
CHECK_TOKENS: Final = timedelta(seconds=5)
#: After news of more rows than these all are read: it is cheaper.
MOST_SINGLY: Final = 500

MOST_CLIENTS: Final = 2_000
MOST_PER_USER: Final = 10

#: How an agent is, or is wanted to be; the key is the agent's id.
_AGENT: Final = frozenset({TOPIC_STATE, TOPIC_WISH})
#: What changes queues and agents as they are set up.
_SET_UP: Final = frozenset({"switch", "queue"})


class TooManyConnections(TooMany):
    """Too many connections: close one, then try again."""

    slug = "too-many-connections"


class LiveService:
    """The picture, its clients and their tokens. `keep_picture`, `follow_news` and `watch_tokens`
    run beside each other for as long as the process lives."""

    def __init__(
        self,
        database: Database,
        access: AccessService,
        clock: Clock,
        *,
        zone: tzinfo,
        reconcile: timedelta = RECONCILE,
        check_tokens: timedelta = CHECK_TOKENS,
    ) -> None:
        self._database = database
        self._access = access
        self._clock = clock
        self._zone = zone
        self._reconcile = reconcile
        self._check_tokens = check_tokens
        self.stage = Stage()
        self.clients: set[Client] = set()
        self._per_user: Counter[UUID] = Counter()
        self._rows = Rows()
        self._counted_at: datetime | None = None
        self._calls: set[UUID] = set()
        self._cases: set[str] = set()
        self._agents: set[str] = set()
        self._everything = True
        self._wake = asyncio.Event()
        self._suspects: set[UUID] = set()
        self._suspect_all = False
        self._look_at_tokens = asyncio.Event()

    # -- Clients -----------------------------------------------------------------------

    @contextmanager
    def admitted(self, session: Session, wanted: Wanted) -> Iterator[Client]:
        """A client until the end of the block. Raises `TooManyConnections`."""
        user_id = session.principal.user_id
        if len(self.clients) >= MOST_CLIENTS or self._per_user[user_id] >= MOST_PER_USER:
            raise TooManyConnections
        client = Client(stage=self.stage, session=session, wanted=wanted)
        if not self.clients:
            self.stage.clear()
            self._everything = True
        self.clients.add(client)
        self._per_user[user_id] += 1
        # Between the look at the token and now it may have been revoked: look again.
        self._suspects.add(user_id)
        self._look_at_tokens.set()
        self._wake.set()
        client.wake()
        try:
            yield client
        finally:
            self.clients.discard(client)
            self._per_user[user_id] -= 1
            if not self._per_user[user_id]:
                del self._per_user[user_id]

    async def now(self, principal: Principal, wanted: Wanted) -> tuple[Scene, View, str]:
        """What a client would be told this moment, read anew, and the own part of it as JSON.

        Raises `NotAllowed`.
        """
        stage = Stage()
        async with self._database.transaction() as connection:
            await store.one_moment(connection)
            at = self._clock()
            rows = await store.read_rows(connection, midnight=self._midnight(at))
            picture = compose(rows, at)
            view = view_of(picture, principal, wanted)
            call = picture.own_calls.get(picture.users.get(principal.user_id, ""))
            stage.show(picture, await read_screens(connection, [call.call_id] if call else []))
        return scene(picture, view), view, stage.own(picture, principal.user_id, wanted)

    # -- News --------------------------------------------------------------------------

    async def follow_news(self) -> None:
        """Note what is to be read again."""
        async for news in listen(self._database):
            self.note(news)

    def note(self, news: News | None) -> None:
        """One piece of news; None: some may have been missed."""
        if news is None:
            self._everything = self._suspect_all = True
            self._look_at_tokens.set()
        elif not self.clients:
            # The first client has everything read.
            return
        elif news.topic == ACCESS:
            self._suspects |= _ids(news.key)
            self._look_at_tokens.set()
            return
        elif news.topic == "call":
            self._calls |= _ids(news.key)
        elif news.topic in _AGENT:
            self._agents.add(news.key)
        elif news.topic == "case":
            self._cases.add(news.key)
        elif news.topic in _SET_UP:
            self._everything = True
        else:
            return
        if len(self._calls) + len(self._agents) + len(self._cases) > MOST_SINGLY:
            self._everything = True
        if self._everything:
            self._forget_notes()
        self._wake.set()

    def _forget_notes(self) -> None:
        self._calls, self._agents, self._cases = set(), set(), set()

    # -- The picture -------------------------------------------------------------------

    async def keep_picture(self) -> None:
        """Read what changed, show it, wake the clients; at most once a `TICK`."""
        loop = asyncio.get_running_loop()
        read_all_at = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(read_all_at + self._reconcile.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                self._everything = True
            self._wake.clear()
            if self._everything:
                read_all_at = loop.time()
            if not self.clients:
                continue
            began = loop.time()
            try:
                async with asyncio.timeout(READ_LIMIT.total_seconds()):
                    await self._read()
            except (DatabaseUnavailable, TimeoutError) as exc:
                if not self.stage.is_stale:
                    log.warning("the live state cannot be read: %s", type(exc).__name__)
                self.stage.is_stale = True
                self._everything = True
                self._wake.set()
                self._tell()
                await asyncio.sleep(0.5)
                continue
            self.stage.is_stale = False
            self._tell()
            await asyncio.sleep(max(0.0, began + TICK.total_seconds() - loop.time()))

    def _tell(self) -> None:
        for client in self.clients:
            client.wake()

    async def _read(self) -> None:
        everything, self._everything = self._everything, False
        call_ids, agent_ids, numbers = self._calls, self._agents, self._cases
        self._forget_notes()
        at = self._clock()
        async with self._database.transaction() as connection:
            await store.one_moment(connection)
            if everything:
                await self._read_all(connection, at)
            else:
                if numbers:
                    call_ids |= await store.calls_of_cases(connection, numbers)
                if call_ids:
                    fresh = await store.read_calls(connection, call_ids)
                    _replace(self._rows.calls, call_ids, fresh)
                if agent_ids:
                    known = await store.read_agents(connection, agent_ids)
                    _replace(self._rows.agents, agent_ids, known)
            picture = compose(self._rows, at, self.stage.picture)
            screens = await self._read_screens(connection, picture, call_ids)
        self.stage.show(picture, screens)

    async def _read_all(self, connection: AsyncConnection, at: datetime) -> None:
        counts = self._counted_at is None or not self._counted_at <= at < self._counted_at + COUNT
        before = self._rows
        self._rows = await store.read_rows(
            connection, midnight=self._midnight(at) if counts else None
        )
        if counts:
            self._counted_at = at
        else:
            self._rows.today = before.today

    async def _read_screens(
        self, connection: AsyncConnection, picture: Picture, fresh: Collection[UUID]
    ) -> Mapping[UUID, ScreenPop]:
        """What is about the calls at the phones of those who follow it; unchanged ones are kept."""
        wanted = set()
        for client in self.clients:
            agent_id = picture.users.get(client.session.principal.user_id)
            if agent_id is not None and Topic.SCREEN in client.wanted.topics:
                call = picture.own_calls.get(agent_id)
                if call is not None:
                    wanted.add(call.call_id)
        before = self.stage.picture
        kept = {}
        for call_id in wanted - set(fresh):
            known, key = self.stage.screens.get(call_id), str(call_id)
            if known and before and before.calls.get(key) is picture.calls[key]:
                kept[call_id] = known
        return kept | await read_screens(connection, wanted - kept.keys())

    def _midnight(self, at: datetime) -> datetime:
        """When the city's day began."""
        day = at.astimezone(self._zone).date()
        return datetime.combine(day, time(), self._zone)

    # -- Tokens ------------------------------------------------------------------------

    async def watch_tokens(self) -> None:
        """End the connections whose token is good no more."""
        loop = asyncio.get_running_loop()
        all_at = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._look_at_tokens.wait()
            self._look_at_tokens.clear()
            if loop.time() >= all_at + self._check_tokens.total_seconds():
                self._suspect_all = True
            self._end_expired()
            if self._suspect_all:
                all_at = loop.time()
            try:
                async with asyncio.timeout(READ_LIMIT.total_seconds()):
                    await self._look_at_suspects()
            except (DatabaseUnavailable, TimeoutError):
                # Clients are told that the picture is stale; tokens are looked at when it is back.
                self._suspect_all = True
            await asyncio.sleep(0.1)

    def _end_expired(self) -> None:
        now = self._clock()
        for client in self.clients:
            if client.session.expires_at <= now:
                client.end(End.EXPIRED, "The token has run out.")

    async def _look_at_suspects(self) -> None:
        everybody, self._suspect_all = self._suspect_all, False
        users, self._suspects = self._suspects, set()
        looked_at = [
            client
            for client in self.clients
            if everybody or client.session.principal.user_id in users
        ]
        if not looked_at:
            return
        valid = await self._access.sessions({c.session.fingerprint for c in looked_at})
        for client in looked_at:
            session = valid.get(client.session.fingerprint)
            if session is None:
                client.end(End.REVOKED, "The token was revoked.")
            elif session.principal.role is not client.session.principal.role:
                client.end(End.ROLE_CHANGED, "Your role has changed: connect again.")


_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


def _ids(key: str) -> set[UUID]:
    """The id that news name; news of something else by that topic are none of ours."""
    try:
        return {UUID(key)}
    except ValueError:
        return set()


def _replace(rows: dict[_Key, _Row], keys: Iterable[_Key], fresh: Mapping[_Key, _Row]) -> None:
    """Of these keys only the fresh rows stay."""
    for key in keys:
        rows.pop(key, None)
    rows.update(fresh)
