"""Properties of every flow: generated ones, sound and with planted defects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter.ivr.check import Code, check, errors_in
from callcenter.ivr.exits import EnterQueue, FlowExit
from callcenter.ivr.model import Flow, parse_flow
from callcenter.ivr.nodes import Menu
from callcenter.ivr.runner import MAX_STEPS, run_flow
from callcenter.testing.sample_flow import AROUND, VOICE, plan, words
from callcenter.testing.scripted_caller import Early, ScriptedCaller

pytestmark = pytest.mark.unit

KEYS = "123456789*#"
IDS = [f"n{i}" for i in range(8)]


@st.composite
def nodes(draw: st.DrawFn, targets: list[str], by_itself: list[str]) -> dict[str, Any]:
    """One node; keys lead to `targets`, what needs no key leads to `by_itself`."""
    target, onward = st.sampled_from(targets), st.sampled_from(by_itself)
    kind = draw(st.sampled_from(["say", "article", "language", "menu", "menu", "queue", "hangup"]))
    match kind:
        case "say":
            return {"type": kind, "say": words("s"), "next": draw(onward)}
        case "article":
            return {"type": kind, "text": words("a"), "next": draw(onward)}
        case "language":
            language = draw(st.sampled_from(["zh", "en"]))
            return {"type": kind, "language": language, "next": draw(onward)}
        case "queue":
            return {"type": kind, "queue": "legal"}
        case "hangup":
            return {"type": kind}
    node: dict[str, Any] = {
        "type": "menu",
        "say": words("m"),
        "options": draw(st.dictionaries(st.sampled_from(KEYS), target, min_size=1, max_size=4)),
        "retries": draw(st.integers(0, 2)),
    }
    for way in ("on_timeout", "on_invalid"):
        if draw(st.booleans()):
            node[way] = draw(onward)
    return node


@st.composite
def flows(draw: st.DrawFn) -> dict[str, Any]:
    return {"entry": "n0", "nodes": {node_id: draw(nodes(IDS, IDS)) for node_id in IDS}}


@st.composite
def sound_flows(draw: st.DrawFn) -> Flow:
    """Sound by the way it is made: without a key it only goes down, where a person waits."""
    people = {"type": "queue", "queue": "legal"}
    made: dict[str, Any] = {IDS[-1]: people}
    for place in reversed(range(len(IDS) - 1)):
        below = [name for name in IDS[place + 1 :] if made[name]["type"] != "hangup"]
        made[IDS[place]] = draw(nodes(IDS, below))
    if made["n0"]["type"] == "hangup":
        made["n0"] = people
    flow = parse_flow({"entry": "n0", "nodes": dict(sorted(made.items()))})
    assert not errors_in(check(flow, AROUND))
    return flow


presses = st.lists(
    st.one_of(st.none(), st.sampled_from("0" + KEYS), st.sampled_from("0" + KEYS).map(Early)),
    max_size=40,
)
_MANY = settings(max_examples=100, deadline=None)


def run(flow: Flow, caller: ScriptedCaller) -> FlowExit:
    # A scripted caller never really waits: the coroutine runs through without an event loop.
    running = run_flow(plan(flow), caller, VOICE)
    with pytest.raises(StopIteration) as ended:
        running.send(None)
    done: FlowExit = ended.value.value
    return done


@_MANY
@given(flow=sound_flows(), presses=presses)
def test_a_sound_flow_always_ends_within_the_bound_and_without_a_fault(
    flow: Flow, presses: list[Any]
) -> None:
    caller = ScriptedCaller(presses)
    done = run(flow, caller)
    assert not (isinstance(done, EnterQueue) and done.why == "fault")
    assert len(caller.path) <= MAX_STEPS * 3
    assert max(caller.trips_per_step) <= 2


@_MANY
@given(flow=sound_flows(), presses=presses)
def test_from_every_menu_silence_reaches_a_person(flow: Flow, presses: list[Any]) -> None:
    caller = ScriptedCaller(presses)
    run(flow, caller)
    menus = {e.node for e in caller.path if isinstance(flow.nodes.get(e.node), Menu)}
    for menu in sorted(menus):
        assert isinstance(run(flow, ScriptedCaller(resume_node=menu)), EnterQueue)


@_MANY
@given(document=flows())
def test_from_every_menu_zero_reaches_a_person_though_the_flow_is_broken(
    document: dict[str, Any],
) -> None:
    flow = parse_flow(document)
    for node_id, node in flow.nodes.items():
        if isinstance(node, Menu):
            assert isinstance(run(flow, ScriptedCaller(["0"], resume_node=node_id)), EnterQueue)


@_MANY
@given(
    flow=sound_flows(),
    where=st.sampled_from(IDS),
    defect=st.sampled_from(["dangling", "queue", "prompt", "language", "zero", "loop", "silence"]),
)
def test_a_planted_defect_is_found_where_it_was_planted(
    flow: Flow, where: str, defect: str
) -> None:
    document = flow.as_json()
    menu = {"type": "menu", "say": words("m"), "options": {"1": "end"}}
    planted: dict[str, tuple[Code, dict[str, Any]]] = {
        "dangling": (Code.DANGLING_REFERENCE, {"type": "say", "say": words("x"), "next": "gone"}),
        "queue": (Code.UNKNOWN_QUEUE, {"type": "queue", "queue": "gone"}),
        "prompt": (Code.UNKNOWN_PROMPT, {"type": "hangup", "say": {"prompt": "gone"}}),
        "language": (Code.LANGUAGE_INCOMPLETE, {"type": "hangup", "say": {"zh": "x"}}),
        "zero": (Code.ZERO_NOT_A_PERSON, menu | {"options": {"0": "end"}}),
        "loop": (Code.LOOP_WITHOUT_EXIT, {"type": "say", "say": words("x"), "next": where}),
        "silence": (Code.SILENCE_NOT_A_PERSON, menu | {"on_timeout": "end"}),
    }
    code, node = planted[defect]
    document["nodes"] |= {where: node, "end": {"type": "hangup", "say": words("end")}}
    findings = check(parse_flow(document), AROUND)
    assert (code, where) in {(f.code, f.node) for f in findings}
    # The other nodes were sound: what else is found follows from the planted one.
    followers = {Code.UNREACHABLE_NODE, Code.SILENCE_NOT_A_PERSON, Code.LOOP_WITHOUT_EXIT}
    assert {f.code for f in findings if f.node != where} <= followers | {Code.LANGUAGE_INCOMPLETE}


@_MANY
@given(document=flows())
def test_the_check_is_stable_and_never_fails(document: dict[str, Any]) -> None:
    flow = parse_flow(document)
    assert check(flow, AROUND) == check(parse_flow(document), AROUND)
