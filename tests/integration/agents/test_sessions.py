"""Agents' states and pause reasons over REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from callcenter.access.model import Principal, Role
from callcenter.access.tables import audit_records
from callcenter.agents.seed import seed_agents
from callcenter.agents.sessions import model, store
from callcenter.agents.sessions.api import reasons_router, router
from callcenter.agents.sessions.model import Line, Seen
from callcenter.agents.sessions.reasons import PauseReasonService
from callcenter.agents.sessions.service import TOPIC_WISH, SessionService
from callcenter.platform.db import Database
from callcenter.platform.errors import NotAllowed
from callcenter.platform.news import outbox
from callcenter.queues.seed import seed_queues
from callcenter.testing.desk import Desk, ScriptedSwitch, open_desk
from callcenter.testing.eventually import eventually
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

clock = FixedClock()


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, clock, lambda agent_id: "secret" + agent_id)
    sessions = SessionService(database, clock, wait=timedelta())
    reasons = PauseReasonService(database, ScriptedSwitch(clock))
    async with open_desk(
        database,
        lambda guard, _clock: [router(sessions, guard, clock), reasons_router(reasons, guard)],
    ) as desk:
        yield desk


async def looked(database: Database, agent_id: str, **seen: Any) -> None:
    """What the node does at a look."""
    values = {"there": True, "line": Line.FREE, "paused_for": None, "queue": "general"}
    async with database.transaction() as connection:
        record = (await store.records(connection, [agent_id]))[agent_id]
        session = model.now(
            record, Seen(**(values | seen)), clock(), {"general": timedelta(seconds=30)}
        )
        limits = await store.limits(connection)
        noted = model.noted(record, session, clock(), limits, seen=True)
        assert await store.save(connection, noted)
        if (record.state, record.reason) != (noted.state, noted.reason) or not record.is_kept:
            await store.begin_span(connection, noted)


async def test_an_agent_nobody_spoke_of_is_offline_until_the_phone_is_there(
    desk: Desk, database: Database
) -> None:
    state = (await desk.aki.get("/agents/1001/state")).json()
    assert (state["state"], state["phone"], state["logged_in"]) == ("offline", "unknown", True)
    assert state["queues"] == ["enterprise", "general"]
    await looked(database, "1001")
    state = (await desk.aki.get("/agents/1001/state")).json()
    assert (state["state"], state["in_force"]) == ("ready", True)


async def test_a_pause_is_a_wish_until_the_node_saw_it_in_asterisk(
    desk: Desk, database: Database
) -> None:
    await looked(database, "1001")
    reply = await desk.sven.put(
        "/agents/1001/state", json={"state": "paused", "reason": "rest", "reason_text": "会议"}
    )
    body = reply.json()
    assert (reply.status_code, body["in_force"], body["wanted_pause"]) == (200, False, "rest")
    assert body["state"] == "ready", "that is still true"
    await looked(database, "1001")
    body = (await desk.aki.get("/agents/1001/state")).json()
    assert (body["state"], body["reason"], body["in_force"]) == ("paused", "rest", True)
    assert body["until_at"] is not None

    async with database.transaction() as connection:
        news = (await connection.execute(select(outbox.c.topic, outbox.c.key))).all()
        [record] = (await connection.execute(select(audit_records))).all()
    assert [tuple(row) for row in news] == [(TOPIC_WISH, "1001")]
    assert (record.who, record.act, record.subject) == ("sven", "agent.pause", "agent/1001")
    assert (record.reason, record.detail) == ("会议", {"reason": "rest"})


async def test_the_reply_waits_for_the_node(database: Database, desk: Desk) -> None:
    await looked(database, "1001")
    patient = SessionService(database, clock, wait=timedelta(seconds=5))
    sven = Principal(UUID(int=1), "sven", Role.SUPERVISOR)
    asked = asyncio.create_task(patient.set_state("1001", "offline", by=sven))

    async def wished() -> bool:
        async with database.transaction() as connection:
            return not (await store.records(connection, ["1001"]))["1001"].session.logged_in

    await eventually(wished, "the wish is written")
    assert not asked.done()
    await looked(database, "1001")
    record, _ = await asked
    assert (record.state, record.in_force) == ("offline", True)


async def test_a_wrong_state_is_refused_with_what_is_allowed(
    desk: Desk, database: Database
) -> None:
    await looked(database, "1001", line=Line.TALKING)
    for path, body in (
        ("/agents/1001/state", {"state": "ready"}),
        ("/agents/1001/state", {"state": "wrap_up"}),
        ("/agents/1001/wrap-up/done", {}),
    ):
        reply = await desk.sven.post(path, json=body)
        assert reply.status_code == 409, reply.text
        assert reply.json()["type"] == "/problems/wrong-state"
        assert reply.json()["allowed"] == ["paused", "offline"]
    other = await desk.sven.get("/agents/2999/state")
    assert other.status_code == 404
    assert "allowed" not in other.json()


async def test_a_wrap_up_ends_when_it_is_said_to_be_done(desk: Desk, database: Database) -> None:
    await looked(database, "1001", line=Line.TALKING, paused_for="wrap_up")
    await looked(database, "1001", paused_for="wrap_up")
    assert (await desk.aki.get("/agents/1001/state")).json()["state"] == "wrap_up"
    reply = await desk.sven.post("/agents/1001/wrap-up/done")
    assert reply.status_code == 200
    await looked(database, "1001", paused_for="wrap_up")
    assert (await desk.aki.get("/agents/1001/state")).json()["state"] == "ready"


async def test_agents_change_their_own_state_and_nobody_elses(desk: Desk) -> None:
    for request in (
        desk.aki.put("/agents/1001/state", json={"state": "offline"}),
        desk.aki.post("/agents/1001/queues/general/login"),
        desk.aki.delete("/agents/1001/queues/general/login"),
        desk.aki.post("/agents/1001/wrap-up/done"),
    ):
        assert (await request).status_code == 403
    reply = await desk.nobody.get("/agent-states")
    assert reply.status_code == 401


async def test_a_linked_user_is_the_agents_own_and_leaves_no_audit(
    desk: Desk, database: Database
) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE agents SET user_id = (SELECT user_id FROM users WHERE name = 'aki')"
                " WHERE agent_id = '1001'"
            )
        )
    reply = await desk.aki.put("/agents/1001/state", json={"state": "offline"})
    assert (reply.status_code, reply.json()["logged_in"]) == (200, False)
    assert (await desk.aki.put("/agents/1002/state", json={"state": "ready"})).status_code == 403
    # Whoever is merely named like an agent is nobody's.
    namesake = Principal(UUID(int=7), "1001", Role.AGENT)
    with pytest.raises(NotAllowed):
        await SessionService(database, clock, wait=timedelta()).set_state(
            "1001", "ready", by=namesake
        )
    async with database.transaction() as connection:
        assert (await connection.execute(select(audit_records))).all() == []


async def test_one_queue_is_left_and_entered_again(desk: Desk) -> None:
    reply = await desk.sven.delete("/agents/1001/queues/general/login")
    assert (reply.json()["queues"], reply.json()["out_of"]) == (["enterprise"], ["general"])
    reply = await desk.sven.post("/agents/1001/queues/general/login")
    assert reply.json()["queues"] == ["enterprise", "general"]
    reply = await desk.sven.put(
        "/agents/1001/state", json={"state": "ready", "queues": ["general"]}
    )
    assert (reply.json()["queues"], reply.json()["out_of"]) == (["general"], ["enterprise"])
    for queue in ("legal", "nowhere", "x\x00y"):
        reply = await desk.sven.put(
            "/agents/1001/state", json={"state": "ready", "queues": [queue]}
        )
        assert reply.status_code == 422
    assert (await desk.sven.post("/agents/1001/queues/legal/login")).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"state": "paused"},
        {"state": "paused", "reason": "phone_gone"},
        {"state": "paused", "reason": "nosuch"},
        {"state": "paused", "reason": "x\x00y"},
        {"state": "ready", "reason": "rest"},
        {"state": "asleep"},
        {"state": "paused", "reason": "rest", "reason_text": "a\x00b"},
        {"state": "paused", "reason": "rest", "reason_text": "x" * 501},
        {},
    ],
)
async def test_what_cannot_be_read_is_refused(desk: Desk, body: dict[str, Any]) -> None:
    reply = await desk.sven.put("/agents/1001/state", json=body)
    assert reply.status_code == 422, reply.text


async def test_half_a_surrogate_pair_is_refused(desk: Desk) -> None:
    for body in (
        b'{"state": "paused", "reason": "\\ud800"}',
        b'{"state": "ready", "queues": ["\\ud800"]}',
        b'{"state": "ready", "reason_text": "\\ud800"}',
    ):
        reply = await desk.sven.put(
            "/agents/1001/state", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code == 422, reply.text


async def test_a_pause_without_a_reason_is_told_which_there_are(desk: Desk) -> None:
    for body in ({"state": "paused"}, {"state": "paused", "reason": "coffee"}):
        reply = await desk.sven.put("/agents/1001/state", json=body)
        assert reply.status_code == 422
        [error] = reply.json()["errors"]
        assert error["field"] == "reason"
        for name in ("rest", "meal", "forced"):
            assert name in error["rule"]
        assert "phone_gone" not in error["rule"], "the system's own"


async def test_a_reason_of_supervisors_is_theirs_alone(desk: Desk) -> None:
    reply = await desk.sven.put("/agents/1001/state", json={"state": "paused", "reason": "forced"})
    assert reply.status_code == 200


async def test_the_board_lists_everybody_page_by_page(desk: Desk, database: Database) -> None:
    await looked(database, "1003")
    seen, cursor = [], None
    while True:
        page = (
            await desk.aki.get(
                "/agent-states", params={"limit": 4} | ({"cursor": cursor} if cursor else {})
            )
        ).json()
        seen += [state["agent_id"] for state in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(number) for number in range(1001, 1011)]
    page = (await desk.aki.get("/agent-states", params={"state": "ready"})).json()
    assert [state["agent_id"] for state in page["items"]] == ["1003"]
    page = (await desk.aki.get("/agent-states", params={"state": "offline"})).json()
    assert len(page["items"]) == 9


async def test_activity_tells_the_states_over_time(desk: Desk, database: Database) -> None:
    began = clock()
    await looked(database, "1001")
    clock.forward(timedelta(minutes=5))
    await looked(database, "1001", line=Line.TALKING)
    clock.forward(timedelta(minutes=5))
    await looked(database, "1001")
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"since": (began - timedelta(hours=1)).isoformat(), "limit": 2}
    while True:
        page = (await desk.aki.get("/agents/1001/activity", params=params)).json()
        found += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert [span["state"] for span in found] == ["ready", "talking", "ready"]
    assert [span["ended_at"] is None for span in found] == [False, False, True]
    assert found[0]["ended_at"] == found[1]["began_at"]
    for odd in (
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "yesterday"},
        {"cursor": "xx"},
        {"cursor": "WyJhIiwgImIiXQ"},
    ):
        assert (await desk.aki.get("/agents/1001/activity", params=odd)).status_code == 422


async def test_pause_reasons_are_data(desk: Desk) -> None:
    new = {
        "name": "prayer",
        "title": {"zh": "礼拜", "en": "Prayer"},
        "productive": False,
        "limit_seconds": 600,
        "digit": "7",
    }
    made = await desk.sven.post("/pause-reasons", json=new)
    assert made.status_code == 201, made.text
    assert made.json()["in_force"] is True
    assert (await desk.sven.post("/pause-reasons", json=new)).status_code == 409
    listed = (await desk.aki.get("/pause-reasons")).json()["items"]
    assert {r["name"]: r["chosen_by"] for r in listed}["phone_gone"] == "system"
    change = {"title": new["title"], "productive": True, "digit": "1"}
    reply = await desk.sven.put("/pause-reasons/prayer", json=change, headers={"If-Match": '"1"'})
    assert reply.status_code == 409, "1 is rest's"
    change["digit"] = "8"
    reply = await desk.sven.put("/pause-reasons/prayer", json=change, headers={"If-Match": '"1"'})
    assert (reply.status_code, reply.json()["limit_seconds"]) == (200, None)
    reply = await desk.sven.put("/pause-reasons/prayer", json=change, headers={"If-Match": '"1"'})
    assert reply.status_code == 412
    await desk.sven.put("/agents/1001/state", json={"state": "paused", "reason": "prayer"})
    assert (await desk.sven.delete("/pause-reasons/prayer")).status_code == 409
    await desk.sven.put("/agents/1001/state", json={"state": "ready"})
    assert (await desk.sven.delete("/pause-reasons/prayer")).status_code == 200
    assert (await desk.sven.get("/pause-reasons/prayer")).status_code == 404
    odd = {"If-Match": '"9:r"'}
    reply = await desk.sven.put("/pause-reasons/prayer", json=change, headers=odd)
    assert reply.status_code == 404
    assert (await desk.sven.delete("/pause-reasons/no_answer")).status_code == 409
    assert (await desk.aki.post("/pause-reasons", json=new)).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"name": "A"},
        {"digit": "12"},
        {"digit": "٣"},
        {"limit_seconds": 5},
        {"limit_seconds": 10**30},
        {"title": {"zh": "", "en": "x"}},
        {"title": {"zh": "a\x00", "en": "x"}},
        {"chosen_by": "system"},
        {"chosen_by": "supervisor", "digit": "9"},
    ],
)
async def test_a_reason_that_breaks_a_rule_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    new = {"name": "prayer", "title": {"zh": "礼拜", "en": "Prayer"}, "productive": False}
    reply = await desk.sven.post("/pause-reasons", json=new | change)
    assert reply.status_code == 422, reply.text


async def test_an_older_wish_is_not_written_over_a_newer_one(
    desk: Desk, database: Database
) -> None:
    await desk.sven.put("/agents/1001/state", json={"state": "paused", "reason": "meal"})
    async with database.transaction() as connection:
        record = (await store.records(connection, ["1001"]))["1001"]
        assert not await store.save(connection, replace(record, version=record.version - 1))
        assert (await connection.execute(text("SELECT count(*) FROM agent_states"))).scalar() == 1
