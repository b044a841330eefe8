"""The check: reads a flow's whole graph and says everything that is wrong with it, at once.

Pure and stable: the same flow in the same surroundings gives the same findings in the same order
(the whole first, then the order of the nodes in the document, then of the rules below). Errors
block publishing. The work grows with nodes and references, never with the ways through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callcenter.ivr.check import keys, needs, outside, structure, words
from callcenter.ivr.check.findings import (
    Code,
    Finding,
    Findings,
    Report,
    SecondsToPerson,
    Severity,
    Surroundings,
    error,
    errors_in,
    estimated,
)
from callcenter.ivr.check.graph import Family, Graph
from callcenter.ivr.check.seconds import Timed
from callcenter.ivr.model import Flow
from callcenter.ivr.nodes import SubFlow

__all__ = [
    "Code",
    "Finding",
    "Report",
    "SecondsToPerson",
    "Severity",
    "Surroundings",
    "check",
    "errors_in",
    "estimated",
    "examine",
]

_Rule = Callable[[Graph, str], Findings]

_RULES: Final[tuple[_Rule, ...]] = (
    structure.dangling,
    structure.unreachable,
    structure.loop,
    words.language,
    words.voice,
    words.prompt,
    outside.queue,
    outside.schedule,
    outside.article,
    outside.category,
    outside.document,
    outside.line,
    structure.sub_flow,
    structure.zero,
    structure.silence,
    structure.returns,
    structure.language_back,
    keys.announcements,
    structure.too_short,
    needs.personal_data,
    needs.never_set,
)


def check(flow: Flow, around: Surroundings) -> list[Finding]:
    """Every finding, errors, warnings and figures, in a stable order."""
    return list(examine(flow, around).findings)


def examine(flow: Flow, around: Surroundings) -> Report:
    """Every finding, and how long a person is away."""
    family = Family(flow, around)
    timed = Timed(family.root)
    findings = [*structure.whole(family.root), *timed.whole()]
    broken = _broken(family)
    for node_id, node in flow.nodes.items():
        for rule in _RULES:
            findings.extend(rule(family.root, node_id))
        if isinstance(node, SubFlow) and node.flow in broken:
            message = f"The flow “{node.flow}” it runs has errors: {broken[node.flow]}."
            findings.append(error(Code.SUBFLOW_HAS_ERRORS, node_id, message))
        findings.extend(timed.node(node_id))
    return Report(findings, timed.seconds)


def _broken(family: Family) -> dict[str, str]:
    """The flows that are run and have errors, with the first few: each is told once, where it is
    run; its own check has the rest.
    """
    found: dict[str, str] = {}
    for name, graph in family.looked_into():
        errors = errors_in([*structure.whole(graph)])
        for node_id, node in graph.flow.nodes.items():
            for rule in _RULES:
                errors += errors_in([*rule(graph, node_id)])
            if isinstance(node, SubFlow) and node.flow in found:
                errors.append(error(Code.SUBFLOW_HAS_ERRORS, node_id, ""))
        if errors:
            told = [f"{e.code} at {e.node or 'entry'}" for e in errors[:3]]
            found[name] = ", ".join(told) + (" …" if len(errors) > 3 else "")
    return found
