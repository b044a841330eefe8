"""Queues: fair across each other, by language, with a way out for everybody, one call an agent."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from callcenter.testing.dialogs import dialogs, two_at_once
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import SCENARIOS, AgentPhone

if TYPE_CHECKING:
    from callcenter.testing.sipp_party import SippParty
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

ANY = {"If-Match": "*"}
#: Agent → where the phone is, and how well which language is spoken.
AGENTS: dict[str, tuple[str, dict[str, int]]] = {
    "2001": ("127.0.0.6", {"zh": 5, "en": 2}),
    "2002": ("127.0.0.7", {"zh": 5, "en": 5}),
    "2003": ("127.0.0.8", {}),
}
QUEUES = ("general", "enterprise", "legal")
#: Numbers without a menu: to which queue, in which language.
LINES = {
    "12371": ("general", "zh"),
    "12372": ("enterprise", "zh"),
    "12373": ("legal", "zh"),
    "12374": ("general", "en"),
}
LINE_OF = {queue: number for number, (queue, language) in LINES.items() if language == "zh"}


@dataclass
class Floor:
    """Three agents in three queues, and a line to each."""

    hotline: Instance
    secrets: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, **more: Any) -> Any:
        reply = await self.hotline.client.request(method, f"/api/v1{path}", **more)
        assert reply.is_success, (path, reply.status_code, reply.text)
        return reply.json() if reply.content else None

    def agent(
        self, agent_id: str, scenario: str | Path = "agent_answers.xml", seconds: float = 5
    ) -> AgentPhone:
        return AgentPhone(
            self.hotline.installation,
            self.hotline.sip,
            agent_id=agent_id,
            secret=self.secrets[agent_id],
            address=AGENTS[agent_id][0],
            scenario=SCENARIOS / scenario if isinstance(scenario, str) else scenario,
            pause=timedelta(seconds=seconds),
        )

    @asynccontextmanager
    async def queue(self, name: str, **fields: Any) -> AsyncIterator[dict[str, Any]]:
        """The queue is so, until the block ends."""
        before = await self.hotline.get(f"/queues/{name}")
        kept = {
            key: value
            for key, value in before.items()
            if key not in {"name", "is_default", "version", "in_force", "members"}
        }
        changed = await self.send("PUT", f"/queues/{name}", json=kept | fields, headers=ANY)
        assert changed["in_force"] is True, changed["detail"]
        try:
            yield changed
        finally:
            back = await self.send("PUT", f"/queues/{name}", json=kept, headers=ANY)
            assert back["in_force"] is True, back["detail"]

    async def is_free(self, agent_id: str) -> None:
        """Asterisk sees the phone in every queue of the agent."""

        async def seen() -> bool:
            lines = (await self.hotline.console("queue show")).splitlines()
            mine = [line for line in lines if f"PJSIP/{agent_id})" in line or agent_id in line]
            return bool(mine) and all("Not in use" in line for line in mine)

        await eventually(seen, f"{agent_id} is free", within=timedelta(seconds=10))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def floor(hotline: Instance) -> AsyncIterator[Floor]:
    floor = Floor(hotline)
    try:
        for agent_id, (_, languages) in AGENTS.items():
            new = {"id": agent_id, "name": "坐席", "queues": QUEUES, "languages": languages}
            made = await floor.send("POST", "/agents", json=new)
            assert made["in_force"] is True, made["detail"]
            floor.secrets[agent_id] = made["secret"]
        for number, (queue, language) in LINES.items():
            line = {"title": "直通", "flow": "main", "mode": "direct"}
            line |= {"number": number, "queue": queue, "language": language}
            made = await floor.send("POST", "/lines", json=line)
            assert made["in_force"] is True, made["detail"]
        yield floor
    finally:
        for number in LINES:
            await hotline.client.delete(f"/api/v1/lines/{number}", headers=ANY)
        for agent_id in floor.secrets:
            await hotline.client.delete(f"/api/v1/agents/{agent_id}")


@asynccontextmanager
async def somebody_is_busy(scene: Scene, floor: Floor) -> AsyncIterator[None]:
    """2002 talks the whole time: there, but not free."""
    long = timedelta(seconds=60)
    keys = {"caller_number": "13800139999"}
    async with (
        floor.agent("2002"),
        scene.citizen("citizen_silent.xml", service="12371", pause=long, keys=keys) as citizen,
    ):
        await scene.rings("2002")
        scene.begin_anew()
        yield
        await leave(floor, citizen)


async def leave(floor: Floor, *parties: SippParty, channels: int = 0) -> None:
    """These hang up; so many channels of others are left then."""

    async def they_are_gone() -> bool:
        if await floor.hotline.channels() <= channels:
            return True
        for party in parties:
            party.hang_up()
        raise AssertionError(await floor.hotline.console("core show channels concise"))

    await eventually(they_are_gone, "who hung up is gone", within=timedelta(seconds=15))


async def queued(scene: Scene, number: str) -> None:
    async def waits() -> bool:
        calls = await scene.calls()
        return any(c["caller_number"] == f"+86{number}" and c["queued_at"] for c in calls)

    await eventually(waits, f"{number} waits", within=timedelta(seconds=10))


def caller(scene: Scene, line: str, number: str) -> SippParty:
    """Who waits until the agent hangs up."""
    keys = {"caller_number": number}
    return scene.citizen("citizen_waits.xml", service=line, keys=keys, pause=timedelta(seconds=0))


async def test_one_agent_serves_three_queues_by_priority_and_then_by_who_waited_longest(
    scene: Scene, floor: Floor, folder: Path
) -> None:
    came = [("legal", "13800138001"), ("general", "13800138002"), ("enterprise", "13800138003")]
    came += [("legal", "13800138004"), ("general", "13800138005")]
    first = "13800138004"
    listed = {"number": first, "reason": "scenario", "priority": 10}
    entry = await floor.send("POST", "/callers/priority", json=listed)
    try:
        async with somebody_is_busy(scene, floor), AsyncExitStack() as stack:
            callers = []
            for queue, number in came:
                party = caller(scene, LINE_OF[queue], number)
                callers.append(await stack.enter_async_context(party))
                await queued(scene, number)
                # Places are counted in tenths of a second, across queues too.
                await asyncio.sleep(0.15)
            await stack.enter_async_context(
                floor.agent("2001", folder / "agent_is_quick.xml", seconds=0.2)
            )
            for party in callers:
                result = await party.result()
                assert result.ok, str(result)
        calls = [
            await scene.call(caller_number=f"+86{number}", disposition="answered", agent="2001")
            for _queue, number in came
        ]
    finally:
        url = f"/callers/priority/{entry['id']}/lift"
        await floor.send("POST", url, json={"reason": "over"})
    served = sorted(calls, key=lambda call: str(call["agent_answered_at"]))
    order = [call["caller_number"].removeprefix("+86") for call in served]
    assert order == [first, *(number for _queue, number in came if number != first)]
    assert served[0]["priority_reason"] == "scenario"


async def test_an_agent_in_three_queues_never_gets_two_calls(
    scene: Scene, floor: Floor, folder: Path
) -> None:
    each = 15
    async with AsyncExitStack() as stack:
        phones = {
            agent_id: await stack.enter_async_context(
                floor.agent(agent_id, folder / "agent_is_quick.xml", seconds=0.2)
            )
            for agent_id in AGENTS
        }
        for agent_id in AGENTS:
            await floor.is_free(agent_id)
        # 200 calls a second: 5 ms from one to the next, in each of three queues at once.
        rush = [
            await stack.enter_async_context(
                scene.citizen(
                    "citizen_waits.xml", service=line, calls=each, rate=200, address=address
                )
            )
            for line, address in zip(LINE_OF.values(), ("127.0.0.2",) * 3, strict=True)
        ]
        for party in rush:
            result = await party.result()
            assert result.ok, str(result)
        logs = {agent_id: phone.calls.messages for agent_id, phone in phones.items()}
    answered = 0
    for agent_id, log in logs.items():
        calls = dialogs(log)
        assert calls, f"{agent_id} had no call"
        assert two_at_once(log) == []
        answered += len(calls)
    assert answered == 3 * each, "each caller came to one phone, once"


async def test_the_asked_level_of_a_language_falls_as_the_caller_waits(
    scene: Scene, floor: Floor, folder: Path
) -> None:
    english = {"language": "en", "level": 4, "relax": [{"after_seconds": 4, "level": 1}]}
    async with (
        floor.queue("general", languages=[english]),
        somebody_is_busy(scene, floor),
        floor.agent("2001", folder / "agent_is_quick.xml", seconds=0.2),
    ):
        await floor.is_free("2001")
        async with (
            caller(scene, "12374", "13800138011") as foreign,
            caller(scene, "12371", "13800138012") as local,
        ):
            for party in (local, foreign):
                result = await party.result()
                assert result.ok, str(result)
    of_foreign = await scene.call(caller_number="+8613800138011", agent="2001", queue="general")
    of_local = await scene.call(caller_number="+8613800138012", agent="2001")
    assert waited(of_local) < timedelta(seconds=3), "2001 was free for those she speaks with well"
    assert timedelta(seconds=4) <= waited(of_foreign) < timedelta(seconds=9)
    assert of_foreign["language"] == "en"


async def test_nobody_waits_for_a_language_that_nobody_free_speaks_longer_than_the_queue_says(
    scene: Scene, floor: Floor, folder: Path
) -> None:
    # Never relaxed: 2002 alone would do, and is busy. The dialplan lets the caller go to all.
    english = {"language": "en", "level": 5, "relax": []}
    async with (
        floor.queue("general", languages=[english]),
        somebody_is_busy(scene, floor),
        floor.agent("2001", folder / "agent_is_quick.xml", seconds=0.2),
    ):
        await floor.is_free("2001")
        async with caller(scene, "12374", "13800138021") as foreign:
            result = await foreign.result()
    assert result.ok, str(result)
    call = await scene.call(caller_number="+8613800138021", agent="2001", queue="general")
    assert timedelta(seconds=5) <= waited(call) < timedelta(seconds=10)
    waits = [kind for kind in await scene.timeline(call) if kind == "caller_queued"]
    assert len(waits) == 1, "for us it is one wait in one queue"


def waited(call: dict[str, Any]) -> timedelta:
    """From the queue to the agent."""
    return datetime.fromisoformat(call["agent_answered_at"]) - datetime.fromisoformat(
        call["queued_at"]
    )


async def test_who_is_given_up_goes_where_the_queue_says_and_comes_first_there(
    scene: Scene, floor: Floor, folder: Path
) -> None:
    to_enterprise = {"timeout": {"to": "queue", "queue": "enterprise"}}
    to_legal = {"timeout": {"to": "queue", "queue": "legal"}, "full": {"to": "voicemail"}}
    async with (
        floor.queue("legal", max_wait_seconds=5, exits=to_enterprise),
        floor.queue("enterprise", max_wait_seconds=8, max_waiting=2, exits=to_legal),
        somebody_is_busy(scene, floor),
        AsyncExitStack() as stack,
    ):
        moved = await stack.enter_async_context(caller(scene, LINE_OF["legal"], "13800138031"))
        await queued(scene, "13800138031")
        await asyncio.sleep(1.05)
        younger = await stack.enter_async_context(
            caller(scene, LINE_OF["enterprise"], "13800138032")
        )

        async def both_wait() -> bool:
            return "has 2 calls" in await floor.hotline.console("queue show q_enterprise")

        await eventually(both_wait, "both wait in one queue", within=timedelta(seconds=8))
        too_many = await stack.enter_async_context(
            caller(scene, LINE_OF["enterprise"], "13800138033")
        )

        async def is_asked_for_a_message() -> bool:
            calls = await scene.calls()
            third = [c for c in calls if c["caller_number"] == "+8613800138033"]
            return bool(third) and "caller_left_queue" in await scene.timeline(third[0])

        await eventually(is_asked_for_a_message, "full", within=timedelta(seconds=8))
        await stack.enter_async_context(
            floor.agent("2001", folder / "agent_is_quick.xml", seconds=0.2)
        )
        for party in (moved, younger):
            result = await party.result()
            assert result.ok, str(result)
        too_many.hang_up()
    of_moved = await scene.call(caller_number="+8613800138031", agent="2001", queue="enterprise")
    of_younger = await scene.call(caller_number="+8613800138032", agent="2001")
    assert of_moved["agent_answered_at"] < of_younger["agent_answered_at"], "the place was kept"
    found = await scene.hotline.get(f"/calls/{of_moved['call_id']}/timeline")
    said = [entry["detail"] for entry in found["items"] if entry["kind"] == "caller_queued"]
    assert any("given up by another queue" in line for line in said), said


async def test_a_queue_is_made_in_force_within_two_seconds_and_its_waiting_callers_hear_their_place(
    scene: Scene, floor: Floor
) -> None:
    new = {
        "name": "tax",
        "title": "税务",
        "strategy": "wrandom",
        "comfort_prompt": "queue_comfort",
        "comfort_seconds": 15,
        "announce_position": True,
        "announce_seconds": 15,
        "members": [{"agent_id": "2002"}, {"agent_id": "2001", "penalty": 3}],
    }
    began = time.monotonic()
    made = await floor.send("POST", "/queues", json=new)
    assert made["in_force"] is True, made["detail"]
    assert time.monotonic() - began < 2
    try:
        shown = await floor.hotline.console("queue show q_tax")
        assert "'wrandom' strategy" in shown
        assert re.search(r"2001 \(PJSIP/2001\).* with penalty 3", shown), shown
        line = {"number": "12375", "title": "税务", "flow": "main", "mode": "direct"}
        await floor.send("POST", "/lines", json=line | {"queue": "tax", "language": "zh"})
        try:
            used = await floor.hotline.client.delete("/api/v1/queues/tax", headers=ANY)
            assert (used.status_code, "line 12375" in used.text) == (409, True)
            async with (
                somebody_is_busy(scene, floor),
                caller(scene, "12375", "13800138041") as first,
                Handset() as ear,
            ):
                await queued(scene, "13800138041")
                async with scene.citizen(
                    "citizen_handset.xml", service="12375", keys=ear.keys
                ) as second:
                    await ear.hears(scene.prompt("queue_place", "zh"))
                    await ear.hears(scene.prompt("w_nth", "zh"))
                    await ear.hears(scene.prompt("n_2", "zh"))
                    await leave(floor, second, first, channels=2)
        finally:
            await floor.send("DELETE", "/lines/12375", headers=ANY)
    finally:

        async def removed() -> bool:
            # 409 until the journal has told that the last caller has left.
            reply = await floor.hotline.client.delete("/api/v1/queues/tax", headers=ANY)
            return reply.status_code == 204

        await eventually(removed, "the queue is removed", within=timedelta(seconds=10))
    assert "No such queue" in await floor.hotline.console("queue show q_tax")
