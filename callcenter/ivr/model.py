"""What a flow is: nodes joined by ids.

    {"entry": "hello", "nodes": {"hello": {"type": "say", "say": {"zh": "…"}, "next": "menu"}, …}}

`nodes.py` says what *one* node may look like, this what they make together; `check/` judges the
graph. A flow read from the database is frozen: calls in progress share it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from callcenter.ivr.nodes import (
    Article,
    ArticleMenu,
    Branch,
    ByHours,
    CaseStatus,
    Menu,
    Node,
    NodeId,
    Set,
    SubFlow,
    SwitchLanguage,
    ToCallback,
    ToFax,
    ToNumber,
    ToQueue,
)
from callcenter.ivr.spoken import AnySpoken, Part, PromptRef, ValueRef, parts_of
from callcenter.platform.errors import InvalidFields

MAX_NODES: Final = 500
#: A flow within a flow within a flow: deeper ones are refused by the check.
MAX_DEPTH: Final = 5
#: Nodes of a flow together with all the flows it runs.
MAX_NODES_TOGETHER: Final = 2000


class Flow(Part):
    """A whole flow: where it begins and all its nodes."""

    entry: NodeId
    nodes: Annotated[dict[NodeId, Node], Field(min_length=1, max_length=MAX_NODES)]

    def as_json(self) -> dict[str, Any]:
        """As it was written: fields that were left out stay out."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


def references(node: Node) -> Iterator[tuple[str, str]]:
    """Every (field, node id) by which a node names another one; `.person`, `.return` included."""
    match node:
        case Menu():
            for key, target in node.options.items():
                yield f"options.{key}", target
        case Branch():
            for value, target in node.cases.items():
                yield f"cases.{value}", target
        case _:
            pass
    for field in _TARGETS:
        named = getattr(node, field, None)
        if isinstance(named, str):
            yield field, named


#: The fields of nodes that name a node, in the order findings are told.
_TARGETS: Final = (
    "next",
    "open",
    "closed",
    "holiday",
    "otherwise",
    "fax",
    "on_timeout",
    "on_invalid",
    "on_failed",
    "on_refused",
)


def spoken_by(node: Node) -> AnySpoken | None:
    """What a node says, whatever the field is called."""
    match node:
        case Article():
            return node.text
        case SwitchLanguage() | Branch() | ByHours() | CaseStatus() | Set() | SubFlow():
            return None
        case _:
            return node.say


def texts_of(flow: Flow) -> Iterator[tuple[str, str]]:
    """Every (language, text) written into this flow, each once."""
    seen: set[tuple[str, str]] = set()
    for node in flow.nodes.values():
        for part in parts_of(spoken_by(node)):
            if isinstance(part, dict):
                for pair in part.items():
                    if pair not in seen:
                        seen.add(pair)
                        yield pair


def languages_of(flow: Flow) -> list[str]:
    """The languages a flow speaks or switches to, sorted."""
    found = {language for language, _text in texts_of(flow)}
    found |= {n.language for n in flow.nodes.values() if isinstance(n, SwitchLanguage)}
    return sorted(found)


def has_slow_pace(flow: Flow) -> bool:
    """Whether callers of this flow can ask for slow prompts."""
    return any(isinstance(node, Set) and node.pace == "slow" for node in flow.nodes.values())


def names_outside(flow: Flow) -> frozenset[tuple[str, str]]:
    """Every (kind, name) a flow refers to outside itself; kinds as in `ivr_references`."""
    found: set[tuple[str, str]] = set()
    for node in flow.nodes.values():
        for part in parts_of(spoken_by(node)):
            if isinstance(part, PromptRef):
                found.add(("prompt", part.prompt))
        match node:
            case ToQueue() | ToCallback():
                found.add(("queue", node.queue))
            case ToNumber(queue=str() as queue):
                found.add(("queue", queue))
            case ByHours():
                found.add(("schedule", node.schedule))
            case Article(article=str() as name):
                found.add(("article", name))
            case ArticleMenu():
                found.add(("category", node.category))
            case ToFax(document=str() as name):
                found.add(("document", name))
            case ToFax(article=str() as name):
                found.add(("article", name))
            case SubFlow():
                found.add(("flow", node.flow))
            case _:
                pass
    return frozenset(found)


def variables_read(node: Node) -> frozenset[str]:
    """The variables a node speaks or decides by."""
    found = {part.value for part in parts_of(spoken_by(node)) if isinstance(part, ValueRef)}
    if isinstance(node, Branch):
        found.add(node.on)
    return frozenset(found)


class InvalidFlow(InvalidFields):
    """The flow breaks rules; each is named with its field."""

    slug = "invalid-flow"


def parse_flow(document: object) -> Flow:
    """Read a flow. Raises `InvalidFlow` naming every field and its rule."""
    if isinstance(document, Mapping):
        nodes = document.get("nodes")
        # Counted before 10,000 nodes are parsed one by one only to be refused.
        if isinstance(nodes, Mapping) and len(nodes) > MAX_NODES:
            raise InvalidFlow([("nodes", f"a flow has at most {MAX_NODES} nodes")])
    try:
        return Flow.model_validate(document)
    except ValidationError as exc:
        raise InvalidFlow(
            [(_field(error["loc"]), _rule(error["msg"])) for error in exc.errors(include_url=False)]
        ) from exc


_UNION_TAGS: Final = frozenset({"words", "by_name", "value", "several"})


def _field(location: tuple[int | str, ...]) -> str:
    """The field's path in the document: without the union tags pydantic puts between."""
    parts = [str(part) for part in location if part != "[key]"]
    if len(parts) > 2 and parts[0] == "nodes":
        del parts[2]  # the node's type
        if len(parts) > 3 and parts[2] in ("say", "text"):
            parts[3:] = _without_tags(parts[3:])
    return ".".join(parts)[:300] or "body"


def _without_tags(parts: list[str]) -> list[str]:
    """Of `several.2.value.as`, `2.as`: a tag stands first, and behind the place in a list."""
    if parts and parts[0] in _UNION_TAGS:
        is_list, parts = parts[0] == "several", parts[1:]
        if is_list and len(parts) > 1:
            return [parts[0], *_without_tags(parts[1:])]
    return parts


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")
