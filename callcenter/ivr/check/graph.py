"""A flow as a graph, together with the flows it runs.

Each flow is looked at once, whatever runs it: what leads out of it (a person, back, gone) stands
for all of it in the flow that runs it, so that the work grows with the nodes and never with the
ways through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from callcenter.ivr.check.findings import Surroundings
from callcenter.ivr.check.values import Values
from callcenter.ivr.check.ways import (
    ANY,
    EMERGENCY,
    LEFT,
    MAILBOX,
    PEOPLE,
    SILENT_OPEN,
    UNASKED,
    How,
    Way,
    asks,
    components,
    reached,
    ways,
)
from callcenter.ivr.model import (
    MAX_DEPTH,
    MAX_NODES_TOGETHER,
    Flow,
    languages_of,
    references,
)
from callcenter.ivr.nodes import RETURN, Node, Say, SubFlow, SwitchLanguage

#: Ways out of a flow, as they count for the one that runs it.
_OUT: Final = (*sorted(PEOPLE), RETURN, LEFT, MAILBOX)


class Graph:
    """One flow and every way through it."""

    def __init__(self, flow: Flow, family: Family) -> None:
        self.flow = flow
        self.around = family.around
        self.family = family
        self._back_from: dict[str, frozenset[str]] = {}
        self.ways: dict[str, list[Way]] = {
            node_id: list(self._ways(node)) for node_id, node in flow.nodes.items()
        }

    def _ways(self, node: Node) -> Iterable[Way]:
        if not isinstance(node, SubFlow):
            return ways(node, self.around)
        within = self.family.graph(node.flow)
        if within is None:  # not to be looked into: it may do anything
            return [(How.SILENCE, node.next), (How.KEY, LEFT), *_to_people()]
        return [(how, node.next if out == RETURN else out) for how, out in within.ways_out]

    @cached_property
    def ways_out(self) -> Sequence[Way]:
        """What leads out of this flow, and how little a caller has to do to get there."""
        by = [(How.ITSELF, frozenset({How.ITSELF})), (How.CLOSED, UNASKED)]
        by += [(How.SILENCE, SILENT_OPEN), (How.KEY, ANY)]
        found: dict[str, How] = {}
        for how, allowed in by:
            for out in reached([self.flow.entry], self.ways, allowed).intersection(_OUT):
                found.setdefault(out, how)
        return [(found[out], out) for out in _OUT if out in found]

    @cached_property
    def reachable(self) -> frozenset[str]:
        """Nodes a caller can get to. A `0` that is wired wrongly counts: it is told once."""
        return frozenset(reached([self.flow.entry], self.ways, ANY) & self.flow.nodes.keys())

    @cached_property
    def said_before(self) -> Mapping[str, Sequence[Say]]:
        """What is said right before a node: its keys can be pressed there already."""
        found: dict[str, list[Say]] = {}
        for node in self.flow.nodes.values():
            if isinstance(node, Say):
                found.setdefault(node.next, []).append(node)
        return found

    @cached_property
    def ends(self) -> frozenset[str]:
        """The ways out somebody can get to."""
        return frozenset(out for _how, out in self.ways_out)

    @cached_property
    def values(self) -> Values:
        """What it remembers of a call."""
        return Values(self)

    @cached_property
    def silence_fails(self) -> frozenset[str]:
        """Nodes from which somebody who presses nothing reaches no person though one is there:
        gone, round in circles, or an emergency number nobody asked for.
        """

        def onward(node_id: str) -> list[str]:
            return [to for how, to in self.ways.get(node_id, ()) if how in SILENT_OPEN]

        bad = {LEFT, EMERGENCY, *(n for n in self.flow.nodes if n in onward(n))}
        for part in components(self.flow.nodes, onward):
            if len(part) > 1:
                bad.update(part)
        return self.leading_to(bad, SILENT_OPEN)

    def leading_to(self, targets: Iterable[str], by: frozenset[How]) -> frozenset[str]:
        """What has such a way to one of these, themselves included."""
        back: dict[str, list[Way]] = {}
        for node_id, ways_on in self.ways.items():
            for how, target in ways_on:
                back.setdefault(target, []).append((how, node_id))
        return frozenset(reached(targets, back, by))

    @cached_property
    def asked_after(self) -> frozenset[str]:
        """Nodes behind which somebody is asked for a key, or which ask themselves."""
        asking = [node_id for node_id, node in self.flow.nodes.items() if asks(node)]
        return self.leading_to(asking, ANY)

    def back_from(self, language: str) -> frozenset[str]:
        """Nodes from which callers can get to another language, or back to another flow."""
        if language not in self._back_from:
            others = [
                node_id
                for node_id, node in self.flow.nodes.items()
                if isinstance(node, SwitchLanguage) and node.language != language
            ]
            self._back_from[language] = self.leading_to([RETURN, *others], ANY)
        return self._back_from[language]

    @cached_property
    def unasked_loops(self) -> Mapping[str, tuple[Sequence[str], bool]]:
        """Loops in which nothing is asked, by their first node in the document: a way round, and
        whether some other way leads out of it (a branch, a schedule).
        """
        place = {node_id: number for number, node_id in enumerate(self.flow.nodes)}

        def onward(node_id: str) -> list[str]:
            return [to for how, to in self.ways.get(node_id, ()) if how in UNASKED]

        found: dict[str, tuple[Sequence[str], bool]] = {}
        for part in components(self.flow.nodes, onward):
            within = set(part)
            if len(part) == 1 and part[0] not in onward(part[0]):
                continue
            first = min(part, key=place.__getitem__)
            leaves = any(to not in within for here in part for _how, to in self.ways[here])
            found[first] = (_way_round(first, within, onward), leaves)
        return found


def _to_people() -> list[Way]:
    return [(How.KEY, out) for out in sorted(PEOPLE)]


def _way_round(first: str, within: set[str], onward: Callable[[str], list[str]]) -> list[str]:
    came: dict[str, str] = {}
    waiting = [first]
    for here in waiting:
        for target in onward(here):
            if target == first:
                way = [here]
                while way[-1] != first:
                    way.append(came[way[-1]])
                return way[::-1]
            if target in within and target not in came:
                came[target] = here
                waiting.append(target)
    raise AssertionError("a component of several nodes has a way round")


class Family:
    """A flow with all it runs, each of them looked at once."""

    def __init__(self, flow: Flow, around: Surroundings) -> None:
        self.flow = flow
        self.around = around
        known = dict(around.flows or {})
        if around.name is not None:
            known[around.name] = flow
        sizes = {name: len(found.nodes) for name, found in known.items()} | {
            name: size for name, size in around.flow_sizes.items() if name not in known
        }
        self._runs = {name: runs(found) for name, found in known.items()}
        mine = [*runs(flow)]
        parts = components(mine, lambda name: self._runs.get(name, ()))
        others = {name for part in parts for name in part if name != around.name}
        self.nodes_together = len(flow.nodes) + sum(sizes.get(name, 0) for name in others)
        self.is_too_large = self.nodes_together > MAX_NODES_TOGETHER
        #: Flows that run themselves, straight or through others.
        self.cyclic = {
            name
            for part in parts
            for name in part
            if len(part) > 1 or name in self._runs.get(name, ()) or name == around.name
        }
        #: How many flows deep each is, itself included.
        self.depth: dict[str, int] = {}
        for part in parts:
            below = [self.depth.get(n, 0) for name in part for n in self._runs.get(name, ())]
            for name in part:
                self.depth[name] = 1 + max(below, default=0)
        self.missing = (
            frozenset()
            if around.flows is None
            else frozenset(others) - known.keys() - around.flow_sizes.keys()
        )
        self._known = known
        self._graphs: dict[str, Graph] = {}
        self.root = Graph(flow, self)

    def graph(self, name: str) -> Graph | None:
        """A flow that is run; None where it cannot be looked into, or must not."""
        if name not in self._graphs:
            flow = self._known.get(name)
            if flow is None or self.is_too_large or self.too_deep(name) or name in self.cyclic:
                return None
            self._graphs[name] = Graph(flow, self)
        return self._graphs[name]

    def looked_into(self) -> list[tuple[str, Graph]]:
        """The flows that are run, each behind those it runs itself."""
        return list(self._graphs.items())

    def graphs(self) -> list[Graph]:
        """All that could be looked into, this flow last."""
        return [*self._graphs.values(), self.root]

    def too_deep(self, name: str) -> bool:
        """Whether running this flow makes more than `MAX_DEPTH` within one another."""
        return self.around.above + 1 + self.depth.get(name, 1) > MAX_DEPTH

    @cached_property
    def languages(self) -> list[str]:
        """What the flow must speak: what it speaks somewhere, its lines, and what callers may have
        switched to in a flow it runs.
        """
        wanted = {*languages_of(self.flow), *self.around.languages}
        for graph in self._graphs.values():
            for node in graph.flow.nodes.values():
                if isinstance(node, SwitchLanguage):
                    wanted.add(node.language)
        return sorted(wanted)


def runs(flow: Flow) -> Sequence[str]:
    """The flows a flow runs, each once, in the order of the document."""
    found = (node.flow for node in flow.nodes.values() if isinstance(node, SubFlow))
    return list(dict.fromkeys(found))


def leads_nowhere(flow: Flow, node_id: str) -> list[tuple[str, str]]:
    """References of a node to nodes that do not exist, as (field, node id)."""
    return [
        (name, target)
        for name, target in references(flow.nodes[node_id])
        if target not in flow.nodes and not target.startswith(".")
    ]
