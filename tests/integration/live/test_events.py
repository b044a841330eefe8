"""`/api/v1/events`: what clients are told, over real sockets, from real rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from callcenter.live import service
from callcenter.live.messages import Why
from callcenter.live.schemas import SERVER_MESSAGE, SnapshotMessage
from callcenter.platform.db import Database
from callcenter.platform.news import announce
from callcenter.testing.desk import add_call
from callcenter.testing.eventually import eventually
from callcenter.testing.live_client import KEYS, LiveClient

if TYPE_CHECKING:
    from tests.integration.live.conftest import Served

pytestmark = pytest.mark.integration

NUMBER = "+8613800138000"


async def test_a_call_is_followed_from_the_queue_to_its_end(served: Served) -> None:
    async with served.follower("sven") as sven:
        first = SERVER_MESSAGE.validate_python(await sven.take())
        assert isinstance(first, SnapshotMessage)
        assert first.why is Why.BEGIN
        assert set(sven.queues) == {"general", "law"}
        assert set(sven.agents) == {"1001", "1002", "1003"}

        call_id = await served.calls.queued(caller_number=NUMBER)
        key = str(call_id)
        await sven.until(lambda: key in sven.calls, "the call waits")
        assert sven.queues["general"]["waiting"] == 1
        assert sven.queues["general"]["callers"] == [key]
        assert sven.calls[key]["caller_number"] == NUMBER

        await served.calls.rings(call_id, "1001")
        await served.calls.agent_is("1001", "ringing", call_id=call_id, queue="general")
        await sven.until(lambda: sven.agents["1001"]["state"] == "ringing", "the phone rings")
        assert sven.calls[key]["ringing"] == ["1001"]
        await served.calls.answered(call_id, "1001")
        await served.calls.agent_is("1001", "talking", call_id=call_id, queue="general")
        await sven.until(lambda: sven.agents["1001"]["state"] == "talking", "they talk")
        assert (sven.calls[key]["state"], sven.calls[key]["talking"]) == ("talking", ["1001"])
        assert sven.queues["general"]["waiting"] == 0
        assert sven.queues["general"]["talking"] == 1

        await served.calls.over(call_id)
        await sven.until(lambda: key not in sven.calls, "the call is over")
        for told in sven.texts:
            SERVER_MESSAGE.validate_json(told)


async def test_every_mirror_equals_a_fresh_read_after_a_busy_time(served: Served) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(served.follower(name, query))
            for name, query in (
                ("sven", ""),
                ("anna", "?team=east"),
                ("sven", "?queue=law&topic=calls&topic=queues"),
                ("aki", ""),
                ("cleo", ""),
            )
        ]
        taking = [asyncio.create_task(_take_all(client)) for client in clients]
        running = []
        for number in range(24):
            queue, agent = ("general", "1001") if number % 3 else ("law", "1003")
            call_id = await served.calls.queued(queue, caller_number=NUMBER)
            running.append(call_id)
            if number % 2:
                await served.calls.rings(call_id, agent)
            if number % 4 == 3:
                await served.calls.answered(call_id, agent)
                await served.calls.agent_is(agent, "talking", call_id=call_id)
            if number % 5 == 4:
                await served.calls.over(running.pop(0), "abandoned")
        for client in clients:
            if client.mirror.own and client.mirror.own["agent_id"] == "1003":
                continue  # Cleo has no REST client
            await eventually(
                lambda client=client: _is_fresh(served, client),
                "the mirror is as the rows",
                within=timedelta(seconds=15),
            )
        cleo, sven = clients[-1], clients[0]
        law = {key for key, call in sven.calls.items() if call["queue"] == "law"}
        assert law
        await eventually(lambda: set(cleo.calls) == law, "her team's calls")
        assert set(cleo.queues) == {"law"}
        assert set(cleo.agents) == {"1003"}
        assert {call["caller_number"] for call in cleo.calls.values()} == {None}
        for task in taking:
            assert not task.done(), "a message had the wrong number"
            task.cancel()


async def _is_fresh(served: Served, client: LiveClient) -> bool:
    """Whether a mirror is what REST says of the same view; told by assertions."""
    view = client.mirror.view
    wanted = {"queue": view["queues"], "topic": view["topics"]}
    if not view["every_team"] and view["role"] != "agent":
        wanted["team"] = view["team"]
    reply = await served.desk.client(view["role"]).get(
        "/live", params={name: value for name, value in wanted.items() if value}
    )
    fresh = reply.json()
    for topic, key in KEYS.items():
        if topic in client.mirror.items:
            # Today's counts are read every few seconds.
            told = {k: _less(item) for k, item in client.mirror.items[topic].items()}
            assert told == {item[key]: _less(item) for item in fresh[topic]}, topic
    assert _settled(client.mirror.own) == _settled(fresh["own"])
    return True


def _settled(own: Any) -> Any:
    """Without what is read when the phone rings, and not each time another call changes."""
    screen = own and own["screen"]
    later = ("earlier_calls", "earlier_cases", "more_calls", "more_cases")
    return own and own | {"screen": screen and {k: v for k, v in screen.items() if k not in later}}


def _less(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not name.endswith("_today")}


async def test_an_agent_sees_the_number_of_their_own_call_only(served: Served) -> None:
    call_id = await served.calls.queued(caller_number=NUMBER, caller_name="Wang")
    async with served.follower("aki") as aki, served.follower("bea") as bea:
        await aki.take()
        await bea.take()
        assert aki.mirror.own == {"agent_id": "1001", "call": None, "screen": None}
        await served.calls.rings(call_id, "1001")
        await aki.until(lambda: aki.mirror.own["call"], "Aki's phone rings")
        await bea.until(lambda: bea.calls[str(call_id)]["ringing"], "Bea sees that it rings")
        assert aki.mirror.own["call"]["caller_number"] == NUMBER
        assert aki.mirror.own["screen"]["caller_number"] == NUMBER
        assert bea.mirror.own == {"agent_id": "1002", "call": None, "screen": None}
        assert not any(NUMBER in told or "Wang" in told for told in bea.texts)
        await served.calls.over(call_id)
        await aki.until(lambda: aki.mirror.own["call"] is None, "the phone is silent")
        assert aki.mirror.own["screen"] is None


async def test_the_other_team_is_not_told(served: Served) -> None:
    async with served.follower("cleo") as cleo, served.follower("aki", "?team=west") as refused:
        code, reason = await refused.closed()
        assert (code, reason) == (4403, "Agents see their own team only.")
        await cleo.take()
        await served.calls.queued("general")
        call_id = await served.calls.queued("law")
        await cleo.until(lambda: cleo.calls, "a call of hers")
        assert set(cleo.calls) == {str(call_id)}
        assert set(cleo.queues) == {"law"}
        assert cleo.mirror.view["team"] == "west"


async def test_a_client_may_follow_something_else_in_the_middle(served: Served) -> None:
    async with served.follower("sven", "?topic=queues") as sven:
        await sven.take()
        assert set(sven.mirror.items) == {"queues"}
        await sven.say({"topics": ["calls", "agents"], "queues": ["law"]})
        await sven.until(lambda: "agents" in sven.mirror.items, "the other topics")
        assert sven.mirror.why == ["begin", "subscription"]
        assert set(sven.agents) == {"1003"}
        assert sven.mirror.number == 2


async def test_lost_news_cost_seconds_not_truth(served: Served) -> None:
    served.live._reconcile = timedelta(seconds=1)
    async with served.follower("sven") as sven:
        await sven.take()
        async with served.desk.database.transaction() as connection:
            call_id = await add_call(connection, served.desk.clock())  # and no news of it
        await sven.until(
            lambda: str(call_id) in sven.calls, "the call", within=timedelta(seconds=40)
        )


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements of the block."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


@pytest.mark.parametrize("many", [1, 40])
async def test_a_read_takes_the_same_few_queries_whatever_lives(served: Served, many: int) -> None:
    for _ in range(many):
        await served.calls.rings(await served.calls.queued(caller_number=NUMBER), "1001")
    with counted(served.desk.database) as seen:
        await served.desk.sven.get("/live")
    # Of the token; one moment, queues, members, logouts, agents, waits, talks, legs, calls, cases,
    # today.
    assert len(seen) == 1 + 11
    async with served.follower("sven") as sven:
        await sven.take()
        with counted(served.desk.database) as seen:
            call_ids = [await served.calls.queued() for _ in range(many)]
            await sven.until(lambda: all(str(call_id) in sven.calls for call_id in call_ids))
            await asyncio.sleep(0.2)  # reads too many would come now
        reads = sum("REPEATABLE READ" in statement for statement in seen)
        # Not the look at new tokens, nor the call's row, the visit's and the news.
        ours = sum("access_tokens" not in statement for statement in seen) - 3 * many
        assert 1 <= reads <= many
        assert ours == 6 * reads, "one moment, waits, talks, legs, calls, cases"


async def test_nothing_is_read_while_nobody_looks(served: Served) -> None:
    await eventually(lambda: not served.live.clients)
    with counted(served.desk.database) as seen:
        call_id = await served.calls.queued()
        served.live.note(None)
        await asyncio.sleep(0.3)  # absence has no condition to wait for
    assert not any("queue_members" in statement for statement in seen)
    async with served.follower("sven") as sven:
        await sven.take()
        assert str(call_id) in sven.calls


async def test_a_hundred_clients_get_at_most_ten_messages_a_second(served: Served) -> None:
    """Under 500 changes a second."""
    tokens = [(await served.desk.access.issue(name)).token for name in ("sven", "anna", "aki")]
    async with AsyncExitStack() as stack:
        before, service.MOST_PER_USER = service.MOST_PER_USER, 100
        stack.callback(setattr, service, "MOST_PER_USER", before)
        clients = [
            await stack.enter_async_context(served.follow(tokens[number % 3]))
            for number in range(100)
        ]
        call_ids = [await served.calls.queued() for _ in range(50)]
        took = [asyncio.create_task(_take_all(client)) for client in clients]
        written, loop = served.live.stage.written, asyncio.get_running_loop()
        began, changes = loop.time(), 0
        while loop.time() < began + 3:
            due = int((loop.time() - began) * 500)
            await _change(served.desk.database, call_ids, changes, due)
            changes = due
            await asyncio.sleep(0.02)  # the changes' own pace
        spent = loop.time() - began
        assert changes > 1000
        written = served.live.stage.written - written
        last = changes - 1
        await eventually(
            lambda: all(
                client.calls[str(call_ids[last % 50])]["line"] == str(last) for client in clients
            ),
            "all know the last change",
        )
        for task in took:
            task.cancel()
        await asyncio.gather(*took, return_exceptions=True)
        for client in clients:
            # The clients share a loop with the server, so when each came says little.
            deltas = sum(kind == "delta" for _, kind in client.arrived)
            assert 3 < deltas <= 10 * (loop.time() - began)
        # Three views: what all of one see was written once.
        assert written <= 3 * (spent / 0.125 + 2)


async def _take_all(client: Any) -> None:
    while True:
        await client.take()


async def _change(database: Database, call_ids: list[Any], first: int, behind: int) -> None:
    """Changes number `first` … of the calls in turn, each with its news."""
    numbers = range(first, behind)
    if not numbers:
        return
    newest = {call_ids[number % len(call_ids)]: str(number) for number in numbers}
    async with database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE calls SET line = new.line FROM unnest(CAST(:ids AS uuid[]),"
                " CAST(:lines AS text[])) AS new (id, line) WHERE call_id = new.id"
            ),
            {"ids": list(newest), "lines": list(newest.values())},
        )
        await connection.execute(
            text(
                "INSERT INTO outbox (topic, key, payload)"
                " SELECT 'call', key, '{}' FROM unnest(CAST(:keys AS text[])) AS keys (key)"
            ),
            {"keys": [str(call_ids[number % len(call_ids)]) for number in numbers]},
        )


async def test_news_of_calls_that_are_not_there_harm_nobody(served: Served) -> None:
    async with served.follower("sven") as sven:
        await sven.take()
        async with served.desk.database.transaction() as connection:
            await announce(connection, "call", str(uuid4()))
            await announce(connection, "call", "not-a-uuid")
            await announce(connection, "agent_state", "9999")
        call_id = await served.calls.queued()
        await sven.until(lambda: str(call_id) in sven.calls)
