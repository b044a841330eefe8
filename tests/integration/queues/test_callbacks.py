"""Wishes to be called back: taken down with their call and case, and worked off."""

from __future__ import annotations

import json
from datetime import time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.bootstrap.desk import HotlineDesk
from callcenter.calls.hours import Hours
from callcenter.calls.numbers import NumberRule
from callcenter.calls.seed import CallSeed
from callcenter.cases.progress import CaseProgress
from callcenter.cases.service import CaseService
from callcenter.cases.store import case_of_call
from callcenter.ivr.desk import NotToThere
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.queues.callbacks.api import router
from callcenter.queues.callbacks.model import Outcome, Policy
from callcenter.queues.callbacks.service import CallbackFilter, CallbackService
from callcenter.queues.seed import seed_queues
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

CALL = UUID(int=5)
POLICY = Policy(
    tries=3,
    pause=timedelta(minutes=10),
    ring=timedelta(seconds=45),
    hours=Hours(time(0), time(0), ZoneInfo("Asia/Shanghai")),
    deadline=timedelta(minutes=30),
    shortest_wait=timedelta(seconds=5),
)


async def authenticate(token: str) -> Principal:
    return Principal(UUID(int=1), "agent-wang", Role(token))


@pytest.fixture
async def desk(database: Database) -> HotlineDesk:
    clock = FixedClock()
    async with database.transaction() as connection:
        await seed_queues(connection)
    found = HotlineDesk(
        database, CaseService(database, clock), CaseProgress(database), clock, ZoneInfo("UTC")
    )
    for number in range(5, 9):
        found.seeds[UUID(int=number)] = CallSeed(
            call_id=UUID(int=number),
            node="n",
            linkedid=str(number),
            uniqueid=str(number),
            line="12345",
            caller_number=None,
            caller_name=None,
            caller_withheld=False,
            started_at=clock(),
        )
    return found


@pytest.fixture
async def api(database: Database) -> Any:
    app = FastAPI()
    install_problem_handlers(app)
    service = CallbackService(database, FixedClock(), POLICY, NumberRule("CN"))
    app.include_router(router(service, Guard(authenticate)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": "Bearer agent"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hotline", headers=headers
    ) as client:
        yield client


async def take(desk: HotlineDesk, call_id: UUID = CALL, number: str = "+8613800138000") -> None:
    await desk.take_callback(call_id, "12345", queue="general", number=number, language="zh")


async def test_a_wish_comes_with_its_call_and_its_case(
    desk: HotlineDesk, api: httpx.AsyncClient, database: Database
) -> None:
    await take(desk)
    (wish,) = (await api.get("/callbacks")).json()["items"]
    assert (wish["number"], wish["queue"], wish["state"]) == (
        "+8613800138000",
        "general",
        "waiting",
    )
    async with database.transaction() as connection:
        assert await case_of_call(connection, CALL) is not None


async def test_the_same_wish_said_again_is_one_wish(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    await take(desk, number="041123456")
    (wish,) = (await api.get("/callbacks")).json()["items"]
    assert wish["number"] == "041123456"


@pytest.mark.parametrize("number", ["", "12", "12a45", "1" * 17, "+", "１２３４５"])
async def test_what_cannot_be_dialled_leaves_nothing_behind(
    desk: HotlineDesk, api: httpx.AsyncClient, number: str
) -> None:
    with pytest.raises(NotToThere):
        await take(desk, number=number)
    assert (await api.get("/callbacks")).json()["items"] == []


async def test_callbacks_are_worked_off_once(desk: HotlineDesk, api: httpx.AsyncClient) -> None:
    for number in range(5, 8):
        await take(desk, UUID(int=number), f"+861380013800{number}")
        desk.clock.forward(timedelta(seconds=1))  # type: ignore[attr-defined]
    page = (await api.get("/callbacks", params={"limit": 2})).json()
    rest = (await api.get("/callbacks", params={"cursor": page["next_cursor"]})).json()
    listed = [*page["items"], *rest["items"]]
    assert [UUID(one["call_id"]).int for one in listed] == [5, 6, 7]
    path = f"/callbacks/{listed[0]['callback_id']}"
    done = await api.post(f"{path}/done", json={"outcome": "reached", "note": "spoke to him"})
    assert (done.status_code, done.json()["done_by"]) == (200, "agent-wang")
    again = await api.post(f"{path}/done", json={"outcome": "reached"})
    assert again.status_code == 409
    waiting = (await api.get("/callbacks", params={"state": "waiting"})).json()["items"]
    assert [UUID(one["call_id"]).int for one in waiting] == [6, 7]
    # A wish that was dealt with stays as it is, whatever a lost process says again.
    await take(desk, number="041123456")
    assert (await api.get(path)).json()["number"] == "+8613800138005"


async def test_who_asks_again_in_another_call_is_one_callback(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    await take(desk, UUID(int=6))
    (wish,) = (await api.get("/callbacks")).json()["items"]
    assert (wish["call_id"], wish["further_calls"]) == (str(CALL), [str(UUID(int=6))])


async def test_giving_up_takes_attempts_that_are_written_down(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    (wish,) = (await api.get("/callbacks")).json()["items"]
    path = f"/callbacks/{wish['callback_id']}"
    for made, outcome in enumerate(("busy", "no_answer", "failed")):
        refused = await api.post(f"{path}/done", json={"outcome": "not_reached"})
        assert refused.status_code == 409
        assert f"{made} of 3 attempts" in refused.json()["detail"]
        said = await api.post(f"{path}/attempts", json={"outcome": outcome, "note": "by mobile"})
        assert said.status_code == 201, said.text
    done = await api.post(f"{path}/done", json={"outcome": "not_reached"})
    assert (done.status_code, done.json()["outcome"]) == (200, "not_reached")
    assert [one["by"] for one in done.json()["tries"]] == ["agent-wang"] * 3
    again = await api.post(f"{path}/attempts", json={"outcome": "busy"})
    assert again.status_code == 409


async def test_an_attempt_that_reached_the_citizen_closes_the_callback(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    (wish,) = (await api.get("/callbacks")).json()["items"]
    path = f"/callbacks/{wish['callback_id']}/attempts"
    for outcome in ("lost", "withdrawn", "agent_left"):
        assert (await api.post(path, json={"outcome": outcome})).status_code == 422
    done = (await api.post(path, json={"outcome": "reached", "note": "spoke to her"})).json()
    assert (done["state"], done["outcome"], done["note"]) == ("done", "reached", "spoke to her")


async def test_a_citizen_who_wants_it_no_more_is_not_called(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    (wish,) = (await api.get("/callbacks")).json()["items"]
    reply = await api.post(f"/callbacks/{wish['callback_id']}/withdraw", json={})
    assert (reply.json()["outcome"], reply.json()["next_try_at"]) == ("withdrawn", None)


async def test_an_agent_promises_a_call(desk: HotlineDesk, api: httpx.AsyncClient) -> None:
    wish = {"queue": "general", "number": "13800138009", "note": "about the water"}
    made = await api.post("/callbacks", json=wish)
    assert made.status_code == 201, made.text
    assert made.json()["number"] == "+8613800138009"
    assert made.json()["position"] == 1
    # The same number is one callback.
    again = await api.post("/callbacks", json=wish)
    assert again.json()["callback_id"] == made.json()["callback_id"]
    for bad in (
        {"queue": "none"},
        {"number": "12"},
        {"number": "9001234567890123"},
        {"language": "Z"},
        {"case_number": "1234567890"},
        {"note": "\x00"},
        {"note": "\ud800"},
        {"extra": 1},
    ):
        body = json.dumps(wish | bad).encode()
        reply = await api.post(
            "/callbacks", content=body, headers={"Content-Type": "application/json"}
        )
        assert reply.status_code in (400, 422), (bad, reply.text)


async def test_overdue_ones_are_found(desk: HotlineDesk, database: Database) -> None:
    clock = FixedClock()
    service = CallbackService(database, clock, POLICY, NumberRule("CN"))
    await service.create(
        queue="general",
        number="13800138009",
        language="zh",
        case_number=None,
        note="",
        by="agent-wang",
    )
    overdue = CallbackFilter(overdue=True)
    assert await service.list(overdue, after=None, limit=5) == []
    clock.forward(timedelta(minutes=31))
    (late,) = await service.list(overdue, after=None, limit=5)
    assert late.overdue
    # Dealt with too late is still overdue; in time never was.
    await service.finish(late.callback.callback_id, Outcome.WITHDRAWN, "", by="agent-wang")
    assert len(await service.list(overdue, after=None, limit=5)) == 1


async def test_bad_input_is_refused(api: httpx.AsyncClient) -> None:
    for query in ({"cursor": "x"}, {"state": "lost"}, {"queue": "A"}, {"limit": "0"}):
        assert (await api.get("/callbacks", params=query)).status_code == 422
    assert (await api.get(f"/callbacks/{UUID(int=9)}")).status_code == 404


async def test_an_agent_says_that_a_machine_answered(
    desk: HotlineDesk, api: httpx.AsyncClient
) -> None:
    await take(desk)
    (wish,) = (await api.get("/callbacks")).json()["items"]
    path = f"/callbacks/{wish['callback_id']}"
    reply = await api.post(f"{path}/not-reached", json={"note": "a mailbox"})
    assert (reply.status_code, "callback-nobody-reached" in reply.json()["type"]) == (409, True)
    assert (await api.post(f"{path}/attempts", json={"outcome": "reached"})).status_code == 201
    reply = await api.post(f"{path}/not-reached", json={"note": "a mailbox"})
    assert reply.status_code == 200, reply.text
    assert (reply.json()["state"], reply.json()["outcome"]) == ("waiting", None)
    assert [one["outcome"] for one in reply.json()["tries"]] == ["machine"]
    reply = await api.post(f"{path}/not-reached", json={"note": "x\x00"})
    assert reply.status_code in (409, 422), reply.text
    unknown = await api.post(f"/callbacks/{UUID(int=99)}/not-reached", json={})
    assert unknown.status_code == 404
