"""Which calls a phone had at once, by the messages its SIPp wrote down (`SippParty.messages`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

_MESSAGE: Final = re.compile(r"^-{20,} *(.*)$", re.M)
_REQUEST: Final = re.compile(r"^(INVITE|BYE|CANCEL) sip:([^@;>\s]*)", re.M)
_CALL_ID: Final = re.compile(r"^Call-ID: *(\S+)", re.M | re.I)
_FROM: Final = re.compile(r"^From: *(.*?)(?:@|$)", re.M | re.I)


@dataclass(frozen=True, slots=True)
class Dialog:
    """From INVITE to BYE or CANCEL, whoever sent it. `first` and `last` count messages; `last` is
    None where the call was not seen to end."""

    call_id: str
    phone: str
    caller: str
    at: str
    first: int
    last: int | None = None

    def meets(self, other: Dialog) -> bool:
        """Whether both were there at once."""
        return all(one.last is None or one.last > two.first for one, two in _ways(self, other))

    def __str__(self) -> str:
        return f"{self.at} {self.caller} to {self.phone}"


def _ways(one: Dialog, two: Dialog) -> tuple[tuple[Dialog, Dialog], tuple[Dialog, Dialog]]:
    return (one, two), (two, one)


def dialogs(messages: str) -> Sequence[Dialog]:
    """In the order in which they began. An INVITE within a dialog, or sent again, begins none."""
    found: dict[str, Dialog] = {}
    parts = _MESSAGE.split(messages)
    for number, (at, message) in enumerate(zip(parts[1::2], parts[2::2], strict=True)):
        request, call = _REQUEST.search(message), _CALL_ID.search(message)
        if request is None or call is None:
            continue
        dialog = found.get(call[1])
        if dialog is None and request[1] == "INVITE":
            caller = _FROM.search(message)
            found[call[1]] = Dialog(
                call[1], request[2], caller[1] if caller else "", at.strip(), number
            )
        elif dialog is not None and dialog.last is None and request[1] != "INVITE":
            found[call[1]] = replace(dialog, last=number)
    return list(found.values())


def two_at_once(messages: str) -> Sequence[tuple[Dialog, Dialog]]:
    """Pairs of calls that one phone had at once."""
    return [
        (one, two)
        for one, two in combinations(dialogs(messages), 2)
        if one.phone == two.phone and one.meets(two)
    ]
