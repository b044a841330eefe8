"""A citizen who waits presses 1, is called back at the place they had; a missed call is a duty."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import pytest

from callcenter.asterisk.ami.client import AmiClient
from callcenter.asterisk.ami.link import AmiSettings
from callcenter.asterisk.callback import AmiCallbackLines
from callcenter.asterisk.config.secrets import secret
from callcenter.asterisk.config.wanted import AMI_SECRET
from callcenter.bootstrap.callbacks import (
    CallbackCases,
    ScheduledLines,
    callback_policy,
    callback_rule,
)
from callcenter.bootstrap.node import AMI_USER
from callcenter.cases.service import CaseService
from callcenter.platform.clock import Clock, system_clock
from callcenter.platform.db import Database
from callcenter.platform.postgres import database_url
from callcenter.platform.settings import load_settings
from callcenter.queues.callbacks.dialler import CallbackDialler
from callcenter.queues.callbacks.duty import CallbackDuty
from callcenter.testing import faults
from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset
from callcenter.testing.instance import Instance
from callcenter.testing.sipp_party import SippParty
from tests.e2e.callback.conftest import CITIZENS, PHONES_PORT

if TYPE_CHECKING:
    from tests.e2e.conftest import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

FIRST, SECOND, THIRD = "13800138001", "13800138002", "13800138003"


def phone(
    scene: Scene,
    folder: Path,
    scenario: str,
    calls: int | None = 1,
    stays: timedelta = timedelta(seconds=6),
) -> SippParty:
    """The phone of whoever is called back; it hangs up after a while."""
    return scene.hotline.party(
        folder / scenario, CITIZENS, port=PHONES_PORT, pause=stays, calls=calls
    )


def invites(party: SippParty) -> list[str]:
    """What that phone was asked, by SIP dialogue: one text for each call."""
    found = re.findall(r"received \[\d+\] bytes.*?(INVITE .*?)\r?\n\r?\n", party.messages, re.S)
    return list({re.findall(r"^Call-ID: (.*?)\r?$", one, re.M)[0]: one for one in found}.values())


async def callbacks(scene: Scene, number: str) -> list[dict[str, Any]]:
    found = await scene.hotline.get("/callbacks")
    return [one for one in found["items"] if one["number"] == f"+86{number}"]


async def callback_to(scene: Scene, number: str, **wanted: object) -> dict[str, Any]:
    """The one callback to that number, once it has these values."""

    async def found() -> dict[str, Any]:
        known = await callbacks(scene, number)
        assert len(known) == 1, f"{len(known)} callbacks"
        one = known[0]
        for name, value in wanted.items():
            assert one[name] == value, f"{name} is {one[name]!r}, wanted {value!r}: {one}"
        return one

    one: dict[str, Any] = await eventually(found, "the callback", within=timedelta(seconds=25))
    return one


async def call_of(scene: Scene, call_id: str) -> dict[str, Any]:
    call: dict[str, Any] = await scene.hotline.get(f"/calls/{call_id}")
    return call


async def waits(scene: Scene, how_many: int) -> None:
    async def waiting() -> bool:
        said = await scene.hotline.console("queue show q_general")
        return len(re.findall(r"^ +\d+\. ", said, re.M)) == how_many

    await eventually(waiting, f"{how_many} wait", within=timedelta(seconds=15))


async def end_call(scene: Scene, number: str) -> dict[str, Any]:
    """Take the channel of the citizen's own call away; the call, once it has ended."""
    (call,) = [
        call
        for call in await scene.calls()
        if call["caller_number"] == f"+86{number}"
        and call["direction"] == "inbound"
        and call["ended_at"] is None
    ]
    query = "SELECT channel FROM call_legs WHERE call_id = $1::uuid AND role = 'citizen'"
    (leg,) = await faults.rows(scene.hotline, query, call["call_id"])
    await scene.hotline.console(f"channel request hangup {leg['channel']}")

    async def ended() -> dict[str, Any]:
        found: dict[str, Any] = await scene.hotline.get(f"/calls/{call['call_id']}")
        assert found["ended_at"], found["state"]
        return found

    over: dict[str, Any] = await eventually(ended, "the call is over", within=timedelta(seconds=20))
    return over


async def talks(scene: Scene, number: str) -> None:
    async def talking() -> bool:
        return any(
            call["caller_number"] == f"+86{number}" and call["agent_answered_at"]
            for call in await scene.calls()
        )

    await eventually(talking, "an agent has answered", within=timedelta(seconds=15))


def caller(scene: Scene, number: str) -> SippParty:
    """Somebody who calls, waits and talks, until the call is ended."""
    keys = {"caller_number": number}
    return scene.citizen("citizen_silent.xml", keys=keys, pause=timedelta(seconds=60))


async def wishes_to_be_called(scene: Scene, number: str) -> None:
    """A caller who waits in the queue presses 1, and 1 for the number they call from."""
    async with Handset() as ear:
        keys = ear.keys | {"caller_number": number}
        async with scene.citizen("citizen_handset.xml", keys=keys) as citizen:
            await waits(scene, 1)
            await ear.listens(timedelta(seconds=1))
            await ear.press("1")
            await ear.hears(scene.prompt("callback_offer_known", "zh"))
            await ear.press("1")
            await ear.hears(scene.prompt("callback_taken", "zh"))
            result = await citizen.result()
    assert result.ok, str(result)


async def test_who_asks_to_be_called_back_keeps_the_place(scene: Scene, folder: Path) -> None:
    async with scene.agent("1001"), caller(scene, "13800138000"):
        await talks(scene, "13800138000")
        await wishes_to_be_called(scene, FIRST)
        await waits(scene, 1)  # in the place of the first
        wish = await callback_to(scene, FIRST, kind="wish", state="waiting", overdue=False)
        assert wish["place_at"] < wish["wanted_at"], "since the wait began, not since the wish"
        async with (
            caller(scene, SECOND),
            phone(scene, folder, "citizen_is_called.xml") as rung,
        ):
            await waits(scene, 2)
            await end_call(scene, "13800138000")
            done = await callback_to(scene, FIRST, state="done", outcome="reached")
            result = await rung.result()
            assert result.ok, str(result)
            (invite,) = invites(rung)
            await talks(scene, SECOND)
            later = await end_call(scene, SECOND)
    assert "<sip:12345@" in re.findall(r"^From: .*$", invite, re.M)[0], "our number is shown"
    call = await call_of(scene, done["tries"][0]["call_id"])
    assert call["agent_answered_at"] < later["agent_answered_at"]
    assert (call["direction"], call["caller_number"]) == ("outbound", f"+86{FIRST}")
    assert (call["disposition"], call["agent"], call["hangup_by"]) == ("answered", "1001", "caller")
    roles = sorted(leg["role"] for leg in call["legs"])
    assert roles == ["agent", "citizen", "other", "other"]
    (visit,) = await faults.rows(
        scene.hotline,
        "SELECT why, outcome FROM queue_visits WHERE call_id = $1::uuid",
        call["call_id"],
    )
    assert (visit["why"], visit["outcome"]) == ("callback", "answered")
    # The wish's call and the call back are about one case.
    asked = await call_of(scene, done["call_id"])
    assert asked["disposition"] == "callback_requested"
    case = await scene.case_of(asked)
    relations = {one["call_id"]: one["relation"] for one in case["calls"]}
    assert relations == {asked["call_id"]: "origin", call["call_id"]: "callback"}
    # Left the agent, right the citizen.
    recording = await scene.recording_of(call)
    sound = await scene.sound_of(recording)
    assert abs(sound[:, 0]).max() > 1000
    assert abs(sound[:, 1]).max() > 1000


async def test_a_citizen_who_is_engaged_is_tried_again(scene: Scene, folder: Path) -> None:
    async with scene.agent("1001"):
        wish = {"queue": "general", "number": FIRST, "note": "promised"}
        async with phone(scene, folder, "citizen_is_busy.xml") as engaged:
            reply = await scene.hotline.client.post("/api/v1/callbacks", json=wish)
            assert reply.status_code == 201, reply.text
            result = await engaged.result()
            assert result.ok, str(result)
        async with phone(scene, folder, "citizen_is_called.xml") as rung:
            key = reply.json()["callback_id"]

            async def reached() -> dict[str, Any]:
                found: dict[str, Any] = await scene.hotline.get(f"/callbacks/{key}")
                assert found["outcome"] == "reached", found
                return found

            done = await eventually(reached, "reached", within=timedelta(seconds=25))
            result = await rung.result()
            assert result.ok, str(result)
    assert [one["outcome"] for one in done["tries"]] == ["busy", "reached"]
    vain = await call_of(scene, done["tries"][0]["call_id"])
    assert (vain["disposition"], vain["agent"]) == ("failed", "1001")
    assert (await scene.hotline.get("/recordings", call_id=vain["call_id"]))["items"] == []


async def test_a_missed_call_is_a_duty_until_the_citizen_is_answered(scene: Scene) -> None:
    async with scene.agent("1001"):
        async with caller(scene, "13800138000"):
            await talks(scene, "13800138000")
            async with caller(scene, THIRD) as gives_up:
                await waits(scene, 1)
                began = datetime.now(UTC)

                def long_enough() -> bool:
                    return datetime.now(UTC) - began > timedelta(seconds=2.2)

                await eventually(long_enough)
                gives_up.hang_up()
                missed = await callback_to(scene, THIRD, kind="missed", state="waiting")
            waited = datetime.fromisoformat(missed["due_at"]) - datetime.fromisoformat(
                missed["wanted_at"]
            )
            assert waited == timedelta(minutes=30)
            done = f"/api/v1/callbacks/{missed['callback_id']}/done"
            refused = await scene.hotline.client.post(done, json={"outcome": "not_reached"})
            assert refused.status_code == 409, refused.text
            assert "0 of 3 attempts" in refused.text
            await end_call(scene, "13800138000")
        async with caller(scene, THIRD):
            closed = await callback_to(scene, THIRD, state="done", outcome="called_again")
            again = await end_call(scene, THIRD)
    assert again["call_id"] in closed["further_calls"]


class Cut:
    """A way to Asterisk's manager that breaks right behind the first Originate: it arrives, and
    nothing is heard of it."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.originates = 0
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, out = await asyncio.open_connection("127.0.0.1", self._to)
        async with asyncio.TaskGroup() as group:
            answers = group.create_task(self._copy(far, back))
            while data := await near.read(65536):
                cut = b"Originate" in data
                self.originates += cut
                if cut:
                    # Nothing comes back any more; what was asked has arrived all the same.
                    answers.cancel()
                out.write(data)
                await out.drain()
                if cut:
                    break
            answers.cancel()
        out.close()
        back.close()

    @staticmethod
    async def _copy(far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await far.read(65536):
            back.write(data)
            await back.drain()


@asynccontextmanager
async def first_life(hotline: Instance, link: Cut, clock: Clock) -> AsyncIterator[CallbackDialler]:
    """The dialler of the node as it was before: its own process, over that link."""
    settings = load_settings(
        home=hotline.home,
        trunk_host=hotline.extra["TRUNK_HOST"],
        callback_hours=hotline.extra["CALLBACK_HOURS"],
    )
    database = Database(database_url(settings), name="first-life", pool_size=2)
    ami = AmiClient(
        AmiSettings(
            host="127.0.0.1",
            port=link.port,
            username=AMI_USER,
            secret=secret(settings.secrets_directory, AMI_SECRET),
            wanted=frozenset(),
        ),
        clock=system_clock,
        uniform=lambda low, _high: low,
    )
    policy, rule = callback_policy(settings), callback_rule(settings)
    await ami.start()
    try:
        await ami.wait_ready(timedelta(seconds=10))
        yield CallbackDialler(
            database,
            AmiCallbackLines(ami),
            CallbackDuty(CallbackCases(CaseService(database, clock)), policy, rule),
            ScheduledLines(),
            node=settings.node,
            policy=policy,
            rule=rule,
            clock=clock,
            journal_is_read=lambda: False,
        )
    finally:
        await ami.close()
        await database.close()


async def test_a_link_cut_behind_the_order_and_a_killed_node_dial_nobody_twice(
    scene: Scene, folder: Path
) -> None:
    hotline, key = scene.hotline, uuid4()
    # Due in an hour by the instance's clock; now by the clock of the node's first life.
    await faults.rows(
        hotline,
        "INSERT INTO callbacks (callback_id, queue, number, language, wanted_at, next_try_at)"
        " VALUES ($1, 'general', $2, 'zh', now(), now() + interval '1 hour')",
        key,
        f"+86{SECOND}",
    )
    async with (
        scene.agent("1001"),
        caller(scene, "13800138000"),
        phone(scene, folder, "citizen_is_called.xml", calls=None) as rung,
    ):
        await talks(scene, "13800138000")
        async with (
            Cut(hotline.ami_port) as link,
            first_life(hotline, link, lambda: system_clock() + timedelta(hours=1)) as dialler,
        ):
            assert await dialler.step() == 1
            await waits(scene, 1)
            # It has its link again, and a database that says: asked for.
            for _ in range(3):
                assert await dialler.step() == 0
            assert link.originates == 1
        node = hotline.pid("node")
        faults.kill(node)
        await faults.replaced(hotline, "node", node)
        await waits(scene, 1)
        await end_call(scene, "13800138000")

        async def reached() -> dict[str, Any]:
            found: dict[str, Any] = await hotline.get(f"/callbacks/{key}")
            assert found["outcome"] == "reached", found
            return found

        done = await eventually(reached, "reached", within=timedelta(seconds=25))
        assert [one["outcome"] for one in done["tries"]] == ["reached"]

        async def talked() -> bool:
            return await hotline.channels() == 0

        await eventually(talked, "the citizen hangs up", within=timedelta(seconds=25))
        assert len(invites(rung)) == 1
