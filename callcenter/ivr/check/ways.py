"""Where a caller can get to from a node, and by what: the runner's behaviour as a graph.

Beside ids of nodes, `PERSON` and `RETURN`, a way may lead out of the flow for good: `LEFT` (hung
up, a message left, a fax on its way), `MAILBOX` (the mailbox, because it is closed or nobody could
answer), `ELSEWHERE` (another number; nobody there: a person) or `EMERGENCY` (one of those).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Final, TypeVar

from callcenter.ivr.check.findings import Surroundings
from callcenter.ivr.nodes import (
    PERSON,
    Article,
    ArticleMenu,
    Branch,
    ByHours,
    CaseStatus,
    Collect,
    End,
    Menu,
    Node,
    Say,
    Set,
    SubFlow,
    Survey,
    SwitchLanguage,
    ToCallback,
    ToFax,
    ToNumber,
    ToQueue,
    ToVoicemail,
)

LEFT: Final = ".left"
MAILBOX: Final = ".mailbox"
ELSEWHERE: Final = ".elsewhere"
EMERGENCY: Final = ".emergency"
#: Ways out behind which somebody answers.
PEOPLE: Final = frozenset({PERSON, ELSEWHERE, EMERGENCY})
#: Numbers nobody may be connected to who did not ask for it.
EMERGENCY_NUMBERS: Final = frozenset({"110", "119", "120", "122"})


class How(IntEnum):
    """What leads a caller on."""

    ITSELF = 0  #: nothing is asked
    CLOSED = 1  #: nothing is asked, and a schedule says that nobody is there
    SILENCE = 2  #: the caller was asked, and pressed nothing
    KEY = 3  #: what the caller pressed


Way = tuple[How, str]
UNASKED: Final = frozenset({How.ITSELF, How.CLOSED})
SILENT: Final = frozenset({How.ITSELF, How.CLOSED, How.SILENCE})
#: Silent, while somebody is there.
SILENT_OPEN: Final = frozenset({How.ITSELF, How.SILENCE})
ANY: Final = frozenset(How)


def asks(node: Node) -> bool:
    """Whether the caller is asked for keys here."""
    match node:
        case Menu() | Collect() | ArticleMenu() | CaseStatus() | Survey() | ToCallback() | ToFax():
            return True
        case Article():
            return node.article is not None
        case _:
            return False


def ways(node: Node, around: Surroundings) -> Iterator[Way]:
    """Every way on from a node, except from `SubFlow`: see `graph`."""
    match node:
        case Say() | SwitchLanguage() | Set() | Article(article=None):
            yield How.ITSELF, node.next
        case Branch():
            for target in dict.fromkeys((*node.cases.values(), node.otherwise)):
                yield How.ITSELF, target
        case ByHours():
            yield How.ITSELF, node.open
            yield How.CLOSED, node.closed
            if node.holiday is not None:
                yield How.CLOSED, node.holiday
        case ToQueue():
            yield How.ITSELF, PERSON
        case ToNumber():
            yield How.ITSELF, EMERGENCY if node.to in EMERGENCY_NUMBERS else ELSEWHERE
        case ToVoicemail():
            yield How.ITSELF, LEFT if node.reason == "choice" else MAILBOX
        case End():
            yield How.ITSELF, LEFT
        case SubFlow():
            raise AssertionError("a flow within a flow is known to the graph only")
        case _:
            yield from _asking(node, around)


def _asking(node: Node, around: Surroundings) -> Iterator[Way]:
    if zero_is_a_person(node):
        yield How.KEY, PERSON
    match node:
        case Menu():
            for target in node.options.values():
                yield How.KEY, target
            yield How.SILENCE, node.on_timeout or PERSON
            yield How.KEY, node.on_invalid or PERSON
        case Collect():
            yield How.KEY, node.next
            yield How.SILENCE, node.on_timeout or PERSON
            yield How.KEY, node.on_invalid or PERSON
        case Article():
            yield How.SILENCE, node.next
            if node.fax is not None:
                yield How.KEY, node.fax
        case ArticleMenu():
            yield How.KEY, node.next
            yield How.SILENCE, node.on_timeout or PERSON
            if node.fax is not None:
                yield How.KEY, node.fax
            if around.categories is not None and not around.categories.get(node.category, 1):
                yield How.ITSELF, node.next
        case CaseStatus():
            yield How.KEY, node.next
            yield How.SILENCE, node.on_failed or PERSON
        case Survey():
            yield How.SILENCE, node.next
        case ToCallback():
            yield How.KEY, LEFT
            yield How.SILENCE, node.on_refused or PERSON
        case ToFax():
            yield How.KEY, LEFT
            yield How.KEY, node.next
            yield How.SILENCE, node.on_failed or PERSON
            if node.document is None:  # an article may have expired, or none was heard yet
                yield How.ITSELF, node.on_failed or PERSON


def zero_is_a_person(node: Node) -> bool:
    """Whether `0` alone is a person here, as the runner takes it."""
    match node:
        case Collect():
            return node.min_digits > 1
        case Survey():
            return "0" not in node.answers
        case _:
            return True


T = TypeVar("T", bound=Hashable)


def reached(
    starts: Iterable[str], ways_of: Mapping[str, Sequence[Way]], by: frozenset[How]
) -> set[str]:
    """All that can be reached by these ways, ways out included."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found.add(here)
        waiting.extend(target for how, target in ways_of.get(here, ()) if how in by)
    return found


def components(starts: Iterable[T], next_of: Callable[[T], Iterable[T]]) -> list[list[T]]:
    """Strongly connected components of what is reached, those that lead nowhere else first
    (Tarjan, without recursion: a flow may be one long chain).
    """
    number: dict[T, int] = {}
    low: dict[T, int] = {}
    settled: set[T] = set()
    stack: list[T] = []
    done: list[list[T]] = []
    for start in starts:
        if start in number:
            continue
        number[start] = low[start] = len(number)
        stack.append(start)
        work: list[tuple[T, Iterator[T]]] = [(start, iter(next_of(start)))]
        while work:
            here, rest = work[-1]
            for target in rest:
                if target not in number:
                    number[target] = low[target] = len(number)
                    stack.append(target)
                    work.append((target, iter(next_of(target))))
                    break
                if target not in settled:
                    low[here] = min(low[here], number[target])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[here])
                if low[here] == number[here]:
                    part = [stack.pop()]
                    while part[-1] != here:
                        part.append(stack.pop())
                    settled.update(part)
                    done.append(part)
    return done
