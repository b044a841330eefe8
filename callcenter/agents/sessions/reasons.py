"""Why agents take no calls: reasons as data, with a limit and a key on the phone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.agents.tables import pause_reasons
from callcenter.platform.errors import Conflict, InvalidField, NotFound
from callcenter.platform.text import plain_text

#: Of a reason's name.
NAME: Final = "[a-z][a-z0-9_]{0,39}"
MOST_TITLE: Final = 60
#: Seconds.
SHORTEST_LIMIT: Final = 10
LONGEST_LIMIT: Final = 86_400
_NAME = re.compile(NAME, re.ASCII)


class ChosenBy(StrEnum):
    """Who may give a reason."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    SYSTEM = "system"  #: nobody: the system does


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseReason:
    """`productive`: work without calls. `limit_seconds`: over it the pause is shown as too long.

    `digit` behind *47 on a phone gives this reason; only agents' reasons have one.
    """

    name: str
    title_zh: str
    title_en: str
    productive: bool
    limit_seconds: int | None = None
    digit: str | None = None
    chosen_by: ChosenBy = ChosenBy.AGENT
    version: int = 1


class NoSuchReason(NotFound):
    """There is no such pause reason."""

    slug = "no-such-pause-reason"


class ReasonExists(Conflict):
    """There is a pause reason of this name, or with this digit, already."""

    slug = "pause-reason-exists"


class ReasonIsNeeded(Conflict):
    """The system gives this reason itself, or an agent is paused with it now."""

    slug = "pause-reason-needed"


def checked(reason: PauseReason) -> PauseReason:
    """The reason as it is kept. Raises `InvalidField`."""
    if _NAME.fullmatch(reason.name) is None:
        raise InvalidField("name", "1 to 40 of a-z, 0-9 and underscore, the first a letter")
    for field in ("title_zh", "title_en"):
        plain_text(f"title.{field[-2:]}", getattr(reason, field), least=1, most=MOST_TITLE)
    limit = reason.limit_seconds
    if limit is not None and not SHORTEST_LIMIT <= limit <= LONGEST_LIMIT:
        raise InvalidField("limit_seconds", f"{SHORTEST_LIMIT} to {LONGEST_LIMIT}, or null")
    if reason.digit is not None:
        if re.fullmatch("[0-9]", reason.digit, re.ASCII) is None:
            raise InvalidField("digit", "one of 0 to 9, or null")
        if reason.chosen_by is not ChosenBy.AGENT:
            raise InvalidField("digit", "only a reason that agents give has one")
    return reason


async def may_give(connection: AsyncConnection, name: str, *, supervisor: bool) -> bool:
    """Whether there is such a reason that an agent (a supervisor) may give."""
    if _NAME.fullmatch(name) is None:
        return False
    chosen_by = await connection.scalar(
        select(pause_reasons.c.chosen_by).where(pause_reasons.c.name == name)
    )
    return chosen_by == ChosenBy.AGENT or (supervisor and chosen_by == ChosenBy.SUPERVISOR)


async def pause_codes(connection: AsyncConnection) -> Sequence[tuple[str, str]]:
    """Digit and name of each reason that can be given by phone."""
    rows = await connection.execute(
        select(pause_reasons.c.digit, pause_reasons.c.name)
        .where(pause_reasons.c.digit.is_not(None))
        .order_by(pause_reasons.c.digit)
    )
    return [(row.digit, row.name) for row in rows]
