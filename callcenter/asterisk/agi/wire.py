"""The grammar of AGI: how a command is written and what a reply may look like.

Source: Asterisk 22 `res/res_agi.c` (`ast_agi_send`, `parse_args`, `AGI_BUF_LEN` 8192) and
`apps/app_stack.c` (`GOSUB` answers `100 … Trying...` first).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from callcenter.asterisk.errors import ReplyGarbled, UnsafeValue

#: What an argument of a command may be.
Argument = str | int | Path

#: Asterisk reads 8191 bytes and runs the rest of a longer line as a command of its own.
MAX_COMMAND: Final = 8000
#: One reply, all its lines together. `GET VARIABLE` can bring some 8 kB, a usage text 4 kB.
MAX_REPLY: Final = 64 * 1024
_MAX_LINES: Final = 1000

HANGUP: Final = "HANGUP"

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COMMAND: Final = re.compile(r"[A-Z]+(?: [A-Z]+)*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:*#+-]+")

_OK: Final = re.compile(
    r"200 result=(?P<result>[^ ]*)(?: \((?P<value>.*)\))?(?P<attributes>(?: [a-z]+=\S*)*)", re.S
)
_OK_WITH_TEXT: Final = re.compile(r"200 result=(?P<result>[^ ]*) (?P<text>[^(].*)", re.S)
_OK_OPEN_VALUE: Final = re.compile(r"200 result=[^ ]* \(.*", re.S)
_OTHER: Final = re.compile(r"(?P<code>[1345]\d\d)[ -](?P<text>.*)", re.S)
_KEYS: Final = {str(ord(key)): key for key in "0123456789*#"}
_USAGE_END: Final = "520 End of proper usage."


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `200 result=1 (text) endpos=8` is Reply(200, "1", "text", {"endpos": "8"}).

    `value` is None where no parentheses came; what stands in them is data and never a signal.
    """

    code: int
    result: str = ""
    value: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def channel_gone(self) -> bool:
        """511, or -1 without an explanation: the channel this command was for is no more."""
        return self.code == 511 or (self.code == 200 and self.result == "-1" and not self.text)

    @property
    def key(self) -> str | None:
        """The key in replies that name one by its ASCII code (STREAM FILE, EXEC Background)."""
        return _KEYS.get(self.result)


def quote(argument: Argument) -> str:
    r"""The argument as Asterisk's `parse_args` reads it back: quoted, `\` and `"` escaped.

    Raises `UnsafeValue` for control characters: there is no way to write one in a line.
    """
    text = str(argument)
    if _CONTROL.search(text):
        raise UnsafeValue("An AGI argument holds a control character; nothing was sent.")
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_command(command: str, *arguments: Argument) -> bytes:
    """The line for `command` (`GET DATA`), at most `MAX_COMMAND` bytes; else `UnsafeValue`."""
    if not _COMMAND.fullmatch(command):
        raise UnsafeValue("An AGI command is made of capital letters; nothing was sent.")
    try:
        line = " ".join([command, *map(quote, arguments)]).encode() + b"\n"
    except UnicodeEncodeError:
        raise UnsafeValue(f"An argument of {command} is no valid text; nothing was sent.") from None
    if len(line) > MAX_COMMAND:
        raise UnsafeValue(f"{command} is longer than Asterisk reads in one piece.")
    return line


class ReplyReader:
    """Puts the lines of one reply together; an in-band `HANGUP` is no line of a reply.

    `take` each line without its line end until it returns the reply. Raises `ReplyGarbled` for a
    line that belongs to no reply, and for a reply beyond `MAX_REPLY`.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    @property
    def begun(self) -> bool:
        """Whether a reply has begun, so that a line reading HANGUP is part of a value."""
        return bool(self._lines)

    def take(self, line: str) -> Reply | None:
        self._size += len(line) + 1
        if self._size > MAX_REPLY or len(self._lines) >= _MAX_LINES:
            raise ReplyGarbled
        self._lines.append(line)
        first, whole = self._lines[0], "\n".join(self._lines)
        if first.startswith("200 "):
            return self._ok(whole)
        if first.startswith("520-"):
            # Some usage texts do not end in a newline of their own.
            if not line.endswith(_USAGE_END):
                return None
            return Reply(520, text=whole.removesuffix(_USAGE_END).rstrip())
        other = _OTHER.fullmatch(whole)
        if other is None:
            raise ReplyGarbled
        if other["code"] == "100":
            # `100 result=0 Trying...`: the reply proper follows.
            self._lines.clear()
            return None
        return Reply(int(other["code"]), text=other["text"])

    def _ok(self, whole: str) -> Reply | None:
        found = _OK.fullmatch(whole)
        if found is not None:
            pairs = (pair.partition("=") for pair in found["attributes"].split())
            attributes = {name: value for name, _, value in pairs}
            return Reply(200, found["result"], found["value"], attributes)
        if _OK_OPEN_VALUE.fullmatch(whole):
            # A variable's value may hold line ends; Asterisk sends them as they are.
            return None
        worded = _OK_WITH_TEXT.fullmatch(whole)
        if worded is None:
            raise ReplyGarbled
        return Reply(200, worded["result"], text=worded["text"])
