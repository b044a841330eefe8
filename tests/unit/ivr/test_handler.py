"""From the first prompt to where the call goes; the case exists before the queue rings."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp
from callcenter.ivr.flows import Straight
from callcenter.ivr.handler import IvrService, QueuedCall
from callcenter.ivr.runner import Plan
from callcenter.ivr.session import CallerHungUp
from callcenter.testing.sample_flow import VOICE, plan
from callcenter.testing.scripted_caller import HANG_UP, ScriptedCaller

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
