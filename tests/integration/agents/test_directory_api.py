"""The directory over REST: what agents can call outside, kept by admins."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from callcenter.access.audit import AuditService
from callcenter.agents.directory.api import router
from callcenter.agents.directory.service import DirectoryService
from callcenter.agents.directory.tables import directory_numbers
from callcenter.agents.seed import seed_agents
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.switch.model import SwitchOutcome
from callcenter.testing.desk import Desk, ScriptedSwitch, open_desk
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

WATER = {
    "number": "88880001",
    "name": {"zh": "水务值班", "en": "Water"},
    "department": "水务局",
    "number_dialled": "053188880001",
}


@dataclass
class Room:
    desk: Desk
    switch: ScriptedSwitch


@pytest.fixture
async def room(database: Database) -> AsyncIterator[Room]:
    clock = FixedClock()
    switch = ScriptedSwitch(clock)
    service = DirectoryService(database, clock, switch)
    async with open_desk(database, lambda guard, _clock: [router(service, guard)]) as desk:
        yield Room(desk, switch)


async def test_the_emergency_services_are_there_from_the_beginning(room: Room) -> None:
    found = (await room.desk.aki.get("/directory", params={"kind": "emergency"})).json()
    assert [entry["number"] for entry in found["items"]] == ["110", "119", "120", "122"]
    assert found["items"][1]["name"] == {"zh": "火警", "en": "Fire brigade"}


async def test_a_number_is_kept_changed_and_removed_and_each_is_audited(room: Room) -> None:
    anna = room.desk.anna
    made = await anna.post("/directory", json=WATER)
    assert made.status_code == 201, made.text
    assert made.json()["in_force"] is True
    assert made.headers["ETag"] == '"1"'
    assert (await anna.post("/directory", json=WATER)).status_code == 409

    change = {"name": {"zh": "水务热线"}, "active": False}
    stale = await anna.put("/directory/88880001", json=change, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await anna.put("/directory/88880001", json=change, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.json()["number_dialled"] == "88880001", "absent: as the number"
    listed = (await anna.get("/directory", params={"active": "false"})).json()["items"]
    assert [entry["number"] for entry in listed] == ["88880001"]

    gone = await anna.delete("/directory/88880001", headers={"If-Match": "*"})
    assert gone.status_code == 204
    assert (await anna.get("/directory/88880001")).status_code == 404
    records = await AuditService(room.desk.database).list(subject="directory/88880001")
    assert [record.act for record in records] == [
        "directory.removed",
        "directory.changed",
        "directory.added",
    ]
    assert {record.who for record in records} == {"anna"}


async def test_only_admins_decide_what_can_be_called(room: Room) -> None:
    for client, status in ((room.desk.nobody, 401), (room.desk.aki, 403), (room.desk.sven, 403)):
        assert (await client.post("/directory", json=WATER)).status_code == status


async def test_a_number_phones_do_not_reach_yet_is_not_in_force(room: Room) -> None:
    room.switch.outcome = SwitchOutcome(False, "Asterisk is away.")
    made = await room.desk.anna.post("/directory", json=WATER)
    assert (made.status_code, made.json()["in_force"]) == (202, False)
    assert made.json()["detail"] == "Asterisk is away."


async def test_an_agents_number_is_nobody_elses(room: Room, database: Database) -> None:
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, room.desk.clock, lambda _agent: "secret")
    refused = await room.desk.anna.post("/directory", json=WATER | {"number": "1001"})
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/directory-number-taken"


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "1"},
        {"number": "_X."},
        {"number": "88880001,1"},
        {"number_dialled": "0531@evil"},
        {"number_dialled": "${SHELL(x)}"},
        {"name": {"zh": ""}},
        {"name": {"zh": "a\x00b"}},
        {"name": {"zh": "\ud800"}},
        {"department": "d" * 101},
        {"kind": "friend"},
        {"active": 1},
        {"price": 3},
    ],
    ids=str,
)
async def test_what_could_not_be_dialled_or_shown_is_refused(
    room: Room, wrong: dict[str, Any]
) -> None:

    body = json.dumps(WATER | wrong)
    reply = await room.desk.anna.post(
        "/directory", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 422, reply.text
    assert len((await room.desk.anna.get("/directory")).json()["items"]) == 4


async def test_the_table_refuses_what_the_model_refuses(database: Database) -> None:
    row = {
        "number": "_X.",
        "name_zh": "x",
        "name_en": "",
        "kind": "unit",
        "number_dialled": "1234",
        "created_at": FixedClock()(),
    }
    with pytest.raises(IntegrityError, match="ck_directory_numbers_number"):
        async with database.transaction() as connection:
            await connection.execute(directory_numbers.insert().values(**row))
    async with database.transaction() as connection:
        found = await connection.execute(select(directory_numbers.c.number))
        assert len(found.all()) == 4
