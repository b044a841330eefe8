"""From the first prompt to where the call goes; the case exists before the queue rings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from callcenter.ivr.door import Blocked, ClosedTo, Door
from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp, LeaveMessage, Refuse
from callcenter.ivr.flows import Straight
from callcenter.ivr.handler import IvrService, QueuedCall
from callcenter.ivr.runner import Plan
from callcenter.ivr.session import CallerHungUp
from callcenter.ivr.waits import wait_parts
from callcenter.queues.estimates.model import Foretold
from callcenter.testing.sample_flow import VOICE, flow, plan
from callcenter.testing.scripted_caller import HANG_UP, Early, ScriptedCaller

pytestmark = pytest.mark.unit


class KnownPlan:
    """Stands for the flow cache."""

    default_queue = "general"

    def __init__(self, known: Plan | Straight | Exception) -> None:
        self.known = known

    async def plan_for(self, _line: str) -> Plan | Straight:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known


class Cases:
    """Stands for the case room: remembers, fails, or takes for ever."""

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        self.opened: list[QueuedCall] = []
        self.fails = fails
        self.hangs = hangs

    async def open(self, call: QueuedCall) -> None:
        if self.fails:
            raise ValueError("13812345678")
        if self.hangs:
            await asyncio.Event().wait()
        self.opened.append(call)


def service(known: Plan | Straight | Exception, cases: Cases) -> IvrService:
    return IvrService(
        KnownPlan(known),  # type: ignore[arg-type]
        VOICE,
        cases.open,
        case_limit=timedelta(milliseconds=20),
    )


async def test_the_case_is_open_before_the_call_is_handed_on() -> None:
    cases, order = Cases(), []

    class Watched(ScriptedCaller):
        async def leave(self, exit: FlowExit) -> None:
            order.append(len(cases.opened))
            await super().leave(exit)

    caller = Watched(["3"])
    await service(plan(), cases).run(caller)
    assert order == [1]
    assert cases.opened == [QueuedCall(UUID(int=1), "12345", "legal", "flow")]
    assert caller.exit == EnterQueue("legal")


async def test_who_is_handed_on_to_another_unit_has_a_case_before_it_rings() -> None:
    cases, caller = Cases(), ScriptedCaller(["3"])
    handed_on = flow(legal={"type": "transfer", "to": "053188880002"})
    await service(plan(handed_on), cases).run(caller)
    assert cases.opened == [QueuedCall(UUID(int=1), "12345", "general", "transfer")]


async def test_a_caller_who_is_served_by_the_menu_has_no_case() -> None:
    cases, caller = Cases(), ScriptedCaller(["9"])
    await service(plan(), cases).run(caller)
    assert cases.opened == []
    assert caller.exit == HangUp()


@pytest.mark.parametrize(
    ("cases", "count"), [(Cases(fails=True), "case_failed"), (Cases(hangs=True), "case_late")]
)
async def test_a_case_that_cannot_be_opened_does_not_hold_the_caller(
    cases: Cases, count: str, caplog: pytest.LogCaptureFixture
) -> None:
    ivr, caller = service(plan(), cases), ScriptedCaller(["0"])
    await ivr.run(caller)
    assert caller.exit == EnterQueue("general")
    assert ivr.counts[count] == 1
    assert "13812345678" not in caplog.text


async def test_the_switch_speaks_the_line_s_language_from_the_start() -> None:
    caller = ScriptedCaller(["9"])
    await service(plan(language="en"), Cases()).run(caller)
    assert caller.languages == ["en"]


async def test_a_call_that_goes_on_keeps_the_language_it_had() -> None:
    caller = ScriptedCaller(["9"], resume_node="menu")
    await service(plan(), Cases()).run(caller)
    assert caller.languages == []


@pytest.mark.parametrize(
    ("straight", "languages"),
    [(Straight("legal", "en", "direct"), ["en"]), (Straight("general", None, "no_line"), [])],
)
async def test_a_line_without_a_menu_goes_straight_to_a_person(
    straight: Straight, languages: list[str]
) -> None:
    cases, caller = Cases(), ScriptedCaller()
    await service(straight, cases).run(caller)
    assert caller.exit == EnterQueue(straight.queue, straight.why)
    assert caller.heard == []
    assert caller.languages == languages
    assert len(cases.opened) == 1


async def test_a_fault_before_the_flow_is_a_person() -> None:
    ivr, caller = service(KeyError("13812345678"), Cases()), ScriptedCaller()
    await ivr.run(caller)
    assert caller.exit == EnterQueue("general", "fault")
    assert ivr.counts["fault"] == 1


async def test_a_caller_who_is_gone_leaves_no_case_and_no_exit() -> None:
    cases, caller = Cases(), ScriptedCaller([HANG_UP])
    with pytest.raises(CallerHungUp):
        await service(plan(), cases).run(caller)
    assert cases.opened == []
    assert caller.exit is None


@pytest.mark.parametrize("step", range(9))
async def test_hanging_up_at_any_step_of_the_whole_call_passes_through(step: int) -> None:
    caller = ScriptedCaller(["1", "0"], hang_up_at=step)
    with pytest.raises(CallerHungUp):
        await service(plan(), Cases()).run(caller)
    assert caller.exit is None


class OneDoor:
    """Stands for the rooms that know the doors."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.asked: list[tuple[str, str | None]] = []

    async def door_for(self, line: str, caller: str | None) -> Door:
        self.asked.append((line, caller))
        return self.door


BLOCKED = Blocked(datetime(2027, 1, 1, tzinfo=UTC), "rings all night")


def at_a_door(door: Door, known: Plan | Straight, cases: Cases) -> IvrService:
    return IvrService(
        KnownPlan(known),  # type: ignore[arg-type]
        VOICE,
        cases.open,
        doors=OneDoor(door),
        case_limit=timedelta(milliseconds=20),
    )


async def test_a_blocked_caller_is_refused_without_a_case() -> None:
    cases, caller = Cases(), ScriptedCaller([None])
    await at_a_door(Door(blocked=BLOCKED), plan(), cases).run(caller)
    assert (caller.exit, cases.opened) == (Refuse(), [])


@pytest.mark.parametrize(
    ("closed_to", "said", "exit"),
    [
        (ClosedTo.VOICEMAIL, None, LeaveMessage("closed")),
        (ClosedTo.VOICEMAIL, {"zh": "下班"}, LeaveMessage("closed", "zh:下班")),
        (ClosedTo.HANGUP, {"zh": "下班"}, HangUp()),
        (ClosedTo.FLOW, None, HangUp()),  # the flow's own, by key 9
    ],
)
async def test_outside_the_hours_a_line_does_what_it_was_told(
    closed_to: ClosedTo, said: dict[str, str] | None, exit: FlowExit
) -> None:
    door = Door(is_open=False, closed_to=closed_to, closed_say=said)
    for known in (plan(), Straight("legal", "zh", "direct")):
        caller = ScriptedCaller(["9"])
        await at_a_door(door, known, Cases()).run(caller)
        straight_on = closed_to is ClosedTo.FLOW and isinstance(known, Straight)
        assert caller.exit == (EnterQueue("legal", "direct") if straight_on else exit)


@pytest.mark.parametrize("known", [plan(), Straight("general", "zh", "direct")])
async def test_who_is_on_the_priority_list_waits_ahead_of_others(known: Plan | Straight) -> None:
    caller = ScriptedCaller(["0"])
    door = Door(priority=7, priority_reason="dialysis at home", priority_entry=42)
    await at_a_door(door, known, Cases()).run(caller)
    assert isinstance(caller.exit, EnterQueue)
    assert caller.exit.priority == 7


async def test_a_key_pressed_during_the_welcome_is_for_the_first_menu() -> None:
    caller = ScriptedCaller([Early("9")])
    await at_a_door(Door(welcome={"zh": "您好"}), plan(), Cases()).run(caller)
    assert caller.exit == HangUp()


class Foretells:
    """Stands for the queue room: what is known of every queue."""

    def __init__(self, foretold: Foretold) -> None:
        self.foretold = foretold
        self.asked: list[tuple[str, int]] = []

    async def foretell(self, queue: str, priority: int) -> Foretold:
        self.asked.append((queue, priority))
        return self.foretold


def foretelling(known: Plan | Straight, foretold: Foretold) -> tuple[IvrService, Foretells]:
    waits = Foretells(foretold)
    found = IvrService(
        KnownPlan(known),  # type: ignore[arg-type]
        VOICE,
        Cases().open,
        waits=waits,
    )
    return found, waits


LONG = Foretold(position=4, wait=timedelta(seconds=200), why_not=None)


async def test_the_wait_is_foretold_as_the_flow_ends_and_said_once_where_it_may_be() -> None:
    ivr, waits = foretelling(plan(language="zh"), LONG)
    caller = ScriptedCaller(["3"])
    before = ScriptedCaller(["3"])
    await service(plan(language="zh"), Cases()).run(before)
    await ivr.run(caller)
    assert waits.asked == [("legal", 0)]
    assert caller.exit == EnterQueue("legal", position=4, wait=timedelta(seconds=200))
    said = [path.stem.removeprefix("zh_") for path in caller.heard[len(before.heard) :]]
    assert said == [
        "wait_ahead",
        "n_3",
        "wait_ahead_end",
        "wait_about",
        "n_3",
        "w_minutes",
    ]
    # The words are the only round trip more: what was foretold rides along with the exit.
    assert caller.round_trips == before.round_trips + 1


async def test_a_wait_that_may_not_be_said_is_journalled_all_the_same() -> None:
    unsure = Foretold(position=2, wait=timedelta(seconds=90), why_not="off by too much")
    ivr, _ = foretelling(plan(), unsure)
    caller, before = ScriptedCaller(["3"]), ScriptedCaller(["3"])
    await service(plan(), Cases()).run(before)
    await ivr.run(caller)
    assert caller.exit == EnterQueue("legal", position=2, wait=timedelta(seconds=90))
    assert caller.heard == before.heard
    assert caller.round_trips == before.round_trips


async def test_the_wait_is_told_in_the_language_the_caller_speaks_now() -> None:
    ivr, _ = foretelling(Straight("legal", "en", "direct"), LONG)
    caller = ScriptedCaller()
    await ivr.run(caller)
    assert [path.stem for path in caller.heard[-6:]] == [
        "en_wait_ahead",
        "en_n_4",
        "en_wait_ahead_end",
        "en_wait_about",
        "en_n_3",
        "en_w_minutes",
    ]


@pytest.mark.parametrize(
    ("foretold", "language", "parts"),
    [
        (Foretold(), "zh", []),
        (
            Foretold(position=1, wait=timedelta(seconds=31), why_not=None),
            "zh",
            ["wait_about", "n_1", "w_minutes"],
        ),
        (
            Foretold(position=3, wait=timedelta(minutes=2), why_not=None),
            "zh",
            ["wait_ahead", "n_liang", "wait_ahead_end", "wait_about", "n_liang", "w_minutes"],
        ),
        (
            Foretold(position=1, wait=timedelta(seconds=31), why_not=None),
            "en",
            ["wait_about", "n_1", "w_minute"],
        ),
        (
            Foretold(position=500, wait=timedelta(hours=1), why_not=None),
            "zh",
            ["wait_about", "n_1", "w_hours"],
        ),
    ],
)
def test_what_is_said_of_a_wait(foretold: Foretold, language: str, parts: list[str]) -> None:
    assert wait_parts(foretold, language) == parts
