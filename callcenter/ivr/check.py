"""The check: reads a flow's whole graph and says everything that is wrong with it, at once.

Pure and stable: the same flow in the same surroundings gives the same findings in the same order
(the order of the nodes in the document, then of the rules below). Errors block publishing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from callcenter.ivr.model import Flow, forced_next, languages_of, references, spoken_by
from callcenter.ivr.nodes import Article, Menu, Say, SwitchLanguage, ToQueue
from callcenter.ivr.spoken import PromptRef


class Severity(StrEnum):
    ERROR = "error"  #: blocks publishing
    WARNING = "warning"  #: callers are served; somebody should look


class Code(StrEnum):
    """Stable names of findings, part of the REST contract."""

    NO_ENTRY = "no_entry"
    DANGLING_REFERENCE = "dangling_reference"
    UNREACHABLE_NODE = "unreachable_node"
    LOOP_WITHOUT_EXIT = "loop_without_exit"
    LANGUAGE_INCOMPLETE = "language_incomplete"
    UNKNOWN_QUEUE = "unknown_queue"
    UNKNOWN_PROMPT = "unknown_prompt"
    ZERO_NOT_A_PERSON = "zero_not_a_person"
    SILENCE_NOT_A_PERSON = "silence_not_a_person"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `node` is None where it concerns the flow as a whole."""

    severity: Severity
    code: Code
    node: str | None
    message: str


@dataclass(frozen=True)
class Surroundings:
    """What a flow may refer to outside itself, at the moment of the check."""

    queues: frozenset[str]
    #: Prompt name → the languages it can be heard in.
    prompts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Languages of the lines that run this flow: it must speak them too.
    languages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Graph:
    flow: Flow
    around: Surroundings
    languages: Sequence[str]
    reachable: frozenset[str]
    loops: Mapping[str, Sequence[str]]  # first node of each loop nobody can leave → its nodes


_Rule = Callable[[_Graph, str], Iterator[Finding]]


def check(flow: Flow, around: Surroundings) -> list[Finding]:
    """Every finding, errors and warnings, in a stable order; empty for a sound flow."""
    graph = _Graph(
        flow=flow,
        around=around,
        languages=sorted({*languages_of(flow), *around.languages}),
        reachable=_reachable(flow),
        loops=_forced_loops(flow),
    )
    findings = list(_entry(graph))
    for node_id in flow.nodes:
        for rule in _RULES:
            findings.extend(rule(graph, node_id))
    return findings


def errors_in(findings: Sequence[Finding]) -> list[Finding]:
    """Those that block publishing."""
    return [finding for finding in findings if finding.severity is Severity.ERROR]


def _entry(graph: _Graph) -> Iterator[Finding]:
    if graph.flow.entry not in graph.flow.nodes:
        message = f"The flow begins at “{graph.flow.entry}”, which does not exist."
        yield Finding(Severity.ERROR, Code.NO_ENTRY, None, message)


def _dangling(graph: _Graph, node_id: str) -> Iterator[Finding]:
    for name, target in references(graph.flow.nodes[node_id]):
        if target not in graph.flow.nodes:
            message = f"{name} leads to “{target}”, which does not exist."
            yield Finding(Severity.ERROR, Code.DANGLING_REFERENCE, node_id, message)


def _unreachable(graph: _Graph, node_id: str) -> Iterator[Finding]:
    if node_id not in graph.reachable:
        message = "No caller ever gets here."
        yield Finding(Severity.WARNING, Code.UNREACHABLE_NODE, node_id, message)


def _loop(graph: _Graph, node_id: str) -> Iterator[Finding]:
    if node_id in graph.loops:
        way = " → ".join([*graph.loops[node_id], node_id])
        message = f"A loop the caller has no choice to leave: {way}."
        yield Finding(Severity.ERROR, Code.LOOP_WITHOUT_EXIT, node_id, message)


def _language(graph: _Graph, node_id: str) -> Iterator[Finding]:
    spoken = spoken_by(graph.flow.nodes[node_id])
    if not isinstance(spoken, dict):
        return
    for language in graph.languages:
        if language not in spoken:
            message = f"There is no text in “{language}”, which callers of this flow can hear."
            yield Finding(Severity.ERROR, Code.LANGUAGE_INCOMPLETE, node_id, message)


def _prompt(graph: _Graph, node_id: str) -> Iterator[Finding]:
    spoken = spoken_by(graph.flow.nodes[node_id])
    if not isinstance(spoken, PromptRef):
        return
    heard_in = graph.around.prompts.get(spoken.prompt)
    if heard_in is None:
        message = f"There is no prompt “{spoken.prompt}”."
        yield Finding(Severity.ERROR, Code.UNKNOWN_PROMPT, node_id, message)
        return
    for language in graph.languages:
        if language not in heard_in:
            message = f"The prompt “{spoken.prompt}” is missing in “{language}”."
            yield Finding(Severity.ERROR, Code.LANGUAGE_INCOMPLETE, node_id, message)


def _queue(graph: _Graph, node_id: str) -> Iterator[Finding]:
    node = graph.flow.nodes[node_id]
    if isinstance(node, ToQueue) and node.queue not in graph.around.queues:
        message = f"There is no queue “{node.queue}”."
        yield Finding(Severity.ERROR, Code.UNKNOWN_QUEUE, node_id, message)


def _zero(graph: _Graph, node_id: str) -> Iterator[Finding]:
    node = graph.flow.nodes[node_id]
    if not isinstance(node, Menu) or "0" not in node.options:
        return
    target = graph.flow.nodes.get(node.options["0"])
    if target is not None and not isinstance(target, ToQueue):
        message = "0 must lead straight to a person (a queue node), or be left out."
        yield Finding(Severity.ERROR, Code.ZERO_NOT_A_PERSON, node_id, message)


def _silence(graph: _Graph, node_id: str) -> Iterator[Finding]:
    node = graph.flow.nodes[node_id]
    if isinstance(node, Menu) and not _silence_reaches_a_person(graph.flow, node_id):
        message = "Who presses nothing does not reach a person from here: see on_timeout."
        yield Finding(Severity.ERROR, Code.SILENCE_NOT_A_PERSON, node_id, message)


_RULES: Final[tuple[_Rule, ...]] = (
    _dangling,
    _unreachable,
    _loop,
    _language,
    _prompt,
    _queue,
    _zero,
    _silence,
)


def _reachable(flow: Flow) -> frozenset[str]:
    found: set[str] = set()
    waiting = [flow.entry]
    while waiting:
        node_id = waiting.pop()
        if node_id in found or node_id not in flow.nodes:
            continue
        found.add(node_id)
        waiting.extend(target for _name, target in references(flow.nodes[node_id]))
    return frozenset(found)


def _forced_loops(flow: Flow) -> dict[str, list[str]]:
    """Loops of nodes that ask the caller nothing, each named by its first node in the document."""
    place = {node_id: number for number, node_id in enumerate(flow.nodes)}
    settled: set[str] = set()
    loops: dict[str, list[str]] = {}
    for start in flow.nodes:
        way: list[str] = []
        here: str | None = start
        while here is not None and here in flow.nodes and here not in settled:
            if here in way:
                loop = way[way.index(here) :]
                first = min(range(len(loop)), key=lambda number: place[loop[number]])
                loops[loop[first]] = loop[first:] + loop[:first]
                break
            way.append(here)
            node = flow.nodes[here]
            here = node.next if isinstance(node, Say | Article | SwitchLanguage) else None
        settled.update(way)
    return loops


def _silence_reaches_a_person(flow: Flow, node_id: str) -> bool:
    passed: set[str] = set()
    here: str | None = node_id
    while here is not None:
        node = flow.nodes.get(here)
        if node is None:  # reported as dangling; one finding for one mistake
            return True
        if here in passed:
            return False
        passed.add(here)
        if isinstance(node, Menu) and node.on_timeout is None:
            return True  # a person, built into the runner
        if isinstance(node, ToQueue):
            return True
        here = forced_next(node)
    return False
