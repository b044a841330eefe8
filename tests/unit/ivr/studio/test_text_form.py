"""Flows as YAML, and what differs between two."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from callcenter.ivr.model import Flow, InvalidFlow, parse_flow
from callcenter.ivr.seed import default_flow
from callcenter.ivr.studio.difference import Change, difference
from callcenter.ivr.studio.text_form import from_yaml, to_yaml
from callcenter.testing.sample_flow import document, flow
from tests.unit.ivr.test_any_flow import sound_flows

pytestmark = pytest.mark.unit


def test_the_shipped_flow_comes_back_from_yaml_as_it_was() -> None:
    text = to_yaml(default_flow())
    assert "您好" in text
    assert parse_flow(from_yaml(text)).as_json() == default_flow().as_json()


@settings(max_examples=60, deadline=None)
@given(flow=sound_flows())
def test_every_flow_comes_back_from_yaml_as_it_was(flow: Flow) -> None:
    assert parse_flow(from_yaml(to_yaml(flow))).as_json() == flow.as_json()


def test_keys_and_words_need_no_quotes() -> None:
    written = """
entry: m
nodes:
  m: {type: menu, say: {zh: 按1, en: "press 1"}, options: {1: b, 0: p}, timeout_seconds: 4}
  b: {type: branch, on: area, cases: {yes: p, 01: p}, otherwise: p}
  p: {type: queue, queue: general}
"""
    found = parse_flow(from_yaml(written)).as_json()["nodes"]
    assert found["m"]["options"] == {"1": "b", "0": "p"}
    assert found["m"]["timeout_seconds"] == 4
    assert (found["b"]["on"], found["b"]["cases"]) == ("area", {"yes": "p", "01": "p"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("entry: a\nentry: b\n", "line 2, column 1"),
        ("a: &x 1\nb: *x\n", "line 1, column 4"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1, column 4"),
        ("a: [b\n", "line 2, column 1"),
        ("? [a]\n: b\n", "line 1, column 3"),
        ("[" * 50 + "]" * 50, "line 1, column 13"),
        ("a: \x00", "body"),
        ("--- a\n--- b\n", "line 2, column 1"),
    ],
)
def test_what_is_not_read_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(from_yaml(text))
    assert refused.value.problems[0][0] == place


@pytest.mark.parametrize("text", ["", "5", "null", "- a", "true", "a"])
def test_what_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(InvalidFlow):
        parse_flow(from_yaml(text))


def test_a_difference_names_nodes_and_fields() -> None:
    changed = document()
    del changed["nodes"]["english"]
    changed["nodes"]["menu"]["options"] = {"1": "answer", "9": "bye"}
    changed["nodes"]["menu"].pop("retries")
    changed["nodes"]["new"] = {"type": "hangup"}
    found = difference(flow(), parse_flow(changed))
    assert (found.added, found.removed) == (("new",), ("english",))
    (node,) = found.changed
    assert node.node == "menu"
    assert list(node.fields) == ["options", "retries"]
    assert node.fields["retries"] == Change(1, None)
    assert difference(flow(), flow()).is_empty
