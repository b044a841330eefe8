"""The rule for every text a person types: bounded, printable, storable."""

from __future__ import annotations

import unicodedata

from callcenter.platform.errors import InvalidField

#: Cc: controls (NUL among them, which PostgreSQL cannot store); Cs: halves of a surrogate pair
#: (no encoding of them exists).
_UNWANTED = ("Cc", "Cs")


def plain_text(field: str, value: str, *, most: int, least: int = 0, lines: bool = False) -> str:
    """`value` as it is kept: outer white space off, line ends as `\\n`.

    `least` and `most` count characters; `lines` allows line ends. Raises `InvalidField` naming
    `field` and the rule, never the value.
    """
    # A text far too long is refused before anybody walks through it.
    if len(value) > 2 * most + 1000:
        raise InvalidField(field, _length_rule(least, most))
    if lines:
        value = value.replace("\r\n", "\n")
    value = value.strip(" \n\u3000")
    for character in value:
        if unicodedata.category(character) in _UNWANTED and not (lines and character == "\n"):
            allowed = "; only line ends may stand in it" if lines else ""
            raise InvalidField(
                field, f"no control characters (U+{ord(character):04X} found){allowed}"
            )
    if not least <= len(value) <= most:
        raise InvalidField(field, _length_rule(least, most))
    return value


def _length_rule(least: int, most: int) -> str:
    return f"{least} to {most} characters" if least else f"at most {most} characters"
