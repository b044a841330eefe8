"""What a node can say: words per language, a prompt's name, a value spoken from pieces, or several
of these one after the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

MAX_TEXT: Final = 2000  #: characters of one text in one language
MAX_LANGUAGES: Final = 20
MAX_PARTS: Final = 20  #: of one thing said


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


Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
PromptName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
#: A value a flow remembers during one call.
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_TEXT), AfterValidator(_speakable)
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]
Words = Annotated[
    dict[Language, Text],
    Field(
        min_length=1,
        max_length=MAX_LANGUAGES,
        # What the pattern of the keys means; pydantic does not say it in JSON Schema.
        json_schema_extra={"additionalProperties": False},
    ),
]

#: How a value is spoken; `prompts.pieces` has the pieces and the forms the values must have.
ValueKind = Literal[
    "digits", "case_number", "count", "ordinal", "position", "date", "time", "duration", "money"
]
VALUE_KINDS: Final[tuple[str, ...]] = get_args(ValueKind)


class Part(BaseModel):
    """Base of everything in a flow: unknown fields are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PromptRef(Part):
    """A prompt of the library, by name."""

    prompt: PromptName


class ValueRef(Part):
    """A variable of the call, spoken from pieces."""

    value: VariableName
    kind: Annotated[ValueKind, Field(alias="as")]


def _kind_of_spoken(value: object) -> str | None:
    if isinstance(value, PromptRef):
        return "by_name"
    if isinstance(value, ValueRef):
        return "value"
    if isinstance(value, Mapping):
        if "prompt" in value:
            return "by_name"
        return "value" if "value" in value else "words"
    return "several" if isinstance(value, list | tuple) else None


_HINT: Final = (
    'write {"zh": "…", "en": "…"}, {"prompt": "name"}, {"value": "variable", "as": "digits"} '
    "or a list of these"
)

#: One thing that is spoken.
Piece = Annotated[
    Annotated[Words, Tag("words")]
    | Annotated[PromptRef, Tag("by_name")]
    | Annotated[ValueRef, Tag("value")],
    Discriminator(_kind_of_spoken, custom_error_type="spoken", custom_error_message=_HINT),
]
#: What is spoken: one thing, or several in order.
Spoken = Annotated[
    Annotated[Words, Tag("words")]
    | Annotated[PromptRef, Tag("by_name")]
    | Annotated[ValueRef, Tag("value")]
    | Annotated[list[Piece], Field(min_length=1, max_length=MAX_PARTS), Tag("several")],
    Discriminator(_kind_of_spoken, custom_error_type="spoken", custom_error_message=_HINT),
]

#: The same without pydantic's decoration, for signatures.
OnePart = dict[str, str] | PromptRef | ValueRef
AnySpoken = OnePart | Sequence[OnePart]


def parts_of(spoken: AnySpoken | None) -> Iterator[OnePart]:
    """The parts of what is spoken, in order; nothing for None."""
    if spoken is None:
        return
    if isinstance(spoken, dict | PromptRef | ValueRef):
        yield spoken
    else:
        yield from spoken
