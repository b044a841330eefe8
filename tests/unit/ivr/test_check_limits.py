"""What is too large, too deep or round in circles is refused by limit; the work stays in bounds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from callcenter.ivr.check import Code, Surroundings, check, errors_in
from callcenter.ivr.model import MAX_DEPTH, Flow, parse_flow
from callcenter.testing.sample_flow import AROUND, words

pytestmark = pytest.mark.unit

PERSON = {"type": "queue", "queue": "general"}


def runs(*names: str) -> Flow:
    nodes: dict[str, Any] = {
        f"f{place}": {"type": "flow", "flow": name, "next": f"f{place + 1}"}
        for place, name in enumerate(names)
    }
    return parse_flow({"entry": "f0", "nodes": nodes | {f"f{len(names)}": PERSON}})


def back(count: int = 1) -> Flow:
    """A flow of so many nodes that comes back."""
    nodes: dict[str, Any] = {
        f"s{i}": {
            "type": "say",
            "say": words("x"),
            "next": f"s{i + 1}" if i + 1 < count else ".return",
        }
        for i in range(count)
    }
    return parse_flow({"entry": "s0", "nodes": nodes})


def chain(length: int) -> dict[str, Flow]:
    """`c0` runs `c1` runs `c2` …"""
    flows = {f"c{i}": runs(f"c{i + 1}") for i in range(length - 1)}
    return flows | {f"c{length - 1}": back()}


def errors(flow: Flow, **around: Any) -> list[tuple[str, str | None]]:
    findings = check(flow, replace(AROUND, name="main", **around))
    return [(f.code.value, f.node) for f in errors_in(findings)]


def test_flows_may_run_within_one_another_up_to_the_limit() -> None:
    assert errors(runs("c0"), flows=chain(MAX_DEPTH - 1)) == []
    assert errors(runs("c0"), flows=chain(MAX_DEPTH)) == [("subflow_too_deep", "f0")]


def test_a_hundred_and_two_thousand_deep_are_refused_all_the_same() -> None:
    for depth in (100, 1900):
        found = errors(runs("c0"), flows=chain(depth))
        assert ("subflow_too_deep", "f0") in found or ("flow_too_large", None) in found
    assert errors(runs("c0"), flows=chain(100)) == [("subflow_too_deep", "f0")]


def test_the_flows_above_count_too() -> None:
    assert errors(runs("c0"), flows=chain(1), above=MAX_DEPTH - 2) == []
    assert errors(runs("c0"), flows=chain(1), above=MAX_DEPTH - 1) == [("subflow_too_deep", "f0")]


def test_a_flow_that_runs_itself_through_others_is_found_where_it_does() -> None:
    flows = {"a": runs("b"), "b": runs("main"), "ok": back()}
    assert errors(runs("ok", "a"), flows=flows) == [("subflow_cycle", "f1")]
    assert errors(runs("main"), flows={}) == [("subflow_cycle", "f0")]
    # A circle among others, which this flow is no part of.
    assert errors(runs("a"), flows={"a": runs("b"), "b": runs("a")}) == [("subflow_cycle", "f0")]


def test_a_flow_that_was_never_published_is_found_wherever_it_is_run() -> None:
    assert errors(runs("gone"), flows={}) == [("unknown_flow", "f0")]
    assert errors(runs("a"), flows={"a": runs("gone")}) == [("subflow_has_errors", "f0")]


def test_too_many_nodes_together_are_refused_without_reading_them() -> None:
    big = {f"b{i}": back(400) for i in range(5)}
    assert errors(runs(*big), flows=big) == [("flow_too_large", None)]
    # A flow that is run in many places counts once.
    assert errors(runs(*["b0"] * 400), flows=big) == []
    # Counted in the database, and never read.
    sizes = dict.fromkeys(("b0", "b1"), 1000)
    assert errors(runs("b0", "b1"), flows={}, flow_sizes=sizes) == [("flow_too_large", None)]


@contextmanager
def counted_calls() -> Iterator[list[int]]:
    """Python calls made within: a count that no busy machine changes."""
    calls = [0]

    def count(_frame: Any, event: str, _arg: Any) -> None:
        calls[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


KEYS = "123456789*#"


def dense(count: int, around: Surroundings = AROUND) -> int:
    """Calls made for a flow in which everything leads everywhere."""
    names = [f"n{i}" for i in range(count)]
    nodes: dict[str, Any] = {}
    for place, name in enumerate(names):
        targets = [names[(place * 7 + step * 13 + 1) % count] for step in range(50)]
        if place % 3 == 0:
            cases = {str(number): target for number, target in enumerate(targets)}
            nodes[name] = {"type": "branch", "on": "wish", "cases": cases, "otherwise": targets[0]}
        elif place % 7 == 0:
            language = "en" if place % 2 else "zh"
            nodes[name] = {"type": "language", "language": language, "next": targets[0]}
        else:
            nodes[name] = {
                "type": "menu",
                "say": words(name),
                "options": dict(zip(KEYS, targets, strict=False)),
                "on_timeout": targets[11],
                "on_invalid": targets[12],
            }
    flow = parse_flow({"entry": "n0", "nodes": nodes})
    with counted_calls() as calls:
        check(flow, around)
    return calls[0]


def test_the_work_grows_with_the_references_and_not_with_the_ways() -> None:
    few, many = dense(125), dense(500)
    assert many < 6 * few
    assert many < 1_500_000


def test_a_long_chain_needs_no_recursion() -> None:
    nodes: dict[str, Any] = {
        f"n{i}": {"type": "say", "say": words("x"), "next": f"n{i + 1}"} for i in range(499)
    }
    flow = parse_flow({"entry": "n0", "nodes": nodes | {"n499": PERSON}})
    found = check(flow, AROUND)
    assert errors_in(found) == []
    assert Code.OVER_ANSWER_BUDGET in {f.code for f in found}
