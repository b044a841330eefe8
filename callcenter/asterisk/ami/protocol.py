"""AMI bytes in, whole messages out.

Any way the network cuts the stream gives the same messages: nothing is decoded before a message is
complete. panoramisk's `AMIProtocol` decodes each TCP chunk by itself, which loses characters.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from panoramisk.ami_protocol import AMIProtocol

from callcenter.asterisk.errors import LinkLost

log = logging.getLogger(__name__)

_EOL: Final = b"\r\n"
_END: Final = b"\r\n\r\n"
_GREETING: Final = b"Asterisk Call Manager/"
#: A greeting is about 30 bytes; whoever sends this much without a line end is no Asterisk.
_MAX_GREETING: Final = 1024


class NotAsterisk(LinkLost):
    """What answers on the AMI port is no Asterisk manager."""


class AmiFramer:
    """Cuts the byte stream into messages; pure, holds at most `max_message` bytes plus one chunk.

    A longer message is skipped up to its end and counted in `rejects`; its neighbours stand.
    """

    def __init__(self, max_message: int = 2 * 1024 * 1024) -> None:
        self.version: str | None = None
        self.rejects = 0
        self._max = max_message
        self._buffer = bytearray()
        self._scanned = 0
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages `data` completes, in order, each without its blank line.

        Raises `NotAsterisk` when the stream does not begin with Asterisk's greeting.
        """
        self._buffer += data
        start = 0
        if self.version is None:
            start = self._greeting()
            if self.version is None:
                return []
        messages: list[bytes] = []
        while True:
            # Blank lines between messages: Debian's TestEvent ends with one CRLF too many.
            while not self._skipping and self._buffer.startswith(_EOL, start):
                start += len(_EOL)
            end = self._buffer.find(_END, max(start, self._scanned))
            if end < 0:
                break
            if self._skipping or end - start > self._max:
                self.rejects += 1
                self._skipping = False
            else:
                messages.append(bytes(self._buffer[start:end]))
            start = self._scanned = end + len(_END)
        del self._buffer[:start]
        # A message of just `max` bytes may wait with three of the four bytes of its end.
        if len(self._buffer) > self._max + len(_END) - 1:
            self._skipping = True
        if self._skipping:
            # The blank line may be cut by the chunk: its first three bytes stay.
            del self._buffer[: -(len(_END) - 1)]
        self._scanned = max(0, len(self._buffer) - (len(_END) - 1))
        return messages

    def _greeting(self) -> int:
        end = self._buffer.find(_EOL)
        known = self._buffer[: len(_GREETING)]
        if not _GREETING.startswith(known) or (end < 0 and len(self._buffer) > _MAX_GREETING):
            raise NotAsterisk
        if end < 0:
            return 0
        if len(known) < len(_GREETING):
            raise NotAsterisk
        self.version = self._buffer[len(_GREETING) : end].decode("ascii", "replace")
        return end + len(_EOL)


class AmiProtocol(AMIProtocol):
    """One TCP connection to the manager port.

    Hands each whole message to `on_message` in order and says once, through `on_lost`, that the
    connection is gone. Nothing ever leaves `data_received` as an exception: asyncio would close the
    connection for it and drop the rest of the chunk.
    """

    def __init__(
        self,
        *,
        on_message: Callable[[bytes], None],
        on_lost: Callable[[Exception | None], None],
        on_reject: Callable[[int], None],
        max_message: int,
    ) -> None:
        self._framer = AmiFramer(max_message)
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_reject = on_reject
        self._wire: asyncio.Transport | None = None
        self._lost = False
        self.paused = False
        self.greeted: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are no asyncio.Transport by class.
        self._wire = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._lost:
            return
        before = self._framer.rejects
        try:
            messages = self._framer.feed(data)
        except NotAsterisk as refused:
            self.lose(refused)
            return
        if self._framer.rejects != before:
            self._on_reject(self._framer.rejects - before)
        if not self.greeted.done() and self._framer.version is not None:
            self.greeted.set_result(self._framer.version)
        for raw in messages:
            if self.is_lost():
                # Our side gave the connection up in mid-chunk; what follows belongs to no state.
                return
            try:
                self._on_message(raw)
            except Exception as fault:
                self._on_reject(1)
                log.error("an AMI message was rejected: %s", type(fault).__name__)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(exc)

    def is_lost(self) -> bool:
        """Whether the connection was given up, by either side."""
        return self._lost

    def lose(self, reason: Exception | None) -> None:
        """Gives the connection up at once; `on_lost` is called the first time only."""
        if self._lost:
            return
        self._lost = True
        if self._wire is not None:
            # abort, not close: close waits until a dead peer has read what we wrote.
            self._wire.abort()
        if not self.greeted.done():
            self.greeted.cancel()
        self._on_lost(reason)

    def write(self, data: bytes) -> None:
        """Puts one encoded action on the wire; raises `LinkLost` when there is none."""
        if self._lost or self._wire is None:
            raise LinkLost
        self._wire.write(data)

    def pause(self) -> None:
        """Stops reading, so that TCP holds Asterisk back while the consumer catches up."""
        if not self.paused and not self._lost and self._wire is not None:
            self.paused = True
            self._wire.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self.paused and not self._lost and self._wire is not None:
            self.paused = False
            self._wire.resume_reading()

    def send(self, data: object, as_list: bool = False) -> None:
        """panoramisk's way to send: it resends after a reconnect and checks nothing."""
        raise TypeError("use AmiClient.action(): panoramisk's send() resends and checks nothing")

    def close(self) -> None:
        """Ends the connection."""
        self.lose(None)
