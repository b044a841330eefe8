"""What an agent says of a call while it goes on: that it is abuse.

Pure: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from callcenter.platform.errors import Conflict

#: Characters of a reason.
MOST_REASON: Final = 500


class FlagKind(StrEnum):
    """What can be said of a call."""

    ABUSE = "abuse"  #: the caller insults or threatens: not asked afterwards how it was


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFlag:
    """Said once, never taken back."""

    call_id: UUID
    kind: FlagKind
    flagged_by: str
    flagged_at: datetime
    reason: str


class AlreadyFlagged(Conflict):
    """The call was flagged already; a flag is never taken back or changed."""

    slug = "already-flagged"


class NothingToFlag(Conflict):
    """A call can be flagged while an agent and the caller talk, not before and not afterwards."""

    slug = "nothing-to-flag"
