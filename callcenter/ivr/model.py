"""What a flow is: nodes joined by ids, every limit stated; and where a flow may send a call.

    {"entry": "hello", "nodes": {"hello": {"type": "say", "say": {"zh": "…"}, "next": "menu"}, …}}

This says what *one* node may look like; `check.py` judges the graph they make. A flow read from the
database is frozen: calls in progress share it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
)

from callcenter.platform.errors import InvalidFields

MAX_NODES: Final = 500
MAX_TEXT: Final = 2000  #: characters of one text in one language
MAX_LANGUAGES: Final = 20
KEYS: Final = "0123456789*#"


def _speakable(value: str) -> str:
    # Control characters cannot be spoken, and PostgreSQL refuses NUL and lone surrogates in JSON.
    if any(unicodedata.category(char) in ("Cc", "Cs") and char != "\n" for char in value):
        raise ValueError("control characters cannot be spoken")
    if not value.strip():
        raise ValueError("there must be something to say")
    return value


def _one_line(value: str) -> str:
    if "\n" in value:
        raise ValueError("must stand on one line")
    return _speakable(value)


NodeId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[0-9*#]$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
PromptName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_speakable)
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Words = Annotated[dict[Language, Text], Field(min_length=1, max_length=MAX_LANGUAGES)]


class PromptRef(_Part):
    """A prompt of the library, by name."""

    prompt: PromptName


def _kind_of_spoken(value: object) -> str | None:
    if isinstance(value, PromptRef) or (isinstance(value, Mapping) and "prompt" in value):
        return "by_name"
    return "words" if isinstance(value, Mapping) else None


#: What is spoken: words per language, or a prompt's name.
Spoken = Annotated[
    Annotated[Words, Tag("words")] | Annotated[PromptRef, Tag("by_name")],
    Discriminator(
        _kind_of_spoken,
        custom_error_type="spoken",
        custom_error_message='write {"zh": "…", "en": "…"} or {"prompt": "name"}',
    ),
]


class Say(_Part):
    """Speaks, then goes on."""

    type: Literal["say"]
    say: Spoken
    next: NodeId


class Article(_Part):
    """Reads an answer to the caller, then goes on (back to a menu, as a rule)."""

    type: Literal["article"]
    title: Annotated[dict[Language, Title], Field(max_length=MAX_LANGUAGES)] | None = None
    text: Spoken
    next: NodeId


class Menu(_Part):
    """Speaks and waits for one key.

    `retries` says how often the menu is said again after silence or a wrong key; then the call goes
    to `on_timeout` or `on_invalid`, and to a person where those are not given. `0` is a person.
    """

    type: Literal["menu"]
    say: Spoken
    options: Annotated[dict[Key, NodeId], Field(min_length=1, max_length=len(KEYS))]
    timeout_seconds: Annotated[int, Field(ge=1, le=30)] = 5
    retries: Annotated[int, Field(ge=0, le=5)] = 2
    on_timeout: NodeId | None = None
    on_invalid: NodeId | None = None


class SwitchLanguage(_Part):
    """From here on the caller hears this language."""

    type: Literal["language"]
    language: Language
    next: NodeId


class ToQueue(_Part):
    """A person: leaves the flow for a queue of agents."""

    type: Literal["queue"]
    queue: QueueName
    say: Spoken | None = None


class End(_Part):
    """Ends the call, with a last word if there is one."""

    type: Literal["hangup"]
    say: Spoken | None = None


Node = Annotated[Say | Menu | Article | SwitchLanguage | ToQueue | End, Field(discriminator="type")]


class Flow(_Part):
    """A whole flow: where it begins and all its nodes."""

    entry: NodeId
    nodes: Annotated[dict[NodeId, Node], Field(min_length=1, max_length=MAX_NODES)]

    def as_json(self) -> dict[str, Any]:
        """As it was written: fields that were left out stay out."""
        return self.model_dump(mode="json", exclude_unset=True)


def forced_next(node: Node) -> str | None:
    """Where a caller gets to who presses nothing; None: out of the flow, to a person or the end."""
    match node:
        case Say() | Article() | SwitchLanguage():
            return node.next
        case Menu():
            return node.on_timeout
        case _:
            return None


def references(node: Node) -> Iterator[tuple[str, str]]:
    """Every (field, node id) by which a node names another one."""
    match node:
        case Say() | Article() | SwitchLanguage():
            yield "next", node.next
        case Menu():
            for key, target in node.options.items():
                yield f"options.{key}", target
            if node.on_timeout is not None:
                yield "on_timeout", node.on_timeout
            if node.on_invalid is not None:
                yield "on_invalid", node.on_invalid
        case _:
            return


def spoken_by(node: Node) -> dict[str, str] | PromptRef | None:
    """What a node says, whatever the field is called."""
    match node:
        case Article():
            return node.text
        case SwitchLanguage():
            return None
        case _:
            return node.say


def texts_of(flow: Flow) -> Iterator[tuple[str, str]]:
    """Every (language, text) a caller of this flow can hear, each once."""
    seen: set[tuple[str, str]] = set()
    for node in flow.nodes.values():
        spoken = spoken_by(node)
        if isinstance(spoken, dict):
            for pair in spoken.items():
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def languages_of(flow: Flow) -> list[str]:
    """The languages a flow speaks or switches to, sorted."""
    found = {language for language, _text in texts_of(flow)}
    found |= {n.language for n in flow.nodes.values() if isinstance(n, SwitchLanguage)}
    return sorted(found)


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


def _field(location: tuple[int | str, ...]) -> str:
    """The field's path in the document: without the union tags pydantic puts between."""
    parts = [str(part) for part in location if part != "[key]"]
    if len(parts) > 2 and parts[0] == "nodes":
        del parts[2]  # the node's type
    if len(parts) > 3 and parts[2] in ("say", "text") and parts[3] in ("words", "by_name"):
        del parts[3]
    return ".".join(parts)[:300] or "body"


def _rule(message: str) -> str:
    return message.removeprefix("Value error, ")


# Where a flow may send a call ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """To a person. `why`: `flow`, `direct` (a line without a menu), `no_flow`, `no_line`, `steps`
    (the caller went round in circles) or `fault` (ours).
    """

    queue: str
    why: str = "flow"


@dataclass(frozen=True, slots=True)
class LeaveMessage:
    """To the voice mailbox."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller has what they wanted."""


FlowExit = EnterQueue | LeaveMessage | HangUp
