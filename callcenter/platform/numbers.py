"""Numbers as they stand in a document: pydantic would also read `true` and `"3"` as numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator


def _written_as_number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise ValueError("write a number")
    return value


#: An integer of a JSON or YAML document; `3.0` is one too, as JSON Schema has it.
Whole = Annotated[int, BeforeValidator(_written_as_number)]
