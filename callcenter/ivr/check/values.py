"""What a flow remembers of a call: who reads it, who sets it, and where it is surely set."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from callcenter.ivr.model import spoken_by, variables_read
from callcenter.ivr.nodes import BUILT_IN, PERSON, RETURN, Collect, Node, Set, SubFlow
from callcenter.ivr.spoken import ValueRef, parts_of

if TYPE_CHECKING:
    from callcenter.ivr.check.graph import Graph

_ALL: Final = -1  #: a set that has every variable, as bits


class Values:
    """The variables of one flow and of those it runs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._within = [
            graph.family.graph(name)
            for name in dict.fromkeys(
                node.flow for node in graph.flow.nodes.values() if isinstance(node, SubFlow)
            )
        ]
        #: It runs flows that cannot be looked into: they may use and set anything.
        self.is_open: bool = any(within is None or within.values.is_open for within in self._within)

    @cached_property
    def read(self) -> frozenset[str]:
        """What is spoken, or decided by, where callers can get to."""
        mine = {name for node in self._reachable() for name in variables_read(node)}
        return frozenset(mine.union(*(w.values.read for w in self._within if w is not None)))

    @cached_property
    def written(self) -> frozenset[str]:
        """What is set where callers can get to."""
        mine: set[str] = set()
        for node in self._reachable():
            mine.update(_sets(node))
        return frozenset(mine.union(*(w.values.written for w in self._within if w is not None)))

    def surely_set(self, node_id: str, name: str) -> bool:
        """Whether a variable is set on every way to a node."""
        return bool(self._before.get(node_id, _ALL) & self._bits.get(name, 0))

    def _reachable(self) -> Iterator[Node]:
        for node_id, node in self._graph.flow.nodes.items():
            if node_id in self._graph.reachable:
                yield node

    @cached_property
    def _bits(self) -> Mapping[str, int]:
        """A bit for each variable that this flow, or whatever runs it, speaks."""
        names: dict[str, None] = {}
        for graph in self._graph.family.graphs():
            for node in graph.flow.nodes.values():
                names |= dict.fromkeys(spoken_values(node))
        return {name: 1 << place for place, name in enumerate(names)}

    @cached_property
    def _before(self) -> Mapping[str, int]:
        """What is set on every way to each node, and to `.return`: the least of all ways there."""
        flow = self._graph.flow
        before = {flow.entry: 0}
        waiting = deque([flow.entry])
        while waiting:
            here = waiting.popleft()
            node = flow.nodes.get(here)
            if node is None:
                continue
            for target, sets in self._onward(here, node):
                now = before[here] | sets
                then = before.get(target)
                if then is None or then & now != then:
                    before[target] = now if then is None else then & now
                    waiting.append(target)
        return before

    def _onward(self, node_id: str, node: Node) -> Iterator[tuple[str, int]]:
        match node:
            case Collect():
                yield node.next, self._bits.get(node.into, 0)
                yield node.on_timeout or PERSON, 0
                yield node.on_invalid or PERSON, 0
            case Set():
                yield node.next, sum(self._bits.get(name, 0) for name in node.values)
            case SubFlow():
                within = self._graph.family.graph(node.flow)
                sets = _ALL
                if within is not None:
                    names = (n for n in self._bits if within.values.surely_set(RETURN, n))
                    sets = sum(self._bits[name] for name in names)
                for _how, target in self._graph.ways[node_id]:
                    yield target, sets
            case _:
                for _how, target in self._graph.ways[node_id]:
                    yield target, 0


def spoken_values(node: Node) -> list[str]:
    """Variables of the flow a node speaks, each once."""
    found = (part.value for part in parts_of(spoken_by(node)) if isinstance(part, ValueRef))
    return [name for name in dict.fromkeys(found) if name not in BUILT_IN]


def _sets(node: Node) -> Iterator[str]:
    match node:
        case Collect():
            yield node.into
        case Set():
            yield from node.values
        case _:
            pass
