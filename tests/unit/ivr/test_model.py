"""What one node may look like."""

from __future__ import annotations

from typing import Any

import pytest

from callcenter.ivr.model import MAX_NODES, InvalidFlow, languages_of, parse_flow, texts_of
from callcenter.testing.sample_flow import document, flow

pytestmark = pytest.mark.unit


def test_a_flow_is_given_back_as_it_was_written() -> None:
    assert parse_flow(document()).as_json() == document()


def test_every_text_and_language_a_caller_can_hear_is_found() -> None:
    assert languages_of(flow()) == ["en", "zh"]
    assert ("zh", "中menu") in set(texts_of(flow()))
    assert len(list(texts_of(flow()))) == 10


@pytest.mark.parametrize(
    ("node", "field"),
    [
        ({"type": "say", "say": {"zh": "x"}}, "nodes.n.next"),
        ({"type": "say", "say": {"zh": "x"}, "next": "menu", "nxt": "y"}, "nodes.n.nxt"),
        ({"type": "say", "say": {"chinese": "x"}, "next": "menu"}, "nodes.n.say.chinese"),
        ({"type": "say", "say": {"zh": "x" * 2001}, "next": "menu"}, "nodes.n.say.zh"),
        ({"type": "say", "say": {"zh": " "}, "next": "menu"}, "nodes.n.say.zh"),
        ({"type": "say", "say": {"zh": "a\x00b"}, "next": "menu"}, "nodes.n.say.zh"),
        ({"type": "say", "say": {"zh": "\ud800"}, "next": "menu"}, "nodes.n.say.zh"),
        ({"type": "say", "say": {}, "next": "menu"}, "nodes.n.say"),
        ({"type": "say", "say": "words", "next": "menu"}, "nodes.n.say"),
        ({"type": "say", "say": {"prompt": "../x"}, "next": "menu"}, "nodes.n.say.prompt"),
        ({"type": "say", "say": {"prompt": "x", "zh": "x"}, "next": "menu"}, "nodes.n.say.zh"),
        ({"type": "say", "say": {"zh": "x"}, "next": "Menu"}, "nodes.n.next"),
        ({"type": "article", "text": {"zh": 3}, "next": "menu"}, "nodes.n.text.zh"),
        ({"type": "menu", "say": {"zh": "x"}, "options": {}}, "nodes.n.options"),
        ({"type": "menu", "say": {"zh": "x"}, "options": {"12": "menu"}}, "nodes.n.options.12"),
        ({"type": "menu", "say": {"zh": "x"}, "options": {"1": "a b"}}, "nodes.n.options.1"),
        ({"type": "language", "language": "EN", "next": "menu"}, "nodes.n.language"),
        ({"type": "queue", "queue": "General!"}, "nodes.n.queue"),
        ({"type": "telegraph"}, "nodes.n"),
        ({"next": "menu"}, "nodes.n"),
        ([], "nodes.n"),
    ],
)
def test_a_broken_rule_is_named_with_its_field(node: Any, field: str) -> None:
    whole = document()
    whole["nodes"]["n"] = node
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(whole)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("name", "value"),
    [("timeout_seconds", 0), ("timeout_seconds", 31), ("retries", -1), ("retries", 6)],
)
def test_the_limits_of_a_menu_are_kept(name: str, value: int) -> None:
    whole = document()
    whole["nodes"]["menu"][name] = value
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(whole)
    assert refused.value.field == f"nodes.menu.{name}"


def test_all_broken_rules_are_named_at_once() -> None:
    whole = document()
    del whole["entry"]
    whole["nodes"]["menu"]["retries"] = 9
    whole["nodes"]["bye"]["colour"] = "red"
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(whole)
    assert {field for field, _rule in refused.value.problems} == {
        "entry",
        "nodes.menu.retries",
        "nodes.bye.colour",
    }


def test_a_flow_of_ten_thousand_nodes_is_refused_by_its_limit() -> None:
    whole = document()
    whole["nodes"] |= {f"n{i}": {"type": "hangup"} for i in range(10_000)}
    with pytest.raises(InvalidFlow, match=f"at most {MAX_NODES} nodes"):
        parse_flow(whole)


@pytest.mark.parametrize("value", [None, [], "flow", 3, {"entry": "a", "nodes": []}])
def test_what_is_no_flow_at_all_is_refused(value: object) -> None:
    with pytest.raises(InvalidFlow):
        parse_flow(value)
