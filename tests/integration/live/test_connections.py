"""Who may connect to `/api/v1/events`, for how long, and what ends it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from callcenter.live import api, clients, service
from callcenter.live.api import PROTOCOL
from callcenter.live.gauges import tell_clients
from callcenter.platform.db import Database
from callcenter.platform.migrate import upgrade
from callcenter.platform.postgres import EmbeddedPostgres
from callcenter.testing.desk import PASSWORD
from callcenter.testing.eventually import eventually
from callcenter.testing.live_client import LiveClient
from tests.integration.live.conftest import ORIGIN, serving

if TYPE_CHECKING:
    from tests.integration.live.conftest import Served

pytestmark = pytest.mark.integration

ANY = {"If-Match": "*"}


def narrow(port: int) -> socket.socket:
    """A connection whose kernel keeps little of what nobody reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.connect(("127.0.0.1", port))
    return connection


async def closing(client: LiveClient, act: Any) -> tuple[int, str, float]:
    """Code and reason of the close that `act` brings about, and seconds until it came."""
    began = time.monotonic()
    await act
    code, reason = await client.closed()
    return code, reason, time.monotonic() - began


async def test_the_token_may_come_in_the_first_message(served: Served) -> None:
    async with served.follow(None) as client:
        await client.say({"token": await served.token("sven"), "topics": ["queues"]})
        message = await client.take()
        assert message["view"]["topics"] == ["queues"]


async def test_clients_are_counted_while_they_are_there(served: Served) -> None:
    registry = CollectorRegistry()
    tell_clients(registry, served.live)

    def told() -> float | None:
        return registry.get_sample_value("callcenter_live_clients")

    assert told() == 0
    async with served.follower("sven") as one, served.follower("aki") as other:
        await one.take()
        await other.take()
        assert told() == 2
    await eventually(lambda: told() == 0, "both are gone")


async def test_the_token_may_come_as_a_sub_protocol(served: Served) -> None:
    offered = [PROTOCOL, f"bearer.{await served.token('sven')}"]
    async with served.follow(None, subprotocols=offered) as client:
        assert client.connection.subprotocol == PROTOCOL
        assert (await client.take())["view"]["role"] == "supervisor"


@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_a_token_in_the_address_is_refused(served: Served, name: str) -> None:
    token = await served.token("sven")
    async with served.follow(None, f"?{name}={token}") as client:
        code, reason = await client.closed()
    assert code == 4400
    assert "address" in reason


FIRST: list[tuple[Any, int]] = [
    ({"token": "wrong"}, 4401),
    ({"topics": ["calls"]}, 4401),
    ({"token": ""}, 4400),
    ({"token": "x" * 201}, 4400),
    ({"unknown": 1}, 4400),
    ({"topics": []}, 4400),
    ({"topics": ["everything"]}, 4400),
    ({"queues": ["'; DROP TABLE queues; --"]}, 4400),
    ({"queues": ["a\x00b"]}, 4400),
    ({"team": "\ud800"}, 4400),
    ([], 4400),
    ({"type": "publish"}, 4400),
]


async def test_a_first_message_that_is_none_is_refused(served: Served) -> None:
    for said, code in FIRST:
        async with served.follow(None) as client:
            await client.say(said)
            assert (await client.closed())[0] == code, said


async def test_what_is_no_message_is_refused(served: Served) -> None:
    token = await served.token("sven")
    for said in ("{", "", "[" * 5000, b"\xff\x00", "null"):
        async with served.follow(token) as client:
            await client.take()
            await client.connection.send(said)
            assert (await client.closed())[0] == 4400, said


async def test_an_address_that_asks_for_nonsense_is_refused(served: Served) -> None:
    token = await served.token("sven")
    for query in ("?topic=x", "?team=%00", "?queue=A&queue=b", "?nothing=1", "?team=%ED%A0%80"):
        async with served.follow(token, query) as client:
            assert (await client.closed())[0] == 4400, query


async def test_a_message_too_large_ends_the_connection(served: Served) -> None:
    async with served.follower("sven") as client:
        await client.take()
        await client.connection.send("x" * (api.LARGEST_MESSAGE + 1))
        assert (await client.closed())[0] == 1009


async def test_too_many_messages_end_the_connection(served: Served) -> None:
    async with served.follower("sven") as client:
        for _ in range(api.MOST_MESSAGES + 1):
            await client.say({})
        assert (await client.closed())[0] == 4429


async def test_who_says_nothing_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "FIRST_MESSAGE", timedelta(seconds=0.2))
    async with served.follow(None) as client:
        assert (await client.closed())[0] == 4401


@pytest.mark.parametrize(
    ("origin", "enters"),
    [(ORIGIN, True), ("self", True), ("https://elsewhere.example", False), ("null", False)],
)
async def test_pages_of_other_hosts_may_not_connect(
    served: Served, origin: str, enters: bool
) -> None:
    token = await served.token("sven")
    if origin == "self":
        origin = f"http://127.0.0.1:{served.port}"
    if enters:
        async with served.follow(token, headers={"Origin": origin}) as client:
            await client.take()
    else:
        with pytest.raises(InvalidStatus) as refused:
            async with served.follow(token, headers={"Origin": origin}):
                pass
        assert refused.value.response.status_code == 403


async def test_logging_out_ends_the_connection_of_that_token_alone(served: Served) -> None:
    tokens = [await served.token("aki") for _ in range(2)]
    async with served.follow(tokens[0]) as gone, served.follow(tokens[1]) as stays:
        await gone.take()
        await stays.take()
        code, reason, took = await closing(gone, served.desk.access.logout(tokens[0]))
        assert (code, reason) == (4401, "The token was revoked.")
        assert took < 1
        call_id = await served.calls.queued()
        await stays.until(lambda: str(call_id) in stays.calls)


@pytest.mark.parametrize(
    ("act", "code"),
    [("deactivated", 4401), ("password set", 4401), ("role changed", 4403)],
)
async def test_what_takes_a_users_rights_ends_the_connection(
    served: Served, act: str, code: int
) -> None:
    anna = served.desk.anna
    async with served.follower("aki") as client:
        await client.take()
        body: dict[str, Any]
        if act == "password set":
            done = anna.put("/users/aki/password", json={"password": PASSWORD + "!"})
        else:
            body = {"active": False} if act == "deactivated" else {"role": "supervisor"}
            done = anna.patch("/users/aki", json=body, headers=ANY)
        found, _, took = await closing(client, done)
        assert found == code
        assert took < 1


async def test_an_own_new_password_ends_the_other_connections(served: Served) -> None:
    token = await served.token("aki")
    principal = await served.desk.access.authenticate(token)
    async with served.follow(token) as stays, served.follower("aki") as gone:
        await stays.take()
        await gone.take()
        change = served.desk.access.change_own_password(
            principal, PASSWORD, PASSWORD + "!", token=token
        )
        code, _, took = await closing(gone, change)
        assert code == 4401
        assert took < 1
        call_id = await served.calls.queued()
        await stays.until(lambda: str(call_id) in stays.calls)


async def test_a_token_that_runs_out_ends_the_connection(served: Served) -> None:
    async with served.follower("aki") as client:
        await client.take()
        served.desk.clock.forward(timedelta(hours=2))
        assert await client.closed() == (4401, "The token has run out.")


async def test_a_revocation_whose_news_were_lost_is_found(served: Served) -> None:
    served.live._check_tokens = timedelta(seconds=0.5)
    async with served.follower("aki") as client:
        await client.take()
        async with served.desk.database.transaction() as connection:
            await connection.execute(text("UPDATE access_tokens SET revoked_at = now()"))
        assert (await client.closed())[0] == 4401


async def test_a_user_has_so_many_connections_at_most(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_PER_USER", 2)
    async with served.follower("aki") as one, served.follower("aki") as two:
        await one.take()
        await two.take()
        async with served.follower("aki") as third, served.follower("bea") as other:
            assert (await third.closed())[0] == 4429
            await other.take()
    await eventually(lambda: not served.live.clients)
    async with served.follower("aki") as again:
        await again.take()


async def test_a_slow_reader_gets_a_new_snapshot_and_no_old_news(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "TICK", timedelta(milliseconds=5))
    monkeypatch.setattr(service, "TICK", timedelta(milliseconds=5))
    monkeypatch.setattr(api, "SEND_LIMIT", timedelta(seconds=60))
    monkeypatch.setattr(clients, "MOST_BEHIND", 10)
    call_ids = await served.calls.many(300)
    token = await served.token("sven")
    # It keeps eight messages, and lets the rest lie in the socket.
    async with (
        served.follow(token, max_queue=8, sock=narrow(served.port)) as slow,
        served.follower("anna") as quick,
    ):
        await slow.take()
        keeps_up = asyncio.create_task(_take_all(quick))
        for number in range(50):
            async with served.desk.database.transaction() as connection:
                await connection.execute(text("UPDATE calls SET line = :n"), {"n": str(number)})
            served.live.note(None)
            await asyncio.sleep(0.02)  # the changes' own pace
        last = str(call_ids[-1])
        await slow.until(
            lambda: slow.calls[last]["line"] == "49", "the present", within=timedelta(seconds=20)
        )
        assert "behind" in slow.mirror.why
        assert slow.mirror.number < quick.mirror.number - 5
        keeps_up.cancel()
        assert "behind" not in quick.mirror.why


async def _take_all(client: LiveClient) -> None:
    while True:
        await client.take()


async def _read_all(connection: ClientConnection) -> None:
    while True:
        await connection.recv()


async def test_who_takes_nothing_at_all_is_cut_off(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "SEND_LIMIT", timedelta(seconds=0.5))
    await served.calls.many(300)
    token = await served.token("sven")
    async with connect(
        served.url,
        additional_headers={"Authorization": f"Bearer {token}"},
        max_size=None,
        compression=None,
        max_queue=1,
        sock=narrow(served.port),
    ) as deaf:
        await eventually(lambda: served.live.clients)

        async def gone() -> bool:
            async with served.desk.database.transaction() as connection:
                await connection.execute(
                    text("UPDATE calls SET line = :n"), {"n": str(time.monotonic())}
                )
            served.live.note(None)
            return not served.live.clients

        await eventually(gone, "it is cut off", within=timedelta(seconds=30))
        with pytest.raises(ConnectionClosed):
            await _read_all(deaf)


async def test_a_revoked_client_that_takes_nothing_is_cut_off_within_a_second(
    served: Served,
) -> None:
    await served.calls.many(300)
    token = await served.token("sven")
    async with served.follow(token, max_queue=1, sock=narrow(served.port)):
        await eventually(lambda: served.live.clients)
        [client] = served.live.clients
        number = -1

        async def stuck() -> bool:
            nonlocal number
            was, number = number, client.number
            async with served.desk.database.transaction() as connection:
                await connection.execute(
                    text("UPDATE calls SET line = :n"), {"n": str(time.monotonic())}
                )
            served.live.note(None)
            await asyncio.sleep(0.3)  # time to be written to it, if it still takes anything
            return was == client.number > 0

        await eventually(stuck, "its socket is full", within=timedelta(seconds=60))
        began = time.monotonic()
        await served.desk.access.logout(token)
        await eventually(lambda: not served.live.clients, "it is gone")
        assert time.monotonic() - began < 1


async def test_a_lost_database_is_told_and_a_snapshot_follows(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    server = EmbeddedPostgres(
        data=tmp_path / "data", sockets=tmp_path / "run", log=tmp_path / "log", durable=False
    )
    await server.start()
    await server.create_database("hotline")
    await upgrade(server.url("hotline"))
    database = Database(server.url("hotline"), name="test")
    try:
        async with serving(database) as served:
            served.live._reconcile = timedelta(seconds=0.5)
            async with served.follower("sven") as sven:
                await sven.take()
                await server.stop()
                await sven.until(lambda: sven.mirror.stale, "told", within=timedelta(seconds=40))
                token = "whoever"
                async with served.follow(token) as new:
                    assert (await new.closed(timedelta(seconds=10)))[0] == 1013
                await server.start()
                call_id = await served.calls.queued()
                await sven.until(
                    lambda: str(call_id) in sven.calls, "the call", within=timedelta(seconds=20)
                )
                assert sven.mirror.why == ["begin", "back"]
                later = await served.calls.queued()
                await sven.until(lambda: str(later) in sven.calls, "the next one")
                assert json.loads(sven.texts[1])["type"] == "stale"
    finally:
        await database.close()
        await server.stop()
