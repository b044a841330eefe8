"""Who waits in a queue is offered to be called back, and never loses the place by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from callcenter.ivr.conversation import Around, Conversation
from callcenter.ivr.desk import ClosedDesk, NotToThere
from callcenter.ivr.dialogues.callback import offer_callback
from callcenter.ivr.exits import CallBack, EnterQueue, FlowExit
from callcenter.ivr.handler import IvrService, QueuedCall
from callcenter.ivr.session import CallerHungUp
from callcenter.platform.errors import Unavailable
from callcenter.testing.sample_flow import VOICE, plan
from callcenter.testing.scripted_caller import HANG_UP, Press, ScriptedCaller
from tests.unit.ivr.test_handler import KnownPlan

pytestmark = pytest.mark.unit

CALLER = "+8613800138000"
WAITS_ON = EnterQueue("legal", why="back")


@dataclass
class Desk(ClosedDesk):
    """Takes numbers that begin with 0 or +."""

    is_away: bool = False
    taken: list[tuple[str, str]] = field(default_factory=list)

    async def take_callback(
        self, call_id: UUID, line: str, *, queue: str, number: str, language: str
    ) -> None:
        if self.is_away:
            raise Unavailable
        if number[0] not in "0+":
            raise NotToThere
        self.taken.append((queue, number))


async def offer(
    presses: Sequence[Press], desk: Desk, caller: str | None = CALLER
) -> tuple[FlowExit | None, ScriptedCaller]:
    async def open_case(_call: QueuedCall) -> None:
        raise AssertionError("the case is there already")

    ivr = IvrService(
        KnownPlan(plan()),  # type: ignore[arg-type]
        VOICE,
        open_case,
        around=Around(desk),
    )
    session = ScriptedCaller(presses, caller=caller, language="zh")
    await ivr.offer_callback(session, "legal")
    assert max(session.trips_per_step) <= 3, session.path
    return session.exit, session


async def test_one_key_takes_the_number_the_caller_hears() -> None:
    desk = Desk()
    exit, session = await offer(["1"], desk)
    assert (exit, desk.taken) == (CallBack("legal"), [("legal", CALLER)])
    heard = [str(path) for path in session.heard]
    spoken = heard[1 : heard.index("zh_callback_offer")]
    assert heard[0] == "zh_callback_offer_known"
    assert spoken == ["zh#digits:13800138000"], "as the caller knows it"
    assert heard[-1] == "zh_callback_taken"


async def test_another_number_is_keyed_and_read_back() -> None:
    desk = Desk()
    exit, _ = await offer(["2", "0411123", "2", "0411124#", "1"], desk)
    assert (exit, desk.taken) == (CallBack("legal"), [("legal", "0411124")])


async def test_a_caller_without_a_number_keys_one() -> None:
    desk = Desk()
    exit, _ = await offer(["0411123", "1"], desk, caller=None)
    assert (exit, desk.taken) == (CallBack("legal"), [("legal", "0411123")])


@pytest.mark.parametrize(
    "presses",
    [
        [],
        [None],
        ["0"],
        ["9", "8", "7"],
        ["2"],
        ["2", "0"],
        ["2", "9001234", "1", "9001234", "1", "9001234", "1"],
        ["2", "12", "12", "12"],
    ],
)
async def test_whoever_leaves_no_number_goes_on_waiting(presses: list[Press]) -> None:
    desk = Desk()
    exit, session = await offer(presses, desk)
    assert (exit, desk.taken) == (WAITS_ON, [])
    assert str(session.heard[-1]) == "zh_callback_back"


async def test_who_was_given_up_by_the_queue_is_not_told_to_wait() -> None:
    caller = ScriptedCaller([], caller=CALLER, language="zh")
    talk = Conversation(plan(), caller, VOICE, Around(Desk()))
    assert await offer_callback(talk, "legal", waits=False) == WAITS_ON
    assert "zh_callback_back" not in [str(path) for path in caller.heard]


async def test_a_wish_that_cannot_be_written_down_is_no_wish() -> None:
    exit, _ = await offer(["1"], Desk(is_away=True))
    assert exit == WAITS_ON


async def test_a_fault_of_ours_lets_the_caller_wait_on() -> None:
    class Broken(Desk):
        async def take_callback(self, *_: object, **__: object) -> None:
            raise ValueError("13800138000")

    exit, _ = await offer(["1"], Broken())
    assert exit == EnterQueue("legal")


async def test_who_hangs_up_is_gone() -> None:
    with pytest.raises(CallerHungUp):
        await offer([HANG_UP], Desk())
