"""What an agent can and where an agent belongs, over REST."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from callcenter.access.tables import audit_records
from callcenter.platform.db import Database
from callcenter.switch.model import SwitchOutcome

if TYPE_CHECKING:
    from tests.integration.agents.conftest import Phones

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
WANG: dict[str, Any] = {
    "id": "2001",
    "name": "王芳",
    "queues": ["legal"],
    "languages": {"zh": 5, "yue": 2},
    "skills": {"tax": 4},
    "team": "day",
    "departments": ["housing", "traffic"],
    "phone": "webrtc",
    "user": "aki",
}
#: The same without what cannot be edited.
FIELDS = {name: value for name, value in WANG.items() if name not in ("id", "queues")}


@pytest.fixture
async def wang(phones: Phones) -> dict[str, Any]:
    """As the reply of her making says."""
    await phones.desk.sven.post("/teams", json={"name": "day", "title": "白班"})
    reply = await phones.desk.anna.post("/agents", json=WANG)
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def test_an_agent_is_told_with_all_there_is_to_tell(
    phones: Phones, wang: dict[str, Any]
) -> None:
    wanted = WANG | {"active": True, "version": 1}
    assert {name: wang[name] for name in wanted} == wanted
    one = (await phones.desk.aki.get("/agents/2001")).json()
    [listed] = (await phones.desk.aki.get("/agents")).json()["items"]
    assert one == listed == {name: wang[name] for name in one}
    assert not {"secret", "sip_digest", "user_id"} & one.keys()


async def test_agents_are_found_by_what_they_have(phones: Phones, wang: dict[str, Any]) -> None:
    await phones.desk.anna.post(
        "/agents", json={"id": "2002", "name": "李雷", "languages": {"zh": 3}}
    )
    for query, found in [
        ({"team": "day"}, ["2001"]),
        ({"team": "night"}, []),
        ({"language": "zh"}, ["2001", "2002"]),
        ({"language": "zh", "least_level": "4"}, ["2001"]),
        ({"skill": "tax", "language": "zh"}, ["2001"]),
        ({"skill": "zh"}, []),
        ({"queue": "general"}, ["2002"]),
        ({"queue": "legal", "team": "day"}, ["2001"]),
        ({"department": "housing"}, ["2001"]),
        ({"language": "zh", "limit": "1"}, ["2001"]),
    ]:
        reply = await phones.desk.aki.get("/agents", params=query)
        assert [agent["id"] for agent in reply.json()["items"]] == found, query


async def test_a_filter_that_can_be_nothings_name_is_refused(phones: Phones) -> None:
    for query in ({"team": "a\0"}, {"skill": "%"}, {"queue": "\u0130"}, {"least_level": "6"}):
        assert (await phones.desk.aki.get("/agents", params=query)).status_code == 422, query


async def test_an_edit_replaces_what_it_names_and_leaves_queues_and_secret(
    phones: Phones, wang: dict[str, Any], database: Database
) -> None:
    async def kept() -> object:
        async with database.transaction() as connection:
            return await connection.scalar(text("SELECT sip_digest FROM agents"))

    before = await kept()
    reply = await phones.desk.anna.put(
        "/agents/2001", json={"name": "王方", "skills": {"law": 1}}, headers={"If-Match": '"1"'}
    )
    assert reply.status_code == 200, reply.text
    assert reply.headers["ETag"] == '"2"'
    body = reply.json()
    assert body["in_force"] is True
    plain = {"languages": {}, "team": None, "departments": [], "phone": "sip", "user": None}
    wanted = {"name": "王方", "skills": {"law": 1}, "queues": ["legal"], **plain}
    assert {name: body[name] for name in wanted} == wanted
    assert (await phones.desk.aki.get("/agents/2001")).json() == {
        name: value for name, value in body.items() if name not in ("in_force", "detail")
    }
    assert await kept() == before


async def test_an_edit_of_what_asterisk_need_not_know_does_not_ask_it(
    phones: Phones, wang: dict[str, Any]
) -> None:
    asked = len(phones.switch.waited)
    edit = FIELDS | {"skills": {"tax": 5}, "team": None}
    await phones.desk.anna.put("/agents/2001", json=edit, headers=ANY)
    assert len(phones.switch.waited) == asked
    for change in ({"phone": "sip"}, {"active": False}, {"name": "王"}):
        edit |= change
        await phones.desk.anna.put("/agents/2001", json=edit, headers=ANY)
        asked += 1
        assert len(phones.switch.waited) == asked, change


async def test_an_edit_that_asterisk_did_not_take_is_kept_and_said_to_be_so(
    phones: Phones, wang: dict[str, Any]
) -> None:
    phones.switch.outcome = SwitchOutcome(False, "The former configuration stays in force")
    edit = FIELDS | {"phone": "sip"}
    reply = await phones.desk.anna.put("/agents/2001", json=edit, headers=ANY)
    assert reply.status_code == 202
    assert reply.json()["in_force"] is False
    assert "former" in reply.json()["detail"]
    assert (await phones.desk.aki.get("/agents/2001")).json()["phone"] == "sip"


async def test_an_edit_based_on_an_older_version_is_refused(
    phones: Phones, wang: dict[str, Any]
) -> None:
    for path, body in (("/agents/2001", FIELDS), ("/agents/2001/queues", {"queues": []})):
        for header, status in (('"7"', 412), ('"x"', 412), ("nonsense", 422)):
            reply = await phones.desk.anna.put(path, json=body, headers={"If-Match": header})
            assert reply.status_code == status
        assert (await phones.desk.anna.put(path, json=body)).status_code == 422
        missing = path.replace("2001", "2999")
        assert (await phones.desk.anna.put(missing, json=body, headers=ANY)).status_code == 404


async def test_who_stays_in_a_queue_keeps_the_place_there(
    phones: Phones, wang: dict[str, Any], database: Database
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE queue_members SET penalty = 7"))
    reply = await phones.desk.sven.put(
        "/agents/2001/queues", json={"queues": ["legal", "general"]}, headers={"If-Match": '"1"'}
    )
    assert reply.status_code == 200, reply.text
    assert (reply.json()["queues"], reply.json()["version"]) == (["general", "legal"], 2)
    async with database.transaction() as connection:
        rows = await connection.execute(text("SELECT queue, penalty FROM queue_members ORDER BY 1"))
        assert [tuple(row) for row in rows] == [("general", 0), ("legal", 7)]
    reply = await phones.desk.sven.put("/agents/2001/queues", json={"queues": []}, headers=ANY)
    assert reply.json()["queues"] == []
    reply = await phones.desk.sven.put("/agents/2001/queues", json={"queues": ["x"]}, headers=ANY)
    assert reply.status_code == 422


async def test_a_field_that_breaks_a_rule_is_named(phones: Phones, wang: dict[str, Any]) -> None:
    for change, field in [
        ({"languages": {"ZH": 1}}, "languages"),
        ({"languages": {"": 1}}, "languages"),
        ({"languages": {"zh\0": 1}}, "languages"),
        ({"languages": {"\ud800": 1}}, "languages"),
        ({"languages": {"z" * 41: 1}}, "languages"),
        ({"languages": ["zh"]}, "languages"),
        ({"skills": {"tax": 0}}, "skills.tax"),
        ({"skills": {"tax": 6}}, "skills.tax"),
        ({"skills": {"tax": 10**40}}, "skills.tax"),
        ({"skills": {"tax": True}}, "skills.tax"),
        ({"skills": {"tax": "5"}}, "skills.tax"),
        ({"skills": {f"s{n}": 1 for n in range(101)}}, "skills"),
        ({"team": "night"}, "team"),
        ({"team": "a\0"}, "team"),
        ({"departments": ["Housing"]}, "departments"),
        ({"departments": ["a,b"]}, "departments"),
        ({"departments": [f"d{n}" for n in range(21)]}, "departments"),
        ({"phone": "fax"}, "phone"),
        ({"user": "nobody_of_that_name"}, "user"),
        ({"user": "a\0"}, "user"),
        ({"name": "a\u202eb"}, "name"),
        ({"active": "yes"}, "active"),
        ({"sip_digest": "x"}, "sip_digest"),
    ]:
        reply = await phones.desk.anna.put(
            "/agents/2001",
            content=json.dumps(FIELDS | change),
            headers={**ANY, "Content-Type": "application/json"},
        )
        assert reply.status_code == 422, change
        assert [error["field"] for error in reply.json()["errors"]] == [field], change
    assert (await phones.desk.aki.get("/agents/2001")).json()["version"] == 1


async def test_one_person_is_one_agent(phones: Phones, wang: dict[str, Any]) -> None:
    other = {"id": "2002", "name": "李雷", "user": "aki"}
    refused = await phones.desk.anna.post("/agents", json=other)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/user-taken")
    # Her own login is no obstacle to her own edit.
    assert (await phones.desk.anna.put("/agents/2001", json=FIELDS, headers=ANY)).status_code == 200
    await phones.desk.anna.put("/agents/2001", json=FIELDS | {"user": None}, headers=ANY)
    assert (await phones.desk.anna.post("/agents", json=other)).status_code == 201


async def test_two_agents_who_want_one_login_at_once_are_told_apart(phones: Phones) -> None:
    wishes = [
        phones.desk.anna.post("/agents", json={"id": f"30{n:02}", "name": "x", "user": "sven"})
        for n in range(6)
    ]
    statuses = [reply.status_code for reply in await asyncio.gather(*wishes)]
    assert sorted(statuses) == [201, *[409] * 5]


async def test_a_removed_agent_leaves_no_skill_and_frees_the_login(
    phones: Phones, wang: dict[str, Any], database: Database
) -> None:
    assert (await phones.desk.anna.delete("/agents/2001")).status_code == 200
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM agent_skills")) == 0
    assert (await phones.desk.anna.post("/agents", json=WANG)).status_code == 201


async def test_who_did_what_to_an_agent_is_in_the_audit_and_no_secret_is(
    phones: Phones, wang: dict[str, Any], database: Database
) -> None:
    secret = (await phones.desk.anna.post("/agents/2001/phone/secret")).json()["secret"]
    await phones.desk.anna.put("/agents/2001", json=FIELDS, headers=ANY)
    await phones.desk.sven.put("/agents/2001/queues", json={"queues": []}, headers=ANY)
    await phones.desk.anna.delete("/agents/2001")
    async with database.transaction() as connection:
        rows = (
            await connection.execute(select(audit_records).order_by(audit_records.c.record_id))
        ).all()
    assert [(row.who, row.act, row.subject) for row in rows] == [
        ("anna", "agent.add", "agent/2001"),
        ("anna", "agent.new_secret", "agent/2001"),
        ("anna", "agent.change", "agent/2001"),
        ("sven", "agent.queues", "agent/2001"),
        ("anna", "agent.remove", "agent/2001"),
    ]
    assert secret not in str(rows)
    assert wang["secret"] not in str(rows)


async def test_a_team_is_kept_while_agents_are_in_it(phones: Phones, wang: dict[str, Any]) -> None:
    desk = phones.desk
    assert (await desk.sven.post("/teams", json={"name": "day", "title": "x"})).status_code == 409
    one = await desk.aki.get("/teams/day")
    assert one.json() == {"name": "day", "title": "白班", "agents": 1, "version": 1}
    reply = await desk.sven.put(
        "/teams/day", json={"title": "早班"}, headers={"If-Match": one.headers["ETag"]}
    )
    assert (reply.json()["title"], reply.headers["ETag"]) == ("早班", '"2"')
    reply = await desk.sven.put("/teams/day", json={"title": "x"}, headers={"If-Match": '"1"'})
    assert reply.status_code == 412
    reply = await desk.sven.delete("/teams/day", headers=ANY)
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/team-in-use")
    await desk.anna.delete("/agents/2001")
    assert (await desk.sven.delete("/teams/day", headers=ANY)).status_code == 204
    assert (await desk.aki.get("/teams")).json() == {"items": [], "next_cursor": None}
    for path in ("/teams/day", "/teams/%00", "/teams/%ED%A0%80", "/teams/X"):
        assert (await desk.aki.get(path)).status_code == 404
    for body in ({"name": "Day", "title": "x"}, {"name": "day", "title": ""}, {"name": "day"}):
        assert (await desk.sven.post("/teams", json=body)).status_code == 422
    assert (await desk.aki.post("/teams", json={"name": "a", "title": "b"})).status_code == 403


async def test_an_agent_who_joins_a_team_that_is_being_removed_is_told(phones: Phones) -> None:
    desk = phones.desk
    for _ in range(5):
        await desk.sven.post("/teams", json={"name": "brief", "title": "x"})
        joined, removed = await asyncio.gather(
            desk.anna.post("/agents", json={"id": "4001", "name": "x", "team": "brief"}),
            desk.sven.delete("/teams/brief", headers=ANY),
        )
        assert (joined.status_code, removed.status_code) in [(201, 409), (422, 204)]
        await desk.anna.delete("/agents/4001")
