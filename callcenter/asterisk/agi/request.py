"""One AGI session: commands out, replies in, strictly one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from panoramisk.fast_agi import Request

from callcenter.asterisk.agi.wire import HANGUP, Argument, Reply, ReplyReader, encode_command
from callcenter.asterisk.errors import CommandRefused, CommandTimedOut, ReplyGarbled
from callcenter.ivr.session import CallerHungUp

#: For commands that play nothing and wait for nobody.
PROMPT: Final = timedelta(seconds=10)
#: After `HANGUP` the reply in flight comes at once, or never (AGIEXITONHANGUP closes instead).
_AFTER_HANGUP: Final = 2.0


class AgiRequest(Request):
    """A session with one channel. `headers` are Asterisk's `agi_*` lines, values undecorated."""

    headers: Mapping[str, str]

    def __init__(
        self,
        app: object,
        headers: Mapping[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(app, headers, reader, writer, encoding)
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._hung_up = False
        self._broken = False

    @property
    def hung_up(self) -> bool:
        """Whether the caller is known to be gone."""
        return self._hung_up

    def argument(self, number: int) -> str:
        """`agi_arg_<number>`, counted from 1; empty when the dialplan gave none."""
        return self.headers.get(f"agi_arg_{number}", "")

    @property
    def call_id(self) -> UUID | None:
        """Our id of the call (first argument), None when it is no UUID. Safe to log."""
        try:
            return UUID(self.argument(1))
        except ValueError:
            return None

    async def command(
        self, command: str, *arguments: Argument, timeout: timedelta = PROMPT
    ) -> Reply:
        """Sends one command and returns its `200` reply; callers on other tasks wait their turn.

        Raises `CallerHungUp` when the channel is gone (in-band HANGUP, 511, result -1, Asterisk
        closed), `CommandRefused` (510, 520 …), `CommandTimedOut` and `ReplyGarbled` (after either
        of which no later reply can be trusted, so every later command raises it too), and
        `UnsafeValue` before anything is sent.
        """
        reply = await self._exchange(command, encode_command(command, *arguments), timeout)
        if reply.channel_gone:
            self._hung_up = True
            raise CallerHungUp
        if reply.code != 200:
            raise CommandRefused(command, f"{reply.code} {reply.text}".splitlines()[0])
        if reply.result.startswith("-"):
            raise CommandRefused(command, reply.text or f"result {reply.result}")
        return reply

    async def send_command(self, command: object) -> None:
        """panoramisk's way to send, which checks nothing."""
        raise TypeError("use AgiRequest.command(): send_command() checks nothing")

    async def _exchange(self, command: str, line: bytes, timeout: timedelta) -> Reply:
        async with self._turn:
            if self._hung_up:
                raise CallerHungUp
            if self._broken:
                raise ReplyGarbled
            # Until the reply is in, whatever interrupts us leaves a reply nobody waits for.
            self._broken = True
            seconds = timeout.total_seconds()
            try:
                async with asyncio.timeout(seconds) as limit:
                    self._writer.write(line)
                    await self._writer.drain()
                    reply = await self._reply(limit)
            except TimeoutError:
                if self._hung_up:
                    raise CallerHungUp from None
                raise CommandTimedOut(command, seconds) from None
            except OSError:
                # Asterisk's way of closing while we write; the same news as the end of the stream.
                self._hung_up = True
                raise CallerHungUp from None
            self._broken = False
            if self._hung_up:
                # The reply is read, so that the pairing holds, but there is nobody left to serve.
                raise CallerHungUp
            return reply

    async def _reply(self, limit: asyncio.Timeout) -> Reply:
        reply = ReplyReader()
        while True:
            try:
                raw = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                self._hung_up = True
                raise CallerHungUp from None
            except asyncio.LimitOverrunError:
                raise ReplyGarbled from None
            line = raw[:-1].decode("utf-8", "replace")
            if line == HANGUP and not reply.begun:
                # Out of band: it stands before the reply of the command in flight, not for it.
                self._hung_up = True
                soon = asyncio.get_running_loop().time() + _AFTER_HANGUP
                limit.reschedule(min(soon, limit.when() or soon))
                continue
            whole = reply.take(line)
            if whole is not None:
                return whole
