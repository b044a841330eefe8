"""The FastAGI server over real sockets: each defect of panoramisk 1.4's server, by name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from callcenter.asterisk.agi import AgiCounters, AgiRequest, AgiServer, AgiSettings, answers_ping
from callcenter.asterisk.errors import (
    CommandRefused,
    CommandTimedOut,
    ReplyGarbled,
    UnsafeValue,
)
from callcenter.ivr.session import CallerHungUp
from callcenter.testing.eventually import eventually
from callcenter.testing.fake_asterisk import FakeAsterisk

pytestmark = pytest.mark.integration

CALL = "0b6f6ad5-6b0a-4a39-9d7b-4d8c2f0f4a11"
ONE_SECOND = timedelta(seconds=1)


@asynccontextmanager
async def serving(
    handler: Callable[[AgiRequest], Awaitable[None]] | None = None,
    settings: AgiSettings | None = None,
) -> AsyncIterator[tuple[AgiServer, int]]:
    server = AgiServer(settings or AgiSettings(port=0))
    if handler is not None:
        server.add_route("flow", handler)
    port = await server.serve()
    try:
        yield server, port
    finally:
        await server.close(timedelta(0))


async def three_commands(request: AgiRequest) -> None:
    for name in ("A", "B", "C"):
        await request.command("SET VARIABLE", "X", name)


async def an_ordinary_call(port: int) -> list[list[str]]:
    async with FakeAsterisk(port, "flow", CALL, "12345", "") as call:
        await call.converse({"SET": "200 result=1"})
        return call.commands


async def outcome_of(
    script: Callable[[FakeAsterisk], Awaitable[None]],
    handler: Callable[[AgiRequest], Awaitable[object]],
) -> object:
    """What the handler returned or raised while the script played Asterisk."""
    result: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def noted(request: AgiRequest) -> None:
        try:
            result.set_result(await handler(request))
        except BaseException as fault:
            result.set_result(fault)
            raise

    async with serving(noted) as (_, port), FakeAsterisk(port, "flow", CALL) as call:
        async with asyncio.timeout(10):
            await script(call)
            return await result


async def test_an_ordinary_session_runs_to_its_end() -> None:
    async with serving(three_commands) as (server, port):
        assert await an_ordinary_call(port) == [["SET", "VARIABLE", "X", name] for name in "ABC"]
        assert server.counters == AgiCounters(connections=1, sessions=1)


# Connections that are no session.


async def test_a_bare_connect_and_close_does_not_freeze_the_loop() -> None:
    async with serving(three_commands) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.close()
        await eventually(lambda: server.counters.closed_early == 1)
        assert len(await an_ordinary_call(port)) == 3


async def test_half_a_header_and_then_the_end_is_closed_and_counted() -> None:
    async with serving(three_commands) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"agi_network_script: flow\nagi_chan")
        await asyncio.sleep(0)
        assert stranger._writer is not None
        stranger._writer.write_eof()
        assert await stranger.closed() == b""
        assert server.counters.closed_early == 1
        stranger.close()


async def test_a_slow_header_is_closed_after_its_time() -> None:
    settings = AgiSettings(port=0, header_timeout=timedelta(milliseconds=100))
    async with serving(three_commands, settings) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"a")
        assert await stranger.closed() == b""
        assert server.counters.header_too_slow == 1
        stranger.close()


async def test_a_megabyte_without_a_blank_line_is_closed() -> None:
    async with serving(three_commands) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"agi_network_script: flow\n" + b"x" * 1_000_000)
        assert await stranger.closed() == b""
        assert server.counters.header_too_long == 1
        stranger.close()


async def test_a_header_over_the_limit_is_refused_even_when_it_comes_at_once() -> None:
    settings = AgiSettings(port=0, max_header=1000)
    async with serving(three_commands, settings) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"agi_network_script: flow\nagi_x: " + b"x" * 1000 + b"\n\n")
        assert await stranger.closed() == b""
        assert server.counters.header_too_long == 1
        stranger.close()


async def test_an_invalid_utf8_header_closes_that_connection_only() -> None:
    async with serving(three_commands) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"agi_network_script: flow\nagi_calleridname: \xff\xfe\n\n")
        assert await stranger.closed() == b""
        stranger.close()
        assert server.counters.header_garbled == 1
        assert len(await an_ordinary_call(port)) == 3


async def test_a_header_without_a_script_and_an_unknown_route_are_closed() -> None:
    async with serving(three_commands) as (server, port):
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write(b"agi_network: yes\n\n")
        assert await stranger.closed() == b""
        stranger.close()
        async with FakeAsterisk(port, "nonsense") as call:
            assert await call.command() is None
        assert (server.counters.header_garbled, server.counters.no_route) == (1, 1)


async def test_a_thousand_strangers_do_not_disturb_a_session() -> None:
    async def echo(request: AgiRequest) -> None:
        while (await request.command("GET VARIABLE", "GO_ON")).value == "yes":
            pass

    async def strange(port: int, kind: int) -> None:
        stranger = FakeAsterisk(port, "flow")
        await stranger.connect()
        stranger.write((b"", b"a", b"x" * 1_000_000)[kind])
        if kind == 2:
            await stranger.closed()
        stranger.close()

    async def flood(port: int) -> None:
        for start in range(0, 1000, 50):
            await asyncio.gather(*(strange(port, n % 3) for n in range(start, start + 50)))

    async with serving(echo) as (server, port), FakeAsterisk(port, "flow", CALL) as call:
        flooding = asyncio.create_task(flood(port))
        loop = asyncio.get_running_loop()
        slowest, rounds = 0.0, 0
        while not flooding.done():
            began = loop.time()
            assert await call.command() == ["GET", "VARIABLE", "GO_ON"]
            slowest = max(slowest, loop.time() - began)
            call.reply("200 result=1 (yes)")
            rounds += 1
        await flooding
        assert await call.command() is not None
        call.reply("200 result=1 (no)")
        assert await call.command() is None
        counters = server.counters
        await eventually(lambda: counters.closed_early + counters.header_too_long == 1000)
        await eventually(lambda: not server._connections)
        assert rounds > 20
        # The flood runs in this very loop; a session waits for its turn and for nothing else.
        assert slowest < 1.0
        assert server.counters.failed == server.counters.hung_up == 0


# Replies.


async def test_bytes_after_the_blank_line_are_kept() -> None:
    seen: list[bool] = []

    async def noted(request: AgiRequest) -> None:
        try:
            await request.command("NOOP")
        finally:
            seen.append(request.hung_up)

    async with serving(noted) as (server, port):
        call = FakeAsterisk(port, "flow", CALL)
        await call.connect()
        call.write(call.header + b"HANGUP\n")  # one segment
        assert await call.command() == ["NOOP"]
        call.reply("200 result=0")
        assert await call.command() is None
        assert seen == [True]
        assert server.counters.hung_up == 1
        call.close()


async def test_an_inband_hangup_does_not_shift_later_replies() -> None:
    replies: list[str | None] = []

    async def handler(request: AgiRequest) -> object:
        replies.append((await request.command("GET VARIABLE", "A")).value)
        with pytest.raises(CallerHungUp):
            await request.command("GET VARIABLE", "B")
        # The pairing held: B's reply was read, and after the hang-up nothing more is sent.
        return await request.command("GET VARIABLE", "C")

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.reply("200 result=1 (a)")
        await call.command()
        call.hang_up()
        call.reply("200 result=1 (b)")
        assert await call.command() is None
        assert call.commands == [["GET", "VARIABLE", "A"], ["GET", "VARIABLE", "B"]]

    assert isinstance(await outcome_of(script, handler), CallerHungUp)
    assert replies == ["a"]


async def test_a_hangup_that_no_reply_follows_ends_soon() -> None:
    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.hang_up()

    async def handler(request: AgiRequest) -> object:
        return await request.command("GET DATA", "x", 5000, 1, timeout=timedelta(minutes=5))

    assert isinstance(await outcome_of(script, handler), CallerHungUp)


async def test_the_end_of_the_stream_is_a_hangup_and_not_a_value_error() -> None:
    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.close()

    async def handler(request: AgiRequest) -> object:
        return await request.command("NOOP")

    assert isinstance(await outcome_of(script, handler), CallerHungUp)


async def test_nothing_is_written_after_the_end_of_the_stream() -> None:
    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.close()

    async def handler(request: AgiRequest) -> object:
        for _ in range(2):
            with pytest.raises(CallerHungUp):
                await request.command("NOOP")
        return "both refused"

    assert await outcome_of(script, handler) == "both refused"


async def test_a_multi_line_520_does_not_break_the_pairing() -> None:
    async def handler(request: AgiRequest) -> object:
        with pytest.raises(CommandRefused, match="520"):
            await request.command("GET DATA")
        return (await request.command("GET VARIABLE", "A")).value

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.reply(
            "520-Invalid command syntax.  Proper usage follows:",
            " Usage: GET DATA <file to be streamed> [timeout] [max digits]",
            "	Stream the given file, and receive DTMF data.",
            "",
            "520 End of proper usage.",
        )
        await call.command()
        call.reply("200 result=1 (a)")

    assert await outcome_of(script, handler) == "a"


async def test_code_511_is_a_hangup() -> None:
    async def handler(request: AgiRequest) -> object:
        return await request.command("GET DATA", "x")

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.reply("511 Command Not Permitted on a dead channel or intercept routine")

    assert isinstance(await outcome_of(script, handler), CallerHungUp)


async def test_result_minus_one_is_a_hangup() -> None:
    async def handler(request: AgiRequest) -> object:
        return await request.command("STREAM FILE", "x", "")

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.reply("200 result=-1 endpos=400")

    assert isinstance(await outcome_of(script, handler), CallerHungUp)


async def test_a_missing_subroutine_is_a_refusal_and_not_a_hangup() -> None:
    async def handler(request: AgiRequest) -> object:
        with pytest.raises(CommandRefused, match="label not found"):
            await request.command("GOSUB", "nowhere", "s", 1)
        with pytest.raises(CommandRefused, match="510"):
            await request.command("NONSENSE")
        with pytest.raises(CommandRefused, match="-2"):
            await request.command("EXEC", "Nonsense", "")
        return (await request.command("GOSUB", "there", "s", 1)).text

    async def script(call: FakeAsterisk) -> None:
        for lines in (
            ["200 result=-1 Gosub label not found"],
            ["510 Invalid or unknown command"],
            ["200 result=-2"],
            ["100 result=0 Trying...", "200 result=0 Gosub complete"],
        ):
            await call.command()
            call.reply(*lines)

    assert await outcome_of(script, handler) == "Gosub complete"


async def test_a_caller_whose_name_is_hangup_is_not_taken_for_a_hangup() -> None:
    async def handler(request: AgiRequest) -> object:
        first = await request.command("GET VARIABLE", "CALLERID(name)")
        second = await request.command("GET VARIABLE", "CALLERID(name)")
        return [first.value, second.value, request.hung_up]

    async def script(call: FakeAsterisk) -> None:
        for name in ("hangup", "HANGUP"):
            await call.command()
            call.reply(f"200 result=1 ({name})")

    assert await outcome_of(script, handler) == ["hangup", "HANGUP", False]


async def test_chinese_cut_in_the_middle_of_a_character_arrives_whole() -> None:
    async def handler(request: AgiRequest) -> object:
        return (await request.command("GET VARIABLE", "CALLERID(name)")).value

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        line = "200 result=1 (王小明)\n".encode()
        for byte in line:
            call.write(bytes([byte]))
            await asyncio.sleep(0)

    assert await outcome_of(script, handler) == "王小明"


async def test_a_garbled_reply_ends_the_trust_in_all_later_ones() -> None:
    async def handler(request: AgiRequest) -> object:
        for _ in range(2):
            with pytest.raises(ReplyGarbled):
                await request.command("NOOP")
        return "refused twice"

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        call.reply("what?")
        assert await call.command() is None
        assert len(call.commands) == 1

    assert await outcome_of(script, handler) == "refused twice"


async def test_a_command_has_a_time_limit_and_its_late_reply_is_never_taken_for_another() -> None:
    async def handler(request: AgiRequest) -> object:
        with pytest.raises(CommandTimedOut, match="GET VARIABLE"):
            await request.command("GET VARIABLE", "A", timeout=timedelta(milliseconds=50))
        with pytest.raises(ReplyGarbled):
            await request.command("GET VARIABLE", "B")
        return "done"

    async def script(call: FakeAsterisk) -> None:
        await call.command()
        assert await call.command() is None

    assert await outcome_of(script, handler) == "done"


async def test_two_tasks_on_one_call_keep_command_and_reply_paired() -> None:
    async def handler(request: AgiRequest) -> object:
        names = [f"V{n}" for n in range(50)]
        replies = await asyncio.gather(*(request.command("GET VARIABLE", n) for n in names))
        return [reply.value for reply in replies] == names

    async def script(call: FakeAsterisk) -> None:
        await call.converse(lambda words: f"200 result=1 ({words[2]})")

    assert await outcome_of(script, handler) is True


async def test_a_newline_in_an_argument_injects_no_command() -> None:
    async def handler(request: AgiRequest) -> object:
        with pytest.raises(UnsafeValue):
            await request.command("SET VARIABLE", "X", "a\nEXEC System rm")
        with pytest.raises(TypeError):
            await request.send_command("NOOP\nHANGUP")
        return (await request.command("SET VARIABLE", "X", 'say "hi" \\ ${X}')).result

    async def script(call: FakeAsterisk) -> None:
        await call.converse({"SET": "200 result=1"})
        assert call.commands == [["SET", "VARIABLE", "X", 'say "hi" \\ ${X}']]

    assert await outcome_of(script, handler) == "1"


# Routes and handlers.


async def test_a_query_string_in_the_url_still_finds_its_route() -> None:
    async with serving(three_commands) as (server, port):
        async with FakeAsterisk(port, "flow?line=12345") as call:
            await call.converse({"SET": "200 result=1"})
        assert len(call.commands) == 3
        assert server.counters.no_route == 0


def test_a_plain_function_as_route_is_refused_with_a_clear_type_error() -> None:
    server = AgiServer()

    def plain(request: AgiRequest) -> None: ...

    with pytest.raises(TypeError, match="async def"):
        server.add_route("flow", plain)  # type: ignore[arg-type]
    server.add_route("flow", three_commands)
    with pytest.raises(ValueError, match="already"):
        server.add_route("flow", three_commands)


async def test_cancellation_of_a_session_is_not_swallowed(caplog: pytest.LogCaptureFixture) -> None:
    cancelled = asyncio.Event()

    async def patient(request: AgiRequest) -> None:
        try:
            await request.command("GET DATA", "x", 0, 1, timeout=timedelta(minutes=5))
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(patient) as (server, port), FakeAsterisk(port, "flow") as call:
        await call.command()
        (task,) = server._connections
        await server.close(grace=timedelta(milliseconds=10))
        assert cancelled.is_set()
        assert task.cancelled()
        assert server.active == 0
        assert await call.command() is None
    assert caplog.text == ""


async def test_close_lets_sessions_end_within_the_grace() -> None:
    async with serving(three_commands) as (server, port), FakeAsterisk(port, "flow") as call:
        await call.command()
        closing = asyncio.create_task(server.close(grace=timedelta(seconds=5)))
        call.reply("200 result=1")
        await call.converse({"SET": "200 result=1"})
        await closing
        assert len(call.commands) == 3
        with pytest.raises(OSError, match="Connect"):
            await FakeAsterisk(port, "flow").connect()


async def test_a_failing_handler_is_logged_without_what_the_caller_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def failing(request: AgiRequest) -> None:
        raise RuntimeError("13800138000 pressed 4711")

    caplog.set_level(logging.DEBUG)
    async with serving(failing) as (server, port):
        async with FakeAsterisk(port, "flow", CALL, "12345") as call:
            assert await call.command() is None
        await eventually(lambda: server.counters.failed == 1)
        server.add_route("other", three_commands)
        async with FakeAsterisk(port, "other", CALL) as call:
            await call.converse({"SET": "200 result=1"})
        assert len(call.commands) == 3
    assert "RuntimeError" in caplog.text
    assert "flow" in caplog.text
    assert CALL in caplog.text
    assert "13800138000" not in caplog.text
    assert "4711" not in caplog.text


async def test_sessions_beyond_the_limit_are_refused_and_ping_is_still_answered() -> None:
    settings = AgiSettings(port=0, max_sessions=1)
    async with (
        serving(three_commands, settings) as (server, port),
        FakeAsterisk(port, "flow") as first,
    ):
        await first.command()
        async with FakeAsterisk(port, "flow") as second:
            assert await second.command() is None
        assert server.counters.too_many == 1
        assert await answers_ping("127.0.0.1", port, ONE_SECOND)
        first.reply("200 result=1")
        await first.converse({"SET": "200 result=1"})
        assert len(first.commands) == 3


async def test_the_watchdog_sees_a_living_loop_and_a_dead_port() -> None:
    async with serving() as (server, port):
        assert await answers_ping("127.0.0.1", port, ONE_SECOND)
        assert server.counters.pings == 1
    assert not await answers_ping("127.0.0.1", port, ONE_SECOND)


async def test_two_servers_share_one_port() -> None:
    first = AgiServer(AgiSettings(port=0, reuse_port=True))
    port = await first.serve()
    async with serving(three_commands, AgiSettings(port=port, reuse_port=True)) as (_, same):
        assert same == port
        # Whoever stops listening leaves the port to the other.
        await first.close()
        assert len(await an_ordinary_call(port)) == 3


async def test_the_call_id_is_read_from_the_first_argument_only_when_it_is_a_uuid() -> None:
    async def handler(request: AgiRequest) -> object:
        return (request.call_id, request.argument(2), request.argument(3), request.argument(4))

    async def script(call: FakeAsterisk) -> None:
        assert await call.command() is None

    async with asyncio.timeout(5):
        assert await outcome_of(script, handler) == (UUID(CALL), "", "", "")
