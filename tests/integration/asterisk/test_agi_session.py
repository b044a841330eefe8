"""A flow's CallSession on the wire: which commands Asterisk gets, what its replies mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from callcenter.asterisk.agi import AgiCallSession, AgiRequest, AgiServer, AgiSettings
from callcenter.asterisk.errors import UnsafeValue
from callcenter.ivr.exits import EnterQueue, HangUp
from callcenter.ivr.session import CallerHungUp, CallSession, Step
from callcenter.testing.eventually import eventually
from callcenter.testing.fake_asterisk import FakeAsterisk

pytestmark = pytest.mark.integration

CALL = "0b6f6ad5-6b0a-4a39-9d7b-4d8c2f0f4a11"
FIVE_SECONDS = timedelta(seconds=5)
Flow = Callable[[CallSession], Awaitable[object]]


@pytest.fixture
def prompts(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("welcome", "menu"):
        (tmp_path / f"{name}.wav").write_bytes(b"\0" * 16_000)
    return tmp_path / "welcome", tmp_path / "menu.wav"


class Played:
    """A flow played against scripted replies."""

    def __init__(self) -> None:
        self.result: object = None
        self.commands: list[list[str]] = []
        self.server = AgiServer(AgiSettings(port=0))

    async def __call__(self, flow: Flow, *replies: str, node: str = "") -> object:
        async def handler(request: AgiRequest) -> None:
            session = AgiCallSession(request, self.server.counters)
            try:
                self.result = await flow(session)
            except Exception as fault:
                self.result = fault
                raise

        self.server.add_route("flow", handler)
        port = await self.server.serve()
        try:
            async with FakeAsterisk(port, "flow", CALL, "12345", node) as call, asyncio.timeout(5):
                for reply in replies:
                    words = await call.command()
                    assert words is not None
                    call.reply(reply)
                assert await call.command() is None
                self.commands = call.commands
        finally:
            await self.server.close(timedelta(0))
        return self.result


async def test_the_arguments_are_call_line_and_the_node_to_go_on_from() -> None:
    async def flow(session: CallSession) -> object:
        return str(session.call_id), session.line, session.resume_node

    assert await Played()(flow, node="menu") == (CALL, "12345", "menu")
    assert await Played()(flow) == (CALL, "12345", None)


async def test_a_call_id_that_is_no_uuid_is_refused_and_the_connection_closed() -> None:
    played = Played()

    async def handler(request: AgiRequest) -> None:
        AgiCallSession(request, played.server.counters)

    played.server.add_route("flow", handler)
    port = await played.server.serve()
    async with FakeAsterisk(port, "flow", "not-a-uuid", "12345") as call:
        assert await call.command() is None
    await eventually(lambda: played.server.counters.failed == 1)
    await played.server.close(timedelta(0))


@pytest.mark.parametrize(
    ("reply", "keys"),
    [
        ("200 result=1", "1"),
        ("200 result=1234", "1234"),
        ("200 result=12 (timeout)", "12"),
        ("200 result= (timeout)", None),
        ("200 result=", "#"),
        ("200 result=*", "*"),
    ],
)
async def test_asking_with_one_prompt_is_one_get_data(
    prompts: tuple[Path, Path], reply: str, keys: str | None
) -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return await session.ask([prompts[1]], timeout=FIVE_SECONDS, max_digits=1)

    assert await played(flow, reply) == keys
    assert played.commands == [["GET", "DATA", str(prompts[1])[:-4], "5000", "1"]]


@pytest.mark.parametrize(
    ("value", "keys"),
    [("OK:12", "12"), ("TIMEOUT:", None), ("OK:", "#"), ("TIMEOUT:7", "7"), ("HANGUP:", "gone")],
)
async def test_entering_a_menu_of_several_prompts_is_one_gosub_and_one_variable(
    prompts: tuple[Path, Path], value: str, keys: str | None
) -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return await session.ask(
            prompts,
            timeout=timedelta(seconds=2.5),
            max_digits=10,
            entering=Step("menu", "main", 7, "i"),
        )

    result = await played(flow, "200 result=0 Gosub complete", f"200 result=1 ({value})")
    assert isinstance(result, CallerHungUp) if keys == "gone" else result == keys
    files = f"{prompts[0]}&{prompts[1]}".removesuffix(".wav")
    assert played.commands == [
        ["GOSUB", "sub-ivr-ask", "s", "1", f"menu,i,main,7,{files},10,2.5"],
        ["GET", "FULL", "VARIABLE", "${READSTATUS}:${CC_KEYS}"],
    ]


async def test_asking_without_a_prompt_waits_in_silence() -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return await session.ask([], timeout=FIVE_SECONDS)

    assert await played(flow, "200 result= (timeout)") is None
    assert played.commands == [["GET", "DATA", "", "5000", "1"]]


async def test_playing_is_one_round_trip_and_tells_the_key_that_interrupted(
    prompts: tuple[Path, Path],
) -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return [
            await session.play(prompts[:1]),
            await session.play(prompts[:1]),
            await session.play(prompts),
            await session.play(prompts),
            await session.play([]),
        ]

    result = await played(
        flow, "200 result=49 endpos=8", "200 result=0 endpos=8", "200 result=35", "200 result=0"
    )
    assert result == ["1", None, "#", None, None]
    files = f"{prompts[0]}&{prompts[1]}".removesuffix(".wav")
    assert played.commands[0] == ["STREAM", "FILE", str(prompts[0]), "0123456789*#"]
    assert played.commands[2] == ["EXEC", "Background", f"{files},,,sub-ivr-step"]


async def test_a_caller_who_hangs_up_while_listening_ends_the_flow(
    prompts: tuple[Path, Path],
) -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return await session.play(prompts[:1])

    assert isinstance(await played(flow, "200 result=-1 endpos=8"), CallerHungUp)
    assert (played.server.counters.hung_up, played.server.counters.failed) == (1, 0)


async def test_a_prompt_that_is_not_on_disk_is_passed_over_and_counted(
    prompts: tuple[Path, Path], tmp_path: Path
) -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        await session.play([tmp_path / "nowhere"])
        return await session.ask([tmp_path / "nowhere", prompts[0]], timeout=FIVE_SECONDS)

    assert await played(flow, "200 result=3") == "3"
    assert played.commands == [["GET", "DATA", str(prompts[0]), "5000", "1"]]
    assert played.server.counters.prompts_missing == 2


@pytest.mark.parametrize("name", ["a&b", "a b", "a,b", 'a"b', "a\nb", "../x", "中", "${X}"])
async def test_a_path_with_other_characters_is_refused(name: str, tmp_path: Path) -> None:
    async def flow(session: CallSession) -> object:
        return await session.play([tmp_path / name])

    assert isinstance(await Played()(flow), UnsafeValue)


async def test_entering_a_node_is_one_gosub() -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        await session.entered(Step("menu", "main", 7, "*1"))
        return await session.entered(Step("bye", "main", 7))

    await played(flow, "200 result=0 Gosub complete", "200 result=0 Gosub complete")
    assert played.commands == [
        ["GOSUB", "sub-ivr-step", "s", "1", "menu,*1,main,7"],
        ["GOSUB", "sub-ivr-step", "s", "1", "bye,,main,7"],
    ]


async def test_values_that_the_dialplan_would_read_as_its_own_are_refused() -> None:
    async def flow(session: CallSession) -> object:
        for value in ("a,b", "${X}", "a&b", "a b"):
            with pytest.raises(UnsafeValue):
                await session.entered(Step(value, "main", 1))
            with pytest.raises(UnsafeValue):
                await session.leave(EnterQueue(value, why="flow"))
            with pytest.raises(UnsafeValue):
                await session.set_language(value)
        return "all refused"

    assert await Played()(flow) == "all refused"


async def test_leaving_writes_the_queue_first_and_the_decision_last() -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        await session.set_language("en")
        return await session.leave(EnterQueue("general", why="flow"))

    await played(flow, "200 result=0", "200 result=1", "200 result=1")
    assert played.commands == [
        ["EXEC", "MSet", "CHANNEL(language)=en,__CC_LANGUAGE=en"],
        ["EXEC", "MSet", "CC_QUEUE=general"],
        ["SET", "VARIABLE", "CC_NEXT", "queue"],
    ]


async def test_leaving_without_a_queue_is_one_command() -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        return await session.leave(HangUp())

    await played(flow, "200 result=1")
    assert played.commands == [["SET", "VARIABLE", "CC_NEXT", "hangup"]]


async def test_what_was_foretold_rides_along_with_the_queue() -> None:
    played = Played()

    async def flow(session: CallSession) -> object:
        wait = timedelta(seconds=95, milliseconds=600)
        return await session.leave(EnterQueue("legal", priority=10, position=3, wait=wait))

    await played(flow, "200 result=1", "200 result=1")
    assert played.commands == [
        ["EXEC", "MSet", "CC_QUEUE=legal,CC_PRIORITY=10,CC_POSITION=3,CC_ESTIMATE=96"],
        ["SET", "VARIABLE", "CC_NEXT", "queue"],
    ]
