"""One caller's way through a flow."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from callcenter.ivr.exits import EnterQueue, FlowExit, HangUp
from callcenter.ivr.model import Flow
from callcenter.ivr.runner import MAX_STEPS, PERSON, run_flow
from callcenter.ivr.session import CallerHungUp
from callcenter.testing.sample_flow import VOICE, document, flow, plan, words
from callcenter.testing.scripted_caller import HANG_UP, Early, ScriptedCaller

pytestmark = pytest.mark.unit


async def call(
    caller: ScriptedCaller, definition: Flow | None = None, *, language: str = "zh"
) -> FlowExit:
    return await run_flow(plan(definition, language=language), caller, VOICE)


def heard(caller: ScriptedCaller) -> list[str]:
    return [str(path) for path in caller.heard]


def path(caller: ScriptedCaller) -> list[tuple[str, str]]:
    return [(entry.node, entry.key) for entry in caller.path]


def menu(**more: Any) -> dict[str, Any]:
    return document()["nodes"]["menu"] | more


async def test_a_caller_who_presses_nothing_reaches_a_person() -> None:
    caller = ScriptedCaller()
    assert await call(caller) == EnterQueue("general")
    assert heard(caller) == ["zh:中welcome", "zh:中menu", "zh:中menu"]
    assert path(caller) == [("welcome", ""), ("menu", ""), ("menu", "t"), (PERSON, "t")]


async def test_zero_is_a_person_though_the_flow_does_not_say_so() -> None:
    caller = ScriptedCaller(["0"])
    assert await call(caller) == EnterQueue("general")
    assert path(caller)[-1] == (PERSON, "0")


async def test_zero_takes_the_queue_node_the_menu_names() -> None:
    definition = flow(menu=menu(options={**menu()["options"], "0": "legal"}))
    caller = ScriptedCaller(["0"])
    assert await call(caller, definition) == EnterQueue("legal")
    assert path(caller)[-1] == ("legal", "0")


async def test_zero_is_a_person_though_the_flow_maps_it_elsewhere() -> None:
    definition = flow(menu=menu(options={**menu()["options"], "0": "bye"}))
    assert await call(ScriptedCaller(["0"]), definition) == EnterQueue("general")


async def test_an_article_is_read_and_the_menu_comes_again() -> None:
    caller = ScriptedCaller(["1", "9"])
    assert await call(caller) == HangUp()
    assert heard(caller) == ["zh:中welcome", "zh:中menu", "zh:中answer", "zh:中menu", "zh:中bye"]
    assert path(caller)[2:] == [("answer", "1"), ("menu", ""), ("bye", "9")]


async def test_a_queue_node_speaks_and_names_its_queue() -> None:
    caller = ScriptedCaller(["3"])
    assert await call(caller) == EnterQueue("legal")
    assert heard(caller)[-1] == "zh:中legal"


async def test_a_language_node_changes_what_the_caller_and_the_switch_speak() -> None:
    caller = ScriptedCaller(["2", "1", "9"])
    await call(caller)
    assert heard(caller)[2:] == ["en:menu", "en:answer", "en:menu", "en:bye"]
    assert caller.languages == ["en"]


async def test_a_line_in_english_is_spoken_to_in_english() -> None:
    caller = ScriptedCaller(["9"])
    await call(caller, language="en")
    assert heard(caller) == ["en:welcome", "en:menu", "en:bye"]


async def test_a_text_missing_in_the_language_is_heard_in_the_line_s_own() -> None:
    caller = ScriptedCaller(["2", "9"])
    await call(caller, flow(bye={"type": "hangup", "say": {"zh": "再见"}}))
    assert heard(caller)[-1] == "zh:再见"
    caller = ScriptedCaller(["9"])
    await call(caller, flow(bye={"type": "hangup", "say": {"fr": "salut"}}))
    assert heard(caller)[-1] == "fr:salut"


async def test_a_prompt_of_the_library_is_played_by_name() -> None:
    caller = ScriptedCaller(["9"])
    await call(caller, flow(bye={"type": "hangup", "say": {"prompt": "goodbye"}}))
    assert heard(caller)[-1] == "zh_goodbye"


async def test_a_wrong_key_is_told_and_the_menu_comes_again() -> None:
    caller = ScriptedCaller(["7", "9"])
    assert await call(caller) == HangUp()
    assert heard(caller)[1:] == ["zh:中menu", "zh_invalid", "zh:中menu", "zh:中bye"]
    assert path(caller)[1:] == [("menu", ""), ("menu", "i7"), ("bye", "9")]


async def test_a_caller_who_only_presses_wrong_keys_reaches_a_person() -> None:
    caller = ScriptedCaller(["7", "8"])
    assert await call(caller) == EnterQueue("general")
    assert path(caller)[-1] == (PERSON, "i8")


async def test_after_the_retries_the_flow_s_own_ways_are_taken() -> None:
    definition = flow(menu=menu(on_timeout="legal", on_invalid="bye"))
    assert await call(ScriptedCaller(), definition) == EnterQueue("legal")
    assert await call(ScriptedCaller([None, "7"]), definition) == HangUp()
    assert await call(ScriptedCaller(["7", None]), definition) == EnterQueue("legal")


@pytest.mark.parametrize("retries", range(6))
async def test_a_menu_is_said_once_and_again_for_each_retry(retries: int) -> None:
    caller = ScriptedCaller()
    await call(caller, flow(menu=menu(retries=retries)))
    assert heard(caller).count("zh:中menu") == retries + 1


async def test_a_key_pressed_ahead_is_the_menu_s_key() -> None:
    caller = ScriptedCaller([Early("9")])
    assert await call(caller) == HangUp()
    # Whoever knows the way hears neither the menu nor the goodbye… only what was on already.
    assert heard(caller) == ["zh:中welcome", "zh:中bye"]


async def test_a_key_pressed_ahead_skips_everything_up_to_the_menu() -> None:
    definition = flow(
        welcome={"type": "say", "say": words("welcome"), "next": "more"},
        more={"type": "say", "say": words("more"), "next": "menu"},
    )
    caller = ScriptedCaller([Early("3")])
    assert await call(caller, definition) == EnterQueue("legal")
    assert heard(caller) == ["zh:中welcome", "zh:中legal"]


async def test_zero_during_an_article_is_a_person() -> None:
    caller = ScriptedCaller(["1", Early("0")])
    assert await call(caller) == EnterQueue("general")
    assert heard(caller)[-1] == "zh:中answer"


async def test_zero_during_the_last_word_is_a_person() -> None:
    assert await call(ScriptedCaller(["9", Early("0")])) == EnterQueue("general")


async def test_a_wrong_key_pressed_ahead_is_told_before_the_menu() -> None:
    caller = ScriptedCaller([Early("8"), "9"])
    assert await call(caller) == HangUp()
    assert heard(caller) == ["zh:中welcome", "zh_invalid", "zh:中menu", "zh:中bye"]


@pytest.mark.parametrize(
    "presses", [["9"], [None, "9"], ["7", "9"], ["7", "8", "9"], ["2", "1", "0"], [Early("1"), "9"]]
)
async def test_a_step_costs_at_most_two_round_trips(presses: list[Any]) -> None:
    caller = ScriptedCaller(presses)
    await call(caller)
    assert max(caller.trips_per_step) <= 2


async def test_a_wrong_key_is_told_with_the_menu_that_follows() -> None:
    caller = ScriptedCaller(["7", "9"])
    assert await call(caller) == HangUp()
    assert heard(caller)[1:] == ["zh:中menu", "zh_invalid", "zh:中menu", "zh:中bye"]


async def test_a_call_goes_on_where_a_lost_process_left_it() -> None:
    caller = ScriptedCaller(["9"], resume_node="menu")
    assert await call(caller) == HangUp()
    assert path(caller) == [("menu", "r"), ("bye", "9")]


async def test_a_call_that_goes_on_is_spoken_to_in_the_language_the_caller_had_chosen() -> None:
    caller = ScriptedCaller(["9"], resume_node="menu", language="en")
    await call(caller)
    assert heard(caller) == ["en:menu", "en:bye"]


async def test_a_node_the_version_does_not_have_begins_at_the_entry() -> None:
    caller = ScriptedCaller(["9"], resume_node="removed")
    await call(caller)
    assert path(caller)[0] == ("welcome", "")


async def test_a_process_lost_on_the_way_to_a_person_does_not_begin_again() -> None:
    caller = ScriptedCaller(resume_node=PERSON)
    assert await call(caller) == EnterQueue("general")
    assert heard(caller) == []


async def test_a_caller_who_goes_round_in_circles_reaches_a_person() -> None:
    caller = ScriptedCaller(["1"] * MAX_STEPS)
    assert await call(caller) == EnterQueue("general", why="steps")


_SCRIPT = ["2", "1", "0"]
_TRIPS = 13  # of a call with this script


@pytest.mark.parametrize("step", range(_TRIPS))
async def test_hanging_up_at_any_step_passes_through(step: int) -> None:
    caller = ScriptedCaller(_SCRIPT, hang_up_at=step)
    with pytest.raises(CallerHungUp):
        await call(caller)
    assert caller.round_trips == step


async def test_the_call_hung_up_at_every_step_has_that_many_steps() -> None:
    caller = ScriptedCaller(_SCRIPT)
    await call(caller)
    assert caller.round_trips == _TRIPS


async def test_hanging_up_instead_of_a_key_passes_through() -> None:
    with pytest.raises(CallerHungUp):
        await call(ScriptedCaller([HANG_UP]))


class BrokenVoice:
    def text(self, text: str, language: str) -> Path:
        if text == "中menu":
            raise KeyError("13812345678")
        return VOICE.text(text, language)

    def prompt(self, name: str, language: str) -> Path:
        return VOICE.prompt(name, language)


async def test_a_fault_of_ours_is_a_person_and_no_personal_data_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults: list[Exception] = []
    with caplog.at_level(logging.ERROR):
        done = await run_flow(plan(), ScriptedCaller(), BrokenVoice(), on_fault=faults.append)
    assert done == EnterQueue("general", why="fault")
    assert [type(fault) for fault in faults] == [KeyError]
    assert "KeyError" in caplog.text
    assert "13812345678" not in caplog.text


async def test_a_reference_to_nothing_is_a_person() -> None:
    definition = flow(welcome={"type": "say", "say": words("x"), "next": "nowhere"})
    assert await call(ScriptedCaller(), definition) == EnterQueue("general", why="fault")
