"""A queue of ours → sections of app_queue, its plan in the dialplan, and how places are said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.asterisk.config.model import (
    OwnLanguage,
    Paths,
    QueueConfig,
    SwitchConfig,
    TrunkConfig,
)
from callcenter.asterisk.config.queues import LAST_PLACE_SAID, edition
from callcenter.asterisk.config.render import render
from callcenter.asterisk.config.rules import BadConfiguration
from callcenter.asterisk.config.write import static_files
from callcenter.queues.model import Cause, Exit, ExitTo

pytestmark = pytest.mark.unit

QUEUE = QueueConfig(
    "general",
    max_wait_seconds=120,
    max_waiting=9,
    comfort_prompt="queue_comfort",
    comfort_seconds=45,
    announce_position=True,
    announce_seconds=30,
    languages=(OwnLanguage("en", 25),),
    exits={
        Cause.TIMEOUT: Exit(ExitTo.QUEUE, queue="legal"),
        Cause.FULL: Exit(ExitTo.CALLBACK),
        Cause.NO_AGENTS: Exit(ExitTo.NUMBER, number="12366"),
    },
)


def switch(*queues: QueueConfig, prompts: str = "/p") -> SwitchConfig:
    return SwitchConfig(
        node="node1",
        paths=Paths(Path("/h"), Path("/m"), Path("/d"), Path(prompts)),
        ami_secret="s" * 32,
        queues=(*queues, QueueConfig("legal")),
    )


def section(text: str, name: str) -> dict[str, str]:
    lines = text.split(f"[{name}](hotline)\n")[1].split("\n\n")[0].splitlines()
    return dict(line.split(" = ", 1) for line in lines)


def plan(config: SwitchConfig, exten: str) -> list[str]:
    text = render(config)["extensions_queues.conf"]
    lines = text.split(f"exten = {exten},1,")[1].split("\nexten = ")[0].splitlines()
    return [line.removeprefix(" same = n,") for line in lines]


def test_each_language_is_a_queue_of_app_queue_with_the_same_parameters() -> None:
    text = render(switch(QUEUE))["queues_members.conf"]
    assert section(text, "q_general") == section(text, "q_general-en")
    assert "[q_legal-en]" not in text


def test_comfort_and_place_are_our_prompts_in_the_callers_language() -> None:
    said = section(render(switch(QUEUE))["queues_members.conf"], "q_general")
    # Asterisk puts the language before the last part of an absolute path.
    assert said["periodic-announce"] == "/p/queue_comfort"
    assert said["periodic-announce-frequency"] == "45"
    assert (said["announce-position"], said["announce-frequency"]) == ("limit", "30")
    assert said["queue-thereare"] == "/p/queue_place"
    silent = section(render(switch(QUEUE))["queues_members.conf"], "q_legal")
    assert not {name for name in silent if "announce" in name}


def test_the_key_and_the_words_for_a_callback_are_there_where_it_can_be_dialled() -> None:
    quiet = QueueConfig("quiet")
    trunk = TrunkConfig(host="10.0.0.1")
    text = render(replace(switch(QUEUE, quiet), trunk=trunk))["queues_members.conf"]
    for name in ("q_general", "q_quiet"):
        assert section(text, name)["context"] == "cc-queue-keys"
    said = section(text, "q_general")["periodic-announce"]
    assert said == "/p/queue_comfort,/p/callback_key", "by turns"
    assert section(text, "q_quiet")["periodic-announce"] == "/p/callback_key"
    # The city says it in words of its own, as the comfort prompt.
    own = replace(QUEUE, comfort_prompt="callback_key")
    text = render(replace(switch(own, quiet), trunk=trunk))["queues_members.conf"]
    assert section(text, "q_general")["periodic-announce"] == "/p/callback_key"
    # Nobody could be dialled, or it is not wished.
    silent = replace(quiet, offers_callback=False)
    for config in (switch(QUEUE, quiet), replace(switch(QUEUE, silent), trunk=trunk)):
        said_there = section(render(config)["queues_members.conf"], "q_quiet")
        assert not {"context", "periodic-announce"} & set(said_there)
    assert "context" not in static_files()["queues.conf"].replace("; `context`", "")


def test_who_waits_anywhere_is_counted_in_every_queue_of_app_queue() -> None:
    lines = plan(switch(QUEUE), "waiting")
    assert lines[0] == "Set(CC_ALL_WAITING=0)"
    counted = [line for line in lines if "QUEUE_WAITING_COUNT" in line]
    assert [line.split("COUNT(")[1].partition(")")[0] for line in counted] == [
        "q_general",
        "q_general-en",
        "q_legal",
    ]
    assert lines[-1] == "Return()"


def test_the_edition_tells_each_parameter_apart() -> None:
    config = switch(QUEUE)
    first = edition(config, QUEUE)
    assert 0 <= first < 2**31
    for change in (
        {"ring_seconds": 16},
        {"comfort_seconds": 46},
        {"announce_seconds": 31},
        {"announce_position": False},
        {"weight": 1},
    ):
        assert edition(config, replace(QUEUE, **change)) != first, change  # type: ignore[arg-type]
    text = section(render(config)["queues_members.conf"], "q_general")
    assert text["servicelevel"] == str(first)


def test_the_plan_is_literal_values() -> None:
    lines = plan(switch(QUEUE), "queue_general")
    assert lines[0] == "Set(CC_LONGEST=120)"
    assert "Set(CC_TIMEOUT_EXIT=queue)" in lines
    assert "Set(CC_TIMEOUT_TARGET=legal)" in lines
    assert "Set(CC_FULL_EXIT=callback)" in lines
    assert "Set(CC_FULL_TARGET=)" in lines
    assert "Set(CC_NO_AGENTS_EXIT=number)" in lines
    assert "Set(CC_NO_AGENTS_TARGET=12366)" in lines
    assert 'ExecIf($["${CHANNEL(language):0:2}" = "en"]?Set(CC_OWN=25))' in lines
    assert lines[-1] == "Return()"


def test_callers_of_all_languages_count_together() -> None:
    lines = plan(switch(QUEUE), "queue_general")
    assert "Set(CC_MOST=9)" in lines
    counted = "${QUEUE_WAITING_COUNT(q_general)} + ${QUEUE_WAITING_COUNT(q_general-en)}"
    assert f"Set(CC_WAITING=$[{counted}])" in lines
    assert "Set(CC_MOST=0)" in plan(switch(QUEUE), "queue_legal"), "app_queue counts by itself"


def test_a_queue_nobody_knows_has_the_mailbox_behind_it() -> None:
    for exten in ("queue_", "_queue_."):
        lines = plan(switch(QUEUE), exten)
        assert "Set(CC_TIMEOUT_EXIT=voicemail)" in lines
        assert "Set(CC_OWN=)" in lines


def test_places_are_said_by_our_own_pieces() -> None:
    text = render(switch(QUEUE))["say.conf"]
    chinese, english = text.split("[zh]\n")[1].split("[en]\n")
    assert "num:2 = /p/w_nth,/p/n_2,/p/w_place\n" in chinese
    assert "num:2 = /p/o_2,/p/w_in_line\n" in english
    assert f"num:{LAST_PLACE_SAID} =" in chinese
    assert f"num:{LAST_PLACE_SAID + 1} =" not in chinese


def test_what_cannot_be_said_or_reached_is_refused() -> None:
    deep = "/" + "p" * 120
    for config in (
        switch(QUEUE, prompts=deep),
        switch(replace(QUEUE, comfort_prompt="../x")),
        switch(replace(QUEUE, music="jazz")),
        switch(replace(QUEUE, languages=(OwnLanguage("EN", 5),))),
        switch(replace(QUEUE, languages=(OwnLanguage("en", 0),))),
        switch(replace(QUEUE, exits={Cause.FULL: Exit(ExitTo.QUEUE, queue="nowhere")})),
    ):
        with pytest.raises(BadConfiguration):
            render(config)


def test_a_free_agent_goes_to_the_best_claim_whichever_the_queue() -> None:
    text = static_files()["queues.conf"]
    assert "\nforce_longest_waiting_caller = prio\n" in text
    # What the first in line would be told before a free agent is looked for.
    assert "\nqueue-youarenext =\n" in text
