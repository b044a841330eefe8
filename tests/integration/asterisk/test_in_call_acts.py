"""Moments in which two things happen at once in a call; Asterisk is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.asterisk.ami import AmiClient, AmiSettings
from callcenter.asterisk.ami.bus import WANTED, AmiBus
from callcenter.asterisk.in_call import InCallActs
from callcenter.platform.db import Database
from callcenter.switch.acts import Act, ActRefused
from callcenter.testing.desk import add_call
from callcenter.testing.eventually import eventually
from callcenter.testing.scripted_ami import Headers, ScriptedAmi, error, event, success

pytestmark = pytest.mark.integration

CALL = UUID("4fc6bba4-4f16-4435-9887-6240b902185e")
LEG = f"leg-{CALL}-1"
CITIZEN, AGENT, COLLEAGUE = "PJSIP/trunk-00000001", "PJSIP/1001-00000002", "PJSIP/1002-00000003"
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


@dataclass
class Switch:
    """Channels by name, and what is done to them. `then` happens after each action of its name."""

    ami: ScriptedAmi
    channels: dict[str, dict[str, str]] = field(default_factory=dict)
    redirected: list[tuple[str, str, str]] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    then: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ami.answers |= {
            "CoreShowChannels": lambda a: self._listed(a, "CoreShowChannel", None),
            "Status": lambda a: self._listed(a, "Status", a["Channel"]),
            "Redirect": self._redirect,
            "Originate": self._originate,
            "Hangup": self._hang_up,
        }

    def _listed(self, action: Headers, name: str, only: str | None) -> bytes:
        if only is not None and only not in self.channels:
            return error(action, "No such channel")
        named = ("ActionID", action["ActionID"])
        found = [
            event(name, named, ("Channel", channel), *headers.items())
            for channel, headers in self.channels.items()
            if only in (None, channel)
        ]
        over = event(f"{name}Complete", named, ("EventList", "Complete"))
        return success(action, ("EventList", "start")) + b"".join(found) + over

    def there(self, channel: str, uniqueid: str, context: str, *, state: str = "Up") -> None:
        met = context == "cc-meet"
        said = f"{CALL},cc_meet,cc_staff"
        self.channels[channel] = {
            "Uniqueid": uniqueid,
            "Context": context,
            "ChannelStateDesc": state,
            "Application": "ConfBridge" if met else "Wait",
            # CoreShowChannels and Status have names of their own for the same.
            **dict.fromkeys(("BridgeId", "BridgeID"), "b" if met else ""),
            **dict.fromkeys(("ApplicationData", "Data"), said if met else ""),
        }

    def gone(self, channel: str) -> None:
        del self.channels[channel]

    def _redirect(self, action: Headers) -> bytes:
        channel, context, exten = action["Channel"], action["Context"], action["Exten"]
        self.redirected.append((channel, context, exten))
        where = "cc-queue" if exten == "back" else context
        self.there(channel, self.channels[channel]["Uniqueid"], where)
        self.then.get(f"{context},{exten}", lambda: None)()
        return success(action)

    def _originate(self, action: Headers) -> bytes:
        self.there("PJSIP/1002-00000009", action["ChannelId"], "from-agents", state="Ringing")
        self.then.get("originate", lambda: None)()
        return success(action)

    def _hang_up(self, action: Headers) -> bytes:
        self.hung_up.append(action["Channel"])
        self.channels.pop(action["Channel"], None)
        return success(action)


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    ami = ScriptedAmi()
    await ami.start()
    made = Switch(ami)
    made.there(CITIZEN, str(CALL), "cc-meet")
    made.there(AGENT, "n-1.2", "cc-meet")
    yield made
    await ami.stop()


@pytest.fixture
async def acts(switch: Switch, database: Database) -> AsyncIterator[InCallActs]:
    """In a call that is going on; the node follows what happens in Asterisk."""
    async with database.transaction() as connection:
        await add_call(connection, NOW, call_id=CALL)
    bus = AmiBus()
    ami = AmiClient(
        AmiSettings(
            "127.0.0.1",
            switch.ami.port,
            switch.ami.username,
            switch.ami.secret,
            wanted=WANTED,
        ),
        clock=lambda: NOW,
        uniform=lambda low, _high: low,
        on_connected=bus.snapshot,
    )
    await ami.start()
    await ami.wait_ready(timedelta(seconds=5))
    made = InCallActs(ami, bus, database, trunk_host=None)
    tasks = [asyncio.create_task(made.run()), asyncio.create_task(bus.serve(ami))]
    yield made
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await ami.close()


async def done(acts: InCallActs, kind: str, **more: object) -> dict[str, object]:
    said = {"call_id": str(CALL), "citizen": str(CALL), "agent": "n-1.2", "agent_id": "1001"}
    act = Act(
        act_id=1,
        kind=f"in_call.{kind}",
        arguments={**said, **more},
        wanted_by="ling",
        wanted_at=NOW,
    )
    return await acts.executors()[act.kind](act)


def colleague(**more: object) -> dict[str, object]:
    return {"leg": LEG, "held": False, "endpoint": "1002", "caller_id": "1001", **more}


async def test_a_colleague_whom_a_queue_chose_in_the_same_moment_is_not_called(
    acts: InCallActs, switch: Switch
) -> None:
    switch.then["originate"] = lambda: switch.there(
        COLLEAGUE, "n-7.7", "from-agents", state="Ringing"
    )
    with pytest.raises(ActRefused, match="Agent 1002 is in a call"):
        await done(acts, "conference", **colleague())
    assert switch.hung_up == ["PJSIP/1002-00000009"], "the queue's call goes on ringing"
    assert COLLEAGUE in switch.channels


async def test_a_colleague_who_rings_alone_is_called(acts: InCallActs, switch: Switch) -> None:
    assert await done(acts, "conference", **colleague()) == {"state": "ringing"}
    assert switch.hung_up == []


async def test_a_citizen_who_is_brought_back_to_nobody_goes_to_the_queue(
    acts: InCallActs, switch: Switch
) -> None:
    switch.there(CITIZEN, str(CALL), "cc-hold")
    switch.then["cc-meet,citizen"] = lambda: switch.gone(AGENT)
    with pytest.raises(ActRefused, match="waits for another"):
        await done(acts, "unhold")
    assert switch.redirected[-1] == (CITIZEN, "cc-meet", "back")


@pytest.mark.usefixtures("acts")
async def test_a_citizen_whom_the_dialplan_brings_back_to_nobody_goes_to_the_queue(
    switch: Switch,
) -> None:
    """After ten minutes of music, in the moment in which the agent hangs up."""
    del switch.channels[AGENT]
    switch.ami.send(
        event("Hangup", ("Uniqueid", LEG), ("Context", "cc-meet"), ("Channel", COLLEAGUE))
    )
    wanted = (CITIZEN, "cc-meet", "back")
    await eventually(lambda: wanted in switch.redirected, "sent", within=timedelta(seconds=5))


async def test_a_citizen_whom_the_conference_lets_go_is_left_to_it(
    acts: InCallActs, switch: Switch
) -> None:
    switch.there(CITIZEN, str(CALL), "cc-hold")

    def leaves() -> None:
        del switch.channels[AGENT]
        asyncio.get_running_loop().call_later(0.2, switch.channels.pop, CITIZEN)

    switch.then["cc-meet,citizen"] = leaves
    await done(acts, "unhold")
    assert all(exten != "back" for _, _, exten in switch.redirected)
