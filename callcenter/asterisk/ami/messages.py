"""One AMI message as it came, and the headers of an action as they go out.

Source: Asterisk 22, `main/manager.c` (framing, line length) and `ast_escape_c` in `main/utils.c`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from callcenter.asterisk.errors import UnsafeValue

#: Values of one header: text, a number, or a header that is repeated (`Variable`).
HeaderValue = str | int | Sequence[str]

#: `ast_escape_c` knows these and no others; anything else after a backslash is Asterisk's own text.
_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_ESCAPED: Final = re.compile(r"""\\([abfnrtv\\'"?])""")
#: Output of `Command` is the one value Asterisk sends as it is.
_NEVER_ESCAPED: Final = "Output"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
#: manager.c reads lines into 1024 bytes. It throws a longer one away in pieces and then reads the
#: tail as a line of its own, which is an injection by length.
_MAX_LINE: Final = 1000


@dataclass(frozen=True, slots=True)
class AmiMessage:
    """An event or a response, immutable.

    `pairs` holds the headers in the order of the wire, repeated ones included; `msg["Linkedid"]`
    is the first value of that exact spelling and raises KeyError when there is none. The first
    counts because a UserEvent may carry a second `Event` header of its author's choosing.
    """

    pairs: tuple[tuple[str, str], ...]
    _first: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # reversed: of two equal keys the later assignment wins, and the first header shall win.
        object.__setattr__(self, "_first", dict(reversed(self.pairs)))

    def __getitem__(self, header: str) -> str:
        return self._first[header]

    def __contains__(self, header: object) -> bool:
        return header in self._first

    def get(self, header: str, default: str | None = None) -> str | None:
        """The first value of `header`, or `default` when the message does not carry it."""
        return self._first.get(header, default)

    def all(self, header: str) -> tuple[str, ...]:
        """Every value of a repeated header (`ChanVariable`, `Output`), in the order of the wire."""
        return tuple(value for key, value in self.pairs if key == header)

    @property
    def name(self) -> str:
        """The event's name, or `Response` for a response."""
        return self._first.get("Event", "Response")

    @property
    def action_id(self) -> str | None:
        return self._first.get("ActionID")

    @property
    def sequence_number(self) -> int | None:
        """Asterisk's running number of events (manager.conf `debug=on`), None when not numbered."""
        number = self._first.get("SequenceNumber", "")
        return int(number) if number.isascii() and number.isdigit() else None

    def __repr__(self) -> str:
        """Names only: values are people's numbers and names, and a repr ends up in logs."""
        return f"<AmiMessage {self.name} with {len(self.pairs)} headers>"


def parse(raw: bytes) -> AmiMessage | None:
    """The message in `raw` (without its blank line), or None when it is neither event nor response.

    Bytes that are no UTF-8 become U+FFFD; lines without a colon are passed over.
    """
    pairs: list[tuple[str, str]] = []
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(":")
        if not colon:
            continue
        value = value.removeprefix(" ")
        if "\\" in value and key != _NEVER_ESCAPED:
            value = _ESCAPED.sub(lambda found: _ESCAPES[found[1]], value)
        pairs.append((key, value))
    message = AmiMessage(tuple(pairs))
    return message if "Event" in message or "Response" in message else None


def encode_action(action: str, action_id: str, headers: Mapping[str, HeaderValue]) -> bytes:
    """The bytes of one action, one blank line at the end and nowhere else.

    Raises `UnsafeValue` for a control character in a key or value, for a key that is no header
    name or is ours to set, and for a line Asterisk would cut in two.
    """
    lines = [_line("Action", action), _line("ActionID", action_id)]
    for key, value in headers.items():
        if not _KEY.fullmatch(key) or key.lower() in {"action", "actionid"}:
            raise UnsafeValue(f"{action}: a header name is not allowed there.")
        values = [str(value)] if isinstance(value, str | int) else list(value)
        lines.extend(_line(key, each) for each in values)
    return b"".join([*lines, b"\r\n"])


def _line(key: str, value: str) -> bytes:
    if _CONTROL.search(value):
        raise UnsafeValue(f"The value for {key} holds a control character; nothing was sent.")
    try:
        line = f"{key}: {value}\r\n".encode()
    except UnicodeEncodeError:
        raise UnsafeValue(f"The value for {key} is no valid text; nothing was sent.") from None
    if len(line) > _MAX_LINE:
        raise UnsafeValue(f"The value for {key} is longer than Asterisk reads; nothing was sent.")
    return line
