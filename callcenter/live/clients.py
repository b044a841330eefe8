"""Those who follow the live state, and what each is told next.

Nothing is queued for anybody: a client holds the scene it was told last, and its next message is
what leads from there to the present one. So a slow reader gets fewer messages, not older ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.access.model import Principal, Role, Session
from callcenter.live import messages
from callcenter.live.messages import Why
from callcenter.live.model import Picture, Scene, Topic, View, difference, dumped, scene, told
from callcenter.live.screen.model import ScreenPop
from callcenter.platform.errors import HotlineError, NotAllowed

#: Pause between two messages to one client: eight a second, so that two that were held up and come
#: close together still make no more than ten.
TICK: Final = timedelta(milliseconds=125)
#: A client so many pictures behind is told everything instead of what changed since.
MOST_BEHIND: Final = 40


class End(StrEnum):
    """Why we end a connection."""

    REVOKED = "revoked"  #: the token was revoked, its user switched off
    EXPIRED = "expired"
    ROLE_CHANGED = "role_changed"


class ConnectionOver(HotlineError):
    """The connection ends here."""

    slug = "connection-over"

    def __init__(self, end: End, message: str) -> None:
        self.end = end
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a client asks to follow. `queues`, `team`: only these; None: all that the role sees."""

    topics: frozenset[Topic] = frozenset(Topic)
    queues: frozenset[str] | None = None
    team: str | None = None


def view_of(picture: Picture, principal: Principal, wanted: Wanted) -> View:
    """What this person may see of what they ask for.

    Supervisors see every team, and callers' numbers; an agent sees their own team (those without a
    team are one, too), and a number only where their own phone rings. Raises `NotAllowed` for
    another team.
    """
    if principal.reaches(Role.SUPERVISOR):
        return View(
            topics=wanted.topics,
            numbers=True,
            every_team=wanted.team is None,
            team=wanted.team,
            queues=wanted.queues,
        )
    agent = picture.agents.get(picture.users.get(principal.user_id, ""))
    team = agent.team if agent else None
    if wanted.team is not None and wanted.team != team:
        raise NotAllowed("Agents see their own team only.")
    return View(topics=wanted.topics, team=team, queues=wanted.queues)


class Stage:
    """What is played now, and its texts: each is written once, whoever asks first."""

    def __init__(self) -> None:
        self.picture: Picture | None = None
        self.screens: Mapping[UUID, ScreenPop] = {}
        self.is_stale = False
        self._scenes: dict[View, Scene] = {}
        self._snapshots: dict[View, str] = {}
        #: By the scene that is left behind; it is held, so that no other gets its id.
        self._deltas: dict[int, tuple[Scene, View, str | None]] = {}
        #: How often a text was written, for tests and measurements.
        self.written = 0

    def show(self, picture: Picture, screens: Mapping[UUID, ScreenPop]) -> None:
        """From now on this is the present."""
        self.picture = picture
        self.screens = screens
        self._scenes.clear()
        self._snapshots.clear()
        self._deltas.clear()

    def clear(self) -> None:
        """Nobody looks: the next one must not be shown what was."""
        self.picture = None
        self.screens = {}
        self.is_stale = False
        self._scenes.clear()
        self._snapshots.clear()
        self._deltas.clear()

    def scene(self, picture: Picture, view: View) -> Scene:
        found = self._scenes.get(view)
        if found is None:
            found = self._scenes[view] = scene(picture, view)
        return found

    def snapshot(self, now: Scene, view: View) -> str:
        body = self._snapshots.get(view)
        if body is None:
            body = messages.snapshot_body(now, numbers=view.numbers)
            self._snapshots[view] = body
            self.written += 1
        return body

    def delta(self, seen: Scene, now: Scene, view: View) -> str | None:
        """What leads from `seen` to `now`; None where nothing changed."""
        found = self._deltas.get(id(seen))
        if found is not None and found[1] == view:
            return found[2]
        changes = difference(seen, now)
        body = None
        if changes:
            body = messages.delta_body(now.at, changes, numbers=view.numbers)
            self.written += 1
        self._deltas[id(seen)] = (seen, view, body)
        return body

    def own(self, picture: Picture, user_id: UUID, wanted: Wanted) -> str:
        """A client's own part: the agent they are, the call at their phone, what it is about."""
        agent_id = picture.users.get(user_id)
        if agent_id is None:
            return "null"
        call = picture.own_calls.get(agent_id)
        parts = [f'"agent_id":{dumped(agent_id)}', f'"call":{call.text if call else "null"}']
        if Topic.SCREEN in wanted.topics:
            screen = self.screens.get(call.call_id) if call else None
            parts.append(f'"screen":{screen.text if screen else "null"}')
        return "{" + ",".join(parts) + "}"


@dataclass(eq=False, kw_only=True)
class Client:
    """One connection. `messages` is for its one writer; the others may be called by anybody."""

    stage: Stage
    session: Session
    wanted: Wanted
    number: int = 0
    _seen: Scene | None = None
    _own: str | None = None
    _why: Why | None = Why.BEGIN
    _told_stale: bool = False
    _over: ConnectionOver | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """There is a new picture, or none can be had."""
        self._news.set()

    def want(self, wanted: Wanted) -> None:
        """Follow something else from now on: a snapshot of it comes."""
        self.wanted = wanted
        self._why = Why.SUBSCRIPTION
        self._news.set()

    def end(self, end: End, message: str) -> None:
        """This connection is to end; the first reason counts."""
        if self._over is None:
            self._over = ConnectionOver(end, message)
        self._ended.set()

    async def over(self) -> None:
        """Raises `ConnectionOver` once `end` was called, also while a message is on its way."""
        await self._ended.wait()
        assert self._over is not None
        raise self._over

    async def messages(self) -> AsyncGenerator[str, None]:
        """What is to be sent, one by one, when the one before was sent; at most one a `TICK`.

        Raises `NotAllowed` where another team is asked for.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            text = self.next_text()
            if text is not None:
                self.number += 1
                yield text
                await asyncio.sleep(TICK.total_seconds())

    def next_text(self) -> str | None:
        """The message that brings this client to the present; None where it is there. Whoever takes
        it counts it in `number` and sends it."""
        stage, picture, number = self.stage, self.stage.picture, self.number + 1
        if stage.is_stale:
            if self._told_stale:
                return None
            self._told_stale = True
            return messages.stale(number, self._told_at)
        if picture is None:
            return None
        if self._told_stale:
            self._told_stale = False
            self._why = Why.BACK
        view = view_of(picture, self.session.principal, self.wanted)
        now, seen = stage.scene(picture, view), self._seen
        own = stage.own(picture, self.session.principal.user_id, self.wanted)
        why = self._why
        if why is None and (seen is None or now.version - seen.version > MOST_BEHIND):
            why = Why.BEHIND
        if why is not None or seen is None:
            self._seen, self._own, self._why = now, own, None
            return messages.snapshot(
                number,
                why or Why.BEGIN,
                self._view_text(view),
                stage.snapshot(now, view),
                own,
            )
        body = stage.delta(seen, now, view)
        own_before, self._own = self._own, own
        self._seen = now
        if own == own_before:
            return None if body is None else messages.delta(number, body, None)
        return messages.delta(
            number, body or messages.delta_body(now.at, {}, numbers=view.numbers), own
        )

    @property
    def _told_at(self) -> datetime | None:
        return self._seen.at if self._seen else None

    def _view_text(self, view: View) -> str:
        principal = self.session.principal
        return dumped(
            {
                "role": str(principal.role),
                "topics": sorted(str(topic) for topic in view.topics),
                "every_team": view.every_team,
                "team": view.team,
                "queues": told(sorted(view.queues)) if view.queues is not None else None,
            }
        )
