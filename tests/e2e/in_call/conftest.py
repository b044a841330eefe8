"""A hotline whose trunk leads to other units: SIPp on 127.0.0.9 answers for all of them.

Here `hotline` is an instance of this scenario's own: the shared one has nobody to dial to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from callcenter.testing.eventually import eventually
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import SCENARIOS, SippParty, free_udp_port

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

UNITS = "127.0.0.9"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def in_call_hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Instance]:
    """Started once for this folder."""
    port = free_udp_port(UNITS)
    extra = {
        "TRUNK_ADDRESSES": f"127.0.0.2,{UNITS}",
        "TRUNK_HOST": f"{UNITS}:{port}",
        "TRUNK_OPTIONS": "false",
        "AGI_PROCESSES": "1",
        "RECORDING_PAUSE_LIMIT": "20",
    }
    async with Instance(tmp_path_factory.mktemp("in_call"), extra) as instance:
        yield instance


@pytest.fixture
def hotline(in_call_hotline: Instance) -> Instance:
    """What the frame of the scenarios works with."""
    return in_call_hotline


@dataclass
class Conversation:
    """A citizen and agent 1001, who talk with each other."""

    scene: Scene
    citizen: SippParty
    call_id: str

    async def act(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        """What the API says to `POST /calls/{call_id}/<path>`."""
        reply = await self.scene.hotline.client.post(
            f"/api/v1/calls/{self.call_id}/{path}", json=body or None
        )
        assert reply.status_code == status, f"{path}: {reply.status_code} {reply.text}"
        said: dict[str, Any] = reply.json()
        return said

    async def view(self) -> dict[str, Any]:
        said: dict[str, Any] = await self.scene.hotline.get(f"/calls/{self.call_id}/in-call")
        return said

    async def until(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The conversation, once `holds`."""

        async def seen() -> dict[str, Any]:
            view = await self.view()
            assert holds(view), view
            return view

        view: dict[str, Any] = await eventually(seen, what, within=timedelta(seconds=15))
        return view

    async def row(self) -> dict[str, Any]:
        said: dict[str, Any] = await self.scene.hotline.get(f"/calls/{self.call_id}")
        return said

    async def over(self) -> dict[str, Any]:
        """The citizen hangs up; the call's row."""
        self.citizen.hang_up()
        return await self.scene.call(disposition="answered")


Talking = Callable[[], Awaitable[Conversation]]
TalkingIn = Callable[[SippParty], Awaitable[Conversation]]


@pytest.fixture
def talking_in(scene: Scene) -> TalkingIn:
    """The conversation of a citizen and agent 1001, once they talk."""

    async def they_talk() -> str:
        calls = await scene.calls()
        assert len(calls) == 1
        view = await scene.hotline.get(f"/calls/{calls[0]['call_id']}/in-call")
        assert view["agents"] == ["1001"]
        return str(calls[0]["call_id"])

    async def conversation(citizen: SippParty) -> Conversation:
        call_id = await eventually(they_talk, "they talk", within=timedelta(seconds=25))
        return Conversation(scene, citizen, call_id)

    return conversation


@pytest_asyncio.fixture(loop_scope="session")
async def talking(scene: Scene, talking_in: TalkingIn) -> AsyncIterator[Talking]:
    """Begins the conversation."""
    async with AsyncExitStack() as stack:

        async def begin() -> Conversation:
            scene.begin_anew()
            await stack.enter_async_context(scene.agent("1001"))
            citizen = scene.citizen("citizen_presses_0.xml", pause=timedelta(seconds=50))
            await stack.enter_async_context(citizen)

            call = await talking_in(citizen)
            await asyncio.sleep(1)
            return call

        yield begin


@pytest.fixture
def units_address(in_call_hotline: Instance) -> tuple[str, int]:
    """Where whoever is called over the trunk listens."""
    host, _, port = in_call_hotline.extra["TRUNK_HOST"].rpartition(":")
    return host, int(port)


@pytest_asyncio.fixture(loop_scope="session")
async def units(
    in_call_hotline: Instance, units_address: tuple[str, int]
) -> AsyncIterator[SippParty]:
    """Whoever is called over the trunk: answers, and stays until the other side hangs up."""
    host, port = units_address
    party = SippParty(
        in_call_hotline.installation,
        SCENARIOS / "agent_answers.xml",
        host,
        in_call_hotline.sip,
        calls=None,
        port=port,
    )
    async with party:
        yield party
