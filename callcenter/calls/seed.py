"""The row that the AGI side writes for a call before the journal has told of it.

A case refers to its call, and the case comes before `Queue()` starts; the journal may be a moment
behind. The fold later writes the same row, as the journal has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from callcenter.calls.events import CallBegan
from callcenter.calls.model import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSeed:
    """What the AGI side knows of an inbound call. `caller_number` is E.164 or digits
    (`calls.numbers.normalise_number`), None when withheld or unknown."""

    call_id: UUID
    node: str
    linkedid: str
    uniqueid: str
    line: str | None
    caller_number: str | None
    started_at: datetime
    caller_name: str | None = None
    caller_withheld: bool = False
    language: str | None = None


def seed_row(seed: CallSeed) -> dict[str, Any]:
    """The row of `calls` that a seed makes."""
    number = None if seed.caller_withheld else seed.caller_number
    return {
        "call_id": seed.call_id,
        "node": seed.node,
        "linkedid": seed.linkedid,
        "uniqueid": seed.uniqueid,
        "direction": "inbound",
        "line": seed.line,
        "dialled_number": seed.line,
        "caller_number": number,
        "caller_name": seed.caller_name,
        "caller_withheld": seed.caller_withheld,
        "caller_number_source": "withheld" if seed.caller_withheld else "unknown",
        "language": seed.language,
        "state": CallState.IN_MENU.value,
        "started_at": seed.started_at,
    }


def began_of_seed(row: Mapping[str, Any]) -> CallBegan:
    """A record for a call of which only that row is left (the journal's disk was full or lost)."""
    return CallBegan(
        key=blake2b(b"seed/" + row["call_id"].bytes, digest_size=16).digest(),
        at=row["started_at"],
        uniqueid=row["uniqueid"],
        linkedid=row["linkedid"],
        call_id=row["call_id"],
        direction=row["direction"],
        dialled=row["dialled_number"],
        number=row["caller_number"],
        name=row["caller_name"],
        withheld=row["caller_withheld"],
        source=row["caller_number_source"],
        language=row["language"],
        derived=True,
    )
