"""Acts in a call over REST: who may, when, once; and what the journal tells of them in rows.

The call is one that a real Asterisk journalled; the node's side of acts is scripted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import select, text

from callcenter.access.audit import AuditService
from callcenter.access.model import Role
from callcenter.agents.in_call.api import router
from callcenter.agents.in_call.follow import InCallFollower
from callcenter.agents.in_call.service import InCallService
from callcenter.agents.seed import seed_agents
from callcenter.agents.tables import agent_states, agents
from callcenter.bootstrap.cases import case_title
from callcenter.calls.consumer import JournalConsumer
from callcenter.calls.events import PhoneHeld, PhoneRetrieved
from callcenter.calls.tail import JournalReader
from callcenter.cases.service import CaseService
from callcenter.platform.db import Database
from callcenter.queues.seed import seed_queues
from callcenter.queues.tables import queue_members
from callcenter.recordings.service import on_facts as recordings_on_facts
from callcenter.switch.acts import Act, ActOrders, ActRefused, ActRunner, Executor
from callcenter.switch.tables import switch_acts
from callcenter.testing.desk import PASSWORD, Desk, open_desk
from callcenter.testing.eventually import eventually

pytestmark = pytest.mark.integration

JOURNALS = Path(__file__).parents[2] / "recordings" / "journal"
CALL = UUID("b9b06745-87d9-4e55-97a8-ba7ea4e65eed")
OFFICER = f"leg-{CALL}-1"
KINDS = (
    *("hold", "unhold", "transfer", "complete", "cancel", "three_way", "conference"),
    *("call_out", "emergency", "release", "dtmf", "pause", "resume"),
)


@dataclass
class Stage:
    """A call in the journal, told as far as a test wants, and a node that does what it is told."""

    desk: Desk
    journal: Path
    consumer: JournalConsumer
    lines: list[bytes]
    agent: AsyncClient  #: logged in as agent 1001
    done: list[Act] = field(default_factory=list)
    refuses: str | None = None
    busy: frozenset[str] = frozenset()  #: agents who got a call in this moment
    told: int = 0

    async def tell(self, until: Callable[[bytes], bool]) -> None:
        """The journal up to and with the first line that `until` is true of."""
        end = next(n for n in range(self.told, len(self.lines)) if until(self.lines[n])) + 1
        with self.journal.open("ab") as file:
            file.write(b"".join(self.lines[self.told : end]))
        self.told = end
        while await self.consumer.step():
            pass

    async def do(self, act: Act) -> dict[str, Any]:
        self.done.append(act)
        if act.arguments.get("endpoint") in self.busy:
            raise ActRefused("They are in a call.")
        if self.refuses:
            raise ActRefused(self.refuses)
        return {}

    async def act(self, path: str, client: AsyncClient | None = None, **body: Any) -> Response:
        return await (client or self.agent).post(f"/calls/{CALL}/{path}", json=body or None)

    async def notes(self) -> list[str]:
        async with self.desk.database.transaction() as connection:
            rows = await connection.execute(
                text("SELECT detail ->> 'text' AS said FROM case_events WHERE kind = 'note_added'")
            )
            return [row.said for row in rows]


def in_bridge(channel: bytes, context: bytes = b"") -> Callable[[bytes], bool]:
    return lambda line: b'"BRIDGE_ENTER"' in line and channel in line and context in line


def talks(line: bytes) -> bool:
    return b'"BRIDGE_ENTER"' in line and b"cc-queue" in line


@pytest.fixture
async def stage(database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    journal = tmp_path / "journal.csv"
    journal.touch()
    async with open_desk(database, lambda _guard, _clock: []) as desk:
        clock = desk.clock
        cases = CaseService(database, clock)
        service = InCallService(
            database,
            clock,
            ActOrders(database, clock, "node1"),
            cases,
            has_trunk=True,
            region="CN",
            pause_limit=timedelta(minutes=5),
            default_language="zh",
        )
        service_router = router(service, desk.guard)
        desk.app.include_router(service_router, prefix="/api/v1")
        follower = InCallFollower(cases, ZoneInfo("Asia/Shanghai"), case_title)

        async def on_facts(connection: Any, facts: Any) -> None:
            await recordings_on_facts(connection, facts)
            await follower.on_facts(connection, facts)

        async with database.transaction() as connection:
            await seed_queues(connection)
            await seed_agents(connection, clock, lambda _agent: "secret")
        consumer = JournalConsumer(
            database,
            JournalReader(journal),
            node="node1",
            clock=clock,
            region="CN",
            on_facts=on_facts,
        )
        user = await desk.access.create_user("petra", PASSWORD, Role.AGENT)
        async with database.transaction() as connection:
            await connection.execute(
                agents.update().where(agents.c.agent_id == "1001").values(user_id=user.user_id)
            )
        token = (await desk.access.login("petra", PASSWORD)).token
        lines = (JOURNALS / "three_way.csv").read_bytes().splitlines(keepends=True)
        agent = AsyncClient(
            transport=desk.aki._transport,
            base_url="http://desk/api/v1",
            headers={"Authorization": f"Bearer {token}"},
        )
        scene = Stage(desk, journal, consumer, lines, agent)
        executors: dict[str, Executor] = {f"in_call.{kind}": scene.do for kind in KINDS}
        runner = ActRunner(database, clock, "node1", executors)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(runner.run()), group.create_task(runner.follow())]
            await scene.tell(talks)
            yield scene
            for task in tasks:
                task.cancel()


async def test_an_officer_is_called_in_and_the_journal_completes_the_row(stage: Stage) -> None:
    before = (await stage.agent.get(f"/calls/{CALL}/in-call")).json()
    assert before["agents"] == ["1001"]
    assert "three_way" in before["allowed"]
    asking = asyncio.create_task(stage.act("three-way", number="119", officer_name="王科长"))
    await eventually(lambda: stage.done, "the act is done")
    await stage.tell(lambda line: b'"CHAN_START"' in line and OFFICER.encode() in line)
    reply = await asking
    assert reply.status_code == 200, reply.text
    [act] = stage.done
    assert act.kind == "in_call.three_way"
    assert act.arguments["leg"] == OFFICER
    assert (act.arguments["caller_id"], act.arguments["hidden"]) == ("12345", False)
    [officer] = reply.json()["parties"]
    assert officer["began_at"]
    assert officer["answered_at"] is None

    await stage.tell(in_bridge(OFFICER.encode()))
    await stage.tell(lambda line: b'"CC_HOLD"' in line)
    held = (await stage.agent.get(f"/calls/{CALL}/in-call")).json()
    assert held["held_since"]
    assert held["parties"][0]["answered_at"]
    assert "three_way" not in held["allowed"]
    await stage.tell(lambda line: b'"LINKEDID_END"' in line and b"1001" in line)
    after = (await stage.agent.get(f"/calls/{CALL}/in-call")).json()
    assert (after["allowed"], after["held_since"]) == ([], None)
    assert after["parties"][0]["ended_at"]
    [note] = await stage.notes()
    assert "三方通话" in note
    assert "王科长" in note
    assert "petra" in note


async def test_what_asterisk_did_not_do_called_nobody(stage: Stage) -> None:
    stage.refuses = "Agent 1002 is in a call."
    reply = await stage.act("conference", agent="1002")
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/act-refused")
    assert reply.json()["detail"] == "Agent 1002 is in a call."
    [party] = (await stage.agent.get(f"/calls/{CALL}/in-call")).json()["parties"]
    assert party["ended_at"]
    stage.refuses = None
    again = await stage.act("conference", agent="1003")
    assert [one["number"] for one in again.json()["parties"]] == [1, 2]
    assert stage.done[-1].arguments["leg"] == f"leg-{CALL}-2", "a name is given once"


async def test_an_emergency_service_is_shown_the_citizens_number(stage: Stage) -> None:
    reply = await stage.act("emergency", service="119")
    assert reply.status_code == 200, reply.text
    said = stage.done[0].arguments
    assert (said["caller_id"], said["asserted"]) == ("13800138000", "13800138000")
    records = await AuditService(stage.desk.database).list(subject=f"call/{CALL}")
    assert [(record.act, record.who) for record in records] == [("in_call.emergency", "petra")]
    assert "13800138000" not in str(records), "the audit holds no citizen's number"


async def test_only_the_agent_in_the_call_or_a_supervisor_acts(stage: Stage) -> None:
    stranger = await stage.act("hold", stage.desk.aki)
    assert (stranger.status_code, stranger.json()["type"]) == (403, "/problems/not-in-this-call")
    assert stage.done == []
    assert (await stage.act("hold", stage.desk.nobody)).status_code == 401
    assert (await stage.act("dtmf", stage.desk.sven, digits="1")).status_code == 200
    assert stage.done[0].arguments["agent_id"] == "1001", "the supervisor acts for the agent"


async def test_the_wrong_moment_is_refused_with_what_is_allowed(stage: Stage) -> None:
    reply = await stage.act("unhold")
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/not-now")
    assert "allowed: hold, transfer" in reply.json()["detail"]
    await stage.tell(lambda line: b'"LINKEDID_END"' in line and b"1001" in line)
    over = await stage.act("hold")
    assert over.status_code in (403, 409), "nobody is in the call any more"
    assert (await stage.act("hold", stage.desk.sven)).status_code == 409
    assert stage.done == []


async def test_keyed_digits_are_not_kept(stage: Stage) -> None:
    assert (await stage.act("dtmf", digits="4711#")).status_code == 200
    assert stage.done[0].arguments["digits"] == "4711#"
    async with stage.desk.database.transaction() as connection:
        [kept] = (await connection.scalars(select(switch_acts.c.arguments))).all()
    assert "digits" not in kept
    assert "4711" not in str(await AuditService(stage.desk.database).list())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("transfer", {"to": {"number": "88889999"}}, 409),
        ("transfer", {"to": {"queue": "nowhere"}}, 409),
        ("transfer", {"to": {"agent": "9999"}}, 409),
        ("transfer", {"to": {"agent": "1001"}}, 409),
        ("transfer", {"to": {"queue": "legal"}, "kind": "consulted"}, 409),
        ("transfer", {"to": {}}, 422),
        ("transfer", {"to": {"agent": "1002", "queue": "legal"}}, 422),
        ("transfer", {"to": {"number": "${EXTEN}"}}, 422),
        ("three-way", {"number": "119", "officer_name": "a\nb"}, 422),
        ("emergency", {"service": "911"}, 422),
        ("dtmf", {"digits": "12;3"}, 422),
        ("recording/pause", {"reason": " "}, 422),
        ("recording/resume", {}, 409),
        ("parties/1/release", {}, 409),
        ("parties/7/result", {"result": "direct_answered"}, 404),
    ],
)
async def test_what_cannot_be_done_reaches_no_telephone_system(
    stage: Stage, path: str, body: dict[str, Any], status: int
) -> None:
    reply = await stage.act(path, **body)
    assert reply.status_code == status, reply.text
    assert stage.done == []


async def test_a_call_there_is_not_is_not_found(stage: Stage) -> None:
    reply = await stage.agent.post(f"/calls/{UUID(int=1)}/hold")
    assert reply.status_code == 404


async def test_of_a_queue_the_agent_who_is_ready_longest_is_asked_and_then_the_next(
    stage: Stage,
) -> None:
    ago = {"1001": 90, "1002": 20, "1003": 40, "1004": 60, "1005": 80}
    async with stage.desk.database.transaction() as connection:
        for agent_id, seconds in ago.items():
            await connection.execute(
                agent_states.insert().values(
                    agent_id=agent_id,
                    state="talking" if agent_id == "1001" else "ready",
                    phone="there",
                    since=stage.desk.clock() - timedelta(seconds=seconds),
                )
            )
        await connection.execute(
            queue_members.update().where(queue_members.c.agent_id == "1004").values(penalty=5)
        )
    # 1005 is not of this queue; 1004 is of a later level; a call comes to 1003 in this moment.
    stage.busy = frozenset({"1003"})
    reply = await stage.act("transfer", to={"queue": "enterprise"}, kind="consulted")
    assert reply.status_code == 200, reply.text
    assert [act.arguments["endpoint"] for act in stage.done] == ["1003", "1002"]
    gone, asked = reply.json()["parties"]
    assert (gone["agent"], bool(gone["ended_at"])) == ("1003", True)
    assert (asked["agent"], asked["purpose"], asked["ended_at"]) == ("1002", "consultation", None)


async def test_without_a_trunk_nobody_outside_is_called(stage: Stage) -> None:
    service = InCallService(
        stage.desk.database,
        stage.desk.clock,
        ActOrders(stage.desk.database, stage.desk.clock, "node1"),
        CaseService(stage.desk.database, stage.desk.clock),
        has_trunk=False,
        region="CN",
        pause_limit=timedelta(minutes=5),
        default_language="zh",
    )
    stage.desk.app.include_router(router(service, stage.desk.guard), prefix="/api/v1/untrunked")
    reply = await stage.agent.post(f"/untrunked/calls/{CALL}/three-way", json={"number": "119"})
    assert (reply.status_code, reply.json()["type"]) == (409, "/problems/no-trunk")


async def test_holds_by_the_phone_stand_beside_those_by_acts(stage: Stage) -> None:
    async def by_phone(kind: type[PhoneHeld | PhoneRetrieved], after: float) -> None:
        leg, began = "node1-1795580061.5", datetime.fromtimestamp(1795580061.9, UTC)
        record = kind(
            key=f"{kind.kind:_<13.13}{after:03.1f}".encode(),
            at=began + timedelta(seconds=after),
            uniqueid=leg,
            linkedid="node1-1795580060.4",
            channel="PJSIP/1001-00000003",
        )
        noting = asyncio.create_task(stage.consumer.note(record))
        while not noting.done():
            await stage.consumer.step()
            await asyncio.sleep(0)
        await noting

    async def holds() -> list[tuple[str, str | None, bool]]:
        said = (await stage.agent.get(f"/calls/{CALL}/in-call")).json()["holds"]
        return [(hold["by"], hold["agent"], hold["ended_at"] is None) for hold in said]

    await by_phone(PhoneHeld, 0.1)
    await by_phone(PhoneHeld, 0.1)  # told again by a node that did not know it was kept
    assert await holds() == [("phone", "1001", True)]
    await by_phone(PhoneRetrieved, 0.5)
    await stage.tell(lambda line: b'"CC_HOLD"' in line)
    assert await holds() == [("phone", "1001", False), ("act", None, True)]
    await by_phone(PhoneHeld, 4)
    await stage.tell(lambda line: b'"LINKEDID_END"' in line and b"1001" in line)
    assert await holds() == [
        ("phone", "1001", False),
        ("act", None, False),
        ("phone", "1001", False),
    ]
