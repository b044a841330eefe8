"""What supervisors do over REST: ordered and audited together, refused with what is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from callcenter.access.audit import AuditService
from callcenter.access.audit_api import router as audit_router
from callcenter.access.guard import Guard
from callcenter.access.model import Principal, Role
from callcenter.agents.sessions.service import SessionService
from callcenter.agents.supervision import service as supervision
from callcenter.agents.supervision.api import router
from callcenter.agents.supervision.service import SupervisionService, on_facts
from callcenter.calls.facts import CallEnded, SpyingBegan
from callcenter.platform.db import Database
from callcenter.platform.problems import install_problem_handlers
from callcenter.switch.acts import Act, ActOrders, ActRefused, ActRunner
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
SPYING = UUID(int=77)
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
WHY = {"supervisor_phone": "1003", "reason": "first week"}


@dataclass
class Floor:
    """One call, two agents, and a node that does what it is told and says so."""

    database: Database
    client: httpx.AsyncClient
    done: list[Act] = field(default_factory=list)
    refuses: bool = False

    async def __call__(
        self, method: str, path: str, who: str = "supervisor", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}"}
        return await self.client.request(method, path, headers=headers, **more)

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def audited(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self("GET", "/audit")).json()["items"]
        return items

    async def act(self, act: Act) -> dict[str, Any]:
        if self.refuses:
            raise ActRefused("The caller has hung up.")
        self.done.append(act)
        return {"pickup": "connected", "position": 2, "priority": act.arguments.get("priority", 0)}

    async def queue(self, name: str = "general") -> None:
        await self.sql(
            "INSERT INTO queue_visits (call_id, visit, queue, why, entered_at)"
            " SELECT :id, count(*) + 1, :queue, 'flow', :at FROM queue_visits WHERE call_id = :id",
            id=CALL,
            queue=name,
            at=NOW,
        )
        await self.sql("UPDATE calls SET state = 'queued', queue = :q", q=name)

    async def talk(self) -> None:
        await self.sql(
            "INSERT INTO call_legs (call_id, uniqueid, node, channel, role, agent, started_at)"
            " VALUES (:id, 'n1-1.2', 'n1', 'PJSIP/1001-00000002', 'agent', '1001', :at)",
            id=CALL,
            at=NOW,
        )
        await self.sql(
            "INSERT INTO agent_talks (call_id, uniqueid, agent, began_at)"
            " VALUES (:id, 'n1-1.2', '1001', :at)",
            id=CALL,
            at=NOW,
        )
        await self.sql("UPDATE calls SET state = 'talking', agent = '1001'")

    async def hears(self, mode: str, agent: str = "1001") -> None:
        async with self.database.transaction() as connection:
            fact = SpyingBegan(
                call_id=SPYING, at=NOW, phone="1003", agent=agent, spied_call=str(CALL), mode=mode
            )
            await on_facts(connection, [fact])


@pytest.fixture
async def floor(database: Database) -> AsyncIterator[Floor]:
    clock = FixedClock(NOW)

    async def authenticate(token: str) -> Principal:
        return Principal(UUID(int=1), "ling", Role(token))

    app = FastAPI()
    install_problem_handlers(app)
    service = SupervisionService(
        database,
        clock,
        ActOrders(database, clock, "n1"),
        SessionService(database, clock, wait=timedelta()),
        node="n1",
        new_id=lambda: SPYING,
        # Nobody writes a journal here.
        journal_limit=timedelta(),
    )
    guard = Guard(authenticate)
    app.include_router(router(service, guard))
    app.include_router(audit_router(AuditService(database), guard))
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://hotline"
    )
    floor = Floor(database, client)
    for name in ("general", "legal"):
        await floor.sql("INSERT INTO queues (name, title) VALUES (:n, :n)", n=name)
    for agent in ("1001", "1002", "1003"):
        await floor.sql(
            "INSERT INTO agents (agent_id, name, sip_digest, created_at)"
            " VALUES (:id, :id, repeat('0', 32), :at)",
            id=agent,
            at=NOW,
        )
    await floor.sql(
        "INSERT INTO calls (call_id, node, linkedid, uniqueid, direction, state, started_at)"
        " VALUES (:id, 'n1', 'n1-1.1', 'n1-1.1', 'inbound', 'in_menu', :at)",
        id=CALL,
        at=NOW,
    )
    kinds = (
        supervision.SPY,
        supervision.SPY_MODE,
        supervision.SPY_STOP,
        supervision.TAKE_OVER,
        supervision.MOVE,
        supervision.PRIORITY,
    )
    runner = ActRunner(database, clock, "n1", dict.fromkeys(kinds, floor.act))
    tasks = [asyncio.create_task(runner.run()), asyncio.create_task(runner.follow())]
    try:
        async with client:
            yield floor
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_agent_who_talks_with_nobody_cannot_be_heard_and_nothing_is_written(
    floor: Floor,
) -> None:
    await floor.sql(
        "INSERT INTO agent_states (agent_id, state, since) VALUES ('1001', 'ready', :at)", at=NOW
    )
    refused = await floor("POST", "/agents/1001/listen", json=WHY)
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/not-now"
    assert "(state: ready)" in refused.json()["detail"]
    assert (floor.done, await floor.audited()) == ([], [])


async def test_an_act_is_ordered_and_audited_and_answered_by_what_the_node_saw(
    floor: Floor,
) -> None:
    await floor.talk()
    heard = await floor("POST", "/agents/1001/whisper", json=WHY)
    assert heard.status_code == 200, heard.text
    assert heard.json() == {
        "call_id": str(CALL),
        "supervisor_phone": "1003",
        "pickup": "connected",
        "mode": "whisper",
        "spying_call_id": str(SPYING),
    }
    [act] = floor.done
    assert (act.kind, act.wanted_by) == ("spy", "ling")
    assert act.arguments == {
        "spying_call": str(SPYING),
        "phone": "1003",
        "agent": "1001",
        "mode": "whisper",
        "call_id": str(CALL),
        "uniqueid": "n1-1.2",
        "channel": "PJSIP/1001-00000002",
        "auto_answer": False,
    }
    [record] = await floor.audited()
    assert (record["who"], record["act"], record["subject"], record["reason"]) == (
        "ling",
        "supervision.whisper",
        "agent/1001",
        "first week",
    )
    assert record["detail"]["act_id"] == act.act_id


async def test_a_phone_answers_by_itself_only_for_the_user_who_sits_at_it(floor: Floor) -> None:
    await floor.talk()
    refused = await floor("POST", "/agents/1001/listen", json=WHY | {"auto_answer": True})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/not-allowed")
    take_over = f"/calls/{CALL}/take-over"
    refused = await floor("POST", take_over, json=WHY | {"auto_answer": True})
    assert (refused.status_code, floor.done) == (403, [])
    await floor.sql(
        "INSERT INTO users (user_id, name, role, password_hash, created_at)"
        " VALUES (:id, 'ling', 'supervisor', '$argon2id$', now())",
        id=UUID(int=1),
    )
    await floor.sql("UPDATE agents SET user_id = :id WHERE agent_id = '1003'", id=UUID(int=1))
    for path, more in (
        ("/agents/1001/listen", {}),
        (take_over, {}),
        (take_over, {"auto_answer": False}),
        (take_over, {"auto_answer": True}),
    ):
        assert (await floor("POST", path, json=WHY | more)).status_code == 200
    told = [act.arguments["auto_answer"] for act in floor.done]
    assert told == [True, True, False, True]


async def test_while_a_phone_hears_an_agent_only_the_mode_changes(floor: Floor) -> None:
    await floor.talk()
    await floor.hears("listen")
    [spying] = (await floor("GET", "/supervision/spying")).json()["items"]
    assert (spying["agent"], spying["mode"], spying["wanted_by"]) == ("1001", "listen", None)
    again = await floor("POST", "/agents/1001/listen", json=WHY)
    assert (again.status_code, "whisper, join" in again.json()["detail"]) == (409, True)
    assert (await floor("POST", "/agents/1001/join", json=WHY)).status_code == 200
    assert [(act.kind, act.arguments["mode"]) for act in floor.done] == [("spy_mode", "join")]
    await floor.hears("join")
    async with floor.database.transaction() as connection:
        ended = CallEnded(call_id=SPYING, at=NOW, disposition="answered", hangup_by="caller")
        await on_facts(connection, [ended])
        rows = await connection.execute(
            text("SELECT span, mode, ended_at IS NOT NULL FROM spy_spans ORDER BY span")
        )
        assert [tuple(row) for row in rows] == [(1, "listen", True), (2, "join", True)]
    assert (await floor("GET", "/supervision/spying")).json()["items"] == []


async def test_a_phone_that_hears_another_agent_is_told_to_stop_first(floor: Floor) -> None:
    await floor.talk()
    await floor.hears("listen", agent="1002")
    refused = await floor("POST", "/agents/1001/listen", json=WHY)
    assert refused.status_code == 409
    assert "POST /agents/1002/listen/stop" in refused.json()["detail"]
    assert (await floor("POST", "/agents/1002/listen/stop", json=WHY)).status_code == 200
    assert floor.done[0].arguments == {"phone": "1003", "agent": "1002"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("take-over", WHY),
        ("queue", {"queue": "legal", "reason": "x"}),
        ("priority", {"priority": 5, "reason": "x"}),
    ],
)
async def test_a_caller_in_the_menu_is_left_alone(
    floor: Floor, path: str, body: dict[str, Any]
) -> None:
    refused = await floor("POST", f"/calls/{CALL}/{path}", json=body)
    assert (refused.status_code, refused.json()["allowed"]) == (409, [])
    assert await floor.audited() == []


async def test_in_a_talk_it_is_said_what_can_be_done_instead_of_a_move(floor: Floor) -> None:
    await floor.talk()
    refused = await floor("POST", f"/calls/{CALL}/queue", json={"queue": "legal", "reason": "x"})
    assert refused.status_code == 409
    assert refused.json()["allowed"] == [
        "take-over",
        "/agents/1001/listen",
        "/agents/1001/whisper",
        "/agents/1001/join",
    ]


async def test_an_agent_is_paused_logged_off_and_made_ready_with_a_reason(floor: Floor) -> None:
    why = {"reason": "smokes too long"}
    for act, paused, logged_in in (
        ("force-pause", "forced", True),
        ("force-ready", None, True),
        ("force-log-off", None, False),
    ):
        done = await floor("POST", f"/agents/1001/{act}", json=why)
        assert done.status_code == 200, done.text
        answer = done.json()
        assert (answer["wanted_pause"], answer["logged_in"]) == (paused, logged_in), act
        assert answer["in_force"] is False, "no node has followed"
    told = [(one["act"], one["reason"], one["who"]) for one in await floor.audited()]
    assert told == [
        (f"agent.{act}", why["reason"], "ling") for act in ("offline", "ready", "pause")
    ]
    for act in ("force-pause", "force-ready", "force-log-off"):
        assert (await floor("POST", f"/agents/1001/{act}", json={})).status_code == 422
        assert (await floor("POST", f"/agents/9999/{act}", json=why)).status_code == 404
        assert (await floor("POST", f"/agents/1001/{act}", "agent", json=why)).status_code == 403
    unknown = {**why, "pause_reason": "none"}
    assert (await floor("POST", "/agents/1001/force-pause", json=unknown)).status_code == 422


async def test_a_waiting_caller_is_moved(floor: Floor) -> None:
    await floor.queue()
    path = f"/calls/{CALL}/queue"
    moved = await floor("POST", path, json={"queue": "legal", "reason": "law"})
    assert moved.status_code == 200, moved.text
    wish = floor.done[0].arguments
    assert (wish["from"], wish["to"]) == ("general", "legal")
    for queue in ("general", "none"):
        refused = await floor("POST", path, json={"queue": queue, "reason": "x"})
        assert refused.status_code == 422, queue


@pytest.mark.parametrize("direction", ["outbound", "internal"])
async def test_only_citizens_calls_are_moved_or_taken(floor: Floor, direction: str) -> None:
    """A callback that waits in the place of its citizen is a call of ours."""
    await floor.queue()
    await floor.sql("UPDATE calls SET direction = :d", d=direction)
    for path, body in (
        ("take-over", WHY),
        ("queue", {"queue": "legal", "reason": "x"}),
        ("priority", {"priority": 5, "reason": "x"}),
    ):
        refused = await floor("POST", f"/calls/{CALL}/{path}", json=body)
        assert (refused.status_code, refused.json()["allowed"]) == (409, []), path


async def test_a_priority_is_set_and_a_call_taken_over(floor: Floor) -> None:
    await floor.queue()
    path = f"/calls/{CALL}"
    first = await floor("POST", f"{path}/priority", json={"priority": 9, "reason": "elderly"})
    assert first.json() == {
        "call_id": str(CALL),
        "queue": "general",
        "position": 2,
        "priority": 9,
    }
    taken = await floor("POST", f"{path}/take-over", json=WHY)
    assert (taken.status_code, taken.json()["pickup"]) == (200, "connected")
    for priority in (21, -1, True, 10**40, "5"):
        wrong = {"priority": priority, "reason": "x"}
        assert (await floor("POST", f"{path}/priority", json=wrong)).status_code == 422


async def test_what_the_node_refuses_is_told_and_stays_audited(floor: Floor) -> None:
    await floor.queue()
    floor.refuses = True
    refused = await floor("POST", f"/calls/{CALL}/take-over", json=WHY)
    assert refused.status_code == 409
    assert refused.json()["detail"] == "The caller has hung up."
    assert [one["act"] for one in await floor.audited()] == ["supervision.take_over"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/agents/1001/listen", {"supervisor_phone": "1003", "reason": ""}, 422),
        ("/agents/1001/listen", {"supervisor_phone": "1003", "reason": "a\0b"}, 422),
        ("/agents/1001/listen", {"supervisor_phone": "1003", "reason": "x" * 501}, 422),
        ("/agents/1001/listen", {"supervisor_phone": "9999", "reason": "x"}, 422),
        ("/agents/1001/listen", {"supervisor_phone": "1001", "reason": "x"}, 422),
        ("/agents/9999/listen", WHY, 404),
        ("/agents/%00/listen", WHY, 404),
        (f"/calls/{UUID(int=404)}/take-over", WHY, 404),
        ("/agents/1001/listen", {"reason": "x"}, 422),
    ],
)
async def test_bad_input_is_refused(
    floor: Floor, path: str, body: dict[str, Any], status: int
) -> None:
    await floor.talk()
    refused = await floor("POST", path, json=body)
    assert refused.status_code == status, refused.text


async def test_agents_do_nothing_of_it(floor: Floor) -> None:
    for method, path in (
        ("POST", "/agents/1001/listen"),
        ("POST", "/agents/1001/listen/stop"),
        ("POST", f"/calls/{CALL}/take-over"),
        ("GET", "/supervision/spying"),
        ("GET", "/audit"),
    ):
        body = WHY if method == "POST" else None
        assert (await floor(method, path, "agent", json=body)).status_code == 403, path


async def test_the_audit_is_narrowed_and_read_page_by_page(floor: Floor) -> None:
    await floor.talk()
    for path in ("listen", "whisper", "join"):
        await floor("POST", f"/agents/1001/{path}", json=WHY)
        await floor.sql("DELETE FROM spyings")
    page = (await floor("GET", "/audit", params={"limit": 2})).json()
    assert [one["act"] for one in page["items"]] == ["supervision.join", "supervision.whisper"]
    rest = (await floor("GET", "/audit", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([one["act"] for one in rest["items"]], rest["next_cursor"]) == (
        ["supervision.listen"],
        None,
    )
    for wanted, count in (
        ({"act": "supervision.join"}, 1),
        ({"who": "nobody"}, 0),
        ({"subject": "agent/1001"}, 3),
        ({"before": NOW.isoformat()}, 0),
        ({"after": NOW.isoformat()}, 3),
    ):
        found = (await floor("GET", "/audit", params=wanted)).json()["items"]
        assert len(found) == count, wanted
    for cursor in ("x", "bm8", "W10"):
        assert (await floor("GET", "/audit", params={"cursor": cursor})).status_code == 422
