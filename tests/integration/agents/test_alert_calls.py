"""Alerts ring phones: each try is written down before it is made, and a key acknowledges."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from callcenter.access.audit import AuditService
from callcenter.agents.on_call.api import router
from callcenter.agents.on_call.caller import (
    AlertCaller,
    PlacedCall,
)
from callcenter.agents.on_call.follow import on_facts
from callcenter.agents.on_call.ringing import PAUSE
from callcenter.agents.on_call.service import AlertKeeper, OnCallService
from callcenter.agents.seed import seed_agents
from callcenter.calls.facts import AlertTold, CallEnded, Fact
from callcenter.calls.numbers import NumberRule
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.switch.placing import NotPlaced, OutcomeUnknown
from callcenter.testing.desk import Desk, add_call, open_desk
from callcenter.testing.fixed_clock import FixedClock

pytestmark = pytest.mark.integration

RULE = NumberRule("CN")
NUMBER = "+8613800138000"


@dataclass
class Lines:
    """A switch that does as it is told and remembers what it was asked."""

    placed: list[PlacedCall] = field(default_factory=list)
    hung_up: list[UUID] = field(default_factory=list)
    channels: set[UUID] = field(default_factory=set)
    fails: Exception | None = None

    def is_ready(self) -> bool:
        return True

    async def place(self, call: PlacedCall) -> None:
        self.placed.append(call)
        if self.fails is not None:
            raise self.fails

    async def live(self) -> Collection[UUID]:
        return self.channels

    async def hang_up(self, call_id: UUID) -> None:
        self.hung_up.append(call_id)


@dataclass
class Duty:
    """A rota with 1001 on level 1 and 1002 on level 2."""

    desk: Desk
    database: Database
    lines: Lines = field(default_factory=Lines)
    rule: NumberRule = RULE

    def caller(self, *, read: bool = True) -> AlertCaller:
        """A node: each one knows nothing of those before."""
        return AlertCaller(
            self.database,
            self.lines,
            node="node1",
            rule=self.rule,
            clock=self.desk.clock,
            journal_is_read=lambda: read,
        )

    async def rota(self, **fields: Any) -> None:
        body = {"name": "floods", "title": "防汛", "ack_within_seconds": 60, **fields}
        assert (await self.desk.sven.post("/on-call", json=body)).status_code == 201

    async def turn(self, level: int, agent_id: str, **more: Any) -> Any:
        now = self.desk.clock()
        body = {
            "agent_id": agent_id,
            "level": level,
            "starts_at": (now - timedelta(hours=1)).isoformat(),
            "ends_at": (now + timedelta(hours=12)).isoformat(),
            **more,
        }
        return await self.desk.sven.post("/on-call/floods/turns", json=body)

    async def alert(self, **more: Any) -> str:
        raised = await self.desk.aki.post("/on-call/floods/alerts", json={"words": "水", **more})
        assert raised.status_code == 201, raised.text
        return str(raised.json()["alert_id"])

    async def read(self, alert_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.desk.aki.get(f"/alerts/{alert_id}")).json()
        return found

    async def outcomes(self, alert_id: str) -> list[tuple[str, str | None]]:
        calls = (await self.read(alert_id))["calls"]
        return [(call["agent_id"], call["outcome"]) for call in calls]

    async def tell(self, *facts: Fact) -> None:
        async with self.database.transaction() as connection:
            await on_facts(connection, facts)

    def told(self, call: PlacedCall, *, acknowledged: bool = False) -> AlertTold:
        return AlertTold(
            call_id=call.call_id,
            at=self.desk.clock(),
            alert=str(call.alert_id),
            agent=call.agent_id,
            acknowledged=acknowledged,
        )

    def ended(self, call: PlacedCall) -> CallEnded:
        return CallEnded(
            call_id=call.call_id,
            at=self.desk.clock(),
            disposition="failed",
            hangup_by="system",
        )


@pytest.fixture
async def duty(database: Database) -> AsyncIterator[Duty]:
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, FixedClock(), lambda _agent: "a secret that is long")
    async with open_desk(
        database,
        lambda guard, clock: [router(OnCallService(database, clock, RULE), guard)],
    ) as desk:
        duty = Duty(desk, database)
        await duty.rota()
        assert (await duty.turn(1, "1001")).status_code == 201
        assert (await duty.turn(2, "1002")).status_code == 201
        yield duty


async def test_whoever_the_alert_is_with_is_called_and_a_key_acknowledges_it(duty: Duty) -> None:
    user = "UPDATE agents SET user_id = (SELECT user_id FROM users WHERE name = 'aki')"
    async with duty.database.transaction() as connection:
        await connection.execute(text(f"{user} WHERE agent_id = '1001'"))
    alert_id = await duty.alert()
    assert await duty.caller().step() == 1
    [call] = duty.lines.placed
    assert (str(call.alert_id), call.agent_id, call.dialled) == (alert_id, "1001", None)
    assert await duty.outcomes(alert_id) == [("1001", None)]

    await duty.tell(duty.told(call))
    assert (await duty.read(alert_id))["state"] == "open", "to hear it is not to have it"
    pressed = duty.told(call, acknowledged=True)
    await duty.tell(pressed, duty.ended(call))
    # The journal is read again after a crash: nothing changes.
    await duty.tell(pressed, duty.ended(call))
    alert = await duty.read(alert_id)
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "aki")
    assert [(s["what"], s["agent_id"]) for s in alert["steps"]] == [
        ("given", "1001"),
        ("acknowledged", "1001"),
    ]
    assert await duty.outcomes(alert_id) == [("1001", "acknowledged")]
    [record] = await AuditService(duty.database).list(subject=f"alert/{alert_id}")
    assert (record.who, record.act, record.detail) == (
        "aki",
        "alert.acknowledge",
        {"agent": "1001"},
    )
    assert str(call.call_id) in record.reason
    duty.desk.clock.forward(timedelta(hours=1))
    assert await duty.caller().step() == 0


async def test_who_does_not_acknowledge_is_called_again_until_the_clock_hands_it_on(
    duty: Duty,
) -> None:
    alert_id = await duty.alert()
    await duty.caller().step()
    [first] = duty.lines.placed
    duty.desk.clock.forward(timedelta(seconds=20))
    await duty.tell(duty.told(first), duty.ended(first))
    assert await duty.caller().step() == 0, "not at once again"
    duty.desk.clock.forward(PAUSE)
    assert await duty.caller().step() == 1
    second = duty.lines.placed[1]
    assert (second.agent_id, second.call_id != first.call_id) == ("1001", True)

    duty.desk.clock.forward(timedelta(seconds=10))
    assert await AlertKeeper(duty.database, duty.desk.clock).step() == 1
    assert await duty.caller().step() == 1
    assert duty.lines.placed[2].agent_id == "1002", "the next level's phone rings"
    await duty.tell(duty.ended(second))
    assert await duty.outcomes(alert_id) == [
        ("1001", "heard"),
        ("1001", "no_answer"),
        ("1002", None),
    ]
    # The first one comes late, and has it all the same.
    await duty.tell(duty.told(second, acknowledged=True))
    alert = await duty.read(alert_id)
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "agent:1001")


async def test_a_node_that_dies_after_writing_a_try_down_makes_it_never_again(duty: Duty) -> None:
    alert_id = await duty.alert()

    class Died(Exception):
        pass

    duty.lines.fails = Died()
    with pytest.raises(Died):
        await duty.caller().step()
    [first] = duty.lines.placed
    duty.lines.fails = None
    # Asterisk rings, the journal has no word of it yet: the new node leaves it alone.
    duty.lines.channels = {first.call_id}
    duty.desk.clock.forward(timedelta(seconds=50))
    assert await duty.caller().step() == 0
    duty.lines.channels = set()
    assert await duty.caller(read=False).step() == 0, "what is unread may tell of it"
    # Neither Asterisk nor the journal knows of it: it was not made.
    assert await duty.caller().step() == 0
    assert await duty.outcomes(alert_id) == [("1001", "lost")]
    duty.desk.clock.forward(PAUSE)
    assert await duty.caller().step() == 1
    assert len({call.call_id for call in duty.lines.placed}) == 2


async def test_a_call_the_journal_knows_is_not_lost_however_long_it_lasts(duty: Duty) -> None:
    alert_id = await duty.alert()
    await duty.caller().step()
    [call] = duty.lines.placed
    async with duty.database.transaction() as connection:
        await add_call(connection, duty.desk.clock(), call_id=call.call_id, direction="internal")
    duty.desk.clock.forward(timedelta(seconds=59))
    await duty.caller().step()
    assert await duty.outcomes(alert_id) == [("1001", None)]


async def test_a_phone_that_is_not_there_is_told_and_tried_again(duty: Duty) -> None:
    alert_id = await duty.alert()
    duty.lines.fails = NotPlaced("unavailable")
    await duty.caller().step()
    assert await duty.outcomes(alert_id) == [("1001", "not_there")]
    duty.lines.fails = OutcomeUnknown("the link was lost")
    duty.desk.clock.forward(PAUSE)
    await duty.caller().step()
    assert await duty.outcomes(alert_id) == [("1001", "not_there"), ("1001", None)]


async def test_phones_ring_no_longer_for_what_somebody_acknowledged_over_rest(duty: Duty) -> None:
    alert_id = await duty.alert()
    await duty.caller().step()
    [call] = duty.lines.placed
    assert (await duty.desk.sven.post(f"/alerts/{alert_id}/acknowledge")).status_code == 200
    await duty.caller().step()
    assert duty.lines.hung_up == [call.call_id]
    # Who pressed 1 in that moment is told of as too late; the alert stays the other's.
    await duty.tell(duty.told(call, acknowledged=True))
    assert await duty.outcomes(alert_id) == [("1001", "too_late")]
    assert (await duty.read(alert_id))["acknowledged_by"] == "sven"
    records = await AuditService(duty.database).list(subject=f"alert/{alert_id}")
    assert [record.who for record in records] == ["sven"]


async def test_a_number_of_the_turn_is_called_over_the_trunk_where_there_is_one(
    duty: Duty,
) -> None:
    for wrong in ("110", "+1900123456", "13800138000\0", "９", ""):
        refused = await duty.turn(3, "1003", phone_number=wrong)
        assert (refused.status_code, "phone_number" in refused.text) == (422, True), wrong
    assert (await duty.turn(3, "1003", phone_number="138 0013 8000")).status_code == 422
    made = await duty.turn(3, "1003", phone_number="13800138000")
    assert made.json()["phone_number"] == NUMBER
    when = {"from": duty.desk.clock().isoformat(), "to": "2026-03-03T00:00:00+00:00"}
    for client, seen in ((duty.desk.sven, NUMBER), (duty.desk.aki, None)):
        turns = (await client.get("/on-call/floods/turns", params=when)).json()["items"]
        assert [t["phone_number"] for t in turns if t["agent_id"] == "1003"] == [seen]
    alert_id = await duty.alert()
    async with duty.database.transaction() as connection:
        await connection.execute(
            text("UPDATE rota_turns SET phone_number = :n WHERE agent_id = '1001'"), {"n": NUMBER}
        )
    await duty.caller().step()
    [call] = duty.lines.placed
    assert (call.number, call.dialled) == (NUMBER, "13800138000")
    [view] = (await duty.read(alert_id))["calls"]
    assert view["over"] == "trunk"
    assert NUMBER not in (await duty.desk.aki.get(f"/alerts/{alert_id}")).text
    # Without a trunk the phone on the desk rings.
    duty.desk.clock.forward(timedelta(seconds=20))
    await duty.tell(duty.ended(call))
    duty.desk.clock.forward(PAUSE)
    duty.rule = replace(RULE, dials=False)
    await duty.caller().step()
    assert duty.lines.placed[1].dialled is None


async def test_a_rota_that_does_not_ring_calls_nobody(duty: Duty) -> None:
    quiet = {"title": "防汛", "ack_within_seconds": 60, "rings": False}
    changed = await duty.desk.sven.put("/on-call/floods", json=quiet, headers={"If-Match": "*"})
    assert changed.json()["rings"] is False
    await duty.alert()
    assert await duty.caller().step() == 0
