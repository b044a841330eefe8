"""The AMI client over real sockets: each defect of panoramisk 1.4's manager, by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asterisk.manager import Manager as Pyst2Manager

from callcenter.asterisk.ami import AmiClient, AmiMessage, AmiSettings, LinkState
from callcenter.asterisk.errors import ActionRefused, ActionTimedOut, LinkLost, UnsafeValue
from callcenter.testing.eventually import eventually
from callcenter.testing.scripted_ami import Headers, ScriptedAmi, error, event, packet, success

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIVE_SECONDS = timedelta(seconds=5)
SOON = timedelta(milliseconds=100)


def quick(ami: ScriptedAmi, **changes: Any) -> AmiSettings:
    """Settings under which a test waits milliseconds where the service waits seconds."""
    settings = AmiSettings(
        "127.0.0.1",
        ami.port,
        ami.username,
        ami.secret,
        ping_every=timedelta(seconds=30),
        backoff_first=timedelta(milliseconds=5),
        backoff_last=timedelta(milliseconds=20),
    )
    return replace(settings, **changes)


@pytest.fixture
async def ami() -> AsyncIterator[ScriptedAmi]:
    server = ScriptedAmi()
    await server.start()
    yield server
    await server.stop()
    await eventually(lambda: not server.connections)


@asynccontextmanager
async def connected(
    ami: ScriptedAmi, *, ready: bool = True, **options: Any
) -> AsyncIterator[AmiClient]:
    hooks = {name: options.pop(name, None) for name in ("on_connected", "on_gap")}
    client = AmiClient(
        quick(ami, **options), clock=lambda: NOW, uniform=lambda low, high: high, **hooks
    )
    await client.start()
    try:
        if ready:
            await client.wait_ready(FIVE_SECONDS)
        yield client
    finally:
        await client.close()
        left = [
            task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("ami-")
        ]
        assert left == []


def our_tasks() -> list[str]:
    names = (task.get_name() for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("ami-")]


async def take(client: AmiClient, number: int) -> list[AmiMessage]:
    async with asyncio.timeout(5):
        return [await client.get() for _ in range(number)]


def numbers(events: list[AmiMessage]) -> list[str]:
    return [each["N"] for each in events]


def numbered(*values: int) -> bytes:
    return b"".join(event("E", ("N", str(value))) for value in values)


# The state of the link.


async def test_the_link_says_that_it_is_connected_and_since_when(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        assert client.status.state is LinkState.CONNECTED
        assert client.status.since == NOW
        assert (await client.action("Ping"))["Ping"] == "Pong"
    assert client.status.state is LinkState.LOST
    assert client.status.detail == "closed by us"


async def test_a_refused_login_is_reported_and_tried_again(ami: ScriptedAmi) -> None:
    ami.secret, wrong = "right", ami.secret
    async with connected(ami, ready=False, secret=wrong) as client:
        await eventually(lambda: client.counters.logins_refused >= 2)
        assert client.status.state is LinkState.LOGIN_REFUSED
        assert "Authentication failed" in client.status.detail
        assert wrong not in client.status.detail
        with pytest.raises(LinkLost, match="Authentication failed"):
            await client.action("Ping")
        ami.secret = wrong  # somebody mended manager.conf
        await client.wait_ready(FIVE_SECONDS)
        assert client.status.state is LinkState.CONNECTED


async def test_an_action_before_the_connection_is_link_lost_and_no_attribute_error(
    ami: ScriptedAmi,
) -> None:
    client = AmiClient(quick(ami), clock=lambda: NOW, uniform=lambda low, high: high)
    with pytest.raises(LinkLost, match="not started"):
        await client.action("Ping")
    await client.close()


async def test_a_port_where_nobody_listens_is_lost_and_tried_until_somebody_does(
    ami: ScriptedAmi,
) -> None:
    await ami.stop()
    async with connected(ami, ready=False) as client:
        await eventually(lambda: client.status.state is LinkState.LOST)
        with pytest.raises(LinkLost):
            await client.wait_ready(timedelta(milliseconds=20))
        await ami.start()
        await client.wait_ready(FIVE_SECONDS)


async def test_a_server_that_does_not_greet_or_does_not_answer_the_login_is_given_up(
    ami: ScriptedAmi,
) -> None:
    ami.greeting = b""
    async with connected(ami, ready=False, connect_timeout=SOON) as client:
        await eventually(lambda: "no answer to the login" in client.status.detail)
        ami.greeting, ami.frozen = b"Asterisk Call Manager/11.0.0\r\n", True
        await eventually(lambda: len(ami.named("Login")) > 1)
        assert "no answer to the login" in client.status.detail
        ami.greeting = b"SSH-2.0-OpenSSH_9.2\r\n"
        await eventually(lambda: "no Asterisk manager" in client.status.detail)


async def test_a_dead_peer_is_noticed_by_its_silence_and_the_link_taken_anew(
    ami: ScriptedAmi,
) -> None:
    limits = {"ping_every": timedelta(milliseconds=10), "ping_deadline": timedelta(milliseconds=50)}
    states: list[LinkState] = []
    async with connected(ami, **limits) as client:
        await eventually(lambda: len(ami.named("Ping")) > 2)
        ami.frozen = True
        await eventually(lambda: states.append(client.status.state) or client.counters.pings_missed)
        await eventually(lambda: client.status.state is LinkState.DEAD_PEER)
        ami.frozen = False
        await client.wait_ready(FIVE_SECONDS)
        assert client.counters.reconnects == 1


async def test_close_cancels_a_scheduled_reconnect(ami: ScriptedAmi) -> None:
    async with connected(ami, backoff_first=SOON, backoff_last=SOON) as client:
        ami.drop()
        await eventually(lambda: client.status.state is LinkState.LOST)
        await client.close()
        logins = ami.logins
        await asyncio.sleep(0.25)  # absence has no condition to wait for: twice the back-off
        assert ami.logins == logins == 1


async def test_the_backoff_grows_to_its_bound_and_the_jitter_is_the_callers(
    ami: ScriptedAmi,
) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return 0.0

    await ami.stop()
    client = AmiClient(quick(ami), clock=lambda: NOW, uniform=uniform)
    await client.start()
    await eventually(lambda: len(asked) > 5)
    await client.close()
    assert set(asked) == {(0.5, 1.0)}


# Actions.


async def test_an_unanswered_action_is_not_sent_again_after_a_reconnect(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        calling = asyncio.create_task(client.action("Originate", {"Channel": "PJSIP/1001"}))
        await eventually(lambda: ami.named("Originate"))
        ami.drop()
        with pytest.raises(LinkLost):
            await calling
        await client.wait_ready(FIVE_SECONDS)
        await client.action("Ping")  # whatever was sent before this has arrived before it
        assert len(ami.named("Originate")) == 1
        assert ami.logins == 2


async def test_a_refused_action_says_why(ami: ScriptedAmi) -> None:
    ami.answers["QueueAdd"] = lambda action: error(action, "Unable to add interface: Already there")
    async with connected(ami) as client:
        with pytest.raises(ActionRefused, match="QueueAdd: Unable to add") as refusal:
            await client.action("QueueAdd", {"Queue": "general"})
        assert refusal.value.reason == "Unable to add interface: Already there"


async def test_queue_add_resolves_although_its_answer_sounds_like_a_list(ami: ScriptedAmi) -> None:
    ami.answers["QueueAdd"] = lambda action: success(
        action, ("Message", "Added interface to queue")
    )
    ami.answers["Originate"] = lambda action: success(
        action, ("Message", "Originate successfully queued")
    )
    async with connected(ami) as client:
        answer = await client.action("QueueAdd", {"Queue": "general"}, timeout=FIVE_SECONDS)
        assert answer["Message"] == "Added interface to queue"
        # Nor does an Originate without Async close the connection.
        await client.action("Originate", {"Channel": "PJSIP/1001"})
        assert client.status.state is LinkState.CONNECTED


async def test_an_action_without_an_answer_ends_at_its_time_limit(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        with pytest.raises(ActionTimedOut, match="Redirect within"):
            await client.action("Redirect", {"Channel": "x"}, timeout=timedelta(milliseconds=20))
        late = ami.named("Redirect")[0]
        ami.send(success(late), numbered(1))
        assert numbers(await take(client, 1)) == ["1"]
        await client.close()
        assert client.counters.late_answers == 1


async def test_a_list_is_returned_without_its_last_event(ami: ScriptedAmi) -> None:
    ami.answers["CoreShowChannels"] = lambda action: (
        success(action, ("EventList", "start"))
        + event("CoreShowChannel", ("ActionID", action["ActionID"]), ("N", "1"))
        + numbered(77)  # news in between is news
        + event("CoreShowChannel", ("ActionID", action["ActionID"]), ("N", "2"))
        + event(
            "CoreShowChannelsComplete", ("ActionID", action["ActionID"]), ("EventList", "Complete")
        )
    )
    ami.answers["QueueStatus"] = lambda action: (
        success(action)
        + event("QueueParams", ("ActionID", action["ActionID"]), ("N", "3"))
        + event("QueueStatusComplete", ("ActionID", action["ActionID"]))
    )
    for wanted in (None, frozenset({"E"})):
        async with connected(ami, wanted=wanted) as client:
            assert numbers(await client.list_action("CoreShowChannels")) == ["1", "2"]
            rows = await client.list_action("QueueStatus", complete_event="QueueStatusComplete")
            assert numbers(rows) == ["3"]
            assert numbers(await take(client, 1)) == ["77"]


async def test_a_list_cut_by_a_disconnect_does_not_hang(ami: ScriptedAmi) -> None:
    ami.answers["CoreShowChannels"] = lambda action: (
        success(action, ("EventList", "start"))
        + event("CoreShowChannel", ("ActionID", action["ActionID"]))
    )
    async with connected(ami) as client:
        listing = asyncio.create_task(client.list_action("CoreShowChannels"))
        await eventually(lambda: ami.named("CoreShowChannels"))
        ami.drop()
        with pytest.raises(LinkLost):
            await listing


async def test_a_refused_or_endless_list_ends(ami: ScriptedAmi) -> None:
    ami.answers["QueueStatus"] = lambda action: error(action, "Permission denied")
    ami.answers["Status"] = lambda action: success(action, ("EventList", "start"))
    async with connected(ami) as client:
        with pytest.raises(ActionRefused, match="Permission denied"):
            await client.list_action("QueueStatus")
        with pytest.raises(ActionTimedOut):
            await client.list_action("Status", timeout=timedelta(milliseconds=20))


async def test_late_rows_of_a_list_are_no_news(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        with pytest.raises(ActionTimedOut):
            await client.list_action("Status", timeout=timedelta(milliseconds=20))
        action_id = ami.named("Status")[0]["ActionID"]
        ami.send(event("Status", ("ActionID", action_id)), numbered(5))
        assert numbers(await take(client, 1)) == ["5"]


async def test_an_originate_response_is_news_although_it_carries_the_actions_id(
    ami: ScriptedAmi,
) -> None:
    ami.answers["Originate"] = lambda action: (
        success(action, ("Message", "Originate successfully queued"))
        + event("OriginateResponse", ("ActionID", action["ActionID"]), ("Response", "Failure"))
    )
    async with connected(ami) as client:
        await client.action("Originate", {"Channel": "PJSIP/1001", "Async": "true"})
        (response,) = await take(client, 1)
        assert (response.name, response["Response"]) == ("OriginateResponse", "Failure")


async def test_an_event_that_overtakes_the_response_of_its_action_is_news(
    ami: ScriptedAmi,
) -> None:
    ami.answers["Originate"] = lambda action: (
        event("OriginateResponse", ("ActionID", action["ActionID"]), ("Response", "Success"))
        + success(action)
    )
    async with connected(ami) as client:
        await client.action("Originate", {"Channel": "PJSIP/1001"})
        assert (await take(client, 1))[0].name == "OriginateResponse"


async def test_an_event_named_failure_is_not_success_and_result_is_not_url_unquoted(
    ami: ScriptedAmi,
) -> None:
    ami.answers["Command"] = lambda action: packet(
        ("Response", "Failure"), ("ActionID", action["ActionID"]), ("Message", "a%20b")
    )
    async with connected(ami) as client:
        with pytest.raises(ActionRefused, match="a%20b"):
            await client.action("Command", {"Command": "x"})


async def test_a_line_break_in_a_value_injects_no_action(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        with pytest.raises(UnsafeValue):
            await client.action(
                "QueuePause", {"Reason": "lunch\r\n\r\nAction: Command\r\nCommand: core stop now"}
            )
        await client.action("Ping")
        assert [each["Action"] for each in ami.actions] == ["Login", "Ping"]


async def test_panoramisks_own_ways_to_send_are_closed(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        for way in (client.send_action, client.send_command, client.connect):
            with pytest.raises(TypeError):
                way({"Action": "Originate"})


async def test_answers_are_matched_by_id_and_not_by_order(ami: ScriptedAmi) -> None:
    waiting: list[Headers] = []

    def both(action: Headers) -> bytes:
        waiting.append(action)
        if len(waiting) < 2:
            return b""
        return b"".join(success(each, ("Value", each["Variable"])) for each in reversed(waiting))

    ami.answers["Getvar"] = both
    async with connected(ami) as client:
        answers = await asyncio.gather(
            *(client.action("Getvar", {"Variable": name}) for name in ("A", "B"))
        )
        assert [answer["Value"] for answer in answers] == ["A", "B"]


async def test_an_asker_who_is_cancelled_leaves_nothing_behind(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        asking = asyncio.create_task(client.action("Redirect"))
        await eventually(lambda: ami.named("Redirect"))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert client._link is not None
        assert len(client._link.pending) == 0
        await client.action("Ping")


# Events.


async def test_a_name_cut_in_the_middle_of_a_character_loses_nothing(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        wire = event("Newchannel", ("CallerIDName", "王小明 Čeština"))
        for at in range(len(wire)):
            ami.send(wire[at : at + 1])
            await asyncio.sleep(0)
        (channel,) = await take(client, 1)
        assert channel["CallerIDName"] == "王小明 Čeština"


async def test_events_keep_their_order_however_slow_the_consumer(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        ami.send(numbered(*range(300)))
        seen: list[str] = []
        async for each in client.events():
            await asyncio.sleep(0)
            seen.append(each["N"])
            if len(seen) == 300:
                break
        assert seen == [str(n) for n in range(300)]


async def test_a_doubled_event_header_does_not_close_the_connection(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        ami.send(event("UserEvent", ("Event", "Hangup")), numbered(1))
        doubled, after = await take(client, 2)
        assert (doubled.name, after["N"]) == ("UserEvent", "1")
        assert client.counters.reconnects == 0


async def test_an_exception_in_a_hook_does_not_close_the_connection_or_drop_the_batch(
    ami: ScriptedAmi,
) -> None:
    def planted(before: int, after: int) -> None:
        raise ValueError("planted")

    async with connected(ami, on_gap=planted) as client:
        ami.send(
            event("E", ("SequenceNumber", "1"), ("N", "1")),
            event("E", ("SequenceNumber", "5"), ("N", "2")),
            numbered(3),
        )
        assert numbers(await take(client, 3)) == ["1", "2", "3"]
        assert (client.counters.hook_failures, client.counters.reconnects) == (1, 0)


async def test_junk_between_events_is_counted_and_loses_no_event(ami: ScriptedAmi) -> None:
    async with connected(ami, max_message=1000) as client:
        ami.send(
            numbered(1), b"what is this\r\n\r\n", b"X: " + b"y" * 5000 + b"\r\n\r\n", numbered(2)
        )
        assert numbers(await take(client, 2)) == ["1", "2"]
        assert client.counters.rejects == 2


async def test_unwanted_events_are_counted_by_name_and_their_numbers_still_watched(
    ami: ScriptedAmi,
) -> None:
    gaps: list[tuple[int, int]] = []
    async with connected(
        ami, wanted=frozenset({"E"}), on_gap=lambda *gap: gaps.append(gap)
    ) as client:
        ami.send(
            *(event("VarSet", ("SequenceNumber", str(n))) for n in (7, 8, 9)),
            event("E", ("SequenceNumber", "10"), ("N", "1")),
            event("VarSet", ("SequenceNumber", "14")),
            event("E", ("SequenceNumber", "15"), ("N", "2")),
        )
        assert numbers(await take(client, 2)) == ["1", "2"]
        assert gaps == [(10, 14)]
        assert (client.counters.unwanted, client.counters.gaps, client.counters.gap_events) == (
            4,
            1,
            3,
        )


async def test_a_gap_over_a_reconnect_is_found(ami: ScriptedAmi) -> None:
    gaps: list[tuple[int, int]] = []
    async with connected(ami, on_gap=lambda *gap: gaps.append(gap)) as client:
        ami.send(event("E", ("SequenceNumber", "100")))
        await take(client, 1)
        ami.after_login = event("E", ("SequenceNumber", "130"))
        ami.drop()
        await take(client, 1)
        assert gaps == [(100, 130)]
        ami.after_login = event("E", ("SequenceNumber", "3"))  # Asterisk was restarted
        ami.drop()
        await take(client, 1)
        assert gaps[1:] == [(130, 3)]
        assert client.counters.gap_events == 29


async def test_events_wait_while_the_snapshot_is_taken_and_come_after_it_in_order(
    ami: ScriptedAmi,
) -> None:
    story: list[str] = []
    ami.after_login = numbered(1, 2)
    ami.answers["CoreShowChannels"] = lambda action: (
        success(action, ("EventList", "start"))
        + numbered(3)
        + event("Complete", ("ActionID", action["ActionID"]), ("EventList", "Complete"))
    )

    async def snapshot(client: AmiClient) -> None:
        await client.list_action("CoreShowChannels")
        story.append("snapshot")

    async def consume(client: AmiClient) -> None:
        async for each in client.events():
            story.append(each["N"])  # noqa: PERF401 - one at a time is the point

    async with connected(ami, ready=False, on_connected=snapshot) as client:
        consumer = asyncio.create_task(consume(client))
        await eventually(lambda: len(story) == 4)
        ami.send(numbered(4))
        await eventually(lambda: len(story) == 5)
        ami.after_login = numbered(6)
        ami.send(numbered(5))
        await eventually(lambda: len(story) == 6)
        ami.drop()
        await eventually(lambda: len(story) == 9)
        await client.close()
        await consumer
    assert story == ["snapshot", "1", "2", "3", "4", "5", "snapshot", "6", "3"]


async def test_what_the_old_link_brought_is_read_out_before_the_next_snapshot(
    ami: ScriptedAmi,
) -> None:
    story: list[str] = []

    async def snapshot(_: AmiClient) -> None:
        story.append("snapshot")

    async with connected(ami, on_connected=snapshot) as client:
        ami.send(numbered(1, 2, 3))
        await eventually(lambda: client.counters.events == 3)
        ami.after_login = numbered(4)
        ami.drop()
        await eventually(lambda: client.counters.events == 4)
        for _ in range(4):
            story += numbers(await take(client, 1))
    assert story == ["snapshot", "1", "2", "3", "snapshot", "4"]


async def test_a_failing_snapshot_drops_the_link_and_is_taken_again(ami: ScriptedAmi) -> None:
    attempts: list[int] = []

    async def snapshot(_: AmiClient) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("planted")

    async with connected(ami, on_connected=snapshot) as client:
        assert len(attempts) == 2
        assert client.counters.hook_failures == 1


async def test_reading_stops_at_the_high_water_mark_and_goes_on_after_it(ami: ScriptedAmi) -> None:
    async with connected(ami, high_water=100, queue_size=100_000) as client:
        total = 60_000
        for start in range(0, total, 1000):
            ami.send(numbered(*range(start, start + 1000)))
        await eventually(lambda: client.counters.pauses)
        handed = client.counters.events
        for _ in range(50):
            await asyncio.sleep(0)
        assert client.counters.events == handed < total
        async with asyncio.timeout(20):
            for n in range(total):
                assert (await client.get())["N"] == str(n)
        assert (client.counters.overflows, client.counters.reconnects) == (0, 0)
        assert len(our_tasks()) <= 3


async def test_a_paused_link_is_not_taken_for_a_dead_peer(ami: ScriptedAmi) -> None:
    limits = {"ping_every": timedelta(milliseconds=5), "ping_deadline": timedelta(milliseconds=20)}
    async with connected(ami, high_water=10, **limits) as client:
        ami.send(numbered(*range(10)))
        await eventually(lambda: client.counters.pauses)
        await asyncio.sleep(0.1)  # five ping deadlines in which nothing may happen
        assert client.counters.pings_missed == 0
        assert client.status.state is LinkState.CONNECTED
        assert len(await take(client, 10)) == 10
        pings = len(ami.named("Ping"))
        await eventually(lambda: len(ami.named("Ping")) > pings)


async def test_reading_goes_on_while_the_snapshot_is_taken_however_many_events_wait(
    ami: ScriptedAmi,
) -> None:
    async def snapshot(client: AmiClient) -> None:
        await client.action("CoreStatus")

    options = {"high_water": 10, "on_connected": snapshot, "ready": False}
    async with connected(ami, **options) as client:
        await eventually(lambda: ami.named("CoreStatus"))
        ami.send(numbered(*range(50)))
        await eventually(lambda: client.counters.events == 50)
        ami.send(success(ami.named("CoreStatus")[0]))
        await client.wait_ready(FIVE_SECONDS)
        assert numbers(await take(client, 50)) == [str(n) for n in range(50)]
        assert client.counters.reconnects == 0


async def test_a_full_queue_is_an_alarm_and_a_new_snapshot_and_never_a_silent_loss(
    ami: ScriptedAmi,
) -> None:
    snapshots: list[int] = []

    async def snapshot(_: AmiClient) -> None:
        snapshots.append(1)

    options = {"queue_size": 10, "high_water": 1000, "on_connected": snapshot}
    async with connected(ami, **options) as client:
        ami.send(numbered(*range(25)))
        await eventually(lambda: client.counters.overflows == 1)
        # What was in the queue is delivered, then comes the snapshot: nothing from behind the gap.
        assert numbers(await take(client, 10)) == [str(n) for n in range(10)]
        waiting = asyncio.create_task(client.get())
        await eventually(lambda: len(snapshots) == 2)
        await client.wait_ready(FIVE_SECONDS)
        ami.send(numbered(99))
        async with asyncio.timeout(5):
            assert (await waiting)["N"] == "99"


async def test_the_events_end_when_the_client_is_closed(ami: ScriptedAmi) -> None:
    async with connected(ami) as client:
        ami.send(numbered(1))
        await eventually(lambda: client.counters.events == 1)
        await client.close()
        assert [each["N"] async for each in client.events()] == ["1"]
        with pytest.raises(LinkLost):
            await client.get()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
# pyst2's reader thread now and then reads on from the socket that it has closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_pyst2_the_independent_client_gets_the_same_answer(ami: ScriptedAmi) -> None:
    ami.answers["QueueSummary"] = lambda action: success(action, ("Queue", "general"))
    manager = Pyst2Manager()

    def ask_with_pyst2() -> str:
        manager.connect("127.0.0.1", ami.port)
        manager.login(ami.username, ami.secret)
        return str(manager.send_action({"Action": "QueueSummary"}).get_header("Queue"))

    async with asyncio.timeout(10):
        async with connected(ami) as client:
            ours = await client.action("QueueSummary")
        theirs = await asyncio.to_thread(ask_with_pyst2)
        # Its logoff() flushes a socket that its reader may have closed meanwhile: the server ends
        # the connection instead, and only then is pyst2 told to end its threads.
        ami.drop()
        await eventually(lambda: not manager.connected())
        await asyncio.to_thread(manager.close)
    assert theirs == ours["Queue"] == "general"
