"""What a softphone is told, for each kind of phone."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from sqlalchemy import text

from callcenter.access.guard import Guard
from callcenter.agents.api import router
from callcenter.agents.model import sip_digest
from callcenter.agents.phone import PhoneServer
from callcenter.agents.service import AgentService
from callcenter.platform.db import Database
from callcenter.testing.desk import ScriptedSwitch, open_desk
from callcenter.testing.fixed_clock import FixedClock

if TYPE_CHECKING:
    from tests.integration.agents.conftest import Phones

pytestmark = pytest.mark.integration

SPACE = {"c": "http://www.linphone.org/xsds/lpconfig.xsd"}


def entries(xml: bytes) -> dict[str, str]:
    root = ElementTree.fromstring(xml)
    return {
        f"{section.get('name')}/{entry.get('name')}": entry.text or ""
        for section in root.findall("c:section", SPACE)
        for entry in section.findall("c:entry", SPACE)
    }


async def test_a_sip_phone_is_told_the_safest_way_in_and_all_others(phones: Phones) -> None:
    await phones.desk.anna.post("/agents", json={"id": "2001", "name": "Wang"})
    assert (await phones.desk.sven.get("/agents/2001/phone")).json() == {
        "username": "2001",
        "kind": "sip",
        "server": "sip.example:5061",
        "host": "sip.example",
        "port": 5061,
        "transport": "tls",
        "transports": ["udp", "tcp", "tls"],
        "ports": {"udp": 5060, "tcp": 5060, "tls": 5061},
        "websocket_url": None,
        "realm": "callcenter",
        "codecs": ["opus", "g722", "alaw", "ulaw"],
        "srtp": "optional",
    }


async def test_a_browser_is_told_its_websocket(phones: Phones) -> None:
    await phones.desk.anna.post("/agents", json={"id": "2001", "name": "Wang", "phone": "webrtc"})
    told = (await phones.desk.sven.get("/agents/2001/phone")).json()
    assert told["websocket_url"] == "wss://sip.example:8089/ws"
    assert (told["transports"], told["srtp"]) == (["wss"], "required")
    assert told["codecs"] == ["opus", "ulaw"]
    refused = await phones.desk.sven.get("/agents/2001/phone/linphone.xml")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-for-this-phone")


async def test_an_agent_may_read_of_the_own_phone_and_of_no_other(phones: Phones) -> None:
    for agent_id, user in (("2001", "aki"), ("2002", None)):
        body = {"id": agent_id, "name": "x", "user": user}
        assert (await phones.desk.anna.post("/agents", json=body)).status_code == 201
    for path in ("phone", "phone/linphone.xml"):
        assert (await phones.desk.aki.get(f"/agents/2001/{path}")).status_code == 200
        assert (await phones.desk.aki.get(f"/agents/2002/{path}")).status_code == 403
        assert (await phones.desk.nobody.get(f"/agents/2001/{path}")).status_code == 401
    assert (await phones.desk.aki.post("/agents/2001/phone/secret")).status_code == 403


async def test_linphone_is_provisioned_without_the_secret(
    phones: Phones, database: Database
) -> None:
    await phones.desk.anna.post("/agents", json={"id": "2001", "name": "<王 & 李>"})
    reply = await phones.desk.sven.get("/agents/2001/phone/linphone.xml")
    assert reply.headers["Content-Type"].startswith("application/xml")
    told = entries(reply.content)
    assert told["proxy_0/reg_proxy"] == "<sip:sip.example:5061;transport=tls>"
    assert told["proxy_0/reg_identity"] == '"<王 & 李>" <sip:2001@sip.example>'
    assert told["sip/media_encryption"] == "srtp"
    assert told["auth_info_0/username"] == "2001"
    async with database.transaction() as connection:
        digest = await connection.scalar(text("SELECT sip_digest FROM agents"))
    assert str(digest) not in reply.text
    assert "auth_info_0/ha1" not in told


async def test_a_file_that_opens_the_phone_is_given_once_and_ends_the_old_secret(
    phones: Phones, database: Database
) -> None:
    made = (await phones.desk.anna.post("/agents", json={"id": "2001", "name": "Wang"})).json()
    assert (await phones.desk.sven.post("/agents/2001/phone/linphone.xml")).status_code == 403
    reply = await phones.desk.anna.post("/agents/2001/phone/linphone.xml")
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    digest = entries(reply.content)["auth_info_0/ha1"]
    assert digest != sip_digest("2001", made["secret"])
    async with database.transaction() as connection:
        assert digest == await connection.scalar(text("SELECT sip_digest FROM agents"))
    again = await phones.desk.sven.get("/agents/2001/phone/linphone.xml")
    assert digest not in again.text
    assert (await phones.desk.anna.post("/agents/2999/phone/linphone.xml")).status_code == 404


async def test_a_browser_phone_is_not_given_where_no_browser_can_register(
    database: Database,
) -> None:
    clock = FixedClock()
    switch = ScriptedSwitch(clock)
    service = AgentService(database, clock, switch, PhoneServer(host="127.0.0.1", port=5060))

    def routers(guard: Guard, _clock: FixedClock) -> list[object]:
        return [router(service, guard)]

    async with open_desk(database, routers) as desk:  # type: ignore[arg-type]
        body = {"id": "2001", "name": "Wang", "queues": [], "phone": "webrtc"}
        reply = await desk.anna.post("/agents", json=body)
        assert (reply.status_code, reply.json()["type"]) == (409, "/problems/no-browser-phones")
        assert "CALLCENTER_ASTERISK_HTTPS_BIND" in reply.json()["detail"]
        assert (await desk.anna.post("/agents", json=body | {"phone": "sip"})).status_code == 201
        change = {"name": "Wang", "phone": "webrtc"}
        reply = await desk.anna.put("/agents/2001", json=change, headers={"If-Match": "*"})
        assert reply.status_code == 409
        # The server lost its certificate since: what is there can still be edited and read.
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE agents SET phone_kind = 'webrtc'"))
        assert (await desk.sven.get("/agents/2001/phone")).status_code == 409
        reply = await desk.anna.put("/agents/2001", json=change, headers={"If-Match": "*"})
        assert reply.status_code == 200
