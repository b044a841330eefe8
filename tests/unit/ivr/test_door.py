"""At the door: what is said before the flow, who gets in, what a lost process does not repeat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.model import DoorStep
from callcenter.ivr.door import (
    Blocked,
    ClosedTo,
    Door,
    DoorOutcome,
    DoorRow,
    Notice,
    Way,
    at_the_door,
    texts_of_door,
)
from callcenter.ivr.session import CallerHungUp
from callcenter.ivr.spoken import PromptRef
from callcenter.testing.sample_flow import VOICE
from callcenter.testing.scripted_caller import (
    HANG_UP,
    Early,
    PathEntry,
    Press,
    ScriptedCaller,
)

pytestmark = pytest.mark.unit

NOTICE = Notice("recording", 3, {"zh": "录音", "en": "recorded"})
BLOCKED = Blocked(datetime(2027, 1, 1, tzinfo=UTC), "rang 400 times on 3 May")
WELCOME = {"zh": "您好", "en": "hello"}
BLOCKED_ZH = Path("zh_caller_blocked")


async def meet(door: Door, caller: ScriptedCaller, language: str = "zh") -> DoorOutcome:
    return await at_the_door(door, caller, VOICE, language, flow="main", version=2)


async def test_where_there_is_nothing_to_say_nothing_is_said_and_no_time_is_lost() -> None:
    caller = ScriptedCaller()
    assert await meet(Door(), caller) == DoorOutcome(Way.ENTER)
    assert (caller.round_trips, caller.path, caller.heard) == (0, [], [])


async def test_notice_and_welcome_are_one_round_trip_and_the_journal_knows_the_version() -> None:
    caller = ScriptedCaller()
    assert await meet(Door(welcome=WELCOME, notice=NOTICE), caller) == DoorOutcome(Way.ENTER)
    assert caller.heard == [Path("zh:录音"), Path("zh:您好")]
    assert caller.path == [PathEntry(".notice", "", "notice/recording/3")]
    assert caller.round_trips == 2, "the step, and all of it together"


async def test_a_welcome_without_a_notice_is_journalled_as_what_it_is() -> None:
    caller = ScriptedCaller()
    await meet(Door(welcome=PromptRef(prompt="hello")), caller)
    assert (caller.heard, caller.path) == ([Path("zh_hello")], [PathEntry(".welcome", "")])


async def test_a_language_that_is_missing_is_said_in_another_and_never_not_at_all() -> None:
    caller = ScriptedCaller()
    await meet(Door(notice=NOTICE), caller, "fr")
    assert caller.heard == [Path("en:recorded")]


async def test_a_key_pressed_meanwhile_is_handed_on() -> None:
    outcome = await meet(Door(welcome=WELCOME, notice=NOTICE), ScriptedCaller([Early("1")]))
    assert outcome == DoorOutcome(Way.ENTER, ahead="1")


@pytest.mark.parametrize("presses", [[None], ["5", None], ["5", "#"], ["5", "6", "0"]])
async def test_a_blocked_caller_without_an_emergency_is_refused(presses: list[Press]) -> None:
    caller = ScriptedCaller(presses)
    assert await meet(Door(blocked=BLOCKED, notice=NOTICE, welcome=WELCOME), caller) == (
        DoorOutcome(Way.REFUSED)
    )
    assert set(caller.heard) == {BLOCKED_ZH}, "the reason is for us, and nothing else is said"
    assert {entry.node for entry in caller.path} == {".blocked"}
    assert len(caller.path) <= 2


@pytest.mark.parametrize(
    ("line_key", "presses"),
    [("0", ["0"]), ("0", ["7", "0"]), ("9", ["9"]), ("9", ["0"]), ("9", ["1", "9"])],
)
async def test_the_emergency_key_always_gets_in_and_the_caller_is_served_as_anybody(
    line_key: str, presses: list[Press]
) -> None:
    door = Door(blocked=BLOCKED, emergency_key=line_key, notice=NOTICE, welcome=WELCOME)
    caller = ScriptedCaller(presses)
    assert await meet(door, caller) == DoorOutcome(Way.ENTER, in_emergency=True)
    nodes = [entry.node for entry in caller.path]
    assert nodes == [".blocked"] * len(presses) + [".emergency", ".notice"]
    assert caller.path[-2].key == presses[-1]
    assert caller.heard[-2:] == [Path("zh:录音"), Path("zh:您好")]


async def test_a_wrong_key_is_told_from_silence_in_the_journal() -> None:
    caller = ScriptedCaller(["5", None])
    await meet(Door(blocked=BLOCKED), caller)
    assert [entry.key for entry in caller.path] == ["", "i5"]


async def test_another_emergency_key_is_the_one_that_is_named() -> None:
    caller = ScriptedCaller([None, None])
    await meet(Door(blocked=BLOCKED, emergency_key="9"), caller)
    await meet(Door(blocked=BLOCKED, emergency_key="9"), caller, "fr")
    assert [str(path)[:3] for path in caller.heard] == ["zh:", "en:"]
    assert all("9" in str(path) for path in caller.heard)
    spoken = {f"{language}:{text}" for language, text in texts_of_door(None, None, "9")}
    assert {str(path) for path in caller.heard} <= spoken, "spoken when the line was saved"


async def test_who_comes_first_is_noted_by_the_entry_of_the_list() -> None:
    caller = ScriptedCaller()
    door = Door(priority=10, priority_reason="dialysis at home", priority_entry=42)
    assert (await meet(door, caller)).way is Way.ENTER
    assert caller.path == [PathEntry(".priority", "", "priority/42")]


@pytest.mark.parametrize("closed_to", [ClosedTo.VOICEMAIL, ClosedTo.HANGUP])
async def test_outside_the_hours_the_line_says_so(closed_to: ClosedTo) -> None:
    caller = ScriptedCaller([Early("1")])
    door = Door(
        notice=NOTICE, is_open=False, closed_to=closed_to, closed_say={"zh": "下班", "en": "closed"}
    )
    assert await meet(door, caller) == DoorOutcome(Way.CLOSED)
    assert caller.heard == [Path("zh:录音"), Path("zh:下班")]
    assert [entry.node for entry in caller.path] == [".notice", ".closed"]


async def test_a_flow_that_knows_the_hours_itself_is_entered_at_any_hour() -> None:
    caller = ScriptedCaller()
    door = Door(is_open=False, closed_to=ClosedTo.FLOW)
    assert await meet(door, caller) == DoorOutcome(Way.ENTER)


#: What each part of the door says, for a caller who meets all of it.
EVERYTHING = Door(
    blocked=BLOCKED,
    priority_entry=1,
    notice=NOTICE,
    is_open=False,
    closed_say={"zh": "下班", "en": "closed"},
)


@pytest.mark.parametrize(
    ("lost_at", "nodes"),
    [
        (None, [".blocked", ".emergency", ".priority", ".notice", ".closed"]),
        (".blocked", [".blocked", ".emergency", ".priority", ".notice", ".closed"]),
        (".emergency", [".priority", ".notice", ".closed"]),
        (".priority", [".notice", ".closed"]),
        (".notice", [".notice", ".closed"]),
        (".closed", [".closed"]),
        ("menu", []),
        (".person", []),
    ],
)
async def test_another_process_goes_on_where_one_was_lost(
    lost_at: str | None, nodes: list[str]
) -> None:
    caller = ScriptedCaller(["0"], resume_node=lost_at)
    await meet(EVERYTHING, caller)
    assert [entry.node for entry in caller.path] == nodes


async def test_who_was_through_the_door_is_not_closed_out_by_a_lost_process() -> None:
    caller = ScriptedCaller(resume_node="menu")
    assert await meet(EVERYTHING, caller) == DoorOutcome(Way.ENTER)


@pytest.mark.parametrize("step", range(8))
async def test_hanging_up_at_any_step_passes_through(step: int) -> None:
    with pytest.raises(CallerHungUp):
        await meet(EVERYTHING, ScriptedCaller(["0"], hang_up_at=step))
    with pytest.raises(CallerHungUp):
        await meet(EVERYTHING, ScriptedCaller([HANG_UP]))


def test_without_the_lists_nobody_is_blocked_and_nobody_comes_first() -> None:
    door = replace(EVERYTHING, priority=3, priority_reason="x").unknown_caller()
    assert door == replace(EVERYTHING, blocked=None, priority_entry=None)
    assert DoorRow(door, "office").at_hours(is_open=True).is_open


#: Keys, silence, or a hang-up, in any order.
KEYS = st.lists(st.sampled_from([*"0123456789*#", None]), max_size=6)


@given(
    presses=KEYS,
    emergency=st.sampled_from("0123456789"),
    resume=st.sampled_from([None, *DoorStep]),
    is_open=st.booleans(),
    blocked=st.booleans(),
)
async def test_only_a_blocked_caller_who_pressed_neither_key_is_refused(
    presses: list[Press], emergency: str, resume: str | None, is_open: bool, blocked: bool
) -> None:
    door = replace(
        EVERYTHING,
        emergency_key=emergency,
        is_open=is_open,
        blocked=BLOCKED if blocked else None,
    )
    caller = ScriptedCaller(presses, resume_node=resume)
    outcome = await meet(door, caller)
    asked = blocked and resume in (None, DoorStep.BLOCKED)
    first_two = presses[: presses.index(None)][:2] if None in presses else presses[:2]
    may_enter = not asked or bool({emergency, "0"} & set(first_two))
    assert (outcome.way is not Way.REFUSED) == may_enter
    assert len(caller.path) <= 6
    if may_enter:
        assert (outcome.way is Way.CLOSED) == (not is_open)
