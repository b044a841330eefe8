"""The Asterisk side of FastAGI, for tests: connects, sends the header, reads commands, replies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self


def parse_args(line: str) -> list[str]:
    r"""A command line cut into words as `parse_args` in res_agi.c does: quotes, `\` escapes."""
    words: list[str] = []
    word: str | None = None
    quoted = escaped = False
    for letter in line:
        if escaped:
            word, escaped = (word or "") + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted, word = not quoted, word or ""
        elif letter in " \t" and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + letter
    return words if word is None else [*words, word]


class FakeAsterisk:
    """One AGI session from the channel's side: `async with FakeAsterisk(port, "flow", …) as call`.

    Every wait has a limit of five seconds.
    """

    def __init__(self, port: int, script: str, *arguments: str, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self.header = b"".join(
            [
                b"agi_network: yes\n",
                f"agi_network_script: {script}\n".encode(),
                f"agi_request: agi://{host}:{port}/{script}\n".encode(),
                b"agi_channel: PJSIP/trunk-00000001\n",
                b"agi_callerid: 13800138000\n",
                *(f"agi_arg_{n}: {each}\n".encode() for n, each in enumerate(arguments, 1)),
                b"\n",
            ]
        )
        self.commands: list[list[str]] = []
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        self.write(self.header)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def connect(self) -> None:
        """Opens the connection; nothing is sent."""
        self._reader, self._writer = await asyncio.open_connection(self.host, self.port)

    def write(self, data: bytes) -> None:
        """Puts bytes on the wire as they are."""
        assert self._writer is not None
        self._writer.write(data)

    def reply(self, *lines: str) -> None:
        """Sends reply lines."""
        self.write("".join(f"{line}\n" for line in lines).encode())

    def hang_up(self) -> None:
        """The caller hangs up: the in-band line, unasked."""
        self.reply("HANGUP")

    async def command(self) -> list[str] | None:
        """The next command, in words; None when the server closed the connection."""
        assert self._reader is not None
        async with asyncio.timeout(5):
            try:
                line = await self._reader.readline()
            except OSError:
                return None
        if not line.endswith(b"\n"):
            return None
        words = parse_args(line[:-1].decode())
        self.commands.append(words)
        return words

    async def converse(self, answers: Mapping[str, str] | Callable[[list[str]], str]) -> None:
        """Replies to every command until the server closes.

        `answers` maps the command's first word to a reply (default `200 result=0`), or makes one.
        """
        while (words := await self.command()) is not None:
            if callable(answers):
                self.reply(answers(words))
            else:
                self.reply(answers.get(words[0], "200 result=0"))

    async def closed(self) -> bytes:
        """Waits until the server closes; returns what it still sent."""
        assert self._reader is not None
        async with asyncio.timeout(5):
            try:
                return await self._reader.read()
            except OSError:
                return b""

    def close(self) -> None:
        """Asterisk goes away without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
