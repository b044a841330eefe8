"""Ways out of a queue and of a callback, each on a real Asterisk: the exits to a callback and to a
number, a wish that is withdrawn, a skill that relaxes, a survey, and whatever dies meanwhile."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset
from tests.e2e.callback.test_callback import (
    call_of,
    callback_to,
    callbacks,
    caller,
    end_call,
    invites,
    phone,
    talks,
    waits,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ANY = {"If-Match": "*"}
BUSY = "13800138000"
#: Each is called back in one scenario only.
WAITED_LONG, BEHIND = "13800138021", "13800138022"
CAME_AT_NIGHT, IS_FULL, TOO_MANY = "13800138023", "13800138024", "13800138025"
ASKS_LAW, SURVEYED, NO_PYTHON, RESTARTED = (f"138001380{n}" for n in range(26, 30))


async def send(scene: Scene, method: str, path: str, **more: Any) -> Any:
    reply = await scene.hotline.client.request(method, f"/api/v1{path}", **more)
    assert reply.is_success, (path, reply.status_code, reply.text)
    return reply.json() if reply.content else None


@asynccontextmanager
async def queue(scene: Scene, **fields: Any) -> AsyncIterator[None]:
    """The default queue is so, until the block ends."""
    before = await scene.hotline.get("/queues/general")
    told = {"name", "is_default", "version", "in_force", "members"}
    kept = {name: value for name, value in before.items() if name not in told}
    changed = await send(scene, "PUT", "/queues/general", json=kept | fields, headers=ANY)
    assert changed["in_force"] is True, changed["detail"]
    try:
        yield
    finally:
        back = await send(scene, "PUT", "/queues/general", json=kept, headers=ANY)
        assert back["in_force"] is True, back["detail"]


@asynccontextmanager
async def everybody_talks(scene: Scene) -> AsyncIterator[None]:
    """The one agent there is has a call, until the block ends."""
    async with scene.agent("1001"), caller(scene, BUSY):
        await talks(scene, BUSY)
        yield
        await end_call(scene, BUSY)


async def place_from(scene: Scene) -> int:
    """What moment Asterisk counts places from, tenths of a second since 1970."""
    said = await scene.hotline.console("dialplan show globals")
    return int(re.findall(r"CC_PLACES_FROM=(\d+)", said)[0])


async def test_who_waited_long_enough_is_offered_a_callback_and_a_withdrawn_one_leaves_the_queue(
    scene: Scene,
) -> None:
    old = await scene.hotline.console("dialplan set global CC_PLACES_FROM 17000000000")
    assert "CC_PLACES_FROM" in old
    async with (
        queue(scene, max_wait_seconds=5, exits={"timeout": {"to": "callback"}}),
        everybody_talks(scene),
    ):
        moved = await place_from(scene)
        assert moved > 17_600_000_000, "nobody waited: places are counted from a newer moment"
        async with (
            Handset() as ear,
            scene.citizen(
                "citizen_handset.xml", keys=ear.keys | {"caller_number": WAITED_LONG}
            ) as citizen,
        ):
            await ear.hears(scene.prompt("callback_offer_known", "zh"))
            await ear.press("1")
            await ear.hears(scene.prompt("callback_taken", "zh"))
            result = await citizen.result()
        assert result.ok, str(result)
        wish = await callback_to(scene, WAITED_LONG, kind="wish", state="waiting")
        await waits(scene, 1)  # the placeholder
        # Somebody waits: an older count goes on, and the next caller comes behind.
        await scene.hotline.console("dialplan set global CC_PLACES_FROM 17000000000")
        async with caller(scene, BEHIND):
            await waits(scene, 2)
            assert await place_from(scene) == 17_000_000_000
            await scene.hotline.console(f"dialplan set global CC_PLACES_FROM {moved}")
            note = {"note": "the citizen wrote to us"}
            await send(scene, "POST", f"/callbacks/{wish['callback_id']}/withdraw", json=note)
            await waits(scene, 1)
            done = await callback_to(scene, WAITED_LONG, outcome="withdrawn")
            await end_call(scene, BEHIND)

    async def settled() -> dict[str, Any]:
        found = await callback_to(scene, WAITED_LONG, state="done")
        assert [one["outcome"] for one in found["tries"]] == ["withdrawn"], found["tries"]
        return found

    done = await eventually(settled, "the attempt is over", within=timedelta(seconds=10))
    assert done["tries"][0]["dialled_at"] is None
    asked = await call_of(scene, done["call_id"])
    assert asked["disposition"] == "callback_requested"


async def test_a_full_queue_hands_over_to_a_number_and_an_empty_one_offers_a_callback(
    scene: Scene, folder: Path
) -> None:
    exits = {"full": {"to": "number", "number": "12366"}, "no_agents": {"to": "callback"}}
    async with queue(scene, max_waiting=1, exits=exits):
        # Nobody has a phone.
        async with (
            Handset() as ear,
            scene.citizen(
                "citizen_handset.xml", keys=ear.keys | {"caller_number": CAME_AT_NIGHT}
            ) as calls,
        ):
            await ear.hears(scene.prompt("callback_offer_known", "zh"))
            await ear.press("1")
            await ear.hears(scene.prompt("callback_taken", "zh"))
            result = await calls.result()
        assert result.ok, str(result)
        wish = await callback_to(scene, CAME_AT_NIGHT, kind="wish", state="waiting")
        assert wish["tries"] == [], "nobody is there to take it"
        await send(scene, "POST", f"/callbacks/{wish['callback_id']}/withdraw", json={})
        async with (
            everybody_talks(scene),
            caller(scene, IS_FULL),
            phone(scene, folder, "citizen_is_called.xml") as unit,
        ):
            await waits(scene, 1)
            async with caller(scene, TOO_MANY):
                result = await unit.result()
                assert result.ok, str(result)
                (invite,) = invites(unit)
            await end_call(scene, IS_FULL)
    assert "sip:12366@" in invite.splitlines()[0]
    moved = await scene.call(caller_number=f"+86{TOO_MANY}")
    told = await scene.timeline(moved)
    assert "caller_left_queue" in told
    assert told[-1] == "call_ended"


async def test_the_asked_level_of_a_skill_falls_as_the_caller_waits(scene: Scene) -> None:
    law = {"skill": "law", "level": 4, "relax": [{"after_seconds": 4, "level": 2}]}
    for agent_id, level in (("1001", 5), ("1002", 2)):
        agent = {"name": "坐席", "skills": {"law": level}}
        await send(scene, "PUT", f"/agents/{agent_id}", json=agent, headers=ANY)
    try:
        async with (
            queue(scene, skills=[law]),
            everybody_talks(scene),
            scene.agent("1002"),
            caller(scene, ASKS_LAW),
        ):
            await talks(scene, ASKS_LAW)
            call = await end_call(scene, ASKS_LAW)
    finally:
        for agent_id in ("1001", "1002"):
            await send(scene, "PUT", f"/agents/{agent_id}", json={"name": "坐席"}, headers=ANY)
    assert call["agent"] == "1002"
    waited = datetime.fromisoformat(call["agent_answered_at"]) - datetime.fromisoformat(
        call["queued_at"]
    )
    assert timedelta(seconds=4) <= waited < timedelta(seconds=9)


async def test_the_line_s_survey_is_asked_after_a_callback(scene: Scene, folder: Path) -> None:
    survey = "/lines/12345/survey"
    await send(scene, "PUT", survey, json={"enabled": True}, headers=ANY)
    try:
        async with (
            # After what each of the two hears first.
            scene.agent("1001", "agent_hangs_up.xml", pause=timedelta(seconds=11)),
            phone(scene, folder, "citizen_is_called.xml", stays=timedelta(seconds=12)) as rung,
        ):
            wish = {"queue": "general", "number": SURVEYED}
            made = await send(scene, "POST", "/callbacks", json=wish)

            async def asked() -> dict[str, Any]:
                tries = (await scene.hotline.get(f"/callbacks/{made['callback_id']}"))["tries"]
                found = await scene.hotline.get("/surveys/answers", limit="100")
                calls = [one["call_id"] for one in tries]
                answers = [row for row in found["items"] if row["call_id"] in calls]
                assert len(answers) == 1, f"{tries}"
                return dict(answers[0])

            answer = await eventually(asked, "the citizen is asked", within=timedelta(seconds=25))
            result = await rung.result()
        assert result.ok, str(result)
    finally:
        await send(scene, "PUT", survey, json={"enabled": False}, headers=ANY)
    assert (answer["agent"], answer["solved"]) == ("1001", None)
    done = await scene.hotline.get(f"/callbacks/{made['callback_id']}")
    assert done["outcome"] == "reached"

    async def over() -> dict[str, Any]:
        call = await call_of(scene, answer["call_id"])
        assert call["ended_at"]
        return call

    call = await eventually(over, "the call is over", within=timedelta(seconds=10))
    assert (call["disposition"], call["hangup_by"]) == ("answered", "agent")
    # It was a machine, says the agent: the attempt counts, and the citizen waits again.
    path = f"/callbacks/{made['callback_id']}"
    again = await send(scene, "POST", f"{path}/not-reached", json={"note": "a mailbox"})
    assert (again["state"], again["tries"][0]["outcome"]) == ("waiting", "machine")
    await send(scene, "POST", f"{path}/withdraw", json={})


async def test_key_1_with_all_of_python_dead_leaves_the_caller_in_the_queue(scene: Scene) -> None:
    hotline = scene.hotline
    async with (
        queue(scene, comfort_seconds=15),
        everybody_talks(scene),
        Handset() as ear,
        scene.citizen("citizen_handset.xml", keys=ear.keys | {"caller_number": NO_PYTHON}),
    ):
        await waits(scene, 1)
        # The first in line is spoken to, and hears of the key: there is a trunk to dial by.
        await ear.hears(scene.prompt("callback_key", "zh"), within=timedelta(seconds=25))
        pids = [hotline.pid(name) for name in ("agi-1", "node")]
        with faults.frozen(hotline.supervisor):
            faults.kill(*pids)
            ear.forget()
            await ear.press("1")
            await ear.listens(timedelta(seconds=3))
            await waits(scene, 1)
        await faults.replaced(hotline, "agi-1", pids[0])
        await faults.replaced(hotline, "node", pids[1])
        assert await callbacks(scene, NO_PYTHON) == []

        async def told() -> bool:
            (call,) = [
                c
                for c in await scene.calls()
                if c["caller_number"] == f"+86{NO_PYTHON}" and c["ended_at"] is None
            ]
            found = await scene.timeline(call)
            assert found.count("caller_queued") == 2, found
            return True

        await eventually(told, "the journal was read", within=timedelta(seconds=15))
        await ear.press("1")
        await ear.hears(scene.prompt("callback_offer_known", "zh"))
        await ear.press("1")
        await ear.hears(scene.prompt("callback_taken", "zh"))
        wish = await callback_to(scene, NO_PYTHON, kind="wish", state="waiting")
        await send(scene, "POST", f"/callbacks/{wish['callback_id']}/withdraw", json={})
        await waits(scene, 0)


async def test_asterisk_restarted_under_a_waiting_placeholder_dials_the_citizen_once(
    scene: Scene, folder: Path
) -> None:
    hotline = scene.hotline
    pid, links = hotline.pid("asterisk-supervised"), await faults.reconnects(hotline)
    async with scene.agent("1001"), caller(scene, BUSY):
        await talks(scene, BUSY)
        wish = {"queue": "general", "number": RESTARTED}
        made = await send(scene, "POST", "/callbacks", json=wish)
        await waits(scene, 1)
        faults.kill(pid)
        await faults.replaced(hotline, "asterisk-supervised", pid)
        await faults.relinked(hotline, links)
    async with (
        scene.agent("1002"),
        phone(scene, folder, "citizen_is_called.xml", calls=None) as rung,
    ):

        async def reached() -> dict[str, Any]:
            found: dict[str, Any] = await hotline.get(f"/callbacks/{made['callback_id']}")
            assert found["outcome"] == "reached", found
            return found

        done = await eventually(reached, "reached", within=timedelta(seconds=45))

        async def over() -> bool:
            return await hotline.channels() == 0

        await eventually(over, "the citizen hangs up", within=timedelta(seconds=15))
        assert len(invites(rung)) == 1
    assert [one["dialled_at"] is None for one in done["tries"]] == [True, False]
    assert done["tries"][0]["outcome"] in ("lost", "not_served")
    assert done["place_at"] == made["place_at"]
