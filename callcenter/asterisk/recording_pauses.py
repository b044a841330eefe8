"""Recordings paused and resumed in Asterisk: MixMonitor goes on and writes silence.

`run` ends what lasts too long, and what was wanted over when the node died or the link was lost; at
each connect it mutes again what is to be silent, and unmutes what is not: a mute that nobody asked
for, or that was asked for too long ago, does not outlive this node.

A pause and its end are announced after Asterisk has answered: what is announced is true, and who
says a number after "paused" is not recorded. Both announcements come late by a moment; the agent,
who asked, knows before.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.ami.client import AmiClient, LinkState
from callcenter.asterisk.announcements import Manner, News, PauseAnnouncer
from callcenter.asterisk.channels import Channel, Channels
from callcenter.asterisk.errors import ActionRefused, AsteriskError
from callcenter.platform.clock import Clock
from callcenter.platform.db import DatabaseUnavailable
from callcenter.recordings.pauses import BY_CALL_END, BY_LIMIT, OpenPause, PauseBook
from callcenter.switch.acts import Act, ActRefused, Executor

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 1.0


class RecordingPauses:
    """`executors` are the node's; `run` is to be supervised."""

    def __init__(
        self,
        ami: AmiClient,
        bus: AmiBus,
        book: PauseBook,
        clock: Clock,
        node: str,
        *,
        manner: Manner,
    ) -> None:
        self._ami = ami
        self._channels = Channels(ami)
        self._book = book
        self._clock = clock
        self._node = node
        self._assert_anew = True
        self.announcer = PauseAnnouncer(self._channels, bus, manner)
        bus.on_snapshot(self._on_connected)

    def executors(self) -> dict[str, Executor]:
        """By kind of act."""
        return {"in_call.pause": self._pause, "in_call.resume": self._resume}

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if self._ami.status.state is not LinkState.CONNECTED:
                continue
            try:
                await self._look()
            except (DatabaseUnavailable, AsteriskError) as exc:
                log.warning("pauses of recordings are looked at again later: %s", exc.message)

    async def _on_connected(self, _ami: AmiClient) -> None:
        self._assert_anew = True

    async def _look(self) -> None:
        pauses = await self._book.open_pauses(self._node)
        if not pauses:
            self._assert_anew = False
            return
        now = self._clock()
        over = [pause for pause in pauses if pause.is_over(now)]
        wanted = pauses if self._assert_anew else over
        if not wanted:
            return
        live = await self._channels.live()
        for pause in wanted:
            await self._mend(pause, live.get(pause.citizen), over=pause in over)
        self._assert_anew = False

    async def _mend(self, pause: OpenPause, citizen: Channel | None, *, over: bool) -> None:
        if citizen is None:
            # The journal tells of the call's end, or has told it.
            if over:
                await self._book.end(pause.pause_id, pause.call_id, by=BY_CALL_END)
            return
        recorded = True
        try:
            await self._mute(citizen, mute=not over)
        except ActionRefused as exc:
            log.warning("call %s: the recording cannot be muted: %s", pause.call_id, exc.reason)
            recorded = False
        if over:
            by = pause.resumed_by or BY_LIMIT
            await self._book.end(pause.pause_id, pause.call_id, by=by)
            if recorded:
                self.announcer.announce(pause.call_id, citizen, News.RESUMED)

    async def _pause(self, act: Act) -> dict[str, Any]:
        call_id = UUID(str(act.arguments["call_id"]))
        citizen = await self._citizen(act)
        limit = timedelta(seconds=int(act.arguments["limit_seconds"]))
        reason = str(act.arguments["reason"])
        pause_id = await self._book.begin(call_id, by=act.wanted_by, reason=reason, limit=limit)
        try:
            await self._mute(citizen, mute=True)
        except ActionRefused as exc:
            await self._book.refused(pause_id, call_id, by=act.wanted_by, why=exc.reason[:500])
            raise ActRefused(f"The recording goes on: {exc.reason}") from exc
        self.announcer.announce(call_id, citizen, News.PAUSED)
        return {"pause_id": pause_id}

    async def _resume(self, act: Act) -> dict[str, Any]:
        call_id = UUID(str(act.arguments["call_id"]))
        citizen = await self._citizen(act)
        pause_id = await self._book.want_over(call_id, by=act.wanted_by)
        await self._mute(citizen, mute=False)
        await self._book.end(pause_id, call_id, by=act.wanted_by)
        self.announcer.announce(call_id, citizen, News.RESUMED)
        return {"pause_id": pause_id}

    async def _citizen(self, act: Act) -> Channel:
        citizen = (await self._channels.live()).get(str(act.arguments["citizen"]))
        if citizen is None:
            raise ActRefused("The call is over.")
        return citizen

    async def _mute(self, citizen: Channel, *, mute: bool) -> None:
        """Raises `ActionRefused` where nothing is recorded. (The answer is the proof: Asterisk sets
        the flag on its recorders before it answers, and shows it nowhere else.)"""
        await self._channels.mute_recording(citizen, mute=mute)
