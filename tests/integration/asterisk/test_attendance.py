"""The node keeps rows and queue members one; Asterisk is scripted, PostgreSQL is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from callcenter.agents.seed import seed_agents
from callcenter.agents.sessions import model, store
from callcenter.agents.sessions.model import Act, Record, Wish
from callcenter.agents.sessions.service import take_wish
from callcenter.agents.tables import agent_activity, agent_states, agents
from callcenter.asterisk.ami import AmiClient, AmiSettings
from callcenter.asterisk.ami.bus import WANTED, AmiBus
from callcenter.asterisk.attendance import AttendanceKeeper
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queue_members
from callcenter.testing.eventually import eventually
from callcenter.testing.scripted_ami import Headers, ScriptedAmi, event, success

pytestmark = pytest.mark.integration


def clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class ScriptedQueues:
    """As much of Asterisk as the keeper asks: members, phones, notes of feature codes."""

    ami: ScriptedAmi
    members: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    alive: str = ""

    def __post_init__(self) -> None:
        self.ami.answers |= {
            "QueueStatus": self._status,
            "DeviceStateList": lambda a: _list(
                a,
                "DeviceStateChange",
                [{"Device": f"PJSIP/{d}", "State": s} for d, s in self.devices.items()],
            ),
            "CoreShowChannels": lambda a: _list(a, "CoreShowChannel", []),
            "DBGetTree": lambda a: _list(
                a,
                "DBGetTreeResponse",
                [{"Key": f"/cc_wish/{k}", "Val": v} for k, v in self.notes.items()],
            ),
            "DBDel": self._delete,
            "Setvar": self._setvar,
            **dict.fromkeys(("QueueAdd", "QueueRemove", "QueuePause", "QueuePenalty"), self._act),
        }

    def paused(self, agent_id: str) -> set[str]:
        """The reasons an agent is paused for, `` where not, one for each that differs."""
        return {m["Reason"] for (_, at), m in self.members.items() if at == f"PJSIP/{agent_id}"}

    def _status(self, action: Headers) -> bytes:
        wanted = action.get("Member")
        return _list(
            action,
            "QueueMember",
            [
                {
                    "Queue": queue,
                    "Location": at,
                    "Membership": "dynamic",
                    "Penalty": member["Penalty"],
                    "Paused": "1" if member["Reason"] else "0",
                    "PausedReason": member["Reason"],
                }
                for (queue, at), member in self.members.items()
                if wanted in (None, at)
            ],
        )

    def _act(self, action: Headers) -> bytes:
        at = action["Interface"]
        if action["Action"] == "QueueAdd":
            self.members[action["Queue"], at] = {
                "Penalty": action["Penalty"],
                "Reason": action.get("Reason", ""),
            }
        for key in [k for k in self.members if k[1] == at and action.get("Queue", k[0]) == k[0]]:
            match action["Action"]:
                case "QueueRemove":
                    del self.members[key]
                case "QueuePenalty":
                    self.members[key]["Penalty"] = action["Penalty"]
                case "QueuePause":
                    self.members[key]["Reason"] = action.get("Reason", "")
        return success(action)

    def _delete(self, action: Headers) -> bytes:
        self.notes.pop(action["Key"], None)
        return success(action)

    def _setvar(self, action: Headers) -> bytes:
        self.alive = action["Value"]
        return success(action)


def _list(action: Headers, name: str, items: list[dict[str, str]]) -> bytes:
    number = ("ActionID", action["ActionID"])
    return (
        success(action, ("EventList", "start"))
        + b"".join(event(name, number, *item.items()) for item in items)
        + event(f"{action['Action']}Complete", number, ("EventList", "Complete"))
    )


@dataclass
class Stage:
    asterisk: ScriptedQueues
    keeper: AttendanceKeeper
    database: Database

    async def record(self, agent_id: str) -> Record:
        async with self.database.transaction() as connection:
            return (await store.records(connection, [agent_id]))[agent_id]

    async def wish(self, act: Act, reason: str | None = None, agent_id: str = "1001") -> None:
        wish = Wish(act=act, at=clock(), by="anna", reason=reason)
        async with self.database.transaction() as connection:
            await take_wish(connection, agent_id, lambda s: model.wished(s, wish), wish.at)

    def tell(self, data: bytes) -> None:
        """Asterisk says something of its own."""
        self.asterisk.ami.send(data)

    async def until(self, agent_id: str = "1001", **wanted: object) -> Record:
        async def found() -> Record:
            record = await self.record(agent_id)
            assert {name: getattr(record, name) for name in wanted} == wanted
            return record

        return await eventually(found, f"{agent_id} is {wanted}")


@pytest.fixture
async def stage(database: Database) -> AsyncIterator[Stage]:
    async with database.transaction() as connection:
        await seed_queues(connection)
        await seed_agents(connection, clock, lambda agent_id: "secret" + agent_id)
    async with running(database) as stage:
        yield stage


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[Stage]:
    server = ScriptedAmi()
    await server.start()
    asterisk = ScriptedQueues(server, devices={"1001": "NOT_INUSE", "1002": "NOT_INUSE"})
    bus = AmiBus()
    settings = AmiSettings("127.0.0.1", server.port, server.username, server.secret, wanted=WANTED)
    client = AmiClient(
        settings, clock=clock, uniform=lambda low, high: high, on_connected=bus.snapshot
    )
    keeper = AttendanceKeeper(database, clock, client, bus, default_language="zh")
    await client.start()
    await client.wait_ready(timedelta(seconds=5))
    tasks = [
        asyncio.create_task(each, name=name)
        for name, each in {
            "run": keeper.run(),
            "follow": keeper.follow(),
            "events": bus.serve(client),
        }.items()
    ]
    try:
        yield Stage(asterisk, keeper, database)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
        await server.stop()


async def test_everybody_is_brought_into_the_queues_they_belong_to(stage: Stage) -> None:
    await stage.until("1001", state="ready", in_force=True)
    await stage.until("1005", state="offline", in_force=True)
    members = stage.asterisk.members
    assert ("q_general", "PJSIP/1001") in members
    assert ("q_enterprise", "PJSIP/1001") in members
    assert ("q_legal", "PJSIP/1001") not in members
    assert len(members) == 10 + 4 + 3
    await eventually(lambda: stage.asterisk.alive, "a sign of life for the dialplan")
    assert stage.keeper.drift_repaired == 0, "nothing was there before"


async def test_a_wish_is_in_asterisk_at_once_and_then_in_force(stage: Stage) -> None:
    await stage.until(state="ready")
    await stage.wish(Act.PAUSE, "rest")
    await stage.until(state="paused", reason="rest", in_force=True)
    assert stage.asterisk.paused("1001") == {"rest"}
    await stage.wish(Act.LOG_OUT)
    await stage.until(state="offline", in_force=True)
    assert stage.asterisk.paused("1001") == set(), "a member nowhere"


async def test_drift_is_mended_field_by_field_and_counted(stage: Stage) -> None:
    await stage.until(state="ready", in_force=True)
    members = stage.asterisk.members
    members["q_general", "PJSIP/1001"]["Penalty"] = "9"
    members["q_enterprise", "PJSIP/1001"]["Reason"] = "tea"
    del members["q_general", "PJSIP/1002"]
    members["q_legal", "PJSIP/1002"] = {"Penalty": "0", "Reason": ""}

    def mended() -> bool:
        return stage.keeper.drift_repaired == 4

    await eventually(mended, "four fields are mended")
    assert members["q_general", "PJSIP/1001"] == {"Penalty": "0", "Reason": ""}
    assert stage.asterisk.paused("1001") == {""}
    assert ("q_general", "PJSIP/1002") in members
    assert ("q_legal", "PJSIP/1002") not in members


async def test_a_phone_that_goes_and_comes_is_seen_by_its_events(stage: Stage) -> None:
    await stage.until(state="ready", in_force=True)
    stage.asterisk.devices["1001"] = "UNAVAILABLE"
    stage.tell(device("1001", "UNAVAILABLE"))
    await stage.until(state="paused", reason="phone_gone", in_force=True)
    assert stage.asterisk.paused("1001") == {"phone_gone"}
    stage.asterisk.devices["1001"] = "NOT_INUSE"
    stage.tell(device("1001", "NOT_INUSE"))
    await stage.until(state="ready", in_force=True)
    assert stage.keeper.drift_repaired == 0


async def test_two_calls_unanswered_in_a_row_pause(stage: Stage) -> None:
    await stage.until(state="ready", in_force=True)
    for _ in range(2):
        stage.tell(event("AgentRingNoAnswer", ("Interface", "PJSIP/1001")))
    await stage.until(state="paused", reason="no_answer", in_force=True)
    assert stage.asterisk.paused("1001") == {"no_answer"}


async def test_codes_dialled_while_the_node_was_away_are_taken_over_once(
    database: Database, stage: Stage
) -> None:
    await stage.until(state="ready", in_force=True)
    later = int((clock() + timedelta(seconds=1)).timestamp() * 1000)
    stage.asterisk.notes = {
        "1001": f"{later}:paused:meal",
        "1002": "1:offline:",
        "evil": f"{later}:paused:x",
        "1003": "nonsense",
    }
    await stage.wish(Act.READY, agent_id="1002")
    stage.asterisk.ami.drop()
    await stage.until(state="paused", reason="meal", in_force=True)
    record = await stage.record("1001")
    assert record.session.wished_by == "phone"
    assert (await stage.record("1002")).session.logged_in, "the newer wish wins"

    def gone() -> bool:
        return not {"1001", "1002"} & stage.asterisk.notes.keys()

    await eventually(gone, "Asterisk need not remember them")


async def test_a_code_is_heard_at_once(stage: Stage) -> None:
    await stage.until(state="ready", in_force=True)
    now = str(int(clock().timestamp() * 1000))
    words = {"UserEvent": "CCAgent", "Agent": "1001", "Act": "paused", "Reason": "meal", "At": now}
    stage.tell(event("UserEvent", *words.items()))
    await stage.until(state="paused", reason="meal", in_force=True)


async def test_an_agent_who_is_removed_leaves_no_member_and_no_open_state(stage: Stage) -> None:
    await stage.until(state="ready", in_force=True)
    async with stage.database.transaction() as connection:
        await connection.execute(delete(queue_members).where(queue_members.c.agent_id == "1001"))
        await connection.execute(delete(agents).where(agents.c.agent_id == "1001"))
    assert await stage.keeper.reconcile() == []
    assert stage.asterisk.paused("1001") == set()

    async def ended() -> bool:
        async with stage.database.transaction() as connection:
            open_ones = await connection.execute(
                select(agent_activity.c.state).where(
                    agent_activity.c.agent_id == "1001", agent_activity.c.ended_at.is_(None)
                )
            )
            return open_ones.first() is None

    await eventually(ended, "no state goes on")


async def test_a_pause_over_its_limit_is_shown(stage: Stage) -> None:
    await stage.wish(Act.PAUSE, "rest")
    await stage.until(state="paused", in_force=True)
    async with stage.database.transaction() as connection:
        await connection.execute(
            update(agent_states)
            .where(agent_states.c.agent_id == "1001")
            .values(since=clock() - timedelta(hours=1))
        )
    await stage.until(over_limit=True)


def device(agent_id: str, state: str) -> bytes:
    return event("DeviceStateChange", ("Device", f"PJSIP/{agent_id}"), ("State", state))
