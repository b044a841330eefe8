"""The citizen is passed on by the API: after asking a colleague, then to another queue."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from callcenter.platform.db import Database
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import load_settings
from callcenter.testing.eventually import eventually

if TYPE_CHECKING:
    from tests.e2e.in_call.conftest import Conversation, Talking

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def rows(call: Conversation, query: str) -> list[dict[str, Any]]:
    """What the database holds of this call."""
    settings = load_settings(home=call.scene.hotline.home)
    database = Database(database_url(settings), name="scenario", pool_size=1)
    try:
        async with database.transaction() as connection:
            found = await connection.execute(text(query), {"id": call.call_id})
            return [dict(row) for row in found.mappings()]
    finally:
        await database.close()


async def test_from_a_queue_to_an_agent_to_a_colleague_who_was_asked_to_another_queue(
    talking: Talking,
) -> None:
    call = await talking()
    wrong = await call.act("transfer", 409, to={"number": "88889999"})
    assert wrong["type"] == "/problems/not-reachable"
    assert "directory" in wrong["detail"]
    nobody = await call.act("transfer", 409, to={"agent": "1003"}, kind="consulted")
    assert nobody["type"] == "/problems/act-refused"
    back = await call.until(lambda v: v["held_since"] is None, "the citizen is back")
    assert back["agents"] == ["1001"]
    [refused] = back["parties"]
    assert refused["ended_at"]

    async def is_ready() -> bool:
        state = await call.scene.hotline.get("/agents/1002/state")
        return bool(state["state"] == "ready" and state["phone"] == "there")

    async with call.scene.agent("1002"):
        await eventually(is_ready, "1002 is ready", within=timedelta(seconds=10))
        asked = await call.act("transfer", to={"queue": "enterprise"}, kind="consulted")
        assert asked["held_since"], "the citizen hears music"
        assert asked["parties"][-1]["agent"] == "1002", "the one who is ready there"
        await call.until(lambda v: v["agents"] == ["1001", "1002"], "the colleague answers")
        early = await call.act("three-way", 409, number="119")
        assert "complete, cancel" in early["detail"]
        done = await call.act("transfer/complete")
        assert done["held_since"] is None
        await call.until(lambda v: v["agents"] == ["1002"], "the first agent has left")
        # (Agent 1001's phone is free again, and in the other queue, too.)
        await call.act("transfer", to={"queue": "enterprise"})

        async def answered() -> bool:
            visits = await rows(
                call, "SELECT outcome FROM queue_visits WHERE call_id = :id AND visit = 2"
            )
            return [visit["outcome"] for visit in visits] == ["answered"]

        await eventually(answered, "an agent of it answers", within=timedelta(seconds=15))
        row = await call.over()

    assert row["queue"] == "enterprise"
    kinds = await call.scene.timeline(row)
    assert kinds.count("call_transferred") == 1
    visits = await rows(
        call, "SELECT queue, why, outcome FROM queue_visits WHERE call_id = :id ORDER BY visit"
    )
    assert [tuple(visit.values()) for visit in visits] == [
        ("general", "flow", "answered"),
        ("enterprise", "transfer", "answered"),
    ]
    talks = await rows(
        call, "SELECT agent, visit, ended_at FROM agent_talks WHERE call_id = :id ORDER BY began_at"
    )
    assert [(talk["agent"], talk["visit"]) for talk in talks[:2]] == [("1001", 1), ("1002", None)]
    assert talks[-1]["visit"] == 2
    assert all(talk["ended_at"] for talk in talks)
    # Every leg belongs to this call, and to no other; one case.
    legs = await rows(call, "SELECT uniqueid FROM call_legs WHERE call_id = :id")
    assert len(legs) == len(talks) + 1 == 4
    others = await rows(
        call,
        "SELECT a.uniqueid FROM call_legs a JOIN call_legs b USING (uniqueid)"
        " WHERE a.call_id = :id AND b.call_id <> :id",
    )
    assert others == []
    cases = await rows(call, "SELECT case_number FROM case_calls WHERE call_id = :id")
    assert len(cases) == 1
    recording = await call.scene.recording_of(row)
    assert recording["state"] == "ready"
    assert timedelta(milliseconds=recording["duration_ms"]) > timedelta(seconds=2)
