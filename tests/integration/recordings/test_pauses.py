"""Pauses of recordings: whatever dies in between, no mute outlives its span."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from callcenter.access.audit import AuditService
from callcenter.asterisk.ami import AmiClient, AmiSettings
from callcenter.asterisk.ami.bus import AmiBus
from callcenter.asterisk.announcements import Manner
from callcenter.asterisk.recording_pauses import RecordingPauses
from callcenter.calls.facts import CallEnded
from callcenter.platform.db import Database
from callcenter.recordings.pauses import AlreadyPaused, NotPaused, PauseBook, on_facts
from callcenter.recordings.store import pauses_of
from callcenter.switch.acts import Act, ActRefused
from callcenter.testing.desk import add_call
from callcenter.testing.eventually import eventually
from callcenter.testing.fixed_clock import FixedClock
from callcenter.testing.scripted_ami import Headers, ScriptedAmi, error, event, success

pytestmark = pytest.mark.integration

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
LIMIT = timedelta(minutes=5)
CHANNEL = "PJSIP/trunk-00000001"


@dataclass
class Studio:
    """A recorded call, an Asterisk that mutes as it is told, and the node's part."""

    database: Database
    clock: FixedClock
    ami: ScriptedAmi
    book: PauseBook
    client: AmiClient
    node: RecordingPauses
    bus: AmiBus
    refuses: bool = False
    muted: list[bool] = field(default_factory=list)
    cannot_announce: bool = False
    announced: list[tuple[str, bool]] = field(default_factory=list)

    def mute(self, action: Headers) -> bytes:
        if self.refuses:
            return error(action, "Cannot set mute flag")
        assert (action["Channel"], action["Direction"]) == (CHANNEL, "both")
        self.muted.append(action["State"] == "1")
        return success(action)

    def originate(self, action: Headers) -> bytes:
        if self.cannot_announce:
            return error(action, "Extension does not exist.")
        # What is announced, and whether the recording was silent by then.
        self.announced.append((action["Exten"], self.muted[-1]))
        return success(action)

    def channels(self, action: Headers) -> bytes:
        head = success(action, ("EventList", "start"))
        named = ("ActionID", action["ActionID"])
        one = event("CoreShowChannel", named, ("Channel", CHANNEL), ("Uniqueid", str(CALL)))
        return head + one + event("CoreShowChannelsComplete", named, ("EventList", "Complete"))

    async def act(self, kind: str, **arguments: Any) -> dict[str, Any]:
        said = {"call_id": str(CALL), "citizen": str(CALL), **arguments}
        act = Act(act_id=1, kind=kind, arguments=said, wanted_by="ling", wanted_at=self.clock())
        return await self.node.executors()[kind](act)

    async def pause(self) -> dict[str, Any]:
        return await self.act("in_call.pause", reason="id card", limit_seconds=300)

    async def spans(self) -> list[tuple[str, str | None]]:
        async with self.database.transaction() as connection:
            rows = (await pauses_of(connection, [CALL])).get(CALL, [])
        return [(row["began_by"], row["ended_by"]) for row in rows]

    async def audit(self) -> list[tuple[str, str, str]]:
        records = await AuditService(self.database).list(subject=f"call/{CALL}")
        return [(record.act, record.who, record.reason) for record in reversed(records)]

    async def runs_until_ended(self, by: str) -> None:
        running = asyncio.create_task(self.node.run(), name="pauses")
        try:

            async def ended() -> bool:
                return (await self.spans())[-1][1] == by

            await eventually(ended, f"ended by {by}", within=timedelta(seconds=10))
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def language(action: Headers) -> bytes:
    assert action["Variable"] == "CHANNEL(language)"
    return success(action, ("Variable", action["Variable"]), ("Value", "en"))


@pytest.fixture
async def studio(database: Database) -> AsyncIterator[Studio]:
    clock = FixedClock()
    async with database.transaction() as connection:
        await add_call(connection, clock(), call_id=CALL)
    ami = ScriptedAmi()
    await ami.start()
    bus = AmiBus()
    client = AmiClient(
        AmiSettings("127.0.0.1", ami.port, ami.username, ami.secret),
        clock=clock,
        uniform=lambda low, _high: low,
        on_connected=bus.snapshot,
    )
    await client.start()
    await client.wait_ready(timedelta(seconds=5))
    book = PauseBook(database, clock)
    node = RecordingPauses(client, bus, book, clock, "node1", manner=Manner.SPOKEN)
    made = Studio(database, clock, ami, book, client, node, bus)
    ami.answers |= {"MixMonitorMute": made.mute, "CoreShowChannels": made.channels}
    ami.answers |= {"Originate": made.originate, "Getvar": language}
    announcing = asyncio.create_task(node.announcer.run(), name="announcements")
    yield made
    announcing.cancel()
    with suppress(asyncio.CancelledError):
        await announcing
    await client.close()
    await ami.stop()


async def test_a_pause_and_its_end_are_rows_with_who_and_why(studio: Studio) -> None:
    await studio.pause()
    with pytest.raises(AlreadyPaused):
        await studio.pause()
    await studio.act("in_call.resume")
    assert studio.muted == [True, False]
    assert await studio.spans() == [("ling", "ling")]
    assert await studio.audit() == [
        ("recording.pause", "ling", "id card"),
        ("recording.resume", "ling", ""),
    ]
    with pytest.raises(NotPaused):
        await studio.act("in_call.resume")


async def test_where_asterisk_does_not_mute_there_is_no_pause(studio: Studio) -> None:
    studio.refuses = True
    with pytest.raises(ActRefused, match="The recording goes on"):
        await studio.pause()
    assert await studio.spans() == []
    assert [act for act, _, _ in await studio.audit()] == [
        "recording.pause",
        "recording.pause_refused",
    ]


async def test_a_pause_that_nobody_ends_ends_at_its_limit(studio: Studio) -> None:
    await studio.pause()
    studio.clock.forward(LIMIT)
    await studio.runs_until_ended("system:limit")
    assert studio.muted[-1] is False


async def test_a_node_that_comes_back_mutes_again_what_is_to_be_silent(studio: Studio) -> None:
    """Written before it died, whether or not Asterisk was asked."""
    await studio.book.begin(CALL, by="ling", reason="id card", limit=LIMIT)
    running = asyncio.create_task(studio.node.run(), name="pauses")
    try:
        await eventually(lambda: studio.muted == [True], "muted", within=timedelta(seconds=10))
        assert await studio.spans() == [("ling", None)]
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_node_that_died_while_resuming_unmutes_when_it_comes_back(studio: Studio) -> None:
    await studio.book.begin(CALL, by="ling", reason="id card", limit=LIMIT)
    await studio.book.want_over(CALL, by="ling")
    await studio.runs_until_ended("ling")
    assert studio.muted == [False]


async def test_a_pause_ends_with_its_call(studio: Studio) -> None:
    await studio.pause()
    at: datetime = studio.clock() + timedelta(seconds=3)
    fact = CallEnded(call_id=CALL, at=at, disposition="answered", hangup_by="caller")
    for _ in range(2):  # a fact that is told again changes nothing
        async with studio.database.transaction() as connection:
            await on_facts(connection, [fact])
    assert await studio.spans() == [("ling", "system:call_ended")]
    assert [act for act, _, _ in await studio.audit()] == ["recording.pause", "recording.resume"]


async def test_a_pause_is_announced_when_it_is_true_and_so_is_its_end(studio: Studio) -> None:
    await studio.pause()
    await studio.act("in_call.resume")
    await studio.pause()
    studio.clock.forward(LIMIT)
    await studio.runs_until_ended("system:limit")
    told = [("spoken_paused", True), ("spoken_resumed", False)]
    await eventually(lambda: len(studio.announced) == 4, "told", within=timedelta(seconds=5))
    # (The first is asked for while the second is done: what counts is that none came too early.)
    assert [what for what, _ in studio.announced] == [what for what, _ in told * 2]
    assert studio.announced[-1] == ("spoken_resumed", False)


async def test_a_pause_that_cannot_be_announced_holds_and_is_counted(studio: Studio) -> None:
    studio.cannot_announce = True
    await studio.pause()
    announcer = studio.node.announcer
    await eventually(lambda: announcer.failed == 1, "counted", within=timedelta(seconds=5))
    assert studio.muted == [True]
    assert await studio.spans() == [("ling", None)]


async def test_nothing_is_announced_where_asterisk_did_not_mute(studio: Studio) -> None:
    studio.refuses = True
    with pytest.raises(ActRefused):
        await studio.pause()
    studio.refuses = False
    await studio.pause()
    await eventually(lambda: len(studio.announced) == 1, "told", within=timedelta(seconds=5))


async def test_an_announcement_that_is_not_played_is_counted(studio: Studio) -> None:
    announcer = studio.node.announcer
    ours, other = ("Uniqueid", "announce-7"), ("Uniqueid", "node1-7.7")
    serving = asyncio.create_task(studio.bus.serve(studio.client), name="events")
    studio.ami.send(
        event("OriginateResponse", ours, ("Response", "Failure"), ("Reason", "0")),
        event("OriginateResponse", ours, ("Response", "Success"), ("Reason", "4")),
        event("OriginateResponse", other, ("Response", "Failure"), ("Reason", "0")),
        event("Hangup", ("Uniqueid", "announce-7-e"), ("Cause", "38")),  # its other half
        event("Hangup", ours, ("Cause", "38")),
        event("Hangup", ours, ("Cause", "16")),
        event("Hangup", other, ("Cause", "38")),
    )
    try:
        await eventually(lambda: announcer.failed == 2, "counted", within=timedelta(seconds=5))
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
