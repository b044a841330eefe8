"""How long a person is away: by the best keys, by silence, at most; and what comes first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from callcenter.ivr.check.findings import Code, Findings, SecondsToPerson, info, warning
from callcenter.ivr.check.graph import Graph
from callcenter.ivr.check.lengths import Hears, Lengths, Move
from callcenter.ivr.check.ways import PEOPLE, asks, components
from callcenter.ivr.model import languages_of
from callcenter.ivr.nodes import PERSON, RETURN, ArticleMenu, Menu, SubFlow, Survey

#: A call is answered within 15 s (GB/T 33358); what it hears before a person comes is part of it.
ANSWER_BUDGET_SECONDS: Final = 15.0
FIRST_PROMPT_SECONDS: Final = 8.0
MENU_SECONDS: Final = 20.0
#: A hotline has lines in a few languages; a document may name twenty.
_MOST_HOMES: Final = 4
_ASKED: Final = ".asked"
_NOWHERE: Final = Hears("")
#: A node, or a way out, and how the caller hears it.
_State = tuple[str, Hears]
_Moves = Callable[[Graph, str, Hears], list[Move]]
_Out = Mapping[_State, float]


class _Walks:
    """The walks of callers whose line speaks one language."""

    def __init__(self, lengths: Lengths) -> None:
        self.lengths = lengths
        #: How callers hear the nodes of each flow they can get to.
        self.heard: dict[int, dict[str, set[Hears]]] = {}
        self._outs: dict[tuple[str, int, Hears], _Out] = {}
        self._longest: dict[int, Mapping[str, float]] = {}

    def slowest(self, kind: str, moves: _Moves, graph: Graph, hears: Hears) -> _Out:
        """The longest way to each way out, where nobody chooses; inf: round in circles."""
        key = (kind, id(graph), hears)
        if key not in self._outs:
            table = self.table(moves, graph, hears)
            self._outs[key] = table[graph.flow.entry, hears]
        return self._outs[key]

    def table(self, moves: _Moves, graph: Graph, hears: Hears) -> Mapping[_State, _Out]:
        """The longest way from each state to each way out."""
        onward: dict[_State, list[tuple[float, _State]]] = {}

        def states_after(state: _State) -> list[_State]:
            if state[0] not in graph.flow.nodes:
                return []
            found = [(s, (to, after)) for s, to, after in moves(graph, *state)]
            onward[state] = found
            return [after for _seconds, after in found]

        table: dict[_State, _Out] = {}
        for part in components([(graph.flow.entry, hears)], states_after):
            first = part[0]
            ways = onward.get(first, [])
            if len(part) > 1 or any(after == first for _seconds, after in ways):
                endless: _Out = {(PERSON, _NOWHERE): math.inf}
                table |= {state: endless for state in part}
            elif first not in onward:
                table[first] = {_out(first): 0.0}
            else:
                longest: dict[_State, float] = {}
                for seconds, after in ways:
                    for out, rest in table[after].items():
                        longest[out] = max(longest.get(out, 0.0), seconds + rest)
                table[first] = longest
        return table

    def in_silence(self, graph: Graph, node_id: str, hears: Hears) -> list[Move]:
        node = graph.flow.nodes[node_id]
        if isinstance(node, SubFlow):
            return self._through(
                graph,
                node,
                hears,
                lambda within: self.slowest("silence", self.in_silence, within, hears),
            )
        return self.lengths.in_silence(node, hears)

    def until_asked(self, graph: Graph, node_id: str, hears: Hears) -> list[Move]:
        """As in silence, until the first key is waited for, or the flow is left."""
        node = graph.flow.nodes[node_id]
        if isinstance(node, SubFlow):
            return self._through(
                graph,
                node,
                hears,
                lambda within: self.slowest("asked", self.until_asked, within, hears),
            )
        moves = [] if asks(node) else self.lengths.in_silence(node, hears)
        if not moves:
            return [(self.lengths.question(node, hears), _ASKED, _NOWHERE)]
        return [(s, _ASKED if to == PERSON else to, after) for s, to, after in moves]

    def by_keys(self, graph: Graph, node_id: str, hears: Hears) -> list[Move]:
        """Whatever a caller can do, each as soon as the words are out."""
        node = graph.flow.nodes[node_id]
        if isinstance(node, SubFlow):
            return self._through(graph, node, hears, lambda within: self.quickest(within, hears))
        moves = self.lengths.in_silence(node, hears)
        if asks(node):
            heard = self.lengths.question(node, hears)
            moves += [(heard, target, hears) for _how, target in graph.ways[node_id]]
        return moves

    def _through(
        self, graph: Graph, node: SubFlow, hears: Hears, outs_of: Callable[[Graph], _Out]
    ) -> list[Move]:
        within = graph.family.graph(node.flow)
        if within is None:
            return [(0.0, node.next, hears)]
        return [
            (seconds, node.next if out == RETURN else out, after)
            for (out, after), seconds in outs_of(within).items()
        ]

    def quickest(self, graph: Graph, hears: Hears) -> _Out:
        """The shortest way to each way out (Dijkstra), noting all that can be heard on any."""
        key = ("keys", id(graph), hears)
        if key in self._outs:
            return self._outs[key]
        noted = self.heard.setdefault(id(graph), {})
        best: dict[_State, float] = {}
        outs: dict[_State, float] = {}
        waiting: list[tuple[float, int, _State]] = [(0.0, 0, (graph.flow.entry, hears))]
        pushed = 0
        while waiting:
            seconds, _order, state = heapq.heappop(waiting)
            if state in best:
                continue
            best[state] = seconds
            if state[0] not in graph.flow.nodes:
                outs.setdefault(_out(state), seconds)
                continue
            noted.setdefault(state[0], set()).add(state[1])
            for more, target, after in self.by_keys(graph, *state):
                if (target, after) not in best:
                    pushed += 1
                    heapq.heappush(waiting, (seconds + more, pushed, (target, after)))
        self._outs[key] = outs
        return outs

    def longest(self, graph: Graph) -> Mapping[str, float]:
        """To a person and to `.return`: everything that lies before it once, with every try.

        A bound that is reached where the flow has no loops; in a loop each node counts once.
        """
        if id(graph) in self._longest:
            return self._longest[id(graph)]
        noted = self.heard.get(id(graph), {})
        nodes = graph.flow.nodes
        table: dict[str, dict[str, float]] = {}

        def onward(node_id: str) -> list[str]:
            return [to for _how, to in graph.ways.get(node_id, ())]

        for part in components([graph.flow.entry], onward):
            reach: dict[str, float] = {}
            for node_id in part:
                for target in onward(node_id):
                    for out, rest in table.get(target, {}).items():
                        reach[out] = max(reach.get(out, 0.0), rest)
                node = nodes.get(node_id)
                within = graph.family.graph(node.flow) if isinstance(node, SubFlow) else None
                if within is not None:
                    inside = self.longest(within)
                    extra = inside.get(PERSON, 0.0) - inside.get(RETURN, 0.0)
                    if PERSON in inside:
                        reach[PERSON] = max(reach.get(PERSON, 0.0), extra)
            own = sum(self._at_most(graph, node_id, noted) for node_id in part)
            if part[0] not in nodes:
                # What is missing is a person to the runner.
                out = RETURN if part[0] == RETURN else PERSON
                ends = part[0] in PEOPLE or part[0] == RETURN or not part[0].startswith(".")
                table[part[0]] = {out: 0.0} if ends else {}
            else:
                table[part[0]] = {out: own + rest for out, rest in reach.items()}
                table |= {node_id: table[part[0]] for node_id in part[1:]}
        self._longest[id(graph)] = table[graph.flow.entry]
        return self._longest[id(graph)]

    def _at_most(self, graph: Graph, node_id: str, noted: Mapping[str, set[Hears]]) -> float:
        node = graph.flow.nodes.get(node_id)
        if node is None:
            return 0.0
        if isinstance(node, SubFlow):
            within = graph.family.graph(node.flow)
            return 0.0 if within is None else self.longest(within).get(RETURN, 0.0)
        return max((self.lengths.at_most(node, h) for h in noted.get(node_id, ())), default=0.0)


def _out(state: _State) -> _State:
    """A way out; how the caller hears matters to whoever runs this flow, after `.return` only."""
    target, _hears = state
    if target == RETURN:
        return state
    # A node that does not exist is a person to the runner.
    missing = not target.startswith(".")
    return (PERSON if missing or target in PEOPLE else target), _NOWHERE


class Timed:
    """The figures of one flow and what is to be said of them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        homes = sorted(graph.around.languages) or languages_of(graph.flow) or ["zh"]
        homes = homes[:_MOST_HOMES]
        self._walks = [(_Walks(Lengths(graph.around, home)), Hears(home)) for home in homes]
        self.seconds = self._to_person()

    def _to_person(self) -> SecondsToPerson:
        graph = self._graph
        silent, short, long = [], [], []
        for walks, hears in self._walks:
            outs = walks.slowest("silence", walks.in_silence, graph, hears)
            silent.append(max(_people(outs), default=None))
            short.append(min(_people(walks.quickest(graph, hears)), default=None))
            most = walks.longest(graph)
            long.append(max((most[out] for out in (PERSON, RETURN) if out in most), default=None))
        return SecondsToPerson(_worst(short), _worst(silent), _worst(long))

    @cached_property
    def _first(self) -> Mapping[str, float]:
        """The node at which what is heard first becomes too long, and how long it is."""
        found: dict[str, float] = {}
        asked = (_ASKED, _NOWHERE)
        if self._is_run_only_by_others:
            return found
        for walks, hears in self._walks:
            table = walks.table(walks.until_asked, self._graph, hears)
            state, heard = (self._graph.flow.entry, hears), 0.0
            total = table[state].get(asked, 0.0)
            if not FIRST_PROMPT_SECONDS < total < math.inf:
                continue
            while heard <= FIRST_PROMPT_SECONDS and state != asked:
                here = state
                seconds, target, after = max(
                    walks.until_asked(self._graph, *here),
                    key=lambda move: move[0] + table[move[1:]].get(asked, -math.inf),
                )
                heard, state = heard + seconds, (target, after)
            found[here[0]] = max(total, found.get(here[0], 0.0))
        return found

    @property
    def _is_run_only_by_others(self) -> bool:
        around = self._graph.around
        return around.above > 0 and not around.on_a_line

    def whole(self) -> Findings:
        """The figures, and whether a person is there soon enough."""
        found = self.seconds
        told = [("by the best keys", found.shortest), ("by silence", found.by_silence)]
        told.append(("at most", found.longest))
        figures = [f"{name} {seconds:.1f} s" for name, seconds in told if seconds is not None]
        if not figures:
            return
        message = f"To a person: {', '.join(figures)}."
        yield info(Code.SECONDS_TO_PERSON, None, message)
        if self._is_run_only_by_others:
            return
        for name, seconds in told[:2]:
            if seconds is not None and seconds > ANSWER_BUDGET_SECONDS:
                message = (
                    f"A person is {seconds:.1f} s away {name}: "
                    f"a call is to be answered within {ANSWER_BUDGET_SECONDS:.0f} s."
                )
                yield warning(Code.OVER_ANSWER_BUDGET, None, message)

    def node(self, node_id: str) -> Findings:
        """What is too long at a node."""
        graph = self._graph
        node = graph.flow.nodes[node_id]
        if node_id in self._first:
            message = (
                f"Callers hear {self._first[node_id]:.1f} s before they can choose anything; "
                f"at most {FIRST_PROMPT_SECONDS:.0f} s are fit."
            )
            yield warning(Code.FIRST_PROMPT_TOO_LONG, node_id, message)
        if isinstance(node, Menu | Survey | ArticleMenu):
            lengths = self._walks[0][0].lengths
            longest, language = max(
                ((lengths.question(node, Hears(la)), la) for la in graph.family.languages),
                default=(0.0, ""),
            )
            if longest > MENU_SECONDS:
                message = (
                    f"The menu takes {longest:.1f} s in “{language}”; "
                    f"at most {MENU_SECONDS:.0f} s are remembered."
                )
                yield warning(Code.MENU_TOO_LONG, node_id, message)


def _people(outs: _Out) -> list[float]:
    """Ways to a person; `.return` is one where no other flow runs this one."""
    return [seconds for (out, _hears), seconds in outs.items() if out in (PERSON, RETURN)]


def _worst(seconds: list[float | None]) -> float | None:
    """Of callers of several lines, the one who waits longest; None: one of them for ever."""
    found = [s for s in seconds if s is not None and s < math.inf]
    return round(max(found), 1) if len(found) == len(seconds) else None
