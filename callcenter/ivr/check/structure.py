"""Rules on the shape of a flow: where it leads, and that a person is always to be had."""

from __future__ import annotations

from typing import Final

from callcenter.ivr.check.findings import Code, Findings, error, info, warning
from callcenter.ivr.check.graph import Graph, leads_nowhere
from callcenter.ivr.check.ways import PEOPLE, asks, zero_is_a_person
from callcenter.ivr.model import MAX_DEPTH, MAX_NODES_TOGETHER, references
from callcenter.ivr.nodes import (
    RETURN,
    Collect,
    Menu,
    SubFlow,
    Survey,
    SwitchLanguage,
    ToQueue,
)

#: Seconds it takes to find a key on a telephone that is held to the ear.
_SHORTEST_TIMEOUT: Final = 3


def whole(graph: Graph) -> Findings:
    """What concerns the flow and none of its nodes."""
    flow, family = graph.flow, graph.family
    if flow.entry not in flow.nodes:
        message = f"The flow begins at “{flow.entry}”, which does not exist."
        yield error(Code.NO_ENTRY, None, message)
    elif not graph.ends & {*PEOPLE, RETURN} and not _breaks_off(graph):
        message = "No way through this flow leads to a person: give it a queue, or `.person`."
        # A flow that others run may be their goodbye.
        if graph is family.root:
            tell = warning if graph.around.on_a_line is False else error
            yield tell(Code.NO_WAY_TO_A_PERSON, None, message)
    if family.is_too_large:
        message = (
            f"With the flows it runs it has {family.nodes_together} nodes; "
            f"at most {MAX_NODES_TOGETHER} are allowed."
        )
        yield error(Code.FLOW_TOO_LARGE, None, message)


def _breaks_off(graph: Graph) -> bool:
    """Whether a way that callers take is missing: that is told, and mended first."""
    return any(leads_nowhere(graph.flow, node_id) for node_id in graph.reachable)


def dangling(graph: Graph, node_id: str) -> Findings:
    for name, target in leads_nowhere(graph.flow, node_id):
        message = f"{name} leads to “{target}”, which does not exist."
        yield error(Code.DANGLING_REFERENCE, node_id, message)


def unreachable(graph: Graph, node_id: str) -> Findings:
    if node_id not in graph.reachable:
        yield warning(Code.UNREACHABLE_NODE, node_id, "No caller ever gets here.")


def loop(graph: Graph, node_id: str) -> Findings:
    found = graph.unasked_loops.get(node_id)
    if found is None:
        return
    nodes, leaves = found
    way = " → ".join([*nodes[:20], *(["…"] if len(nodes) > 20 else []), node_id])
    if leaves:
        message = f"A loop in which nothing is asked; only what a branch finds leads out: {way}."
        yield warning(Code.LOOP_WITHOUT_EXIT, node_id, message)
    else:
        message = f"A loop the caller has no choice to leave: {way}."
        yield error(Code.LOOP_WITHOUT_EXIT, node_id, message)


def zero(graph: Graph, node_id: str) -> Findings:
    node = graph.flow.nodes[node_id]
    if isinstance(node, Menu) and "0" in node.options:
        target = node.options["0"]
        found = graph.flow.nodes.get(target)
        if target == RETURN or (found is not None and not isinstance(found, ToQueue)):
            message = "0 must lead straight to a person (a queue node, `.person`), or be left out."
            yield error(Code.ZERO_NOT_A_PERSON, node_id, message)
    elif isinstance(node, Collect) and not zero_is_a_person(node):
        message = "0 is taken for an answer here: with min_digits of 2 or more it is a person."
        yield warning(Code.ZERO_NOT_A_PERSON, node_id, message)
    elif isinstance(node, Survey) and not zero_is_a_person(node):
        yield warning(Code.ZERO_NOT_A_PERSON, node_id, "0 is an answer here, and no person.")


def silence(graph: Graph, node_id: str) -> Findings:
    if asks(graph.flow.nodes[node_id]) and node_id in graph.silence_fails:
        field = next(
            (
                name
                for name, _target in references(graph.flow.nodes[node_id])
                if name in ("on_timeout", "on_failed", "on_refused")
            ),
            "next",
        )
        message = f"Who presses nothing does not reach a person from here: see {field}."
        yield error(Code.SILENCE_NOT_A_PERSON, node_id, message)


def too_short(graph: Graph, node_id: str) -> Findings:
    seconds = getattr(graph.flow.nodes[node_id], "timeout_seconds", None)
    if seconds is not None and seconds < _SHORTEST_TIMEOUT:
        message = (
            f"{seconds} s are too short to find a key: give at least {_SHORTEST_TIMEOUT} seconds."
        )
        yield warning(Code.TIMEOUT_TOO_SHORT, node_id, message)


def sub_flow(graph: Graph, node_id: str) -> Findings:
    node, family = graph.flow.nodes[node_id], graph.family
    if not isinstance(node, SubFlow):
        return
    name = node.flow
    if name in family.missing:
        message = f"There is no published flow “{name}”: callers would go to a person."
        yield error(Code.UNKNOWN_FLOW, node_id, message)
    elif name in family.cyclic:
        yield error(Code.SUBFLOW_CYCLE, node_id, f"“{name}” runs flows that run it again.")
    elif family.too_deep(name):
        deep = graph.around.above + 1 + family.depth.get(name, 1)
        message = f"{deep} flows run within one another here; at most {MAX_DEPTH} may."
        yield error(Code.SUBFLOW_TOO_DEEP, node_id, message)


def returns(graph: Graph, node_id: str) -> Findings:
    if graph.around.on_a_line and graph.around.above == 0:
        fields = [name for name, to in references(graph.flow.nodes[node_id]) if to == RETURN]
        if fields:
            message = f"A line leads its callers straight here: {fields[0]} is a person to them."
            yield info(Code.RETURN_IS_A_PERSON, node_id, message)


def language_back(graph: Graph, node_id: str) -> Findings:
    """Whoever came to a language by mistake should get back."""
    node = graph.flow.nodes[node_id]
    if not isinstance(node, SwitchLanguage) or node.language in graph.around.languages:
        return
    if node.next in graph.asked_after and node.next not in graph.back_from(node.language):
        message = f"Nobody gets back from “{node.language}” to another language."
        yield info(Code.LANGUAGE_WITHOUT_RETURN, node_id, message)
