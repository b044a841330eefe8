"""Agents, their phones and queues over REST."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest
from httpx import Response
from sqlalchemy import select

from callcenter.agents.api import router as agents_router
from callcenter.agents.model import sip_digest
from callcenter.agents.phone import PhoneServer
from callcenter.agents.seed import seed_agents
from callcenter.agents.service import AgentService
from callcenter.agents.tables import agents
from callcenter.platform.db import Database, DatabaseUnavailable
from callcenter.platform.news import outbox
from callcenter.queues.api import router as queues_router
from callcenter.queues.seed import seed_queues
from callcenter.queues.service import QueueService
from callcenter.switch.model import SwitchOutcome
from callcenter.switch.tables import switch_changes
from callcenter.testing.desk import Desk, ScriptedSwitch, open_desk
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

clock = FixedClock()


@dataclass
class Room:
    desk: Desk
    switch: ScriptedSwitch


async def no_prompts() -> Mapping[str, frozenset[str]]:
    return {}


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    switch = ScriptedSwitch(clock)
    service = AgentService(database, clock, switch, PhoneServer(host="127.0.0.1", port=5060))
    async with database.transaction() as connection:
        await seed_queues(connection)
    async with open_desk(
        database,
        lambda guard, _clock: [
            agents_router(service, guard),
            queues_router(QueueService(database, switch, no_prompts), guard),
        ],
    ) as desk:
        yield Room(desk, switch)


async def changes(database: Database) -> list[str]:
    async with database.transaction() as connection:
        rows = await connection.execute(select(switch_changes.c.subject))
        return [row.subject for row in rows]


async def digest(database: Database, agent_id: str) -> str | None:
    async with database.transaction() as connection:
        return await connection.scalar(
            select(agents.c.sip_digest).where(agents.c.agent_id == agent_id)
        )


def rule(reply: Response) -> tuple[int, str]:
    [error] = reply.json()["errors"]
    return reply.status_code, error["field"]


NEW = {"id": "2001", "name": "小王", "queues": ["legal", "general"]}


async def test_an_agent_is_added_with_a_secret_told_once(room: Room, database: Database) -> None:
    reply = await room.desk.anna.post("/agents", json=NEW)
    assert reply.status_code == 201
    body = reply.json()
    assert (body["id"], body["queues"], body["in_force"]) == ("2001", ["general", "legal"], True)
    assert len(body["secret"]) >= 20
    assert await digest(database, "2001") == sip_digest("2001", body["secret"])
    for path in ("/agents", "/agents/2001", "/agents/2001/phone", "/queues/legal"):
        again = await room.desk.anna.get(path)
        assert again.status_code == 200
        assert body["secret"] not in again.text
        assert sip_digest("2001", body["secret"]) not in again.text


async def test_the_change_is_asked_for_in_the_same_transaction_and_waited_for_five_seconds(
    room: Room, database: Database
) -> None:
    await room.desk.anna.post("/agents", json=NEW)
    await room.desk.anna.post("/agents/2001/phone/secret")
    await room.desk.anna.delete("/agents/2001")
    assert await changes(database) == ["agents"] * 3
    assert room.switch.waited == [(n, timedelta(seconds=5)) for n in (1, 2, 3)]
    async with database.transaction() as connection:
        news = (await connection.execute(select(outbox.c.topic, outbox.c.key))).all()
    assert [tuple(row) for row in news] == [("switch", "node1")] * 3


async def test_what_is_refused_asks_nothing_of_the_switch(room: Room, database: Database) -> None:
    await room.desk.anna.post("/agents", json=NEW)
    refused = [
        await room.desk.anna.post("/agents", json=NEW),
        await room.desk.anna.post("/agents", json=NEW | {"id": "2002", "queues": ["nowhere"]}),
        await room.desk.anna.post("/agents/2999/phone/secret"),
        await room.desk.anna.delete("/agents/2999"),
    ]
    assert [reply.status_code for reply in refused] == [409, 422, 404, 404]
    assert await changes(database) == ["agents"]
    assert len(room.switch.waited) == 1


async def test_a_change_the_node_does_not_confirm_is_made_but_said_not_to_be_in_force(
    room: Room, database: Database
) -> None:
    room.switch.outcome = SwitchOutcome(False, "no answer within 5 s")
    body = (await room.desk.anna.post("/agents", json=NEW)).json()
    assert (body["in_force"], body["detail"]) == (False, "no answer within 5 s")
    assert await digest(database, "2001") == sip_digest("2001", body["secret"])


async def test_the_secret_is_told_even_when_the_database_goes_while_waiting(room: Room) -> None:
    room.switch.fails = DatabaseUnavailable()
    reply = await room.desk.anna.post("/agents", json=NEW)
    assert reply.status_code == 201
    assert reply.json()["secret"]
    assert reply.json()["in_force"] is False


async def test_a_rotated_secret_ends_the_old_one(room: Room, database: Database) -> None:
    old = (await room.desk.anna.post("/agents", json=NEW)).json()["secret"]
    body = (await room.desk.anna.post("/agents/2001/phone/secret")).json()
    assert body["secret"] != old
    assert await digest(database, "2001") == sip_digest("2001", body["secret"])
    assert (await room.desk.anna.get("/agents/2001")).headers["ETag"] == '"2"'


async def test_a_removed_agent_is_gone_from_list_and_queues_and_the_id_is_free(room: Room) -> None:
    await room.desk.anna.post("/agents", json=NEW)
    reply = await room.desk.anna.delete("/agents/2001")
    assert reply.json() == {"id": "2001", "in_force": True, "detail": None}
    assert (await room.desk.anna.get("/agents/2001")).status_code == 404
    assert (await room.desk.anna.get("/queues/legal")).json()["members"] == []
    assert (await room.desk.anna.post("/agents", json=NEW)).status_code == 201


async def test_a_phone_is_told_where_to_register(room: Room) -> None:
    await room.desk.anna.post("/agents", json={"id": "2001", "name": "Wang"})
    assert (await room.desk.sven.get("/agents/2001/phone")).json() == {
        "username": "2001",
        "server": "127.0.0.1:5060",
        "host": "127.0.0.1",
        "port": 5060,
        "transport": "udp",
        "transports": ["udp", "tcp"],
        "ports": {"udp": 5060, "tcp": 5060},
        "kind": "sip",
        "websocket_url": None,
        "realm": "callcenter",
        "codecs": ["opus", "g722", "alaw", "ulaw"],
        "srtp": "none",
    }
    assert (await room.desk.aki.get("/agents/2001")).json()["queues"] == ["general"]


async def test_a_field_that_breaks_a_rule_is_named(room: Room) -> None:
    headers = {"Content-Type": "application/json"}
    for change, field in [
        ({"id": "0001"}, "id"),
        ({"id": "20\0"}, "id"),
        ({"id": 2001}, "id"),
        ({"id": "1" * 1_000_000}, "id"),
        ({"name": "a\0b"}, "name"),
        ({"name": 'x" <1>\nallow=all'}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"name": "x" * 1_000_000}, "name"),
        ({"queues": ["nowhere"]}, "queues"),
        ({"queues": ["a\0"]}, "queues"),
        ({"queues": ["\udfff"]}, "queues"),
        ({"queues": ["general"] * 101}, "queues"),
        ({"queues": "general"}, "queues"),
        ({"secret": "mine"}, "secret"),
    ]:
        reply = await room.desk.anna.post(
            "/agents", content=json.dumps(NEW | change), headers=headers
        )
        assert rule(reply) == (422, field), field
    assert (await room.desk.anna.get("/agents")).json()["items"] == []


@pytest.mark.parametrize("who", ["nobody", "agent", "supervisor", "admin"])
async def test_each_endpoint_lets_in_its_role_and_those_above(room: Room, who: str) -> None:
    await room.desk.anna.post("/agents", json=NEW)
    ranks = ["nobody", "agent", "supervisor", "admin"]
    for method, path, body, least in [
        ("GET", "/queues", None, "agent"),
        ("GET", "/queues/general", None, "agent"),
        ("GET", "/agents", None, "agent"),
        ("GET", "/agents/2001", None, "agent"),
        ("GET", "/agents/2001/phone", None, "supervisor"),
        ("POST", "/agents", {"id": "2002", "name": "x"}, "admin"),
        ("POST", "/agents/2001/phone/secret", None, "admin"),
        ("DELETE", "/agents/2001", None, "admin"),
    ]:
        reply = await room.desk.client(who).request(method, path, json=body)
        if who == "nobody":
            assert reply.status_code == 401
        elif ranks.index(who) < ranks.index(least):
            assert reply.status_code == 403, (method, path)
        else:
            assert reply.is_success, (method, path, reply.text)


async def test_out_of_the_box_there_are_ten_agents_in_three_queues(
    room: Room, database: Database
) -> None:
    for _ in range(2):
        async with database.transaction() as connection:
            await seed_queues(connection)
            await seed_agents(connection, clock, lambda agent_id: f"secret of {agent_id}")
    listed = (await room.desk.aki.get("/agents")).json()["items"]
    assert [agent["id"] for agent in listed] == [str(n) for n in range(1001, 1011)]
    assert (listed[0]["name"], listed[9]["queues"]) == ("坐席1001", ["general"])
    assert await digest(database, "1003") == sip_digest("1003", "secret of 1003")
    queues = (await room.desk.aki.get("/queues")).json()["items"]
    assert [(queue["name"], queue["is_default"]) for queue in queues] == [
        ("enterprise", False),
        ("general", True),
        ("legal", False),
    ]
    sizes = {}
    for queue in queues:
        members = (await room.desk.aki.get(f"/queues/{queue['name']}")).json()["members"]
        sizes[queue["name"]] = [int(member["agent_id"]) for member in members]
    assert sizes == {
        "enterprise": [1001, 1002, 1003, 1004],
        "general": list(range(1001, 1011)),
        "legal": [1005, 1006, 1007],
    }


async def test_seeding_again_brings_nobody_back_and_changes_no_secret(
    room: Room, database: Database
) -> None:
    async with database.transaction() as connection:
        await seed_agents(connection, clock, lambda _agent_id: "first")
    await room.desk.anna.delete("/agents/1003")
    secret = (await room.desk.anna.post("/agents/1001/phone/secret")).json()["secret"]
    async with database.transaction() as connection:
        await seed_agents(connection, clock, lambda _agent_id: "second")
    assert (await room.desk.anna.get("/agents/1003")).status_code == 404
    assert await digest(database, "1001") == sip_digest("1001", secret)


async def test_what_nobody_knows_is_not_found(room: Room) -> None:
    for path in ("/agents/9999", "/agents/x", "/agents/%00", "/queues/nowhere", "/queues/%00"):
        assert (await room.desk.anna.get(path)).status_code == 404
    assert (await room.desk.anna.get("/agents/%ED%A0%80/phone")).status_code == 404
