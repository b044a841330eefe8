"""An AMI server that says what a test tells it to: the manager side of a scripted Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Headers = dict[str, str]
#: Gets the action's headers, returns the bytes to answer with (`b""`: no answer).
Answer = Callable[[Headers], bytes]


def packet(*headers: tuple[str, str]) -> bytes:
    """The bytes of one message."""
    return b"".join(f"{key}: {value}\r\n".encode() for key, value in headers) + b"\r\n"


def event(name: str, *headers: tuple[str, str]) -> bytes:
    """The bytes of one event."""
    return packet(("Event", name), *headers)


def success(action: Headers, *headers: tuple[str, str]) -> bytes:
    """`Response: Success` to an action."""
    return packet(("Response", "Success"), ("ActionID", action.get("ActionID", "")), *headers)


def error(action: Headers, message: str) -> bytes:
    """`Response: Error` to an action."""
    head = (("Response", "Error"), ("ActionID", action.get("ActionID", "")))
    return packet(*head, ("Message", message))


class ScriptedAmi:
    """Greets, checks the login, answers Ping and Logoff; the rest as `answers` says.

    Actions without an answer are noted in `actions` and left unanswered. `frozen` stops every
    answer while the connections stand: a dead peer.
    """

    def __init__(self, username: str = "callcenter", secret: str = "scripted") -> None:  # noqa: S107
        self.username = username
        self.secret = secret
        self.greeting = b"Asterisk Call Manager/11.0.0\r\n"
        self.after_login = b""  #: sent in the same write as the login's answer
        self.frozen = False
        self.actions: list[Headers] = []
        self.logins = 0
        self.answers: dict[str, Answer] = {"Ping": lambda action: success(action, ("Ping", "Pong"))}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        """Listens on 127.0.0.1; `port` is known afterwards, and kept over `stop`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stops listening and drops every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Cuts every connection, as Asterisk does to a slow reader."""
        for writer in self._writers:
            writer.transport.abort()

    @property
    def connections(self) -> int:
        return len(self._writers)

    def send(self, *data: bytes) -> None:
        """Writes to every connection."""
        for writer in self._writers:
            writer.write(b"".join(data))

    def named(self, action: str) -> list[Headers]:
        """The actions of that name, in the order they came."""
        return [each for each in self.actions if each.get("Action") == action]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            writer.write(self.greeting)
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                lines = raw.decode().strip().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines if ": " in line)
                self.actions.append(headers)
                if not self.frozen:
                    writer.write(self._answer(headers))
                if headers.get("Action") == "Logoff":
                    return
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, action: Headers) -> bytes:
        name = action.get("Action", "")
        if name in self.answers:
            return self.answers[name](action)
        if name == "Login":
            if (action.get("Username"), action.get("Secret")) != (self.username, self.secret):
                return error(action, "Authentication failed")
            self.logins += 1
            return success(action, ("Message", "Authentication accepted")) + self.after_login
        if name == "Logoff":
            return packet(("Response", "Goodbye"), ("ActionID", action.get("ActionID", "")))
        return b""
