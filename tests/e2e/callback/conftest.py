"""An instance of this folder's own, whose trunk can be called: SIPp has the citizens' phones."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import free_udp_port

CITIZENS = "127.0.0.2"
#: The one port all citizens' phones are called at.
PHONES_PORT = free_udp_port(CITIZENS)
FLOW = {"entry": "person", "nodes": {"person": {"type": "queue", "queue": "general"}}}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def callback_hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Instance]:
    """Calls back at any hour, again after a second; whoever waited two seconds was missed."""
    settings = {
        "TRUNK_ADDRESSES": CITIZENS,
        "TRUNK_HOST": f"{CITIZENS}:{PHONES_PORT}",
        "TRUNK_OPTIONS": "false",
        "AGI_PROCESSES": "1",
        "CALLBACK_HOURS": "00:00-24:00",
        "CALLBACK_PAUSE": "1",
        "CALLBACK_RING": "15",
        "MISSED_CALL_WAIT": "2",
    }
    async with Instance(tmp_path_factory.mktemp("callback") / "hotline", settings) as hotline:
        main = "/api/v1/ivr/flows/main"
        reply = await hotline.client.put(f"{main}/draft", json=FLOW, headers={"If-Match": "*"})
        assert reply.status_code == 200, reply.text
        reply = await hotline.client.post(f"{main}/versions", json={"comment": "to a person"})
        assert reply.status_code == 201, reply.text
        yield hotline


@pytest.fixture
def hotline(callback_hotline: Instance) -> Instance:
    """What the frame of the scenarios works with."""
    return callback_hotline
