"""The check reads the whole graph and says everything at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callcenter.ivr.check import Code, Finding, Severity, check, errors_in
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.seed import default_flow
from callcenter.testing.sample_flow import AROUND, document, flow, words

pytestmark = pytest.mark.unit


#: The menu of the sample flow says “menu” and nothing else.
SAMPLE = frozenset({Code.KEY_NOT_ANNOUNCED})


def wrong(definition: Flow) -> list[Finding]:
    """What is found beside figures and remarks."""
    findings = check(definition, AROUND)
    return [f for f in findings if f.severity is not Severity.INFO and f.code not in SAMPLE]


def found(**nodes: Any) -> list[tuple[str, str | None]]:
    return [(finding.code.value, finding.node) for finding in wrong(flow(**nodes))]


def say(next: str, **more: Any) -> dict[str, Any]:
    return {"type": "say", "say": words("x"), "next": next, **more}


def menu(**more: Any) -> dict[str, Any]:
    return document()["nodes"]["menu"] | more


def test_a_sound_flow_has_no_findings() -> None:
    assert found() == []


def test_the_shipped_flow_has_no_findings() -> None:
    assert wrong(default_flow()) == []


def test_an_entry_that_does_not_exist_is_found() -> None:
    whole = document() | {"entry": "nowhere"}
    findings = wrong(parse_flow(whole))
    assert (findings[0].code, findings[0].node) == (Code.NO_ENTRY, None)
    assert {f.code for f in findings[1:]} == {Code.UNREACHABLE_NODE}


@pytest.mark.parametrize(
    "change",
    [
        {"welcome": say("nowhere")},
        {"answer": {"type": "article", "text": words("x"), "next": "nowhere"}},
        {"english": {"type": "language", "language": "en", "next": "nowhere"}},
        {"menu": menu(options={**menu()["options"], "4": "nowhere"})},
        {"menu": menu(on_timeout="nowhere")},
        {"menu": menu(on_invalid="nowhere")},
    ],
)
def test_a_reference_to_nothing_is_found(change: dict[str, Any]) -> None:
    (node,) = change
    assert ("dangling_reference", node) in found(**change)


def test_a_node_nobody_reaches_is_a_warning() -> None:
    (finding,) = wrong(flow(island={"type": "hangup"}))
    assert (finding.code, finding.node) == (Code.UNREACHABLE_NODE, "island")
    assert finding.severity is Severity.WARNING


def test_a_loop_without_a_choice_is_found_once_at_its_first_node() -> None:
    loop = {"a": say("b"), "b": say("c"), "c": say("a")}
    codes = found(menu=menu(options={**menu()["options"], "4": "b"}), **loop)
    assert codes == [("loop_without_exit", "a")]


def test_a_node_that_leads_to_itself_is_a_loop() -> None:
    assert ("loop_without_exit", "welcome") in found(welcome=say("welcome"))


def test_a_way_back_to_a_menu_is_no_loop() -> None:
    assert found(answer={"type": "article", "text": words("x"), "next": "menu"}) == []


def test_a_text_that_is_missing_in_one_language_is_found() -> None:
    assert found(bye={"type": "hangup", "say": {"zh": "再见"}}) == [("language_incomplete", "bye")]


def test_a_language_callers_can_switch_to_must_be_spoken_everywhere() -> None:
    codes = found(english={"type": "language", "language": "fr", "next": "menu"})
    assert {code for code, _node in codes} == {"language_incomplete", "prompt_not_rendered"}
    assert len(codes) == 6


def test_the_language_of_a_line_must_be_spoken_everywhere() -> None:
    around = replace(AROUND, languages=frozenset({"ug"}))
    assert {f.code for f in errors_in(check(flow(), around))} == {
        Code.LANGUAGE_INCOMPLETE,
        Code.PROMPT_NOT_RENDERED,
    }


def test_unknown_queues_and_prompts_are_found() -> None:
    codes = found(
        legal={"type": "queue", "queue": "police"},
        bye={"type": "hangup", "say": {"prompt": "nothing"}},
        answer={"type": "article", "text": {"prompt": "only_zh"}, "next": "menu"},
    )
    assert codes == [
        ("language_incomplete", "answer"),
        ("unknown_queue", "legal"),
        ("unknown_prompt", "bye"),
    ]


def test_zero_must_be_a_person() -> None:
    options = menu()["options"]
    assert found(menu=menu(options={**options, "0": "bye"})) == [("zero_not_a_person", "menu")]
    assert found(menu=menu(options={**options, "0": "legal"})) == []


@pytest.mark.parametrize("target", ["bye", "menu", "answer", "welcome"])
def test_silence_that_never_reaches_a_person_is_found(target: str) -> None:
    assert ("silence_not_a_person", "menu") in found(menu=menu(on_timeout=target))


def test_silence_may_pass_through_other_nodes_to_a_person() -> None:
    assert found(menu=menu(on_timeout="sorry"), sorry=say("legal")) == []


def test_all_problems_are_found_at_once_in_the_order_of_the_document() -> None:
    broken = flow(
        welcome=say("nowhere"),
        menu=menu(options={"0": "bye", "1": "gone"}, on_timeout="bye"),
        legal={"type": "queue", "queue": "police", "say": {"zh": "稍候"}},
    )
    codes = [(f.code.value, f.node) for f in wrong(broken)]
    assert codes == [
        ("dangling_reference", "welcome"),
        ("dangling_reference", "menu"),
        ("unreachable_node", "menu"),
        ("zero_not_a_person", "menu"),
        ("silence_not_a_person", "menu"),
        ("unreachable_node", "answer"),
        ("unreachable_node", "english"),
        ("unreachable_node", "legal"),
        ("language_incomplete", "legal"),
        ("unknown_queue", "legal"),
        ("unreachable_node", "bye"),
    ]
    assert check(broken, AROUND) == check(broken, AROUND)
    assert Severity.WARNING not in {f.severity for f in errors_in(check(broken, AROUND))}


def test_a_big_flow_is_checked_within_the_blink_of_an_eye() -> None:
    nodes: dict[str, Any] = {f"n{i}": say(f"n{i + 1}") for i in range(498)}
    whole = parse_flow(
        {"entry": "n0", "nodes": nodes | {"n498": {"type": "queue", "queue": "general"}}}
    )
    assert errors_in(check(whole, AROUND)) == []
