"""A client of `/api/v1/events` as docs/live.md tells how to write one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from callcenter.testing.eventually import NeverHappened

#: The lists of a message, and what names an item in each.
KEYS: Final = {"queues": "name", "agents": "agent_id", "calls": "call_id"}


@dataclass
class Mirror:
    """What a client knows: each message applied in its turn. Raises AssertionError at a gap."""

    number: int = 0
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    own: Any = None
    stale: bool = False
    view: Any = None
    why: list[str] = field(default_factory=list)

    def take(self, message: Mapping[str, Any]) -> None:
        assert message["number"] == self.number + 1, (
            f"message {message['number']} after {self.number}"
        )
        self.number = message["number"]
        match message["type"]:
            case "snapshot":
                self.why.append(message["why"])
                self.view, self.own, self.stale = message["view"], message["own"], False
                self.items = {
                    topic: {item[key]: item for item in message[topic]}
                    for topic, key in KEYS.items()
                    if topic in message
                }
            case "delta":
                assert not self.stale, "a delta upon what may be true no more"
                self.own = message.get("own", self.own)
                for topic, key in KEYS.items():
                    change = message.get(topic, {"changed": [], "gone": []})
                    for gone in change["gone"]:
                        del self.items[topic][gone]
                    for item in change["changed"]:
                        self.items[topic][item[key]] = item
            case "stale":
                self.stale = True
            case other:
                raise AssertionError(f"a message of type {other}")


@dataclass
class LiveClient:
    """A connection and its mirror; `arrived` keeps when each message came, with its type."""

    connection: ClientConnection
    mirror: Mirror = field(default_factory=Mirror)
    arrived: list[tuple[float, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def calls(self) -> dict[str, Any]:
        return self.mirror.items["calls"]

    @property
    def agents(self) -> dict[str, Any]:
        return self.mirror.items["agents"]

    @property
    def queues(self) -> dict[str, Any]:
        return self.mirror.items["queues"]

    async def take(self) -> dict[str, Any]:
        """The next message, applied."""
        text = await self.connection.recv()
        message: dict[str, Any] = json.loads(text)
        self.arrived.append((asyncio.get_running_loop().time(), message["type"]))
        self.texts.append(str(text))
        self.mirror.take(message)
        return message

    async def until(
        self,
        condition: Callable[[], Any],
        what: str = "this",
        *,
        within: timedelta = timedelta(seconds=5),
    ) -> Any:
        """Take messages until `condition()` holds; its value. Raises `NeverHappened`."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while not (value := self.mirror.number and condition()):
                    await self.take()
                return value
        except TimeoutError:
            raise NeverHappened(f"{what}: not within {within.total_seconds():g} s") from None

    async def closed(self, within: timedelta = timedelta(seconds=5)) -> tuple[int, str]:
        """Take what comes until the server closes; its code and reason."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while True:
                    await self.take()
        except ConnectionClosed as exc:
            if exc.rcvd is None:
                raise
            return exc.rcvd.code, exc.rcvd.reason

    async def say(self, message: Mapping[str, Any]) -> None:
        await self.connection.send(json.dumps(message))


@asynccontextmanager
async def follow(
    url: str, token: str | None = None, *, query: str = "", **options: Any
) -> AsyncIterator[LiveClient]:
    """Connected to `ws://…/api/v1/events`, the token in the header; `options` are websockets'."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with connect(
        f"{url}{query}",
        additional_headers=headers | options.pop("headers", {}),
        max_size=None,
        compression=None,
        **options,
    ) as connection:
        yield LiveClient(connection)
