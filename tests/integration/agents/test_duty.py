"""Rosters, expert groups and on-call rotas over REST, and the rules in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.agents.experts.api import router as experts_router
from callcenter.agents.experts.service import ExpertService, owe_by_extension
from callcenter.agents.on_call.api import router as on_call_router
from callcenter.agents.on_call.service import AlertKeeper, OnCallService
from callcenter.agents.rosters.api import router as rosters_router
from callcenter.agents.rosters.service import RosterService
from callcenter.agents.seed import seed_agents
from callcenter.calls.numbers import NumberRule
from callcenter.cases.service import CaseService
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.testing.desk import Desk, ScriptedSwitch, add_call, open_desk
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}
CITY = ZoneInfo("Asia/Shanghai")
WEEK = {"from": "2026-11-23T00:00:00+08:00", "to": "2026-11-30T00:00:00+08:00"}


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    clock = FixedClock()
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, clock, lambda agent_id: f"secret of {agent_id} is long")
    async with open_desk(
        database,
        lambda guard, clock: [
            rosters_router(RosterService(database, clock, zone=CITY, default_language="zh"), guard),
            experts_router(ExpertService(database, clock, ScriptedSwitch(clock)), guard),
            on_call_router(OnCallService(database, clock, NumberRule("CN")), guard),
        ],
    ) as desk:
        yield desk


def eight_hours(agent: str, day: int, hour: int) -> dict[str, Any]:
    start = f"2026-11-{day:02}T{hour:02}:00:00+08:00"
    end = f"2026-11-{day + (hour + 8) // 24:02}T{(hour + 8) % 24:02}:00:00+08:00"
    return {"agent_id": agent, "starts_at": start, "ends_at": end}


async def test_a_week_is_planned_covered_and_a_hole_found(desk: Desk) -> None:
    rule = {"name": "always", "title": "7×24", "at_least": 1, "queue": "general"}
    assert (await desk.sven.post("/cover-rules", json=rule)).status_code == 403
    assert (await desk.anna.post("/cover-rules", json=rule)).status_code == 201
    for agent, start, end in (
        ("1001", "00:00", "08:00"),
        ("1002", "08:00", "16:00"),
        ("1003", "16:00", "00:00"),
    ):
        week = [{"weekday": day, "from": start, "to": end} for day in range(1, 8)]
        plan = {
            "agents": [agent],
            "week": week,
            "first_day": "2026-11-23",
            "last_day": "2026-11-29",
        }
        reply = await desk.sven.post("/rosters/plans", json=plan)
        assert (reply.status_code, reply.json()) == (201, {"made": 7})
        again = await desk.sven.post("/rosters/plans", json=plan)
        assert again.json()["type"] == "/problems/shifts-overlap"
    cover = (await desk.aki.get("/rosters/cover", params=WEEK)).json()
    assert cover == {"covered": True, "rules": 1, "holes": []}

    shifts = (await desk.aki.get("/shifts", params=WEEK | {"agent_id": "1002", "limit": 2})).json()
    gone = shifts["items"][1]
    assert (await desk.sven.delete(f"/shifts/{gone['shift_id']}")).status_code == 204
    (hole,) = (await desk.aki.get("/rosters/cover", params=WEEK)).json()["holes"]
    assert (hole["starts_at"], hole["ends_at"]) == (gone["starts_at"], gone["ends_at"])
    assert (hole["rule"], hole["there"], hole["wanted"]) == ("always", 0, 1)


async def test_without_a_rule_nothing_counts_as_covered(desk: Desk) -> None:
    assert (await desk.aki.get("/rosters/cover", params=WEEK)).json()["covered"] is False


async def test_a_shift_is_changed_by_who_read_it_and_never_overlaps(desk: Desk) -> None:
    first = (await desk.sven.post("/shifts", json=eight_hours("1001", 23, 0))).json()
    second = (await desk.sven.post("/shifts", json=eight_hours("1001", 23, 8))).json()
    path = f"/shifts/{second['shift_id']}"
    change = {"starts_at": first["starts_at"], "ends_at": second["ends_at"]}
    stale = await desk.sven.put(path, json=change, headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    assert (await desk.sven.put(path, json=change, headers=ANY)).status_code == 409
    later = {"starts_at": second["starts_at"], "ends_at": "2026-11-23T12:00:00+08:00"}
    changed = await desk.sven.put(path, json=later, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    unknown = await desk.sven.post("/shifts", json=eight_hours("9999", 23, 0))
    assert unknown.status_code == 404
    assert (await desk.aki.post("/shifts", json=eight_hours("1001", 25, 0))).status_code == 403


async def test_who_is_on_duty_and_not_there_is_told(desk: Desk, database: Database) -> None:
    await desk.sven.post("/shifts", json=eight_hours("1001", 23, 0))
    await desk.sven.post("/shifts", json=eight_hours("1002", 23, 0))
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO agent_states (agent_id, state, since) VALUES ('1001', 'ready', now()),"
                " ('1002', 'offline', now())"
            )
        )
    reply = await desk.aki.get("/rosters/on-duty", params={"at": "2026-11-23T07:59:59+08:00"})
    found = {one["agent_id"]: one["missing"] for one in reply.json()["items"]}
    assert found == {"1001": False, "1002": True}
    later = await desk.aki.get("/rosters/on-duty", params={"at": "2026-11-23T08:00:00+08:00"})
    assert later.json()["items"] == []


async def test_the_database_refuses_what_the_model_does(database: Database, desk: Desk) -> None:
    await desk.sven.post("/shifts", json=eight_hours("1001", 23, 0))
    shift = (
        "INSERT INTO shifts (shift_id, agent_id, starts_at, ends_at, made_by) VALUES"
        " (gen_random_uuid(), '1001', {}, {}, 'x')"
    )
    step = (
        "INSERT INTO alert_steps (alert_id, step, at, level, what) VALUES"
        " (gen_random_uuid(), 1, now(), 1, 'given')"
    )
    for statement in (
        shift.format("'2026-11-23T07:00+08:00'", "'2026-11-23T09:00+08:00'"),
        shift.format("'2026-11-25T09:00+08:00'", "'2026-11-25T09:00+08:00'"),
        shift.format("'2026-11-25T00:00+08:00'", "'2026-11-25T17:00+08:00'"),
        step,
    ):
        with pytest.raises(DBAPIError):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


GROUP = {
    "name": "lawyers",
    "title": "律师",
    "extension": "*71",
    "answer_within_minutes": 60,
    "members": [{"agent_id": "1005"}, {"agent_id": "1006", "rank": 2}],
}


async def test_a_group_is_kept_and_rings_who_is_on_duty(desk: Desk, database: Database) -> None:
    made = await desk.anna.post("/expert-groups", json=GROUP)
    assert (made.status_code, made.json()["in_force"]) == (201, True)
    again = await desk.anna.post("/expert-groups", json=GROUP | {"name": "others"})
    assert again.json()["type"] == "/problems/expert-group-exists"
    nobody = GROUP | {"name": "farm", "extension": "*72", "members": [{"agent_id": "9999"}]}
    assert (await desk.anna.post("/expert-groups", json=nobody)).status_code == 422

    experts = ExpertService(database, desk.clock, ScriptedSwitch(desk.clock))
    assert (await experts.ring("*71", "1001"))[1] == []
    await desk.sven.post(
        "/shifts",
        json={
            "agent_id": "1006",
            "starts_at": desk.clock().isoformat(),
            "ends_at": (desk.clock() + timedelta(hours=1)).isoformat(),
        },
    )
    assert (await experts.ring("*71", "1001"))[1] == ["1006"]
    edit = {key: value for key, value in GROUP.items() if key != "name"} | {"only_on_duty": False}
    changed = await desk.anna.put("/expert-groups/lawyers", json=edit, headers={"If-Match": '"1"'})
    assert changed.json()["version"] == 2
    assert (await experts.ring("*71", "1001"))[1] == ["1005"]
    assert (await desk.anna.delete("/expert-groups/lawyers")).status_code == 200


async def test_a_citizen_nobody_took_is_owed_a_call_once(desk: Desk, database: Database) -> None:
    await desk.anna.post("/expert-groups", json=GROUP)
    call_id = uuid4()
    async with database.transaction() as connection:
        await add_call(connection, desk.clock(), call_id=call_id)
        await CaseService(database, desk.clock).open_for_call(
            connection, call_id, title="12345", opened_by="system:node", at=desk.clock()
        )
        for _ in range(2):  # the journal read again
            await owe_by_extension(connection, "71", call_id, at=desk.clock())
        await owe_by_extension(connection, "79", call_id, at=desk.clock())
    (task,) = (await desk.aki.get("/expert-tasks", params={"group": "lawyers"})).json()["items"]
    assert (UUID(task["call_id"]), task["overdue"]) == (call_id, False)
    assert task["case_number"]
    path = f"/expert-tasks/{task['task_id']}"
    assert (await desk.aki.post(f"{path}/take")).json()["taken_by"] == "aki"
    assert (await desk.sven.post(f"{path}/take")).json()["type"] == "/problems/expert-task-is-taken"
    desk.clock.forward(timedelta(minutes=50))
    overdue = {"overdue": True}
    assert (await desk.aki.get("/expert-tasks", params=overdue)).json()["items"] == []
    desk.clock.forward(timedelta(minutes=9))
    # The token lasts an hour; the promise one of 60 minutes is looked at a moment after it.
    done = {"outcome": "not_reached"}
    assert (await desk.aki.post(f"{path}/done", json=done)).status_code == 422
    done["note"] = "三次无人接听"
    assert (await desk.aki.post(f"{path}/done", json=done)).json()["state"] == "done"
    assert (await desk.aki.post(f"{path}/done", json=done)).status_code == 409
    refused = await desk.anna.delete("/expert-groups/lawyers")
    assert refused.json()["type"] == "/problems/expert-group-owes-answers"


async def test_a_task_is_made_by_hand_for_a_case_that_exists(desk: Desk) -> None:
    await desk.anna.post("/expert-groups", json=GROUP)
    path = "/expert-groups/lawyers/tasks"
    assert (await desk.aki.post(path, json={})).status_code == 422
    nowhere = {"case_number": "2026112500001"}
    assert (await desk.aki.post(path, json=nowhere)).status_code == 422
    about = {"call_id": str(uuid4()), "question": "合同\n纠纷"}
    assert (await desk.aki.post(path, json=about)).status_code == 201
    assert (await desk.aki.post(path, json=about)).status_code == 409


async def test_an_alert_goes_up_until_somebody_has_it(desk: Desk, database: Database) -> None:
    rota = {"name": "floods", "title": "防汛", "ack_within_seconds": 60}
    assert (await desk.aki.post("/on-call", json=rota)).status_code == 403
    assert (await desk.sven.post("/on-call", json=rota)).status_code == 201
    assert (await desk.sven.post("/on-call", json=rota)).status_code == 409
    now = desk.clock()
    for level, agent in ((1, "1001"), (2, "1002")):
        turn = {
            "agent_id": agent,
            "level": level,
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(hours=12)).isoformat(),
        }
        assert (await desk.sven.post("/on-call/floods/turns", json=turn)).status_code == 201
    on_call = (await desk.aki.get("/on-call/floods/now")).json()["items"]
    assert on_call == [{"level": 1, "agent_id": "1001"}, {"level": 2, "agent_id": "1002"}]

    raised = await desk.aki.post("/on-call/floods/alerts", json={"words": "地铁进水"})
    assert raised.status_code == 201
    path = f"/alerts/{raised.json()['alert_id']}"
    keeper = AlertKeeper(database, desk.clock)
    assert await keeper.step() == 0
    desk.clock.forward(timedelta(seconds=60))
    assert await keeper.step() == 1
    assert await keeper.step() == 0
    alert = (await desk.aki.get(path)).json()
    assert [(step["what"], step["agent_id"]) for step in alert["steps"]] == [
        ("given", "1001"),
        ("escalated", None),
        ("given", "1002"),
    ]
    assert (await desk.aki.post(f"{path}/close", json={"note": "x"})).status_code == 409
    acknowledged = (await desk.aki.post(f"{path}/acknowledge")).json()
    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "aki")
    assert (await desk.aki.post(f"{path}/acknowledge")).status_code == 409
    desk.clock.forward(timedelta(minutes=30))
    assert await keeper.step() == 0
    assert (await desk.aki.post(f"{path}/close", json={"note": "抽干了"})).status_code == 200
    listed = (await desk.aki.get("/alerts", params={"state": "closed"})).json()["items"]
    assert [one["words"] for one in listed] == ["地铁进水"]
    assert (await desk.sven.delete("/on-call/floods")).status_code == 409


async def test_two_keepers_hand_an_alert_on_once(desk: Desk, database: Database) -> None:
    await desk.sven.post(
        "/on-call", json={"name": "floods", "title": "防汛", "ack_within_seconds": 10}
    )
    raised = await desk.aki.post("/on-call/floods/alerts", json={"words": "地铁进水"})
    desk.clock.forward(timedelta(seconds=10))
    keepers = [AlertKeeper(database, desk.clock) for _ in range(4)]
    moved = await asyncio.gather(*(keeper.step() for keeper in keepers))
    assert sum(moved) == 1
    alert = (await desk.aki.get(f"/alerts/{raised.json()['alert_id']}")).json()
    assert alert["state"] == "open"
