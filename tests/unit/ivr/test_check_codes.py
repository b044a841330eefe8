"""One planted defect gives one finding, where it was planted, and nothing beside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest

from callcenter.ivr.check import Code, Severity, check
from callcenter.ivr.model import parse_flow
from callcenter.ivr.nodes import Node
from callcenter.testing.whole_flow import FAQ, WHOLE_AROUND, whole_document

pytestmark = pytest.mark.unit

AROUND = WHOLE_AROUND
NODES = whole_document()["nodes"]
BYE = {"zh": "再见", "en": "Goodbye."}


@dataclass(frozen=True)
class Planted:
    """A defect, and where it is to be found."""

    code: Code
    node: str | None
    nodes: dict[str, Any] = field(default_factory=dict)
    around: dict[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.ERROR


def changed(node_id: str, **fields: Any) -> dict[str, Any]:
    """A node of the whole flow with other fields; None takes a field away."""
    node = NODES[node_id] | fields
    return {node_id: {name: value for name, value in node.items() if value is not None}}


def languages(**names: frozenset[str]) -> dict[str, Any]:
    return {"prompts": {**AROUND.prompts, **names}}


WARNING = Severity.WARNING
ZH = frozenset({"zh"})
DEFECTS = [
    Planted(Code.DANGLING_REFERENCE, "case", changed("case", next="gone")),
    Planted(Code.DANGLING_REFERENCE, "more", changed("more", on_invalid="gone")),
    Planted(Code.UNREACHABLE_NODE, "island", {"island": {"type": "hangup"}}, {}, WARNING),
    Planted(
        Code.LOOP_WITHOUT_EXIT,
        "round",
        changed("more", on_invalid="round")
        | {"round": {"type": "say", "say": BYE, "next": "round"}},
    ),
    Planted(
        Code.LOOP_WITHOUT_EXIT,
        "round",
        changed("more", on_invalid="round")
        | {"round": {"type": "say", "say": BYE, "next": "known"}}
        | {
            "known": {
                "type": "branch",
                "on": "caller",
                "cases": {"known": "person"},
                "otherwise": "round",
            }
        },
        {},
        WARNING,
    ),
    Planted(
        Code.ZERO_NOT_A_PERSON,
        "menu",
        changed("menu", options=NODES["menu"]["options"] | {"0": "bye"}),
    ),
    Planted(Code.ZERO_NOT_A_PERSON, "wanted", changed("wanted", min_digits=1), {}, WARNING),
    Planted(
        Code.ZERO_NOT_A_PERSON,
        "rating",
        changed("rating", answers={"1": "yes", "2": "no", "0": "none"}),
        {},
        WARNING,
    ),
    Planted(Code.SILENCE_NOT_A_PERSON, "more", changed("more", on_timeout="bye")),
    Planted(Code.SILENCE_NOT_A_PERSON, "topics", changed("topics", on_timeout="topics")),
    Planted(Code.SILENCE_NOT_A_PERSON, "wanted", changed("wanted", on_timeout="bye")),
    Planted(Code.SILENCE_NOT_A_PERSON, "case", changed("case", on_failed="bye")),
    Planted(Code.SILENCE_NOT_A_PERSON, "fax", changed("fax", on_failed="bye")),
    Planted(Code.UNKNOWN_FLOW, "faq", changed("faq", flow="gone")),
    Planted(Code.SUBFLOW_CYCLE, "faq", changed("faq", flow="main")),
    Planted(Code.UNKNOWN_QUEUE, "callback", changed("callback", queue="gone")),
    Planted(Code.UNKNOWN_QUEUE, "person", changed("person", queue="gone")),
    Planted(Code.UNKNOWN_QUEUE, "elsewhere", changed("elsewhere", queue="gone")),
    Planted(Code.UNKNOWN_SCHEDULE, "hours", changed("hours", schedule="gone")),
    Planted(Code.UNKNOWN_ARTICLE, "id_card", changed("id_card", article="gone")),
    Planted(Code.UNKNOWN_ARTICLE, "fax", changed("fax", document=None, article="gone")),
    Planted(Code.UNKNOWN_CATEGORY, "topics", changed("topics", category="gone")),
    Planted(Code.CATEGORY_EMPTY, "topics", {}, {"categories": {"permits": 0}}, WARNING),
    Planted(Code.UNKNOWN_DOCUMENT, "fax", changed("fax", document="gone")),
    Planted(Code.UNKNOWN_LINE, "which", changed("which", cases={"110000": "menu"}), {}, WARNING),
    Planted(Code.OWN_NUMBER, "elsewhere", changed("elsewhere", to="12345")),
    Planted(Code.LANGUAGE_INCOMPLETE, "bye", changed("bye", say={"zh": "再见"})),
    Planted(Code.LANGUAGE_INCOMPLETE, "text", changed("text", title={"zh": "时间"})),
    Planted(Code.LANGUAGE_INCOMPLETE, "text", changed("text", text={"en": "At nine."})),
    Planted(
        Code.LANGUAGE_INCOMPLETE,
        "told",
        changed("told", say=[{"zh": "您的号码"}, NODES["told"]["say"][1]]),
    ),
    Planted(Code.LANGUAGE_INCOMPLETE, "welcome", {}, languages(recording_notice=ZH)),
    Planted(Code.LANGUAGE_INCOMPLETE, "id_card", {}, {"articles": {"id_card": ZH}}),
    Planted(Code.UNKNOWN_PROMPT, "bye", changed("bye", say={"prompt": "gone"})),
    Planted(Code.PROMPT_NOT_RENDERED, "welcome", {}, languages(recording_notice=frozenset())),
    Planted(Code.PROMPT_NOT_RENDERED, "case", {}, languages(ask_case_number=ZH)),
    Planted(
        Code.PROMPT_BAD_AUDIO,
        "welcome",
        {},
        {"bad_audio": {("recording_notice", "zh"): "It is silent."}},
    ),
    Planted(Code.VALUE_NOT_SPEAKABLE, "told", {}, {"value_languages": ZH}),
    Planted(
        Code.KEY_USED_TWICE,
        "rating",
        changed("rating", say={"zh": "满意按1，不满意按1，投诉按2", "en": "Press 1 or 2."}),
    ),
    Planted(
        Code.KEY_DOES_NOTHING,
        "rating",
        changed("rating", say={"zh": "满意按1，不满意按2，投诉按3", "en": "Press 1 or 2."}),
    ),
    Planted(
        Code.KEY_NOT_ANNOUNCED,
        "rating",
        changed("rating", say={"zh": "满意按1", "en": "Press 1 or 2."}),
        {},
        WARNING,
    ),
    Planted(
        Code.TOO_MANY_CHOICES,
        "more",
        changed(
            "more",
            say={
                "zh": "一按1，二按2，三按3，四按4，五按5，六按6",
                "en": "Press 1 for a, 2 for b, 3 for c, 4 for d, 5 for e, 6 for f.",
            },
            options=NODES["more"]["options"] | {"6": "bye"},
        ),
        {},
        WARNING,
    ),
    Planted(
        Code.MENU_TOO_LONG,
        "rating",
        changed(
            "rating",
            say={"zh": "满意按1，不满意按2" + "很长" * 60, "en": "Press 1 or 2."},
        ),
        {},
        WARNING,
    ),
    Planted(Code.TIMEOUT_TOO_SHORT, "rating", changed("rating", timeout_seconds=2), {}, WARNING),
    Planted(Code.PERSONAL_DATA_WITHOUT_NEED, "wanted", changed("wanted", purpose=None)),
    Planted(
        Code.PERSONAL_DATA_WITHOUT_NEED, "wanted", changed("wanted") | changed("told", say=BYE)
    ),
    Planted(
        Code.PERSONAL_DATA_WITHOUT_NEED,
        "wanted",
        changed("wanted", kind="digits", purpose=None),
        {},
        WARNING,
    ),
    Planted(
        Code.VARIABLE_NEVER_SET,
        "bye",
        changed("bye", say=[BYE, {"value": "wish", "as": "digits"}]),
        {},
        WARNING,
    ),
    Planted(
        Code.VARIABLE_NEVER_SET,
        "bye",
        changed("bye", say=[BYE, {"value": "nothing", "as": "digits"}]),
        {},
        WARNING,
    ),
    Planted(
        Code.VARIABLE_NEVER_SET,
        "which",
        changed("which", on="nothing", cases={"a": "menu"}),
        {},
        WARNING,
    ),
    Planted(
        Code.FIRST_PROMPT_TOO_LONG,
        "menu",
        {},
        {"prompt_seconds": {("recording_notice", "zh"): 5.0}},
        WARNING,
    ),
    Planted(Code.OVER_ANSWER_BUDGET, None, changed("menu", timeout_seconds=9), {}, WARNING),
]


@pytest.mark.parametrize("planted", DEFECTS, ids=lambda planted: f"{planted.code}-{planted.node}")
def test_a_planted_defect_is_the_only_finding(planted: Planted) -> None:
    document = whole_document()
    document["nodes"] |= planted.nodes
    findings = check(parse_flow(document), replace(AROUND, **planted.around))
    told = [(f.severity, f.code, f.node) for f in findings if f.severity is not Severity.INFO]
    assert told == [(planted.severity, planted.code, planted.node)]


def test_the_whole_flow_has_nothing_but_its_figures() -> None:
    findings = check(parse_flow(whole_document()), AROUND)
    assert [(f.severity, f.code) for f in findings] == [(Severity.INFO, Code.SECONDS_TO_PERSON)]
    assert {node["type"] for node in NODES.values()} == EVERY_TYPE


EVERY_TYPE = {
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(get_args(Node)[0])
}


def codes(document: dict[str, Any], **around: Any) -> list[tuple[str, str | None]]:
    findings = check(parse_flow(document), replace(AROUND, **around))
    return [(f.code.value, f.node) for f in findings if f.code is not Code.SECONDS_TO_PERSON]


def test_a_flow_in_which_nobody_reaches_a_person_is_an_error() -> None:
    lonely = {"entry": "a", "nodes": {"a": {"type": "hangup", "say": BYE}}}
    assert codes(lonely) == [("no_way_to_a_person", None)]
    (finding,) = check(parse_flow(lonely), replace(AROUND, on_a_line=False))
    assert finding.severity is Severity.WARNING  # the goodbye of other flows


def test_a_text_in_a_language_nobody_speaks_is_found_where_it_stands() -> None:
    lonely = {
        "entry": "a",
        "nodes": {
            "a": {"type": "say", "say": {**BYE, "fr": "Adieu."}, "next": "person"},
            "person": {"type": "queue", "queue": "general"},
        },
    }
    voiceless = codes(lonely, voiceless=frozenset({"fr", "de"}))
    assert set(voiceless) - set(codes(lonely)) == {("no_voice", "a")}


def test_who_runs_a_flow_that_has_errors_is_told_once() -> None:
    broken = FAQ.as_json()
    broken["nodes"]["ask"]["options"]["1"] = "gone"
    broken["nodes"]["cards"]["text"] = {"zh": "请带证件"}
    assert codes(whole_document(), flows={"faq": parse_flow(broken)}) == [
        ("subflow_has_errors", "faq")
    ]


def test_a_flow_that_is_run_must_speak_the_languages_of_the_one_that_runs_it() -> None:
    only_zh = {
        "entry": "a",
        "nodes": {"a": {"type": "say", "say": {"zh": "好"}, "next": ".return"}},
    }
    assert codes(whole_document(), flows={"faq": parse_flow(only_zh)}) == [
        ("subflow_has_errors", "faq")
    ]


def test_what_a_flow_says_that_is_run_is_not_asked_of_the_one_that_runs_it() -> None:
    more = {
        "entry": "a",
        "nodes": {
            "a": {"type": "say", "say": {"zh": "好", "en": "Yes", "fr": "Oui"}, "next": ".return"}
        },
    }
    # It speaks French to others: its own prompts are there, and nothing else is wanted here.
    assert codes(whole_document(), flows={"faq": parse_flow(more)}) == []


def test_what_follows_a_flow_that_never_comes_back_is_unreachable() -> None:
    away = {"entry": "a", "nodes": {"a": {"type": "queue", "queue": "general"}}}
    document = whole_document()
    document["nodes"]["faq"]["next"] = "after"
    document["nodes"]["after"] = {"type": "queue", "queue": "general"}
    assert codes(document) == []
    assert codes(document, flows={"faq": parse_flow(away)}) == [("unreachable_node", "after")]


def test_a_value_may_be_set_in_a_flow_that_is_run() -> None:
    asks = {
        "entry": "a",
        "nodes": {
            "a": {
                "type": "collect",
                "say": {"zh": "请输入", "en": "Key it."},
                "into": "ticket",
                "min_digits": 2,
                "max_digits": 6,
                "next": ".return",
            }
        },
    }
    document = whole_document()
    document["nodes"]["faq"]["next"] = "spoken"
    document["nodes"]["spoken"] = {
        "type": "say",
        "say": {"value": "ticket", "as": "digits"},
        "next": "menu",
    }
    assert codes(document, flows={"faq": parse_flow(asks)}) == []
    assert codes(document) == [("variable_never_set", "spoken")]


def test_closed_hours_excuse_from_a_person_and_open_ones_do_not() -> None:
    document = whole_document()
    document["nodes"]["hours"] |= {"open": "bye"}
    assert ("silence_not_a_person", "menu") in codes(document)
    document["nodes"]["hours"] |= {"open": "person", "closed": "bye"}
    document["nodes"]["message"]["reason"] = "choice"
    assert codes(document) == [("unreachable_node", "message")]


def test_a_mailbox_by_silence_needs_a_reason() -> None:
    document = whole_document()
    document["nodes"]["more"]["on_timeout"] = "message"
    assert codes(document) == []
    document["nodes"]["message"]["reason"] = "choice"
    assert codes(document) == [("silence_not_a_person", "more")]


def test_nobody_is_connected_to_the_police_by_silence() -> None:
    document = whole_document()
    document["nodes"]["elsewhere"]["to"] = "110"
    assert codes(document) == []
    document["nodes"]["more"]["on_timeout"] = "elsewhere"
    assert codes(document) == [("silence_not_a_person", "more")]


def test_personal_data_that_nothing_uses_is_an_error_but_where_the_flow_goes_back() -> None:
    def asking(then: str) -> dict[str, Any]:
        return {
            "entry": "a",
            "nodes": {
                "a": {
                    "type": "collect",
                    "say": {"zh": "请输入", "en": "Key it."},
                    "into": "identity",
                    "kind": "id_number",
                    "min_digits": 18,
                    "purpose": "to look your case up",
                    "next": then,
                }
            },
        }

    found = codes(asking(".person"), on_a_line=False)
    assert ("personal_data_without_need", "a") in found
    # The flow that runs it may be the one that needs it.
    found = codes(asking(".return"), on_a_line=False)
    assert "personal_data_without_need" not in [code for code, _node in found]


def test_a_first_prompt_is_too_long_where_it_passes_the_limit() -> None:
    seconds = {("recording_notice", "zh"): 8.1}
    assert codes(whole_document(), prompt_seconds=seconds) == [
        ("over_answer_budget", None),
        ("first_prompt_too_long", "welcome"),
    ]
    # Whoever hears it within another flow has had a choice before.
    assert codes(whole_document(), prompt_seconds=seconds, on_a_line=False, above=1) == []


def test_return_in_a_flow_of_a_line_is_a_remark() -> None:
    document = whole_document()
    document["nodes"]["case"]["next"] = ".return"
    assert codes(document) == [("return_is_a_person", "case")]
    assert codes(document, on_a_line=False) == []


def test_a_language_nobody_gets_back_from_is_a_remark() -> None:
    document = whole_document()
    document["nodes"]["english_menu"] = {
        "type": "menu",
        "say": {"zh": "文字按1", "en": "Hours, press 1."},
        "options": {"1": "opening"},
    }
    document["nodes"]["opening"] = document["nodes"]["text"] | {"next": "english_menu"}
    assert codes(document) == [
        ("language_without_return", "english"),
        ("unreachable_node", "chinese"),
    ]


def test_what_is_not_known_is_not_judged() -> None:
    assert (
        codes(
            whole_document(),
            flows=None,
            schedules=None,
            articles=None,
            categories=None,
            documents=None,
            lines=None,
            on_a_line=None,
        )
        == []
    )


def test_one_defect_of_each_kind_is_found_at_once() -> None:
    document = whole_document()
    document["nodes"]["island"] = {"type": "hangup"}
    document["nodes"]["bye"] = {"type": "hangup", "say": {"zh": "再见"}}
    document["nodes"]["case"]["next"] = "gone"
    document["nodes"]["wanted"]["purpose"] = None
    document["nodes"]["hours"]["schedule"] = "gone"
    assert codes(document) == [
        ("dangling_reference", "case"),
        ("personal_data_without_need", "wanted"),
        ("unknown_schedule", "hours"),
        ("language_incomplete", "bye"),
        ("unreachable_node", "island"),
    ]
