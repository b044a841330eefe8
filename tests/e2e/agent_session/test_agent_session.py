"""Agents' states against a real Asterisk: pauses, phones that vanish, wrap-up, drift."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.sipp_party import AgentPhone

if TYPE_CHECKING:
    from tests.e2e.agent_session.conftest import Desk
    from tests.e2e.conftest import Scene

LINE, QUEUE = "12377", "enterprise"

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def citizen(scene: Scene, seconds: float, number: str = "13800138000") -> Any:
    """Somebody on the direct line who hangs up after so long."""
    return scene.citizen(
        "citizen_silent.xml",
        service=LINE,
        pause=timedelta(seconds=seconds),
        keys={"caller_number": number},
    )


async def test_who_is_paused_over_rest_is_not_rung_and_wrong_states_are_refused(
    scene: Scene, desk: Desk
) -> None:
    async with scene.agent("1001"), scene.agent("1002"):
        await desk.until("1001", state="ready", in_force=True)
        began = asyncio.get_running_loop().time()
        paused = await desk.wish("1001", state="paused", reason="rest")
        took = asyncio.get_running_loop().time() - began
        assert (paused["state"], paused["reason"], paused["in_force"]) == ("paused", "rest", True)
        assert took < 2
        assert await desk.paused_for("1001") == "rest"
        for number in ("13800138001", "13800138002"):
            async with citizen(scene, 2, number) as caller:
                assert (await caller.result()).ok
            await scene.call(caller_number=f"+86{number}", disposition="answered", agent="1002")

        reply = await scene.hotline.client.put(
            "/api/v1/agents/1001/state", json={"state": "talking"}
        )
        assert reply.status_code == 409
        assert reply.json()["allowed"] == ["ready", "paused", "offline"]

        reply = await scene.hotline.client.delete(f"/api/v1/agents/1002/queues/{QUEUE}/login")
        assert (reply.status_code, reply.json()["in_force"]) == (200, True)
        assert await desk.member("1002") is None
        assert await desk.member("1002", "general")
        reply = await scene.hotline.client.post(f"/api/v1/agents/1002/queues/{QUEUE}/login")
        assert reply.json()["in_force"] is True
        assert await desk.member("1002")
        assert (await desk.wish("1001", state="ready"))["state"] == "ready"


async def test_a_phone_that_vanishes_pauses_its_agent_and_the_caller_goes_on_to_the_next(
    scene: Scene, desk: Desk
) -> None:
    async with scene.agent("1001") as phone:
        await desk.until("1001", state="ready")
        await phone.calls.end()
        async with citizen(scene, 12) as caller:
            # Asterisk does not know yet that nobody is there.
            await desk.until("1001", state="ringing")
            async with scene.agent("1002"):
                # It asks phones every 15 s; here it is told to ask now, and waits three.
                await scene.hotline.console("pjsip qualify 1001")
                await desk.until("1001", state="paused", reason="phone_gone", in_force=True)
                assert await desk.paused_for("1001") == "phone_gone"
                await desk.until("1002", 4, state="talking")
                assert (await caller.result()).ok
    call = await scene.call(disposition="answered", agent="1002")
    assert (await scene.timeline(call)).count("caller_queued") == 1, "the place was never lost"

    scene.begin_anew()
    async with scene.agent("1001"), citizen(scene, 2) as caller:
        await desk.until("1001", state="talking", queue=QUEUE)
        assert (await caller.result()).ok
    call = await scene.call(disposition="answered", agent="1001")
    activity = await scene.hotline.get("/agents/1001/activity", since=scene.began.isoformat())
    spans = [(s["state"], s["call_id"]) for s in activity["items"] if s["state"] == "talking"]
    assert spans == [("talking", call["call_id"])]


async def test_two_calls_unanswered_pause_the_agent_and_the_caller_keeps_the_place(
    scene: Scene, desk: Desk
) -> None:
    await desk.configure(ring_seconds=3)
    async with scene.agent("1001", "agent_rings.xml"), citizen(scene, 14) as caller:
        await desk.until("1001", state="ringing", queue=QUEUE)
        await desk.until("1001", 12, state="paused", reason="no_answer", in_force=True)
        async with scene.agent("1002"):
            await desk.until("1002", state="talking")
            assert (await caller.result()).ok
        call = await scene.call(disposition="answered", agent="1002")
        told = await scene.timeline(call)
        assert told.count("agent_did_not_answer") == 2
        assert told.count("caller_queued") == 1, "the place was never lost"
        assert (await desk.state("1001"))["state"] == "paused", "it does not end by itself"
        assert (await desk.wish("1001", state="ready"))["in_force"] is True


async def test_no_call_slips_in_before_the_wrap_up_ends_by_its_limit_or_the_saved_case(
    scene: Scene, desk: Desk
) -> None:
    await desk.configure(wrapup_seconds=5)
    async with scene.agent("1001"):
        await desk.until("1001", state="ready")
        async with citizen(scene, 2, "13800138001") as caller:
            await desk.until("1001", state="talking")
            assert await desk.paused_for("1001") == "wrap_up", "paused before the talk is over"
            async with citizen(scene, 10, "13800138002") as second:
                assert (await caller.result()).ok
                state = await desk.until("1001", state="wrap_up", queue=QUEUE)
                first = await scene.call(caller_number="+8613800138001", agent="1001")
                assert state["call_id"] == first["call_id"]
                left = at(state["until_at"]) - at(first["ended_at"])
                assert timedelta(seconds=4.5) < left < timedelta(seconds=6)
                await desk.until("1001", state="talking")
                assert (await second.result()).ok
        call = await scene.call(caller_number="+8613800138002", agent="1001")
        waited = at(call["agent_answered_at"]) - at(first["ended_at"])
        assert timedelta(seconds=4.5) < waited < timedelta(seconds=8), "rung after the limit"

        # The agent saves the case: no need to wait for the limit.
        await desk.configure(wrapup_seconds=600)
        await desk.until("1001", state="ready")
        async with citizen(scene, 2, "13800138003") as caller:
            assert (await caller.result()).ok
        third = await scene.call(caller_number="+8613800138003", agent="1001")
        await desk.until("1001", state="wrap_up")
        async with desk.own_user("1001") as client:
            reply = await client.post(
                f"/api/v1/cases/{third['case_number']}/notes", json={"text": "已记录"}
            )
            assert reply.is_success, reply.text
            await desk.until("1001", 3, state="ready", in_force=True)
            assert await desk.paused_for("1001") is None
            reply = await client.post("/api/v1/agents/1001/wrap-up/done")
            assert reply.status_code == 409, "there is none any more"
            reply = await client.put("/api/v1/agents/1002/state", json={"state": "offline"})
            assert reply.status_code == 403


async def test_what_drifts_in_asterisk_is_mended_and_counted(scene: Scene, desk: Desk) -> None:
    async with scene.agent("1001"), scene.agent("1002"):
        await desk.until("1001", state="ready", in_force=True)
        await desk.until("1002", state="ready", in_force=True)
        before = await desk.drift()
        # One after the other: what drifts while another is mended looks like a mend that failed.
        for number, change in enumerate(
            (
                f"queue remove member PJSIP/1001 from q_{QUEUE}",
                f"queue set penalty 7 on PJSIP/1002 in q_{QUEUE}",
                f"queue pause member PJSIP/1002 queue q_{QUEUE} reason tea",
            ),
            start=1,
        ):
            await scene.hotline.console(change)

            async def counted(many: int = before + number) -> bool:
                return await desk.drift() == many

            await eventually(counted, f"{change}: counted", within=timedelta(seconds=5))
            member = await desk.member("1002") or ""
            assert await desk.member("1001")
            assert "paused" not in member
            assert "penalty 7" not in member


async def test_phones_log_agents_in_and_out_and_pause_them_also_with_the_node_dead(
    scene: Scene, desk: Desk, folder: Path
) -> None:
    hotline = scene.hotline
    await desk.configure(wrapup_seconds=600)
    async with scene.agent("1001") as phone:
        await desk.until("1001", state="ready", in_force=True)
        code = partial(dial, scene, folder, phone)
        await code("*46")
        await desk.until("1001", state="offline", in_force=True, logged_in=False)
        assert await desk.member("1001") is None
        await code("*45")
        await desk.until("1001", state="ready", in_force=True)

        node = hotline.pid("node")
        async with citizen(scene, 14) as caller:
            await desk.until("1001", state="talking")
            assert await desk.paused_for("1001") == "wrap_up"
            faults.freeze(hotline.supervisor)
            faults.kill(node)
            try:
                assert (await caller.result()).ok

                async def free() -> bool:
                    return await desk.paused_for("1001") is None

                await eventually(free, "nobody is left in a wrap-up", within=timedelta(seconds=3))
                await code("*471")
                assert await desk.paused_for("1001") == "rest"
            finally:
                os.kill(hotline.supervisor, signal.SIGCONT)
        await faults.replaced(hotline, "node", node, timedelta(seconds=25))
        await desk.until("1001", 15, state="paused", reason="rest", in_force=True)
        await code("*48")
        await desk.until("1001", state="ready", in_force=True)
    await scene.call(disposition="answered", agent="1001")
    assert len(await scene.calls()) == 1, "a feature code is no call"


async def test_an_agent_who_is_deleted_while_talking_finishes_the_call(
    scene: Scene, desk: Desk
) -> None:
    client = scene.hotline.client
    new = {"id": "2001", "name": "新坐席", "queues": [QUEUE]}
    made = (await client.post("/api/v1/agents", json=new)).json()
    assert made["in_force"] is True, "with the membership"
    assert await desk.member("2001")
    async with (
        scene.agent("2001", secret=made["secret"], signs_off=False),
        citizen(scene, 4) as caller,
    ):
        await desk.until("2001", state="talking")
        reply = await client.delete("/api/v1/agents/2001")
        assert (reply.status_code, reply.json()["in_force"]) == (200, True), reply.text
        assert await desk.member("2001") is None
        result = await caller.result()
    assert result.ok, str(result)
    call = await scene.call(disposition="answered", agent="2001", hangup_by="caller")
    talked = at(call["ended_at"]) - at(call["agent_answered_at"])
    assert talked > timedelta(seconds=2.5)
    assert (await scene.recording_of(call))["state"] == "ready"


async def dial(scene: Scene, folder: Path, phone: AgentPhone, code: str) -> None:
    """The agent's phone dials a feature code."""
    agent_id, _ = phone.credentials
    async with scene.hotline.party(
        folder / "agent_dials_code.xml",
        phone.calls.address,
        service=code,
        keys={"agent": agent_id},
        credentials=phone.credentials,
        limit=timedelta(seconds=15),
    ) as party:
        result = await party.result()
    assert result.ok, str(result)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
